//! Who talks to whom next.
//!
//! Whoever asks for a partner gets the one that suits best: one who shares interests (the most shared first) before
//! one who shares none, one who speaks the same language before one who speaks another, somebody unknown before one of
//! the last few partners, and among equals the one who has waited longest. A good partner who is not there yet is
//! waited for, but only as long as there is somebody online who could be one, and never longer than [`Config`] says:
//!
//! ```text
//!             holds out for an interest    holds out for somebody new    takes anybody
//! joined ────────────────────────────────┬─────────────────────────────┬───────────────▶
//!            Config::hold_for_interest  ─┘    Config::hold_for_new    ─┘
//! ```
//!
//! Two people who are alone never wait for each other.
//!
//! The core holds no socket, no clock and no source of randomness: facts go in with [`Matchmaker::handle`], orders come
//! out of [`Matchmaker::poll_output`], and names for rooms come from a function that the owner passes in.

mod config;
mod matchmaker;
mod waiting_room;
mod wishes;

pub use config::Config;
pub use matchmaker::{Input, Matchmaker, Output};
pub use wishes::Wishes;

/// One person, from the first connection to the end of the session with the server. Never used a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);
