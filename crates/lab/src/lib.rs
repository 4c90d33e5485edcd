//! Virtual cameras, sound, displays and networks, for tests on a machine that has none.
//!
//! Each of the first three brings something up, runs a command inside it, and takes everything down again. They nest:
//!
//! ```text
//! lab display -- lab sound --users a,b -- lab camera --clip clip.y4m -- COMMAND
//! ```
//!
//! The fourth, [`network`], is two clients behind NAT boxes of chosen kinds and the experiments on them. A [`browser`] can be one
//! of the clients. [`echo`] compares what two kinds of programs leave of an echo. A [`tour`] presses everything in two windows of the
//! desktop app and takes pictures of them.
//!
//! The programs under test use their ordinary system calls; nothing is preloaded or replaced in them. Linux only.

#![cfg(target_os = "linux")]

pub mod browser;
pub mod camera;
pub mod check;
mod command;
pub mod display;
pub mod echo;
mod ffi;
pub mod network;
mod server;
pub mod sound;
mod speech;
pub mod tour;
pub mod wayland;
pub mod window_bench;

pub use command::{CANNOT_RUN_HERE, Unavailable, catch_signals, run_inside};
