//! How many WebSockets share one matchmaker.
//!
//! ```text
//!  listener ─▶ routes ─▶ connection (one task each) ──HubInput──▶ hub ──▶ matchmaker
//!                            ▲                       (bounded)     │
//!                            └───────── outbox (bounded) ◀─────────┘
//! ```
//!
//! The hub alone owns the [`matchmaker::Matchmaker`] and the list of those who are connected. It never waits for a
//! connection: whoever does not read what the server sends is cut off. A connection waits for nobody but the hub. The
//! words on the wire are in [`protocol`] and `docs/protocol.md`, running a server is in `docs/operating.md`.
//!
//! Nothing here looks into a session description or a candidate, and nothing logs one, an address or an interest.

mod connection;
mod flags;
mod hub;
mod ice_servers;
mod outbox;
mod rate_limit;
mod routes;
mod server;
mod settings;

pub use flags::{Flags, LogFormat, SettingsError};
pub use ice_servers::{IceUrlError, StunUrl, Turn, TurnCredentials, TurnUrl};
pub use server::{BindError, Census, Running, Server};
pub use settings::Settings;
