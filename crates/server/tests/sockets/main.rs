//! The server behind real WebSockets on the loopback interface.

mod client;
mod field_defects;
mod hostile;
#[cfg(unix)]
mod program;
mod two_clients;
