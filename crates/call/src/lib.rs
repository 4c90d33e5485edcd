//! In which state a call is and what must happen next.
//!
//! [`Call`] is a person's life in the app, from the lobby to the end of a call and on to the next partner.
//! [`Negotiator`] is what it uses inside one call to agree on descriptions with the partner (perfect negotiation).
//! Both are fed facts and give orders; neither owns a socket, a thread or a clock.
//!
//! ```text
//!             Start              Matched               path up             path lost
//!   ┌──────┐ ─────▶ ┌───────────┐ ─────▶ ┌────────────┐ ─────▶ ┌───────────┐ ─────▶ ┌──────────────┐
//!   │ Idle │        │ Searching │        │ Connecting │        │ Connected │        │ Reconnecting │
//!   └──────┘ ◀───── └───────────┘ ◀───── └────────────┘        └───────────┘ ◀───── └──────────────┘
//!       ▲     Stop        ▲    match void      │                     │     path found      │
//!       │                 │                    ▼                     ▼                     ▼
//!       │      Next       │              ┌───────────────────────────────────────────────────┐
//!       │    (from all    └───────────── │ Ended: partner left, vanished, or out of reach    │
//!       │  states here on)               └───────────────────────────────────────────────────┘
//!       └── Stop, from every state
//! ```
//!
//! How a shell uses it: call [`Call::handle`] with each fact, then carry out everything that [`Call::poll_output`]
//! gives, in that order, then wait no longer than [`Call::poll_timeout`] for the next fact.

mod backoff;
mod call;
mod config;
mod direct;
mod input;
pub mod negotiation;
mod output;
mod peer;
mod reconnect;
mod state;
mod upgrade;

pub use backoff::Backoff;
pub use call::Call;
pub use config::Config;
pub use direct::{DirectView, begins_hidden};
pub use input::{Command, Input, PeerFact, PeerId, ReadyOffer};
pub use negotiation::Negotiator;
pub use output::Output;
pub use state::{EndReason, State};
