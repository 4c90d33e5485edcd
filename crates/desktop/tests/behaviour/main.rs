//! What buttons and keys do, found by the names that a screen reader would read. No pixels, no engine.

mod call_screen;
mod chat;
mod check;
mod diagnostics;
mod ending;
mod first_run;
mod interests;
mod keys;
mod languages;
mod link;
mod lobby;
mod mini;
mod picture;
mod report;
mod settings;
mod sharing;
mod shield;
mod shortcuts;
mod stage;
mod talking;
mod trouble;
mod veil;

// The pictures need more of the made-up scenes than these tests do.
#[expect(dead_code, reason = "shared with the pictures and the gallery")]
#[path = "../made_up/scenes.rs"]
mod scenes;
