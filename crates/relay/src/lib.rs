//! How strangers behind NATs reach each other: the core of a STUN and TURN server (RFC 8489, RFC 8656).
//!
//! ```text
//!  clients ══▶ from_client ─▶ Order ─▶ to a peer │ to a client │ a reply │ open a socket
//!  peers   ══▶ from_peer   ─▶ Order ─▶ to a client
//!  clock   ──▶ handle_timeout ─▶ poll_closed ─▶ close a socket
//! ```
//!
//! [`Relay`] decides and owns no socket, no thread and no clock. Payload is never copied: the header in front of it is
//! exchanged where it lies. Whatever it remembers is bounded by [`Config`] and expires; what it remembers of those who
//! have not proved who they are has a fixed size.
//!
//! Left out of RFC 8656, and answered as it demands: reserved ports, DONT-FRAGMENT, a second address family in one
//! allocation. Relaying over TCP (RFC 6062) is not there either: WebRTC does not use it.

mod allocation;
mod bucket;
mod config;
mod counters;
mod credentials;
pub mod framing;
mod nonce;
mod peer_policy;
mod relay;
mod requests;
mod sources;
pub mod stun;

pub use bucket::{Bucket, Rate};
pub use config::Config;
pub use counters::Counters;
pub use credentials::{Secrets, long_term_key};
pub use peer_policy::PeerPolicy;
pub use relay::{
    AllocationId, Client, Closed, Family, HEADROOM, MAX_PAYLOAD, OpenError, Opening, Order, Relay,
    TAILROOM, Time,
};
pub use sources::Place;
