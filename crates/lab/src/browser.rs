//! A real browser as a stranger: Debian's Chromium without a window, with a page of ours that speaks `docs/protocol.md`.
//!
//! ```text
//!  test ── DevTools over a pipe ── Chromium: page/page.js ─ page/guest.js ── WebSocket ── server
//!                                                    └──── page/call.js ─── WebRTC ───── passerby-headless
//! ```
//!
//! The page is served to the browser by the test, under the address of the signalling server, so no web server is needed.
//! `guest.js` and `call.js` are the protocol and know nothing of tests.

mod devtools;
mod figures;
mod guest;
mod watch;

pub use figures::{GuestFigures, PartnerSends};
pub use guest::{Devices, Guest};
pub use watch::{HeardSound, Noticed, Talk};

use std::path::PathBuf;

/// What the browser is called, by distribution.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Where the browser is, if there is one.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}
