//! Raw and encoded pictures.

use std::time::Instant;

use bytes::Bytes;

use super::pool::Planes;
use super::{Colors, PicturePool, VideoCodec};

/// A picture as I420: three planes of 8 bits, chroma at half the size in both directions.
///
/// What its numbers mean as colours is said by [`VideoFrame::colors`]: BT.601 with limited range, but for what some partners send. Planes are
/// packed: the stride is the width.
#[derive(Clone, PartialEq, Eq)]
pub struct VideoFrame {
    width_px: u32,
    height_px: u32,
    planes: Planes,
    captured_at: Instant,
    colors: Colors,
}

/// The bytes do not make a picture of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len_bytes} bytes are no I420 picture of {width_px}x{height_px}")]
pub struct InvalidFrame {
    /// Asked for.
    pub width_px: u32,
    /// Asked for.
    pub height_px: u32,
    /// Given.
    pub len_bytes: usize,
}

impl VideoFrame {
    /// The largest width and height that are accepted, in pixels.
    pub const MAX_SIDE_PX: u32 = 4096;

    /// Takes `planes` (Y, then U, then V) as a picture. Odd widths and heights are refused.
    ///
    /// # Errors
    /// [`InvalidFrame`] if a side is zero, odd or over [`Self::MAX_SIDE_PX`], or the length does not fit.
    pub fn from_planes(
        width_px: u32,
        height_px: u32,
        planes: Vec<u8>,
        captured_at: Instant,
    ) -> Result<Self, InvalidFrame> {
        let sides = [width_px, height_px];
        let fits = sides
            .iter()
            .all(|side| *side > 0 && side % 2 == 0 && *side <= Self::MAX_SIDE_PX)
            && planes.len() == Self::len_bytes(width_px, height_px);
        if fits {
            Ok(Self {
                width_px,
                height_px,
                planes: Planes::new(planes),
                captured_at,
                colors: Colors::default(),
            })
        } else {
            Err(InvalidFrame {
                width_px,
                height_px,
                len_bytes: planes.len(),
            })
        }
    }

    /// The same picture, its numbers meant otherwise.
    #[must_use]
    pub fn with_colors(self, colors: Colors) -> Self {
        Self { colors, ..self }
    }

    /// The same picture, whose memory goes back to `pool` when the last who has it lets go.
    #[must_use]
    pub fn returning_to(mut self, pool: &PicturePool) -> Self {
        self.planes.return_to(pool);
        self
    }

    /// How many bytes a picture of this size has.
    pub const fn len_bytes(width_px: u32, height_px: u32) -> usize {
        width_px as usize * height_px as usize * 3 / 2
    }

    /// Width in pixels; even.
    pub const fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height in pixels; even.
    pub const fn height_px(&self) -> u32 {
        self.height_px
    }

    /// When the picture was taken (or, on the receiving side, decoded), in local time.
    pub const fn captured_at(&self) -> Instant {
        self.captured_at
    }

    /// What its numbers mean as colours.
    pub const fn colors(&self) -> Colors {
        self.colors
    }

    /// The luma plane: `width × height` bytes.
    pub fn y(&self) -> &[u8] {
        &self.planes[..self.luma_len()]
    }

    /// The blue-difference plane: a quarter as many bytes as luma.
    pub fn u(&self) -> &[u8] {
        &self.planes[self.luma_len()..self.luma_len() * 5 / 4]
    }

    /// The red-difference plane: a quarter as many bytes as luma.
    pub fn v(&self) -> &[u8] {
        &self.planes[self.luma_len() * 5 / 4..]
    }

    /// All three planes, one after the other.
    pub fn planes(&self) -> &[u8] {
        &self.planes
    }

    /// Y, U and V, to be drawn on.
    pub(crate) fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let luma_len = self.luma_len();
        let (y, chroma) = self.planes.split_at_mut(luma_len);
        let (u, v) = chroma.split_at_mut(luma_len / 4);
        [y, u, v]
    }

    /// Gives the planes out, for instance to fill them anew. They go back to no pool.
    pub fn into_planes(self) -> Vec<u8> {
        self.planes.into_bytes()
    }

    const fn luma_len(&self) -> usize {
        self.width_px as usize * self.height_px as usize
    }
}

impl std::fmt::Debug for VideoFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoFrame({}x{})", self.width_px, self.height_px)
    }
}

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// What made it, and what can decode it.
    pub codec: VideoCodec,
    /// H.264: one access unit in Annex B form (start codes). AV1: one temporal unit in the low-overhead format.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub is_keyframe: bool,
    /// When the picture was taken, on the 90 kHz clock of the stream. Wraps.
    pub timestamp: u32,
}
