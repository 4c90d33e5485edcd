//! Pictures to other sizes.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::{InvalidFrame, VideoFrame};

/// Scales pictures, one after the other, into a buffer of its own.
pub struct Scaler {
    resizer: Resizer,
    options: ResizeOptions,
    buffer: Vec<u8>,
}

impl Default for Scaler {
    fn default() -> Self {
        Self {
            resizer: Resizer::new(),
            // Every pixel of the source counts, so that fine patterns do not flicker. Sharper filters cost more and ring.
            options: ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)),
            buffer: Vec::new(),
        }
    }
}

impl Scaler {
    /// The picture at another size, in pixels; the same moment. Its proportions are the caller's business.
    ///
    /// # Errors
    /// [`InvalidFrame`] if no [`VideoFrame`] may have this size.
    pub fn scale(
        &mut self,
        frame: &VideoFrame,
        (width_px, height_px): (u32, u32),
    ) -> Result<VideoFrame, InvalidFrame> {
        // Before memory is taken for it.
        if width_px.max(height_px) > VideoFrame::MAX_SIDE_PX {
            return VideoFrame::from_planes(width_px, height_px, Vec::new(), frame.captured_at());
        }
        let mut planes = std::mem::take(&mut self.buffer);
        planes.resize(VideoFrame::len_bytes(width_px, height_px), 0);
        let mut target = VideoFrame::from_planes(width_px, height_px, planes, frame.captured_at())?
            .with_colors(frame.colors());
        let from_px = (frame.width_px(), frame.height_px());
        let to_px = (width_px, height_px);
        let half = |(width, height): (u32, u32)| (width / 2, height / 2);
        let [y, u, v] = target.planes_mut();
        self.plane(frame.y(), from_px, y, to_px);
        self.plane(frame.u(), half(from_px), u, half(to_px));
        self.plane(frame.v(), half(from_px), v, half(to_px));
        Ok(target)
    }

    /// Takes a picture back whose planes are not needed any more, so that the next one needs no new memory.
    pub fn give_back(&mut self, frame: VideoFrame) {
        self.buffer = frame.into_planes();
    }

    fn plane(&mut self, from: &[u8], from_px: (u32, u32), to: &mut [u8], to_px: (u32, u32)) {
        let fits = "the planes of a VideoFrame fit its size";
        let from = TypedImageRef::<U8>::from_buffer(from_px.0, from_px.1, from).expect(fits);
        let mut to = TypedImage::<U8>::from_buffer(to_px.0, to_px.1, to).expect(fits);
        self.resizer
            .resize_typed(&from, &mut to, &self.options)
            .expect("no part of the source is cropped");
    }
}

impl std::fmt::Debug for Scaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scaler").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    /// A picture whose luma grows from left to right and whose chroma is two colours, one above the other.
    fn picture(width_px: u32, height_px: u32) -> VideoFrame {
        let (width, height) = (width_px as usize, height_px as usize);
        let luma = |at: usize| 16 + (at % width * 200 / (width - 1)) as u8;
        let chroma = |at: usize| {
            if at / (width / 2) < height / 4 {
                90
            } else {
                170
            }
        };
        let count = width * height / 4;
        let planes = (0..width * height)
            .map(luma)
            .chain((0..count).map(chroma))
            .chain((0..count).map(chroma))
            .collect();
        VideoFrame::from_planes(width_px, height_px, planes, simulation::start()).unwrap()
    }

    #[test]
    fn a_smaller_picture_shows_the_same() {
        let mut scaler = Scaler::default();
        let source = picture(640, 480);
        for size in [(320, 240), (480, 360), (214, 160), (640, 480), (960, 720)] {
            let scaled = scaler.scale(&source, size).unwrap();
            let wanted = picture(size.0, size.1);
            assert_eq!((scaled.width_px(), scaled.height_px()), size);
            assert_eq!(scaled.captured_at(), source.captured_at());
            let largest = scaled
                .y()
                .iter()
                .zip(wanted.y())
                .map(|(a, b)| a.abs_diff(*b));
            assert!(largest.max().unwrap() <= 2, "{size:?}");
            let chroma = scaled.u().iter().zip(wanted.u());
            let off = chroma.filter(|(a, b)| a.abs_diff(**b) > 2).count();
            // Only the two rows where the colours meet may be mixed.
            assert!(off <= 2 * size.0 as usize / 2, "{size:?}: {off}");
            scaler.give_back(scaled);
        }
    }

    #[test]
    fn a_size_that_no_picture_has_is_refused() {
        let mut scaler = Scaler::default();
        for size in [(0, 2), (3, 2), (4098, 2)] {
            assert!(scaler.scale(&picture(64, 48), size).is_err());
        }
        assert!(scaler.scale(&picture(64, 48), (2, 2)).is_ok());
    }
}
