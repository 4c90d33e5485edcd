//! Colours and layouts: what cameras give to I420, and I420 to what windows draw.
//!
//! Sizes that are odd are cropped by a pixel, since chroma comes in pairs. A buffer that is too short is an error. The memory of what cameras give
//! comes from a [`PicturePool`], to which it goes back.

use std::time::Instant;

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPackedImage, YuvPlanarImage, YuvPlanarImageMut, YuvRange,
    YuvStandardMatrix, bgra_to_yuv420, yuv420_to_rgba, yuyv422_to_yuv420,
};

use super::{InvalidFrame, Matrix, PicturePool, Range, VideoFrame};

mod jpeg;

pub use jpeg::{ChromaSubsampling, JpegPlanes, Plane, from_jpeg_planes};

/// Converts packed 4:2:2 (Y0 U Y1 V, also called YUY2), as most cameras give it uncompressed.
///
/// Chroma of odd rows is left out. Rows follow each other without padding.
///
/// # Errors
/// [`InvalidFrame`] if there are fewer bytes than two for each pixel, or the size is none that [`VideoFrame`] takes.
pub fn yuyv_to_i420(
    width_px: u32,
    height_px: u32,
    yuyv: &[u8],
    captured_at: Instant,
    pool: &PicturePool,
) -> Result<VideoFrame, InvalidFrame> {
    let target = Target::new(width_px, height_px, yuyv.len())?;
    let stride = width_px.next_multiple_of(2) as usize * 2;
    let Some(packed) = yuyv.get(..stride * target.height()) else {
        return Err(target.error);
    };
    let source = YuvPackedImage {
        yuy: packed,
        yuy_stride: stride as u32,
        width: target.width_px,
        height: target.height_px,
    };
    target.fill(captured_at, pool, |y, u, v, target| {
        let mut planar = target.planar(y, u, v);
        yuyv422_to_yuv420(&mut planar, &source).map_err(|_| target.error)
    })
}

/// Converts a luma plane followed by interleaved U and V at half the size. Rows follow each other without padding.
///
/// # Errors
/// [`InvalidFrame`] if there are fewer bytes than one and a half for each pixel, or the size is none that [`VideoFrame`]
/// takes.
pub fn nv12_to_i420(
    width_px: u32,
    height_px: u32,
    nv12: &[u8],
    captured_at: Instant,
    pool: &PicturePool,
) -> Result<VideoFrame, InvalidFrame> {
    let target = Target::new(width_px, height_px, nv12.len())?;
    let luma_stride = width_px as usize;
    let chroma_stride = width_px.next_multiple_of(2) as usize;
    let luma_len = luma_stride * height_px as usize;
    let chroma_len = chroma_stride * (target.height() / 2);
    let (Some(luma), Some(chroma)) = (
        nv12.get(..luma_len),
        nv12.get(luma_len..luma_len + chroma_len),
    ) else {
        return Err(target.error);
    };
    target.fill(captured_at, pool, |y, u, v, target| {
        let width = target.width();
        for (from, to) in luma
            .chunks_exact(luma_stride)
            .zip(y.chunks_exact_mut(width))
        {
            to.copy_from_slice(&from[..width]);
        }
        let targets = u
            .chunks_exact_mut(width / 2)
            .zip(v.chunks_exact_mut(width / 2));
        for (from, (u, v)) in chroma.chunks_exact(chroma_stride).zip(targets) {
            for (pair, (u, v)) in from.chunks_exact(2).zip(u.iter_mut().zip(v)) {
                *u = pair[0];
                *v = pair[1];
            }
        }
        Ok(())
    })
}

/// Converts four bytes for each pixel (blue, green, red, one that does not count), as screens are read. Rows follow each other without
/// padding. Chroma is the mean of the four pixels that share it.
///
/// # Errors
/// [`InvalidFrame`] if there are fewer bytes than four for each pixel, or the size is none that [`VideoFrame`] takes.
pub fn bgrx_to_i420(
    width_px: u32,
    height_px: u32,
    bgrx: &[u8],
    captured_at: Instant,
    pool: &PicturePool,
) -> Result<VideoFrame, InvalidFrame> {
    let target = Target::new(width_px, height_px, bgrx.len())?;
    let stride = width_px as usize * 4;
    let Some(rows) = bgrx.get(..stride * target.height()) else {
        return Err(target.error);
    };
    target.fill(captured_at, pool, |y, u, v, target| {
        let mut planar = target.planar(y, u, v);
        bgra_to_yuv420(
            &mut planar,
            rows,
            stride as u32,
            YuvRange::Limited,
            YuvStandardMatrix::Bt601,
            YuvConversionMode::Balanced,
        )
        .map_err(|_| target.error)
    })
}

/// Writes the picture as RGBA, four bytes for each pixel, opaque, rows without padding. The four pixels that share chroma get the same.
///
/// # Panics
/// If `rgba` has not four bytes for each pixel.
pub fn to_rgba(frame: &VideoFrame, rgba: &mut [u8]) {
    let (width, height) = (frame.width_px(), frame.height_px());
    let len = width as usize * height as usize * 4;
    assert_eq!(rgba.len(), len, "the target must fit the picture");
    let planar = YuvPlanarImage {
        y_plane: frame.y(),
        y_stride: width,
        u_plane: frame.u(),
        u_stride: width / 2,
        v_plane: frame.v(),
        v_stride: width / 2,
        width,
        height,
    };
    yuv420_to_rgba(
        &planar,
        rgba,
        width * 4,
        match frame.colors().range {
            Range::Limited => YuvRange::Limited,
            Range::Full => YuvRange::Full,
        },
        match frame.colors().matrix {
            Matrix::Bt601 => YuvStandardMatrix::Bt601,
            Matrix::Bt709 => YuvStandardMatrix::Bt709,
        },
    )
    .expect("the planes of a VideoFrame fit its size, and so does the target");
}

/// The picture that a conversion makes: its even size, and the error if the source does not fit.
#[derive(Clone, Copy)]
struct Target {
    width_px: u32,
    height_px: u32,
    error: InvalidFrame,
}

impl Target {
    fn new(width_px: u32, height_px: u32, len_bytes: usize) -> Result<Self, InvalidFrame> {
        let error = InvalidFrame {
            width_px,
            height_px,
            len_bytes,
        };
        let sides = 2..=VideoFrame::MAX_SIDE_PX + 1;
        if sides.contains(&width_px) && sides.contains(&height_px) {
            Ok(Self {
                width_px: width_px & !1,
                height_px: height_px & !1,
                error,
            })
        } else {
            Err(error)
        }
    }

    const fn width(&self) -> usize {
        self.width_px as usize
    }

    const fn height(&self) -> usize {
        self.height_px as usize
    }

    /// The planes as the library wants them.
    fn planar<'a>(
        &self,
        y: &'a mut [u8],
        u: &'a mut [u8],
        v: &'a mut [u8],
    ) -> YuvPlanarImageMut<'a, u8> {
        YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(y),
            y_stride: self.width_px,
            u_plane: BufferStoreMut::Borrowed(u),
            u_stride: self.width_px / 2,
            v_plane: BufferStoreMut::Borrowed(v),
            v_stride: self.width_px / 2,
            width: self.width_px,
            height: self.height_px,
        }
    }

    /// Lets `write` fill the three planes, in memory of `pool`.
    fn fill(
        self,
        captured_at: Instant,
        pool: &PicturePool,
        write: impl FnOnce(&mut [u8], &mut [u8], &mut [u8], &Self) -> Result<(), InvalidFrame>,
    ) -> Result<VideoFrame, InvalidFrame> {
        let len = VideoFrame::len_bytes(self.width_px, self.height_px);
        let mut planes = pool.take(len);
        planes.resize(len, 0);
        let luma_len = self.width() * self.height();
        let (y, chroma) = planes.split_at_mut(luma_len);
        let (u, v) = chroma.split_at_mut(luma_len / 4);
        write(y, u, v, &self)?;
        VideoFrame::from_planes(self.width_px, self.height_px, planes, captured_at)
            .map(|frame| frame.returning_to(pool))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool() -> PicturePool {
        PicturePool::default()
    }

    #[test]
    fn yuyv_keeps_every_luma_sample_and_the_chroma_of_even_rows() {
        let yuyv = [
            [10, 100, 20, 200, 30, 101, 40, 201],
            [50, 90, 60, 190, 70, 91, 80, 191],
        ];
        let frame = yuyv_to_i420(4, 2, yuyv.as_flattened(), simulation::start(), &pool()).unwrap();
        assert_eq!(frame.y(), [10, 20, 30, 40, 50, 60, 70, 80]);
        assert_eq!((frame.u(), frame.v()), (&[100, 101][..], &[200, 201][..]));
    }

    #[test]
    fn nv12_is_taken_apart() {
        let nv12 = [1, 2, 3, 4, 5, 6, 7, 8, 100, 200, 101, 201];
        let frame = nv12_to_i420(4, 2, &nv12, simulation::start(), &pool()).unwrap();
        assert_eq!(frame.y(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((frame.u(), frame.v()), (&[100, 101][..], &[200, 201][..]));
    }

    #[test]
    fn an_odd_size_loses_its_last_column_and_row() {
        let nv12 = [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 200, 101, 201, 102, 202, 103, 203,
        ];
        let frame = nv12_to_i420(3, 3, &nv12, simulation::start(), &pool()).unwrap();
        assert_eq!((frame.width_px(), frame.height_px()), (2, 2));
        assert_eq!(frame.y(), [1, 2, 4, 5]);
        assert_eq!((frame.u(), frame.v()), (&[100][..], &[200][..]));

        let yuyv = [[10, 100, 20, 200, 30, 101, 0, 201]; 3];
        let frame = yuyv_to_i420(3, 3, yuyv.as_flattened(), simulation::start(), &pool()).unwrap();
        assert_eq!(frame.planes(), [10, 20, 10, 20, 100, 200]);
    }

    #[test]
    fn a_screen_comes_back_as_it_was() {
        // Areas of one colour, so that nothing is lost with the chroma.
        for (bgrx, rgb) in [
            ([0, 0, 0, 9], [0, 0, 0]),
            ([255, 255, 255, 0], [255, 255, 255]),
            ([200, 40, 20, 7], [20, 40, 200]),
            ([30, 60, 220, 0], [220, 60, 30]),
        ] {
            let frame = bgrx_to_i420(5, 3, &bgrx.repeat(15), simulation::start(), &pool()).unwrap();
            assert_eq!((frame.width_px(), frame.height_px()), (4, 2));
            let mut rgba = [9; 32];
            to_rgba(&frame, &mut rgba);
            for pixel in rgba.chunks_exact(4) {
                let is_near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 3;
                assert!(pixel.iter().zip(&rgb).all(is_near), "{pixel:?} {rgb:?}");
            }
        }
        assert!(bgrx_to_i420(4, 4, &[0; 63], simulation::start(), &pool()).is_err());
        assert!(bgrx_to_i420(0, 4, &[], simulation::start(), &pool()).is_err());
    }

    #[test]
    fn grey_levels_come_out_as_screens_want_them() {
        for (luma, shown) in [(16, 0), (126, 128), (235, 255)] {
            let mut planes = vec![luma; 16];
            planes.extend([128; 8]);
            let frame = VideoFrame::from_planes(4, 4, planes, simulation::start()).unwrap();
            let mut rgba = [9; 64];
            to_rgba(&frame, &mut rgba);
            for pixel in rgba.chunks_exact(4) {
                assert!(
                    pixel[..3]
                        .iter()
                        .all(|channel| channel.abs_diff(shown) <= 1),
                    "{pixel:?}"
                );
                assert_eq!(pixel[3], 255);
            }
        }
    }

    #[test]
    fn red_is_red() {
        // BT.601, limited range: pure red is (81, 90, 240).
        let planes = [vec![81; 16], vec![90; 4], vec![240; 4]].concat();
        let frame = VideoFrame::from_planes(4, 4, planes, simulation::start()).unwrap();
        let mut rgba = [9; 64];
        to_rgba(&frame, &mut rgba);
        assert!(
            rgba[0] >= 252 && rgba[1] <= 3 && rgba[2] <= 3,
            "{:?}",
            &rgba[..4]
        );
    }

    proptest! {
        #[test]
        fn short_buffers_are_errors_and_full_ones_pictures(width in 0_u32..70, height in 0_u32..40, missing in 0_usize..3) {
            let possible = width >= 2 && height >= 2;
            let (even_width, even_height) = (width as usize & !1, height as usize & !1);
            let wide = width.next_multiple_of(2) as usize;
            let fits = possible && missing == 0;

            let yuyv = vec![0; (wide * 2 * even_height).saturating_sub(missing)];
            prop_assert_eq!(yuyv_to_i420(width, height, &yuyv, simulation::start(), &pool()).is_ok(), fits);
            let nv12 = vec![0; (width as usize * height as usize + wide * even_height / 2).saturating_sub(missing)];
            let frame = nv12_to_i420(width, height, &nv12, simulation::start(), &pool());
            prop_assert_eq!(frame.is_ok(), fits);
            if let Ok(frame) = frame {
                prop_assert_eq!(frame.y().len(), even_width * even_height);
            }
        }
    }
}
