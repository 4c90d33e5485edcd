//! The scripts and the shell with a real Redis server.

#![cfg(unix)]

mod facts;
mod redis_server;
mod rules;
mod shell;
