//! The relay without sockets and with a clock of its own.

mod hostile;
mod limits;
mod story;
mod support;
