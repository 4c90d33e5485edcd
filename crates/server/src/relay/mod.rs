//! The STUN and TURN server beside the signalling: sockets and threads around [`relay::Relay`], which decides.
//!
//! ```text
//!  UDP ─────────────────────────▶ worker (one thread, owns the core) ◀────▶ one UDP socket for each allocation
//!  TCP, TLS ─▶ stream (one task each) ──bounded──▶ │
//!                    ▲                             │
//!                    └───── outbox (bounded) ◀─────┘
//! ```
//!
//! The worker waits for nobody: what a socket or an outbox does not take is dropped and counted, as media wants it.

mod batch;
mod handle;
mod outbox;
mod settings;
mod sockets;
mod stream;
mod worker;

pub use settings::RelaySettings;
pub(crate) use {
    handle::{Handle, Meter},
    sockets::{Bound, bind, default_ip, listening_tcp},
    stream::serve,
};
