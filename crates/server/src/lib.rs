//! How many WebSockets share one matchmaker, and how strangers reach each other through NATs.
//!
//! ```text
//!  listener ─▶ door ─▶ routes ─▶ connection (one task each) ──HubInput──▶ hub ──▶ matchmaker
//!               │                   ▲                       (bounded)     │
//!               ▼                   └───────── outbox (bounded) ◀─────────┘
//!             relay
//! ```
//!
//! The door tells by the first bytes what a client speaks: TLS, TURN, or HTTP with its WebSockets. The certificate for TLS is read from
//! files, or got and renewed by the server itself (`acme/`).
//!
//! The hub alone owns the [`matchmaker::Matchmaker`] and the list of those who are connected. It never waits for a
//! connection: whoever does not read what the server sends is cut off. A connection waits for nobody but the hub. When a
//! connection is lost, its end of the outbox moves to the hub and from there to the client's next connection, with all
//! that was not received. What happens is counted ([`Census`], `counters.rs`) and shown on a listener of its own (`admin.rs`).
//! The words on the wire are in [`protocol`] and `docs/protocol.md`, running a server is in
//! `docs/operating.md`.
//!
//! What one client or one address may do is limited, and each limit is counted: `place_limit.rs` and `rate_limit.rs` refuse,
//! `pace.rs` puts off.
//!
//! Several servers are one by a Redis ([`cluster`], `docs/scaling.md`): the hub offers those who wait to the others (`hub/elsewhere.rs`), and
//! a task of its own carries that to and fro.
//!
//! Who is not wanted, and by whom, is in `safety/`: keys, reports, blocks, bans, and the store in which they outlast a restart.
//!
//! Nothing here looks into a session description or a candidate, unless the operator wants calls over relays (then
//! addresses are taken out), and nothing logs one, an address, a token or an interest.

mod acme;
mod admin;
mod certificate;
mod clients;
mod cluster_view;
mod connection;
mod counters;
mod door;
mod drain;
mod ending;
mod figures;
mod flags;
mod folders;
mod guard;
mod hub;
mod ice_servers;
mod metrics;
mod network;
mod outbox;
mod pace;
mod path_policy;
mod place_limit;
mod process;
mod random;
mod rate_limit;
mod relay;
mod resolve;
mod routes;
mod safety;
mod server;
mod settings;
mod settings_file;
mod socket;
mod surroundings;
mod tls;

pub use acme::{AcmeError, AcmeSettings};
pub use admin::AdminSettings;
pub use cluster_view::ClusterSettings;
pub use counters::Census;
pub use drain::Drain;
pub use flags::{Flags, LogFormat, PathPolicyFlag};
pub use ice_servers::{IceUrlError, StunUrl, Turn, TurnCredentials, TurnUrl};
pub use network::{Network, NetworkError, Proxies, ProxyHeader};
pub use relay::RelaySettings;
pub use resolve::SettingsError;
pub use safety::{NewcomerPolicy, Policy, StoreError};
pub use server::{BindError, Running, Server};
pub use settings::{FilesError, Limits, Settings};
pub use settings_file::{Problem, Source, Sources, SourcesError};
pub use tls::{CertificateSource, Reload, TlsError, TlsSettings};
