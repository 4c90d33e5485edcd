//! How a connection is doing, in numbers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidate, RTCIceCandidateType, RTCStatsReport, StatsSelector,
};

use crate::MediaKind;
use crate::runtime::{Ends, Paths, Tunnels};

/// A snapshot of a connection's counters. Counts run from the opening of the peer on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PeerStats {
    /// The path in use, once there is one.
    pub path: Option<PathStats>,
    /// The time to the partner and back over that path, as the last check measured it.
    pub round_trip: Option<Duration>,
    /// The pairs that were tried since the last restart.
    pub pairs: Vec<PairStats>,
    /// The audio streams.
    pub audio: KindStats,
    /// The video streams.
    pub video: KindStats,
    /// Reports of the partner's on what has arrived when (transport-wide congestion control).
    pub feedback_received: u64,
    /// Messages that [`Peer::send_message`](crate::Peer::send_message) refused.
    pub messages_refused: u64,
    /// Datagrams that were dropped because the stream to a relay took less than was made.
    pub relay_datagrams_dropped: u64,
}

/// The selected candidate pair (RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathStats {
    /// This side's end.
    pub local: CandidateKind,
    /// The partner's end.
    pub remote: CandidateKind,
    /// How this side's packets leave: to its relay if it uses one, else to the partner.
    pub protocol: PathProtocol,
    /// Whether they leave over IPv6.
    pub is_ipv6: bool,
    /// The time to the partner and back, as the last check measured it. There are several each second.
    pub round_trip: Option<Duration>,
}

impl PathStats {
    /// Whether the packets take a way round, through a relay of either side.
    pub fn is_relayed(&self) -> bool {
        self.local == CandidateKind::Relay || self.remote == CandidateKind::Relay
    }
}

/// A pair of candidates that was tried (RFC 8445 section 6.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairStats {
    /// This side's end: a relay, or a socket of the machine, through whatever address others see it.
    pub local: CandidateKind,
    /// The partner's end.
    pub remote: CandidateKind,
    /// What became of its checks.
    pub state: PairState,
    /// The round trip of the last check that was answered.
    pub round_trip: Option<Duration>,
    /// Whether media takes this way.
    pub is_selected: bool,
}

/// How far the checks of a pair have come (RFC 8445 section 6.1.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairState {
    /// They are on their way.
    InProgress,
    /// The partner has answered.
    Succeeded,
    /// No answer has come, and no more are sent.
    Failed,
}

/// What carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathProtocol {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

/// Where a candidate comes from (RFC 8445 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// An address of the machine itself.
    Host,
    /// An address that a STUN server saw.
    ServerReflexive,
    /// An address that the other peer saw.
    PeerReflexive,
    /// An address of a TURN server.
    Relay,
}

/// Counters of the streams of one kind, in both directions. Bytes are those of RTP payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct KindStats {
    /// Packets sent; of audio with, of video without retransmissions.
    pub packets_sent: u64,
    /// Bytes sent, of the same packets.
    pub bytes_sent: u64,
    /// Packets received, retransmissions included.
    pub packets_received: u64,
    /// Bytes received, retransmissions included.
    pub bytes_received: u64,
    /// Packets that did not arrive, as the last receiver report counts them (RFC 3550 section 6.4.1).
    pub packets_lost: u64,
    /// Which share of our packets did not reach the partner, from 0 to 1, by the partner's last report (RFC 3550 section
    /// 6.4.1); 0 before the first. What came when it was asked for again counts as received.
    pub loss_ratio_at_partner: f32,
    /// Requests for retransmission that this side sent; each may name many packets.
    pub nacks_sent: u64,
    /// Requests for retransmission from the partner.
    pub nacks_received: u64,
    /// Packets sent again on a retransmission stream. Audio has none: its packets are sent again as they were.
    pub retransmitted_sent: u64,
    /// Packets that came on a retransmission stream.
    pub retransmitted_received: u64,
    /// Keyframe requests of this side.
    pub keyframe_requests_sent: u64,
    /// Keyframe requests of the partner.
    pub keyframe_requests_received: u64,
    /// Frames that the send queue refused.
    pub frames_refused: u64,
    /// Packets that were dropped on arrival because their reader was behind.
    pub packets_dropped: u64,
}

/// The last known round trip, shared with those who wait for answers.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    /// [`UNKNOWN`] before anything was measured.
    microseconds: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Default for RoundTrip {
    fn default() -> Self {
        Self {
            microseconds: AtomicU64::new(UNKNOWN),
        }
    }
}

impl RoundTrip {
    /// `None` before anything was measured.
    pub(crate) fn get(&self) -> Option<Duration> {
        let microseconds = self.microseconds.load(Ordering::Relaxed);
        (microseconds != UNKNOWN).then(|| Duration::from_micros(microseconds))
    }

    pub(crate) fn set(&self, round_trip: Duration) {
        self.microseconds
            .store(round_trip.as_micros() as u64, Ordering::Relaxed);
    }
}

/// What is counted outside of the stack.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) feedback_received: AtomicU64,
    pub(crate) messages_refused: AtomicU64,
    audio: KindCounters,
    video: KindCounters,
    screen: KindCounters,
}

#[derive(Debug, Default)]
pub(crate) struct KindCounters {
    pub(crate) frames_refused: AtomicU64,
    pub(crate) packets_dropped: AtomicU64,
    pub(crate) nacks_received: AtomicU64,
    pub(crate) keyframe_requests_received: AtomicU64,
    /// Of 256 packets that this side sends, as the partner reported last.
    pub(crate) lost_at_partner: AtomicU8,
}

impl Counters {
    pub(crate) fn of(&self, kind: MediaKind) -> &KindCounters {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
            MediaKind::Screen => &self.screen,
        }
    }
}

pub(crate) async fn collect(
    connection: &dyn PeerConnection,
    paths: &Paths,
    tunnels: &Tunnels,
    counters: &Counters,
) -> PeerStats {
    let report = connection
        .get_stats(Instant::now(), StatsSelector::None)
        .await;
    let path = path(connection, paths, tunnels).await;
    let ends = ends(connection).await;
    PeerStats {
        path,
        pairs: paths.pairs(ends, Instant::now()),
        round_trip: path.and_then(|path| path.round_trip),
        audio: kind_stats(&report, RtpCodecKind::Audio, counters.of(MediaKind::Audio)),
        video: kind_stats(&report, RtpCodecKind::Video, counters.of(MediaKind::Video)),
        feedback_received: counters.feedback_received.load(Ordering::Relaxed),
        messages_refused: counters.messages_refused.load(Ordering::Relaxed),
        relay_datagrams_dropped: tunnels.dropped(),
    }
}

/// The selected pair, if there is one.
pub(crate) async fn path(
    connection: &dyn PeerConnection,
    paths: &Paths,
    tunnels: &Tunnels,
) -> Option<PathStats> {
    let ice = connection.sctp().await?.transport().ice_transport();
    let pair = ice.get_selected_candidate_pair().await.ok()??;
    let told = ice.get_remote_candidates().await.unwrap_or_default();
    let local = candidate_kind(pair.local().typ);
    let relay = (paths.relay_in_use()).filter(|_| local == CandidateKind::Relay);
    let is_tls = relay.and_then(|address| tunnels.is_tls(address));
    Some(PathStats {
        local,
        remote: candidate_kind(told_kind(&told, pair.remote())),
        protocol: match is_tls {
            Some(true) => PathProtocol::Tls,
            Some(false) => PathProtocol::Tcp,
            None => PathProtocol::Udp,
        },
        is_ipv6: pair.local().address.contains(':'),
        round_trip: paths.round_trip(),
    })
}

/// Whether the stack has a pair selected.
pub(crate) async fn has_path(connection: &dyn PeerConnection) -> bool {
    ends(connection).await.is_some()
}

/// The addresses of the selected pair.
pub(crate) async fn ends(connection: &dyn PeerConnection) -> Option<Ends> {
    let ice = connection.sctp().await?.transport().ice_transport();
    let pair = ice.get_selected_candidate_pair().await.ok()??;
    let (local, remote) = (pair.local(), pair.remote());
    let is_reflexive = matches!(
        local.typ,
        RTCIceCandidateType::Srflx | RTCIceCandidateType::Prflx
    );
    let local_end = if is_reflexive {
        (&local.related_address, local.related_port)
    } else {
        (&local.address, local.port)
    };
    Some(Ends {
        local: SocketAddr::new(local_end.0.parse().ok()?, local_end.1),
        remote: SocketAddr::new(remote.address.parse().ok()?, remote.port),
        is_relayed: local.typ == RTCIceCandidateType::Relay,
    })
}

/// The kind of a remote candidate that was told, or that was seen before it was told and is that kind after all.
fn told_kind(told: &[RTCIceCandidate], seen: &RTCIceCandidate) -> RTCIceCandidateType {
    let is_same = |told: &&RTCIceCandidate| {
        (&told.address, told.port) == (&seen.address, seen.port)
            && told.typ != RTCIceCandidateType::Prflx
    };
    told.iter().find(is_same).map_or(seen.typ, |told| told.typ)
}

fn candidate_kind(kind: RTCIceCandidateType) -> CandidateKind {
    match kind {
        RTCIceCandidateType::Host => CandidateKind::Host,
        RTCIceCandidateType::Srflx => CandidateKind::ServerReflexive,
        RTCIceCandidateType::Relay => CandidateKind::Relay,
        _ => CandidateKind::PeerReflexive,
    }
}

fn kind_stats(report: &RTCStatsReport, kind: RtpCodecKind, counters: &KindCounters) -> KindStats {
    let mut stats = KindStats {
        frames_refused: counters.frames_refused.load(Ordering::Relaxed),
        packets_dropped: counters.packets_dropped.load(Ordering::Relaxed),
        loss_ratio_at_partner: f32::from(counters.lost_at_partner.load(Ordering::Relaxed)) / 256.0,
        nacks_received: counters.nacks_received.load(Ordering::Relaxed),
        keyframe_requests_received: counters.keyframe_requests_received.load(Ordering::Relaxed),
        ..KindStats::default()
    };
    for stream in report.outbound_rtp_streams() {
        if stream.sent_rtp_stream_stats.rtp_stream_stats.kind == kind {
            stats.packets_sent += stream.sent_rtp_stream_stats.packets_sent;
            stats.bytes_sent += stream.sent_rtp_stream_stats.bytes_sent;
            stats.retransmitted_sent += stream.retransmitted_packets_sent;
        }
    }
    for stream in report.inbound_rtp_streams() {
        if stream.received_rtp_stream_stats.rtp_stream_stats.kind == kind {
            stats.packets_received += stream.received_rtp_stream_stats.packets_received;
            stats.bytes_received += stream.bytes_received;
            stats.packets_lost +=
                u64::try_from(stream.received_rtp_stream_stats.packets_lost).unwrap_or(0);
            stats.nacks_sent += u64::from(stream.nack_count);
            stats.retransmitted_received += stream.retransmitted_packets_received;
            stats.keyframe_requests_sent +=
                u64::from(stream.pli_count) + u64::from(stream.fir_count);
        }
    }
    stats
}
