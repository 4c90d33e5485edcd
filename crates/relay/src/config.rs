//! What an operator decides about the relay.

use std::time::Duration;

use crate::{PeerPolicy, Rate};

/// Limits of the relay. Everything it remembers is bounded by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The realm of the credentials (RFC 8489 §9.2). Short: it is in every challenge.
    pub realm: String,
    /// Where clients may send.
    pub peers: PeerPolicy,
    /// How many allocations there may be. Each takes a socket and a port.
    pub max_allocations: usize,
    /// How many one user may have at once. A client gathers with every interface over every transport that it is told
    /// of, and keeps the old ones for a while when its network changes.
    pub max_per_user: usize,
    /// How many may come from one IPv4 address or one IPv6 /64. Too small: people behind one NAT are refused.
    pub max_per_ip: usize,
    /// How many peers an allocation may have permissions for at once. A partner has one address for each candidate.
    pub max_permissions: usize,
    /// How many channels an allocation may have at once.
    pub max_channels: usize,
    /// Bytes a second of one allocation, each direction by itself.
    pub allocation_bytes: Rate,
    /// Packets a second of one allocation, both directions together.
    pub allocation_packets: Rate,
    /// Bytes a second of all allocations, both directions together.
    pub total_bytes: Rate,
    /// Requests a second from one IPv4 address or one IPv6 /64 that are answered although there is no allocation yet:
    /// Binding requests, challenges, and the making of allocations, which takes two requests each. Those that come by
    /// UDP and those that come by TCP or TLS are counted apart.
    pub unproven_requests: Rate,
    /// The longest time that an allocation is granted at once, and between two refreshes.
    pub max_lifetime: Duration,
    /// How old an allocation may become, refreshed or not. Its credentials may expire meanwhile, so that a long call
    /// goes on; this is what bounds it.
    pub max_age: Duration,
    /// For how long a nonce is taken. RFC 8656 §5 asks for an hour at most.
    pub nonce_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: "passerby".to_owned(),
            peers: PeerPolicy::default(),
            max_allocations: 2000,
            max_per_user: 16,
            max_per_ip: 64,
            max_permissions: 32,
            max_channels: 32,
            // 8 Mbit/s: three times what a call sends at its best.
            allocation_bytes: Rate::of(1_000_000),
            allocation_packets: Rate::of(3000),
            // 1 Gbit/s.
            total_bytes: Rate {
                per_second: 125_000_000,
                burst: 12_500_000,
            },
            unproven_requests: Rate {
                per_second: 50,
                burst: 200,
            },
            max_lifetime: Duration::from_hours(1),
            max_age: Duration::from_hours(12),
            nonce_lifetime: Duration::from_hours(1),
        }
    }
}
