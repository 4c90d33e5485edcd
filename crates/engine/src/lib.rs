//! How all of these run together, without a window.
//!
//! [`Engine`] is the whole program behind a window: [`Command`]s go in, [`Snapshot`]s and pictures come out. Inside, one task owns the
//! [`call::Call`] (`session.rs`), four loops carry media (`pipeline/`), and everything that can take time has a task or thread of
//! its own. Decisions are not made here: they come from the pure crates.

mod block_list;
mod chat;
mod command;
mod config;
mod connection_check;
mod deck;
mod engine;
mod identity;
mod lip_sync;
mod moves;
mod network;
mod online;
mod peer_task;
mod pipeline;
mod power;
mod publisher;
mod rest;
mod safety;
mod session;
mod signalling;
mod signed_chat;
mod snapshot;
mod spare;
mod statistics;
mod transport_figures;
mod veil;
mod video_codecs;
mod ways;
mod work;

pub use call::DirectView;
pub use command::Command;
pub use config::Config;
pub use connection_check::{ServerCheck, ServerCheckError, check_server};
pub use deck::Preview;
pub use devices::{
    AudioSink, AudioSource, CameraSettings, DeviceProblem, DeviceState, Lacking, Shareable,
    VideoSource,
};
pub use engine::{Engine, EngineError};
pub use identity::{Identity, IdentityError};
pub use media::video::VideoCodec;
pub use media::video::way::{StageTime, TimesIn, TimesOut, WayIn, WayOut};
pub use network::{AddressChange, NetworkFact, NetworkWatcher};
pub use protocol::PathPolicy;
pub use protocol::SignedLine;
pub use safety::{
    BanNotice, ReportProblem, ReportReason, ReportState, Reportable, ReportableChat, SafetyView,
};
pub use snapshot::{
    CallView, CandidateKind, ChatLine, Deck, EndReason, MicrophoneNotice, PairState, PairView,
    PartnerView, PathProtocol, PathView, ScreenView, SignallingProblem, SignallingView, Snapshot,
    Speaker, Statistics, StreamView,
};
pub use transport::may_be_logged;
pub use transport::{
    CheckConfig, ConnectionReport, Ipv6, NatFiltering, NatMapping, NatReport, PublicAddress,
    ReachError, RelayAnswer, RelayCheck, RelayError, RelayTransport, StunAnswer, StunCheck,
    UdpReach, Verdict,
};
pub use veil::VeilView;
pub use video_codecs::{UnknownCodec, VideoCodecs};
pub use voice::VoiceConfig;
pub use ways::Ways;

/// Waits for `deadline`, or for ever if there is none.
async fn at(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
