//! What comes out of a JPEG decoder that was asked for its own planes: full range, several layouts of chroma.
//!
//! Taking the planes as they are saves the way through RGB and back that MJPEG cameras usually cost.

use std::time::Instant;

use super::Target;
use crate::video::{InvalidFrame, PicturePool, VideoFrame};

/// How large the chroma planes are, compared with luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChromaSubsampling {
    /// 4:2:0: half the width, half the height.
    Half,
    /// 4:2:2: half the width, all rows. The usual one of cameras.
    HalfWidth,
    /// 4:4:4: as many samples as luma.
    Full,
    /// No chroma planes: a grey picture. The planes given for it are not looked at.
    Grey,
}

/// One plane of 8-bit samples.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The rows, each `stride` bytes after the one before. The last one may end without padding.
    pub samples: &'a [u8],
    /// From the beginning of one row to that of the next, in bytes.
    pub stride: usize,
}

/// A decoded JPEG picture: BT.601, full range (JFIF).
#[derive(Debug, Clone, Copy)]
pub struct JpegPlanes<'a> {
    /// Width of the luma plane in pixels.
    pub width_px: u32,
    /// Height of the luma plane in pixels.
    pub height_px: u32,
    /// How large the other two planes are; odd sizes are rounded up.
    pub subsampling: ChromaSubsampling,
    /// Luma.
    pub y: Plane<'a>,
    /// Blue difference.
    pub u: Plane<'a>,
    /// Red difference.
    pub v: Plane<'a>,
}

/// Converts to I420 with limited range, averaging chroma where there is more of it.
///
/// # Errors
/// [`InvalidFrame`] if a plane is shorter than its size asks for, or the size is none that [`VideoFrame`] takes.
pub fn from_jpeg_planes(
    planes: &JpegPlanes<'_>,
    captured_at: Instant,
    pool: &PicturePool,
) -> Result<VideoFrame, InvalidFrame> {
    let given = planes.y.samples.len() + planes.u.samples.len() + planes.v.samples.len();
    let target = Target::new(planes.width_px, planes.height_px, given)?;
    target.fill(captured_at, pool, |y, u, v, target| {
        let (width, height) = (target.width(), target.height());
        let error = target.error;
        let luma = planes.y.rows(width, height).ok_or(error)?;
        for (from, to) in luma.zip(y.chunks_exact_mut(width)) {
            for (from, to) in from.iter().zip(to) {
                *to = limit_luma(*from);
            }
        }
        for (from, to) in [(planes.u, u), (planes.v, v)] {
            shrink_chroma(from, planes.subsampling, width / 2, height / 2, to).ok_or(error)?;
        }
        Ok(())
    })
}

/// Fills `to` (`width` × `height`, half the size of luma). `None` if the source is too short.
fn shrink_chroma(
    from: Plane<'_>,
    subsampling: ChromaSubsampling,
    width: usize,
    height: usize,
    to: &mut [u8],
) -> Option<()> {
    let targets = to.chunks_exact_mut(width);
    match subsampling {
        ChromaSubsampling::Grey => to.fill(128),
        ChromaSubsampling::Half => {
            for (row, to) in from.rows(width, height)?.zip(targets) {
                for (sample, to) in row.iter().zip(to) {
                    *to = limit_chroma(*sample);
                }
            }
        }
        ChromaSubsampling::HalfWidth => {
            for ((upper, lower), to) in from.row_pairs(width, height)?.zip(targets) {
                for ((upper, lower), to) in upper.iter().zip(lower).zip(to) {
                    *to = limit_chroma((u16::from(*upper) + u16::from(*lower)).div_ceil(2) as u8);
                }
            }
        }
        ChromaSubsampling::Full => {
            for ((upper, lower), to) in from.row_pairs(width * 2, height)?.zip(targets) {
                for ((upper, lower), to) in upper.chunks_exact(2).zip(lower.chunks_exact(2)).zip(to)
                {
                    let sum: u16 = upper
                        .iter()
                        .chain(lower)
                        .map(|sample| u16::from(*sample))
                        .sum();
                    *to = limit_chroma(((sum + 2) / 4) as u8);
                }
            }
        }
    }
    Some(())
}

impl<'a> Plane<'a> {
    /// The first `count` rows, cut to `width`; `None` if there are not so many.
    fn rows(self, width: usize, count: usize) -> Option<impl Iterator<Item = &'a [u8]>> {
        let last = self.stride.checked_mul(count - 1)?.checked_add(width)?;
        let fits = self.stride >= width && self.samples.len() >= last;
        fits.then(|| {
            self.samples
                .chunks(self.stride)
                .take(count)
                .map(move |row| &row[..width])
        })
    }

    fn row_pairs(
        self,
        width: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = (&'a [u8], &'a [u8])>> {
        let upper = self.rows(width, count * 2)?.step_by(2);
        let lower = self.rows(width, count * 2)?.skip(1).step_by(2);
        Some(upper.zip(lower))
    }
}

/// 0–255 to 16–235, rounded.
const fn limit_luma(full: u8) -> u8 {
    ((full as u32 * 219 + 127) / 255 + 16) as u8
}

/// 0–255 to 16–240 around 128, rounded.
const fn limit_chroma(full: u8) -> u8 {
    ((full as u32 * 224 + 128) / 255 + 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(samples: &[u8], stride: usize) -> Plane<'_> {
        Plane { samples, stride }
    }

    fn convert(
        subsampling: ChromaSubsampling,
        y: Plane<'_>,
        u: Plane<'_>,
    ) -> Result<VideoFrame, InvalidFrame> {
        let planes = JpegPlanes {
            width_px: 4,
            height_px: 2,
            subsampling,
            y,
            u,
            v: u,
        };
        from_jpeg_planes(&planes, simulation::start(), &PicturePool::default())
    }

    #[test]
    fn the_ends_of_the_range_meet() {
        assert_eq!((limit_luma(0), limit_luma(255)), (16, 235));
        assert_eq!(
            (limit_chroma(0), limit_chroma(128), limit_chroma(255)),
            (16, 128, 240)
        );
    }

    #[test]
    fn every_layout_of_chroma_gives_the_same_picture() {
        let y = plane(&[0, 255, 0, 255, 9, 9, 255, 0, 255, 0], 6);
        let expected_luma = [16, 235, 16, 235, 235, 16, 235, 16];
        let cases = [
            (ChromaSubsampling::Half, plane(&[0, 255], 2)),
            (ChromaSubsampling::HalfWidth, plane(&[0, 255, 7, 0, 255], 3)),
            (
                ChromaSubsampling::Full,
                plane(&[0, 0, 255, 255, 0, 0, 255, 255], 4),
            ),
        ];
        for (subsampling, u) in cases {
            let frame = convert(subsampling, y, u).unwrap();
            assert_eq!(frame.y(), expected_luma);
            assert_eq!(
                (frame.u(), frame.v()),
                (&[16, 240][..], &[16, 240][..]),
                "{subsampling:?}"
            );
        }
        let grey = convert(ChromaSubsampling::Grey, y, plane(&[], 0)).unwrap();
        assert_eq!((grey.u(), grey.v()), (&[128, 128][..], &[128, 128][..]));
    }

    #[test]
    fn chroma_is_averaged() {
        let y = plane(&[128; 8], 4);
        let half_width = convert(ChromaSubsampling::HalfWidth, y, plane(&[100, 0, 156, 0], 2));
        assert_eq!(half_width.unwrap().u(), [128, 16]);
        let full = convert(
            ChromaSubsampling::Full,
            y,
            plane(&[100, 156, 0, 0, 156, 100, 0, 0], 4),
        );
        assert_eq!(full.unwrap().u(), [128, 16]);
    }

    #[test]
    fn a_plane_that_is_too_short_is_an_error() {
        let whole = plane(&[0; 8], 4);
        let good = convert(ChromaSubsampling::Full, whole, whole);
        assert!(good.is_ok());
        assert!(convert(ChromaSubsampling::Full, plane(&[0; 7], 4), whole).is_err());
        assert!(convert(ChromaSubsampling::Full, whole, plane(&[0; 7], 4)).is_err());
        assert!(convert(ChromaSubsampling::Full, whole, plane(&[0; 8], 0)).is_err());
        assert!(
            convert(
                ChromaSubsampling::HalfWidth,
                whole,
                plane(&[0; 8], usize::MAX)
            )
            .is_err()
        );
    }
}
