//! An internet in a box: two clients behind address translators of chosen kinds, and the server between them.
//!
//! ```text
//!  client a ── eth0 ── NAT a ──cable──┐
//!      └────── lte0 ── NAT a2 ─cable──┤ bridge: 203.0.113.1 and .2, the server
//!  client b ── eth0 ── NAT b ──cable──┘
//! ```
//!
//! Clients, NAT boxes and the internet are network namespaces; the boxes are nftables. A [`Cable`] is a pair of TAP
//! interfaces with this process between them, which delays, loses and queues as its [`Shape`] says: the kernel's own
//! network emulation is not needed. Programs are started inside with [`Namespace::command`] and know nothing of it.
//!
//! Everything has a name with the process's number in it, so that several run side by side, and is removed when the
//! [`Network`] is dropped. What a killed process left is removed when the next one starts.

mod behaviour;
mod cable;
mod client;
pub mod experiments;
mod flows;
mod namespace;
mod nat;
mod servers;
mod shape;
mod topology;
pub mod voice;

pub use behaviour::{Behaviour, Filtering, Mapping, Responder};
pub use cable::{Cable, Counts, Way};
pub use client::{Client, ClientOptions};
pub use flows::Path;
pub use namespace::Namespace;
pub use nat::{NatKind, can_be_direct};
pub(crate) use servers::tail;
pub use servers::{RelayKind, Servers};
pub use shape::Shape;
pub use topology::{Network, Side, Uplink};
