//! The connection check against real relays and against servers that misbehave, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "../support/coturn.rs"]
mod coturn;
mod misbehaving;
mod relays;
mod servers;
mod stun;
