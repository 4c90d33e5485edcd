//! Open bitstream units, the parts of an AV1 stream (AV1 specification, section 5.3).

use bytes::{BufMut, Bytes, BytesMut};

use crate::video::InvalidPayload;

/// What a unit is (section 6.2.2).
pub(super) mod kind {
    pub(in super::super) const SEQUENCE_HEADER: u8 = 1;
    pub(in super::super) const FRAME_HEADER: u8 = 3;
    pub(in super::super) const TILE_GROUP: u8 = 4;
    pub(in super::super) const METADATA: u8 = 5;
    pub(in super::super) const FRAME: u8 = 6;
    pub(in super::super) const REDUNDANT_FRAME_HEADER: u8 = 7;
}

/// The bits of a unit's first byte.
const FORBIDDEN: u8 = 0x80;
const KIND_SHIFT: u8 = 3;
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// One unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Obu<'a> {
    header: u8,
    extension: Option<u8>,
    pub(super) content: &'a [u8],
}

impl<'a> Obu<'a> {
    /// Takes the unit that `data` begins with, and returns what follows it. One without a size goes on to the end.
    pub(super) fn take(data: &'a [u8]) -> Result<(Self, &'a [u8]), InvalidPayload> {
        let (&header, mut rest) = data.split_first().ok_or(InvalidPayload::Truncated)?;
        if header & FORBIDDEN != 0 {
            return Err(InvalidPayload::BadHeader);
        }
        let mut extension = None;
        if header & HAS_EXTENSION != 0 {
            let (&byte, tail) = rest.split_first().ok_or(InvalidPayload::Truncated)?;
            (extension, rest) = (Some(byte), tail);
        }
        let mut content = rest;
        let mut tail: &[u8] = &[];
        if header & HAS_SIZE != 0 {
            let (len, after) = take_leb128(rest)?;
            content = after.get(..len).ok_or(InvalidPayload::Truncated)?;
            tail = &after[len..];
        }
        let unit = Self {
            header,
            extension,
            content,
        };
        Ok((unit, tail))
    }

    pub(super) const fn kind(&self) -> u8 {
        self.header >> KIND_SHIFT & 0x0f
    }

    /// Whether it is one that RTP carries: not a temporal delimiter, a list of tiles, padding or something reserved.
    pub(super) const fn is_sent(&self) -> bool {
        matches!(
            self.kind(),
            kind::SEQUENCE_HEADER
                | kind::FRAME_HEADER
                | kind::TILE_GROUP
                | kind::METADATA
                | kind::FRAME
                | kind::REDUNDANT_FRAME_HEADER
        )
    }

    /// Of a frame or its header: whether it needs nothing that came before (section 5.9.2: no `show_existing_frame`, and a
    /// `frame_type` of 0).
    pub(super) fn is_key_frame(&self) -> bool {
        self.content.first().is_some_and(|byte| byte & 0xe0 == 0)
    }

    /// The unit as RTP carries it.
    pub(super) fn without_size(&self) -> Bytes {
        let mut unit = BytesMut::with_capacity(2 + self.content.len());
        unit.put_u8(self.header & !HAS_SIZE);
        unit.extend(self.extension);
        unit.put_slice(self.content);
        unit.freeze()
    }

    /// The unit as a file or a decoder has it.
    pub(super) fn put_with_size(&self, out: &mut BytesMut) {
        out.put_u8(self.header | HAS_SIZE);
        out.extend(self.extension);
        put_leb128(out, self.content.len());
        out.put_slice(self.content);
    }
}

/// The units of a temporal unit in the low-overhead format, up to the first that makes no sense.
pub(super) fn units(mut data: &[u8]) -> impl Iterator<Item = Result<Obu<'_>, InvalidPayload>> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let taken = Obu::take(data);
        data = taken.as_ref().map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(unit, _)| unit))
    })
}

/// Numbers of seven bits a byte, the lowest first (section 4.10.5). Ours are lengths of at most 32 bits.
pub(super) fn take_leb128(data: &[u8]) -> Result<(usize, &[u8]), InvalidPayload> {
    const MAX_BYTES: usize = 8;
    let mut value = 0_u64;
    for (index, byte) in data.iter().take(MAX_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| InvalidPayload::BadHeader)?;
            return Ok((value as usize, &data[index + 1..]));
        }
    }
    Err(if data.len() < MAX_BYTES {
        InvalidPayload::Truncated
    } else {
        InvalidPayload::BadHeader
    })
}

pub(super) fn put_leb128(out: &mut impl BufMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
