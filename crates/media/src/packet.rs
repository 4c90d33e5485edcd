//! RTP packets as the media path sees them (RFC 3550 section 5.1), free of any WebRTC stack's types.

use std::time::Instant;

use bytes::Bytes;

use crate::video::VideoCodec;

/// What is inside of a stream of packets: what its payload types were agreed to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// Pictures.
    Video(VideoCodec),
}

/// One RTP packet that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// What the payload is. A sender of pictures may change it, at a keyframe.
    pub codec: Codec,
    /// Counts packets; wraps at 65,535.
    pub sequence_number: u16,
    /// Sampling instant in units of the clock rate: 90 kHz for video, 48 kHz for Opus. Wraps.
    pub timestamp: u32,
    /// For video: the last packet of a frame.
    pub marker: bool,
    /// What follows the header and its extensions, padding removed.
    pub payload: Bytes,
    /// When it came off the socket, in local time.
    pub arrived_at: Instant,
}
