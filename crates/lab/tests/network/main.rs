//! The network lab itself, and a fast part of its experiments on the whole programs.
//!
//! Needs what `lab check` asks for. Where that is missing these tests are left out and say so, or fail if
//! `PASSERBY_LAB=on` says that they must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod boxes;
mod cables;
mod calls;
mod quality;

/// The right to run: one test at a time, since they measure time on a machine that they share.
struct Turn {
    _turn: MutexGuard<'static, ()>,
}

/// `None` if the person said to leave these tests out, or they cannot run here.
fn enter() -> Option<Turn> {
    static TURN: Mutex<()> = Mutex::new(());
    if let Some(reason) = lab::check::why_left_out(&[lab::check::Part::Network]) {
        eprintln!("left out: {reason}");
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Turn { _turn: turn })
}
