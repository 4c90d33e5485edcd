//! Who talks to whom next.
//!
//! Whoever asks for a partner gets the one that suits best: somebody unknown before one of the last few partners, one who
//! may be understood before one who named another language, who shares more interests before one who shares fewer, and among equals
//! the one who has waited longest. A better partner who is not there yet is waited for, but only as long as one can be expected, and
//! never longer than [`Config`] says:
//!
//! ```text
//!         until a partner is expected,        takes one who
//!         and at most
//! asked ──Config::hold_for_interest──▶        shares no interest
//!       ──Config::hold_for_language────────▶  named another language
//!       ──Config::hold_for_new───────▶        was a partner lately
//! ```
//!
//! What can be expected follows from who is in a room now and from how often people have come out of rooms lately. Where nobody is in a
//! room, nobody holds out for anything: two people who are alone never wait for each other. `docs/matching.md` has the model, the proofs
//! and what simulations say.
//!
//! The core holds no socket, no clock and no source of randomness: facts go in with [`Matchmaker::handle`], orders come
//! out of [`Matchmaker::poll_output`], and names for rooms come from a function that the owner passes in.

mod choosiness;
mod config;
mod groups;
mod hashing;
mod matchmaker;
mod names;
mod pace;
mod patience;
mod people;
mod tickets;
mod waiting_room;
mod wishes;

pub use config::{Config, Widening};
pub use matchmaker::{Input, Matchmaker, Output, Refusals};
pub use wishes::Wishes;

/// One person, from the first connection to the end of the session with the server. Never used a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);
