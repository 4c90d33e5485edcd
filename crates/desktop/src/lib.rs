//! What the person sees and presses.
//!
//! ```text
//!  engine ──▶ Snapshot ──▶ Window ─▶ screens ─▶ panels, widgets
//!         ◀── Command  ◀──┘   └ WindowState: what is typed, what is open
//! ```
//!
//! Screens draw plain state and push [`engine::Command`]s; they own no thread, no device and no socket. Only [`app`]
//! holds an engine. [`text`] holds every sentence about what happened, [`actions`] everything that a key or button
//! does, [`theme`] every colour.

// First, for its macros.
#[macro_use]
pub mod text;

pub mod actions;
pub mod app;
pub mod automatic_next;
pub mod chrome;
pub mod connection_check;
pub mod diagnostics;
pub mod drawing;
pub mod history;
pub mod icons;
pub mod instance;
pub mod interests;
pub mod keep_awake;
pub mod keymap;
pub mod link;
pub mod log_tail;
pub mod mini;
pub mod pictures;
pub mod planes;
pub mod preferences;
pub mod previews;
pub mod push_to_talk;
pub mod quality;
pub mod reopen;
pub mod screens;
pub mod settings;
pub mod settings_page;
pub mod shield;
pub mod shortcuts;
pub mod state;
pub mod theme;
pub mod trouble;
mod veil;
pub mod widgets;
pub mod window;

mod panels;
