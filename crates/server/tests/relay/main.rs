//! The relay behind real sockets on the loopback interface.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod client;
mod doors;
mod hostile;
#[cfg(unix)]
mod program;
mod told;
mod ways;
