//! A packet as the code sees it.

use bytes::Bytes;

use super::field;

/// What of an RTP packet is protected: all but what is the same for the whole stream, and the sequence number, which the window
/// tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePacket {
    /// Counts packets; wraps at 65,535.
    pub sequence_number: u16,
    /// The payload type, 7 bits.
    pub payload_type: u8,
    /// Whether it is the last one of its frame.
    pub marker: bool,
    /// Sampling instant; wraps.
    pub timestamp: u32,
    /// What follows the header.
    pub payload: Bytes,
}

/// Marker and payload type (8 bits), length of the payload (16 bits), timestamp (32 bits): they stand before the payload.
const HEAD_BYTES: usize = 7;

/// How long a packet with this payload is for the code.
pub(super) const fn len_bytes(payload_bytes: usize) -> usize {
    HEAD_BYTES + payload_bytes
}

impl SourcePacket {
    fn head(&self) -> [u8; HEAD_BYTES] {
        let marker = if self.marker { 0x80 } else { 0 };
        let [l0, l1] = (self.payload.len() as u16).to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        [marker | self.payload_type & 0x7f, l0, l1, t0, t1, t2, t3]
    }

    /// Adds a multiple of this packet to a sum. What is longer than the sum is cut off.
    pub(super) fn add_to(&self, sum: &mut [u8], factor: u8) {
        field::add_multiple(sum, factor, &self.head());
        if let Some(rest) = sum.get_mut(HEAD_BYTES..) {
            field::add_multiple(rest, factor, &self.payload);
        }
    }

    /// What a solved equation says. `None` if that is no packet.
    pub(super) fn read(sequence_number: u16, data: &[u8]) -> Option<Self> {
        let ([first, l0, l1, t0, t1, t2, t3], rest) = data.split_first_chunk::<HEAD_BYTES>()?;
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        Some(Self {
            sequence_number,
            payload_type: first & 0x7f,
            marker: first & 0x80 != 0,
            timestamp: u32::from_be_bytes([*t0, *t1, *t2, *t3]),
            payload: Bytes::copy_from_slice(rest.get(..len)?),
        })
    }
}
