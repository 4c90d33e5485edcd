//! How many WebSockets share one matchmaker, and how strangers reach each other through NATs.
//!
//! ```text
//!  listener ─▶ door ─▶ routes ─▶ connection (one task each) ──HubInput──▶ hub ──▶ matchmaker
//!               │                   ▲                       (bounded)     │
//!               ▼                   └───────── outbox (bounded) ◀─────────┘
//!             relay
//! ```
//!
//! The door tells by the first bytes what a client speaks: TLS, TURN, or HTTP with its WebSockets.
//!
//! The hub alone owns the [`matchmaker::Matchmaker`] and the list of those who are connected. It never waits for a
//! connection: whoever does not read what the server sends is cut off. A connection waits for nobody but the hub. The
//! words on the wire are in [`protocol`] and `docs/protocol.md`, running a server is in `docs/operating.md`.
//!
//! Nothing here looks into a session description or a candidate, and nothing logs one, an address or an interest.

mod connection;
mod door;
mod flags;
mod hub;
mod ice_servers;
mod outbox;
mod rate_limit;
mod relay;
mod routes;
mod server;
mod settings;
mod tls;

pub use flags::{Flags, LogFormat, SettingsError};
pub use ice_servers::{IceUrlError, StunUrl, Turn, TurnCredentials, TurnUrl};
pub use relay::RelaySettings;
pub use server::{BindError, Census, Running, Server};
pub use settings::Settings;
pub use tls::{TlsError, TlsSettings};
