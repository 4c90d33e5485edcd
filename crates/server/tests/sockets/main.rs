//! The server behind real WebSockets on the loopback interface.

#[cfg(unix)]
mod acme;
mod admin;
mod chat;
mod client;
#[cfg(unix)]
mod elsewhere;
mod field_defects;
mod hostile;
mod http;
mod limits;
mod newcomers;
mod offers;
mod packaging;
mod paths;
#[cfg(unix)]
mod pebble;
mod people;
#[cfg(unix)]
mod program;
mod queue;
#[cfg(unix)]
#[path = "../../../cluster/tests/with_redis/redis_server.rs"]
mod redis_server;
mod returning_client;
mod sessions;
#[cfg(unix)]
mod shared;
#[cfg(unix)]
mod store;
mod two_clients;
