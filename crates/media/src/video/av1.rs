//! AV1 over RTP ("RTP Payload Format For AV1", Alliance for Open Media, version 1.0): encoded frames to payloads and back.
//!
//! A temporal unit is sent as its open bitstream units (OBUs) without their sizes, each packet with one byte before them
//! that says how they go on. We send one picture in a temporal unit, without scalability. Nothing in here trusts a length
//! that came from the network.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::payload::{AccessUnit, InvalidPayload, KeyframePart};
use super::{EncodedFrame, VideoCodec};

mod obu;
mod sequence_header;

use obu::{Obu, kind, put_leb128, take_leb128};

pub use sequence_header::{SequenceHeader, check_sizes};

/// Below this a payload could not hold a useful fragment; smaller limits are treated as this one.
const SMALLEST_PAYLOAD_BYTES: usize = 64;
/// Longer than any packet, and short enough for [`LENGTH_BYTES`]; larger limits are treated as this one.
const LARGEST_PAYLOAD_BYTES: usize = 16_000;
const HEADER_BYTES: usize = 1;
/// The length before a piece of at most 16,383 bytes.
const LENGTH_BYTES: usize = 2;
/// Pieces of units shorter than that begin with the next packet instead.
const SMALLEST_PIECE_BYTES: usize = 8;
/// More pieces than that in a packet, and each has its length before it.
const MAX_COUNTED_PIECES: usize = 3;

/// The aggregation header (section 4.4).
mod header {
    /// Z: the first piece goes on with the last unit of the packet before.
    pub(super) const CONTINUES: u8 = 0x80;
    /// Y: the last piece goes on in the next packet.
    pub(super) const IS_CONTINUED: u8 = 0x40;
    /// W: the number of pieces, of which the last has no length; 0 if each has one.
    pub(super) const COUNT_SHIFT: u8 = 4;
    /// N: a new coded video sequence begins, with a keyframe.
    pub(super) const NEW_SEQUENCE: u8 = 0x08;

    pub(super) const fn count(header: u8) -> usize {
        (header >> COUNT_SHIFT & 3) as usize
    }
}

/// Splits one encoded frame into RTP payloads of at most `max_payload_bytes` (at least 64), in the order to send them.
///
/// The caller puts each into a packet with the same timestamp and sets the marker on the last one. Temporal delimiters and
/// padding are dropped (section 5). Packets of one frame are about equally long, which spares the pacer a lonely small one.
pub fn packetize(frame: &EncodedFrame, max_payload_bytes: usize) -> Vec<Bytes> {
    let max = max_payload_bytes.clamp(SMALLEST_PAYLOAD_BYTES, LARGEST_PAYLOAD_BYTES);
    let units: Vec<Bytes> = obu::units(&frame.data)
        .map_while(Result::ok)
        .filter(obu::Obu::is_sent)
        .map(|unit| unit.without_size())
        .collect();
    let total: usize = units.iter().map(|unit| LENGTH_BYTES + unit.len()).sum();
    let packets = total
        .div_ceil(max - HEADER_BYTES - SMALLEST_PIECE_BYTES)
        .max(1);
    let limit = max.min(HEADER_BYTES + SMALLEST_PIECE_BYTES + total.div_ceil(packets));
    let mut packing = Packing {
        limit,
        is_keyframe: frame.is_keyframe,
        ..Packing::default()
    };
    for unit in units {
        packing.add(unit);
    }
    packing.flush(false);
    packing.payloads
}

#[derive(Default)]
struct Packing {
    limit: usize,
    is_keyframe: bool,
    payloads: Vec<Bytes>,
    pieces: Vec<Bytes>,
    /// Whether the first of `pieces` goes on with a unit of the packet before.
    continues: bool,
}

impl Packing {
    fn add(&mut self, mut unit: Bytes) {
        loop {
            let room = self.limit.saturating_sub(self.len_bytes() + LENGTH_BYTES);
            if unit.len() <= room {
                self.pieces.push(unit);
                return;
            }
            if room < SMALLEST_PIECE_BYTES {
                self.flush(false);
                continue;
            }
            self.pieces.push(unit.split_to(room));
            self.flush(true);
        }
    }

    fn len_bytes(&self) -> usize {
        let pieces = self.pieces.iter().map(|piece| LENGTH_BYTES + piece.len());
        HEADER_BYTES + pieces.sum::<usize>()
    }

    /// Closes the packet.
    fn flush(&mut self, is_continued: bool) {
        if self.pieces.is_empty() {
            return;
        }
        let is_counted = self.pieces.len() <= MAX_COUNTED_PIECES;
        let mut header = if is_counted {
            (self.pieces.len() as u8) << header::COUNT_SHIFT
        } else {
            0
        };
        if std::mem::replace(&mut self.continues, is_continued) {
            header |= header::CONTINUES;
        }
        if is_continued {
            header |= header::IS_CONTINUED;
        }
        if self.is_keyframe && self.payloads.is_empty() {
            header |= header::NEW_SEQUENCE;
        }
        let mut payload = BytesMut::with_capacity(self.len_bytes());
        payload.put_u8(header);
        let last = self.pieces.len() - 1;
        for (index, piece) in self.pieces.drain(..).enumerate() {
            if !is_counted || index != last {
                put_leb128(&mut payload, piece.len());
            }
            payload.put_slice(&piece);
        }
        self.payloads.push(payload.freeze());
    }
}

/// Joins the payloads of one frame, in order and without gaps, into a temporal unit in the low-overhead format (AV1
/// specification, section 5.2): every unit with its size.
///
/// Empty payloads (padding that probes for bandwidth) are skipped, and so are temporal delimiters, padding and kinds of units
/// that a decoder would pass over.
///
/// # Errors
/// [`InvalidPayload`] if they are not what the payload format allows.
pub fn depacketize<'a>(
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> Result<AccessUnit, InvalidPayload> {
    let mut joiner = Joiner::default();
    for payload in payloads {
        joiner.push(payload)?;
    }
    joiner.finish()
}

#[derive(Default)]
struct Joiner {
    data: BytesMut,
    has_sequence_header: bool,
    /// Whether the first frame is a keyframe, once its header came.
    begins_with_key: Option<bool>,
    /// The beginning of a unit whose other pieces are coming in.
    open: Option<BytesMut>,
}

impl Joiner {
    fn push(&mut self, payload: &[u8]) -> Result<(), InvalidPayload> {
        let Some((&header, mut rest)) = payload.split_first() else {
            return Ok(());
        };
        if (header & header::CONTINUES != 0) != self.open.is_some() {
            return Err(InvalidPayload::BrokenFragments);
        }
        let count = header::count(header);
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let is_last_counted = count != 0 && index == count;
            let piece = if is_last_counted {
                std::mem::take(&mut rest)
            } else {
                let (len, tail) = take_leb128(rest)?;
                let piece = tail.get(..len).ok_or(InvalidPayload::Truncated)?;
                rest = &tail[len..];
                piece
            };
            let is_continued = rest.is_empty() && header & header::IS_CONTINUED != 0;
            self.push_piece(piece, is_continued)?;
        }
        if index == 0 || index < count {
            return Err(InvalidPayload::Truncated);
        }
        Ok(())
    }

    fn push_piece(&mut self, piece: &[u8], is_continued: bool) -> Result<(), InvalidPayload> {
        match (self.open.take(), is_continued) {
            (None, false) => self.push_unit(piece),
            (open, _) => {
                let mut unit = open.unwrap_or_default();
                unit.put_slice(piece);
                if is_continued {
                    self.open = Some(unit);
                    Ok(())
                } else {
                    self.push_unit(&unit)
                }
            }
        }
    }

    fn push_unit(&mut self, unit: &[u8]) -> Result<(), InvalidPayload> {
        if unit.is_empty() {
            return Ok(());
        }
        let (unit, _) = Obu::take(unit)?;
        if !unit.is_sent() {
            return Ok(());
        }
        match unit.kind() {
            kind::SEQUENCE_HEADER => self.has_sequence_header = true,
            kind::FRAME | kind::FRAME_HEADER => {
                self.begins_with_key.get_or_insert(unit.is_key_frame());
            }
            _ => {}
        }
        unit.put_with_size(&mut self.data);
        Ok(())
    }

    fn finish(self) -> Result<AccessUnit, InvalidPayload> {
        if self.open.is_some() {
            return Err(InvalidPayload::BrokenFragments);
        }
        if self.data.is_empty() {
            return Err(InvalidPayload::Empty);
        }
        Ok(AccessUnit {
            codec: VideoCodec::Av1,
            data: self.data.freeze(),
            is_keyframe: self.has_sequence_header && self.begins_with_key == Some(true),
        })
    }
}

/// Looks whether a payload belongs to a keyframe. `None` if it does not, or if it is no AV1.
///
/// The first packet of a keyframe says so. Later ones, which go on with a unit that began before, do not.
pub fn keyframe_part(payload: &[u8]) -> Option<KeyframePart> {
    let (&header, rest) = payload.split_first()?;
    let continues = header & header::CONTINUES != 0;
    let is_new_sequence = header & header::NEW_SEQUENCE != 0;
    match (continues, is_new_sequence) {
        _ if rest.is_empty() => None,
        (false, true) => Some(KeyframePart::Start),
        (false, false) => None,
        (true, _) => Some(KeyframePart::Undetermined),
    }
}

#[cfg(test)]
mod tests;
