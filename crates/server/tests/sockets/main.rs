//! The server behind real WebSockets on the loopback interface.

mod admin;
mod client;
mod field_defects;
mod hostile;
mod http;
mod limits;
mod offers;
mod packaging;
mod paths;
#[cfg(unix)]
mod program;
mod queue;
mod returning_client;
mod sessions;
mod two_clients;
