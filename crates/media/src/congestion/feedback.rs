//! What the other side says about the packets that we sent.

use std::time::{Duration, Instant};

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrived at this time on the other side's clock, of which only differences mean anything.
    Arrived(Duration),
    /// Feedback says that it did not arrive.
    Lost,
    /// No feedback has mentioned it although one has mentioned a later packet: the feedback itself was lost. It is not
    /// to be taken for lost, or lost feedback would look like lost packets.
    Unknown,
}

/// What became of one packet, as transport-wide feedback tells it (draft-holmer-rmcat-transport-wide-cc-extensions-01, or RFC 8888).
///
/// Each packet is to be reported once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketReport {
    /// When it left for the network: after the pacer, not before.
    pub sent_at: Instant,
    /// Its size on the wire, headers of all layers included.
    pub size_bytes: usize,
    /// What became of it.
    pub fate: Fate,
    /// The [`ProbeCluster`](super::ProbeCluster) that it was sent in.
    pub probe: Option<u32>,
}
