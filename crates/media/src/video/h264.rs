//! H.264 over RTP (RFC 6184): encoded frames to payloads and back.
//!
//! We send the non-interleaved mode (`packetization-mode=1`): single NAL units, STAP-A for parameter sets, FU-A for what
//! does not fit. We accept the same from any sender. Nothing in here trusts a length that came from the network.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::payload::{AccessUnit, InvalidPayload, KeyframePart};
use super::{EncodedFrame, VideoCodec};

mod annex_b;
mod sps;

pub use annex_b::nal_units;
pub use sps::colors;

const NAL_HEADER_BYTES: usize = 1;
const FU_HEADER_BYTES: usize = 2;
const STAP_LENGTH_BYTES: usize = 2;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Below this a payload could not hold a useful fragment; smaller limits are treated as this one.
const SMALLEST_PAYLOAD_BYTES: usize = 64;

/// The five bits that say what a NAL unit is (H.264 table 7-1, RFC 6184 table 1).
mod kind {
    pub(super) const IDR_SLICE: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const ACCESS_UNIT_DELIMITER: u8 = 9;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const FU_A: u8 = 28;

    pub(super) const fn of(header: u8) -> u8 {
        header & 0x1f
    }

    /// Whether this is a NAL unit as a coder makes it, not a packet structure of RTP.
    pub(super) const fn is_coded(kind: u8) -> bool {
        kind >= 1 && kind <= 23
    }
}

/// Splits one encoded frame into RTP payloads of at most `max_payload_bytes` (at least 64), in the order to send them.
///
/// The caller puts each into a packet with the same timestamp and sets the marker on the last one. Parameter sets that
/// follow each other share a STAP-A; access unit delimiters are dropped, since RTP timestamps say the same. Fragments of
/// one NAL unit differ by no more than a byte in size, which spares the pacer a lonely small packet.
pub fn packetize(frame: &EncodedFrame, max_payload_bytes: usize) -> Vec<Bytes> {
    let max = max_payload_bytes.max(SMALLEST_PAYLOAD_BYTES);
    let mut payloads = Vec::with_capacity(frame.data.len() / max + 2);
    let mut small: Vec<Bytes> = Vec::new();
    for nal in nal_units(&frame.data) {
        let nal_kind = kind::of(nal[0]);
        if !kind::is_coded(nal_kind) || nal_kind == kind::ACCESS_UNIT_DELIMITER {
            continue;
        }
        let joins = matches!(nal_kind, kind::SPS | kind::PPS | kind::SEI);
        if !joins || aggregate_len(&small, &nal) > max {
            flush_aggregate(&mut small, &mut payloads);
        }
        if joins && nal.len() <= max {
            small.push(nal);
        } else if nal.len() <= max {
            payloads.push(nal);
        } else {
            fragment(&nal, max, &mut payloads);
        }
    }
    flush_aggregate(&mut small, &mut payloads);
    payloads
}

fn aggregate_len(members: &[Bytes], next: &Bytes) -> usize {
    let member_len = |nal: &Bytes| STAP_LENGTH_BYTES + nal.len();
    NAL_HEADER_BYTES + members.iter().map(member_len).sum::<usize>() + member_len(next)
}

fn flush_aggregate(members: &mut Vec<Bytes>, payloads: &mut Vec<Bytes>) {
    if members.len() == 1 {
        payloads.append(members);
        return;
    }
    let Some(importance) = members.iter().map(|nal| nal[0] & 0x60).max() else {
        return;
    };
    let mut stap = BytesMut::new();
    stap.put_u8(importance | kind::STAP_A);
    for nal in members.drain(..) {
        stap.put_u16(u16::try_from(nal.len()).expect("members are smaller than a packet"));
        stap.put_slice(&nal);
    }
    payloads.push(stap.freeze());
}

fn fragment(nal: &Bytes, max: usize, payloads: &mut Vec<Bytes>) {
    let header = nal[0];
    let body = &nal[NAL_HEADER_BYTES..];
    let count = body.len().div_ceil(max - FU_HEADER_BYTES);
    for index in 0..count {
        let part = &body[body.len() * index / count..body.len() * (index + 1) / count];
        let start = if index == 0 { 0x80 } else { 0 };
        let end = if index + 1 == count { 0x40 } else { 0 };
        let mut payload = BytesMut::with_capacity(FU_HEADER_BYTES + part.len());
        payload.put_u8(header & 0xe0 | kind::FU_A);
        payload.put_u8(start | end | kind::of(header));
        payload.put_slice(part);
        payloads.push(payload.freeze());
    }
}

/// Joins the payloads of one frame, in order and without gaps, into an access unit.
///
/// Empty payloads (padding that probes for bandwidth) and access unit delimiters are skipped.
///
/// # Errors
/// [`InvalidPayload`] if they are no H.264 as RFC 6184 section 5 has it.
pub fn depacketize<'a>(
    payloads: impl IntoIterator<Item = &'a [u8]>,
) -> Result<AccessUnit, InvalidPayload> {
    let mut unit = Joiner::default();
    for payload in payloads {
        unit.push(payload)?;
    }
    unit.finish()
}

#[derive(Default)]
struct Joiner {
    data: BytesMut,
    is_keyframe: bool,
    /// The reconstructed header of the NAL unit whose fragments are coming in.
    open_fragment: Option<u8>,
}

impl Joiner {
    fn push(&mut self, payload: &[u8]) -> Result<(), InvalidPayload> {
        let Some((&header, rest)) = payload.split_first() else {
            return Ok(());
        };
        let packet_kind = kind::of(header);
        if self.open_fragment.is_some() && packet_kind != kind::FU_A {
            return Err(InvalidPayload::BrokenFragments);
        }
        match packet_kind {
            kind::STAP_A => self.push_aggregate(rest),
            kind::FU_A => self.push_fragment(header, rest),
            _ => self.push_nal(payload),
        }
    }

    fn push_nal(&mut self, nal: &[u8]) -> Result<(), InvalidPayload> {
        let header = *nal.first().ok_or(InvalidPayload::Truncated)?;
        if kind::of(header) == kind::ACCESS_UNIT_DELIMITER {
            return Ok(());
        }
        self.begin_nal(header)?;
        self.data.put_slice(nal);
        Ok(())
    }

    fn push_aggregate(&mut self, mut rest: &[u8]) -> Result<(), InvalidPayload> {
        while !rest.is_empty() {
            let (len, tail) = rest
                .split_first_chunk::<STAP_LENGTH_BYTES>()
                .ok_or(InvalidPayload::Truncated)?;
            let len = usize::from(u16::from_be_bytes(*len));
            let nal = tail.get(..len).ok_or(InvalidPayload::Truncated)?;
            self.push_nal(nal)?;
            rest = &tail[len..];
        }
        Ok(())
    }

    fn push_fragment(&mut self, indicator: u8, rest: &[u8]) -> Result<(), InvalidPayload> {
        let (&fu_header, part) = rest.split_first().ok_or(InvalidPayload::Truncated)?;
        let nal_header = indicator & 0xe0 | kind::of(fu_header);
        let is_start = fu_header & 0x80 != 0;
        let is_end = fu_header & 0x40 != 0;
        match (is_start, self.open_fragment) {
            (true, None) => {
                self.begin_nal(nal_header)?;
                self.data.put_u8(nal_header);
            }
            (false, Some(open)) if kind::of(open) == kind::of(nal_header) => {}
            _ => return Err(InvalidPayload::BrokenFragments),
        }
        self.data.put_slice(part);
        self.open_fragment = (!is_end).then_some(nal_header);
        Ok(())
    }

    fn begin_nal(&mut self, header: u8) -> Result<(), InvalidPayload> {
        let nal_kind = kind::of(header);
        if !kind::is_coded(nal_kind) {
            return Err(InvalidPayload::UnknownType(nal_kind));
        }
        self.is_keyframe |= nal_kind == kind::IDR_SLICE;
        self.data.put_slice(&START_CODE);
        Ok(())
    }

    fn finish(self) -> Result<AccessUnit, InvalidPayload> {
        if self.open_fragment.is_some() {
            return Err(InvalidPayload::BrokenFragments);
        }
        if self.data.is_empty() {
            return Err(InvalidPayload::Empty);
        }
        Ok(AccessUnit {
            codec: VideoCodec::H264,
            data: self.data.freeze(),
            is_keyframe: self.is_keyframe,
        })
    }
}

/// Looks whether a payload belongs to a keyframe. `None` if it does not, or if it is no H.264.
pub fn keyframe_part(payload: &[u8]) -> Option<KeyframePart> {
    let (&header, rest) = payload.split_first()?;
    match kind::of(header) {
        kind::SPS => Some(KeyframePart::Start),
        kind::PPS => Some(KeyframePart::Rest),
        kind::IDR_SLICE => Some(slice_part(rest)),
        kind::STAP_A => match kind::of(*rest.get(STAP_LENGTH_BYTES)?) {
            kind::SPS | kind::ACCESS_UNIT_DELIMITER => Some(KeyframePart::Start),
            kind::PPS => Some(KeyframePart::Rest),
            kind::IDR_SLICE => Some(slice_part(&rest[STAP_LENGTH_BYTES + NAL_HEADER_BYTES..])),
            _ => None,
        },
        kind::FU_A => {
            let (&fu_header, slice) = rest.split_first()?;
            let is_start = fu_header & 0x80 != 0;
            let part = if is_start {
                slice_part(slice)
            } else {
                KeyframePart::Rest
            };
            (kind::of(fu_header) == kind::IDR_SLICE).then_some(part)
        }
        _ => None,
    }
}

/// `first_mb_in_slice` is the first thing in a slice and an Exp-Golomb number: zero is a single set bit.
fn slice_part(slice: &[u8]) -> KeyframePart {
    match slice.first() {
        Some(byte) if byte & 0x80 != 0 => KeyframePart::FirstSlice,
        _ => KeyframePart::Rest,
    }
}

#[cfg(test)]
mod tests;
