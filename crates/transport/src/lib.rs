//! How bytes reach the other peer.
//!
//! One [`Peer`] is one WebRTC connection: audio and video in both directions and one ordered, reliable channel for
//! text. This is the only crate that knows the WebRTC stack (`webrtc`, and `rtc` under it); nothing of it shows in the
//! public types, so that it can be replaced.
//!
//! It never decides anything about a call: when to offer, restart or give up is the `call` crate's business, and what
//! the packets mean is the `media` crate's.
//!
//! ```text
//!            frames, samples, text                              packets, text, events
//!                     │                                                   ▲
//!   send.rs  messages.rs  keyframe requests        receive.rs  messages.rs  rtcp_tap.rs  handler.rs
//!                     │                                                   │
//!                     └──── webrtc: RTP, RTCP, SRTP, DTLS, SCTP, ICE ─────┘   setup.rs, nack.rs
//!                                           │
//!                                     our sockets                             runtime.rs and below
//! ```
//!
//! Beside these, `negotiation.rs` exchanges descriptions, `local_candidates.rs` decides what the partner may learn of
//! this side's addresses, and `supervisor.rs` and `presence.rs` tell whether the partner is there.

mod check;
mod config;
mod dtls_role;
mod events;
mod handler;
mod hidden_names;
mod impairment;
mod local_candidates;
mod logs;
mod messages;
mod nack;
mod negotiation;
mod outgoing;
mod payload_types;
mod peer;
mod presence;
mod receive;
mod role;
mod rtcp_tap;
mod runtime;
mod section_names;
mod send;
mod servers;
mod setup;
mod sharing;
mod stats;
mod supervisor;
mod tls;

pub use check::{
    CheckConfig, ConnectionReport, Ipv6, NatFiltering, NatMapping, NatReport, PublicAddress,
    ReachError, RelayAnswer, RelayCheck, RelayError, RelayTransport, StunAnswer, StunCheck,
    UdpReach, Verdict, check_connection,
};
pub use config::{PeerConfig, Workarounds};
pub use events::{MediaKind, PeerEvent};
pub use impairment::Impairment;
pub use logs::may_be_logged;
pub use negotiation::{NegotiationError, Restart};
pub use outgoing::Budget;
pub use peer::{OpenError, Opened, Peer};
pub use rustls_pki_types::CertificateDer;
pub use send::Dropped;
pub use stats::{
    CandidateKind, KindStats, PairState, PairStats, PathProtocol, PathStats, PeerStats,
};
