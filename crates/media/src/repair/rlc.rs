//! Forward error correction by random linear codes over a sliding window (RLC, RFC 8681).
//!
//! A repair packet is a sum of all packets of the last moments, each multiplied with a number that both sides know. As many
//! repair packets as packets were lost give them all back, whichever they are: a repair packet helps against any loss in its
//! window, so that a few of them are enough, and they help within a frame or two. Arithmetic is in GF(2⁸), so that sums of
//! packets are as long as packets.
//!
//! The coding is that of RFC 8681 with m = 8 and full density, and coefficients by `TinyMT32` (RFC 8682). The packet format is ours:
//! RFC 8681 has none for RTP.

mod coefficients;
mod decoder;
mod encoder;
mod field;
mod symbol;

pub use decoder::{RlcCounters, RlcDecoder};
pub use encoder::RlcEncoder;
pub use symbol::SourcePacket;

/// Packets that one repair packet can stand for.
pub const MAX_WINDOW: usize = 96;

/// What a repair packet begins with: the key of its coefficients (16 bits), the sequence number of the first packet in its window
/// (16 bits), how many there are (8 bits). The sum follows.
const HEADER_BYTES: usize = 5;

#[cfg(test)]
mod tests;
