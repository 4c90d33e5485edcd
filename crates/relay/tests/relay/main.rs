//! The relay without sockets and with a clock of its own.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod hostile;
mod limits;
mod story;
mod support;
