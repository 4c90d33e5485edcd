//! What goes into the jitter buffer and what comes out.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::RtpPacket;
use crate::video::VideoCodec;

/// How patient and how large the buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Longest we wait for a missing packet before we give up what builds on it.
    ///
    /// Shorter gives up frames that were on their way, longer freezes the picture where a keyframe would be there sooner. See
    /// [`Config::max_wait_for`].
    pub max_wait: Duration,
    /// How often a keyframe is asked for until one comes. Shorter makes the sender answer twice, longer leaves the picture
    /// frozen when a request is lost.
    pub keyframe_interval: Duration,
    /// How many packets are kept: two seconds of 8 Mbit/s. Beyond it everything up to the next keyframe goes.
    pub max_packets: usize,
    /// How many bytes of payload are kept, against a sender of giant packets.
    pub max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(200),
            keyframe_interval: Duration::from_millis(500),
            max_packets: 2048,
            max_bytes: 4 << 20,
        }
    }
}

impl Config {
    const LEAST_WAIT: Duration = Duration::from_millis(250);
    const LONGEST_WAIT: Duration = Duration::from_secs(1);
    /// So often a packet is asked for before a keyframe would be the better bet: that takes as long as one of these, is many
    /// packets that may be lost too, and looks worse.
    const REQUESTS: u32 = 3;

    /// The [`Config::max_wait`] for a path of this round trip: for some requests to be lost, or their answers.
    pub fn max_wait_for(round_trip: Duration) -> Duration {
        (Self::LEAST_WAIT + round_trip * Self::REQUESTS).min(Self::LONGEST_WAIT)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A packet of the stream arrived.
    Packet(RtpPacket),
    /// The moment of [`JitterBuffer::poll_timeout`](super::JitterBuffer::poll_timeout) came.
    Timeout,
    /// The decoder could not use the latest frame: the following ones are worthless until a keyframe.
    DecodeFailed,
}

/// What must happen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Decode this frame.
    Frame(AssembledFrame),
    /// Ask the sender for a keyframe (RFC 4585 section 6.3.1, PLI).
    KeyframeRequest,
}

/// One encoded frame, complete and decodable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembledFrame {
    /// What can decode it.
    pub codec: VideoCodec,
    /// As in [`EncodedFrame::data`](crate::video::EncodedFrame::data).
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub is_keyframe: bool,
    /// The RTP timestamp as it came, 90 kHz. Wraps.
    pub timestamp: u32,
    /// The RTP timestamp unwrapped, 90 kHz. Only differences mean anything.
    pub media_time: u64,
    /// When the first of its packets arrived.
    pub first_packet_at: Instant,
    /// When the packet that completed it arrived.
    pub completed_at: Instant,
    /// How many packets it came in.
    pub packets: usize,
}

/// What has happened since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames handed out.
    pub frames_complete: u64,
    /// Frames of which at least one packet came and that were given up.
    pub frames_dropped: u64,
    /// Packets that came after their frame was handed out or given up.
    pub packets_late: u64,
    /// Packets that were there already.
    pub packets_duplicate: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
}
