//! What the RTP payload formats of all video codecs have in common.

use bytes::Bytes;

use super::{EncodedFrame, VideoCodec, av1, h264};

/// Why payloads do not make a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPayload {
    /// A payload ends before what it announces.
    #[error("a payload is shorter than it says")]
    Truncated,
    /// A packet type of H.264's interleaved modes, which nobody negotiated, or a reserved one.
    #[error("H.264 packet type {0} is not accepted")]
    UnknownType(u8),
    /// A fragment without its beginning or its end.
    #[error("a fragmented unit is incomplete")]
    BrokenFragments,
    /// No unit at all.
    #[error("the frame is empty")]
    Empty,
    /// A number or a bit that the format does not have.
    #[error("a unit's header makes no sense")]
    BadHeader,
    /// Packets of several codecs with one timestamp.
    #[error("the frame changes its codec in the middle")]
    MixedCodecs,
}

/// A frame put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// What can decode it.
    pub codec: VideoCodec,
    /// As in [`EncodedFrame::data`]. H.264 has start codes of four bytes.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub is_keyframe: bool,
}

/// Which part of a keyframe a payload is, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframePart {
    /// The beginning, for certain. (In H.264 these are parameter sets: they stand before a keyframe and nowhere else.)
    Start,
    /// The beginning of the first slice of H.264. Parameter sets may stand before it.
    FirstSlice,
    /// Something later.
    Rest,
    /// Something later of a frame of which only the beginning tells what it is (AV1).
    Undetermined,
}

impl KeyframePart {
    /// Whether it says by itself that the frame is a keyframe.
    pub const fn is_certain(self) -> bool {
        !matches!(self, Self::Undetermined)
    }
}

impl VideoCodec {
    /// Splits one encoded frame into RTP payloads of at most `max_payload_bytes` (at least 64), in the order to send them.
    ///
    /// The caller puts each into a packet with the same timestamp and sets the marker on the last one.
    pub fn packetize(frame: &EncodedFrame, max_payload_bytes: usize) -> Vec<Bytes> {
        match frame.codec {
            Self::H264 => h264::packetize(frame, max_payload_bytes),
            Self::Av1 => av1::packetize(frame, max_payload_bytes),
        }
    }

    /// Joins the payloads of one frame, in order and without gaps.
    ///
    /// # Errors
    /// [`InvalidPayload`] if they are not what this codec's payload format allows.
    pub fn depacketize<'a>(
        self,
        payloads: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<AccessUnit, InvalidPayload> {
        match self {
            Self::H264 => h264::depacketize(payloads),
            Self::Av1 => av1::depacketize(payloads),
        }
    }

    /// Looks whether a payload belongs to a keyframe. `None` if it does not, or makes no sense.
    pub fn keyframe_part(self, payload: &[u8]) -> Option<KeyframePart> {
        match self {
            Self::H264 => h264::keyframe_part(payload),
            Self::Av1 => av1::keyframe_part(payload),
        }
    }
}
