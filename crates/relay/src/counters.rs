//! What the relay has done and refused.

/// Declares the figures once, so that none is forgotten where they are listed.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the relay has done and refused since its start. No figure names anybody.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters {
            /// Allocations that there are now. All others only grow.
            pub allocations: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Every figure with its name.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [("allocations", self.allocations), $((stringify!($name), self.$name),)*].into_iter()
            }

            /// What was added since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    allocations: self.allocations,
                    $($name: self.$name.saturating_sub(earlier.$name),)*
                }
            }
        }
    };
}

counters! {
    /// Allocations made.
    allocations_opened,
    /// Allocations that ended: given back, expired, or their connection was closed.
    allocations_closed,
    /// Allocations refused because the user or the address had enough (486).
    quota_refusals,
    /// Requests refused because there were enough of something in total, or no port was free (508).
    capacity_refusals,
    /// Binding requests answered.
    bindings,
    /// Requests without credentials, answered with a challenge (401).
    challenges,
    /// Requests with a nonce that was too old or somebody else's (438).
    stale_nonces,
    /// Requests with credentials that are not ours, or not this allocation's (401, 441).
    wrong_credentials,
    /// Allocations refused because the credentials had expired (401).
    expired_credentials,
    /// Peers refused because of their address (403).
    denied_peers,
    /// Other requests refused (400, 420, 437, 440, 442, 443).
    other_refusals,
    /// Requests of unproven origin that were not answered because too many came from the same place.
    rate_limited,
    /// What was neither STUN nor channel data.
    malformed,
    /// Packets from clients to peers, and their payload.
    packets_to_peers,
    /// See `packets_to_peers`.
    bytes_to_peers,
    /// Packets from peers to clients, and their payload.
    packets_to_clients,
    /// See `packets_to_clients`.
    bytes_to_clients,
    /// Packets that went from one client of this relay to another without leaving it; they count in both directions.
    packets_between_clients,
    /// Packets dropped because the sender had no allocation, or its channel did not exist.
    drops_unbound,
    /// Packets dropped because there was no permission.
    drops_unpermitted,
    /// Packets dropped because their allocation had more than its share.
    drops_allocation_rate,
    /// Packets dropped because all together had more than their share.
    drops_total_rate,
    /// Packets dropped because they were longer than any media packet is.
    drops_oversized,
    /// Packets dropped because a socket, or a client's TCP connection, did not take them fast enough.
    drops_congested,
}
