//! Two peers in one process, over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod codecs;
mod connecting;
#[path = "../support/coturn.rs"]
mod coturn;
mod early_answers;
mod failure;
mod hostile;
mod loss;
mod media;
mod renegotiation;
mod round_trips;
mod screen;
mod shield;
mod spare;
mod stun;
mod support;
mod turn;
