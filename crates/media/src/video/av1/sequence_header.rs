//! How large the pictures of a stream can be (AV1 specification, section 5.5).

use super::obu::{self, kind};
use crate::video::bits::Bits;
use crate::video::{InvalidPayload, VideoFrame};

/// What a sequence header says that matters before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceHeader {
    /// 0 is Main: 4:2:0, 8 or 10 bits.
    pub profile: u8,
    /// No picture of the sequence is wider, in pixels.
    pub max_width_px: u32,
    /// No picture of the sequence is higher, in pixels.
    pub max_height_px: u32,
}

impl SequenceHeader {
    /// Reads the content of a sequence header. `None` if it ends too early.
    fn parse(content: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(content);
        let profile = bits.take(3)? as u8;
        let _is_still = bits.flag()?;
        let is_reduced = bits.flag()?;
        if is_reduced {
            let _level = bits.take(5)?;
        } else {
            skip_operating_points(&mut bits)?;
        }
        let width_bits = bits.take(4)? + 1;
        let height_bits = bits.take(4)? + 1;
        Some(Self {
            profile,
            max_width_px: bits.take(width_bits)? + 1,
            max_height_px: bits.take(height_bits)? + 1,
        })
    }
}

/// Passes over timing information and operating points.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        // Display tick, time scale, and whether pictures come evenly.
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(10)?;
        }
    }
    let has_display_delays = bits.flag()?;
    let points = bits.take(5)? + 1;
    for _ in 0..points {
        bits.take(12)?;
        let level = bits.take(5)?;
        if level > 7 {
            bits.flag()?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.take(delay_bits)?;
            bits.take(delay_bits)?;
            bits.flag()?;
        }
        if has_display_delays && bits.flag()? {
            bits.take(4)?;
        }
    }
    Some(())
}

/// No picture has more pixels: 4096x2304, lying or upright. A decoder keeps about ten of them, 14 MB each.
const MAX_PIXELS: u32 = 4096 * 2304;

/// Looks at a temporal unit in the low-overhead format before a decoder does: whether its units are well-formed, and its
/// sequence headers announce no picture over [`VideoFrame::MAX_SIDE_PX`] on a side or over 9.4 million pixels. Returns the last
/// of these headers.
///
/// No frame can be larger than its sequence header says, so that a decoder that sees what passed here allocates no more.
///
/// # Errors
/// [`InvalidPayload`] if a unit is malformed, or a sequence header announces too much.
pub fn check_sizes(data: &[u8]) -> Result<Option<SequenceHeader>, InvalidPayload> {
    let mut last = None;
    for unit in obu::units(data) {
        let unit = unit?;
        if unit.kind() == kind::SEQUENCE_HEADER {
            let header = SequenceHeader::parse(unit.content).ok_or(InvalidPayload::Truncated)?;
            let (width, height) = (header.max_width_px, header.max_height_px);
            if width.max(height) > VideoFrame::MAX_SIDE_PX || width * height > MAX_PIXELS {
                return Err(InvalidPayload::BadHeader);
            }
            last = Some(header);
        }
    }
    Ok(last)
}
