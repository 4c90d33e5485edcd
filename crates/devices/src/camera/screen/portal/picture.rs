//! Pixels as a compositor leaves them in a buffer (rows with padding, of which a part may count) to pixels without padding.

use media::video::VideoFrame;

use super::pod::{MAX_SIDE_PX, Order};

const PIXEL: usize = 4;

/// A buffer with a picture in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer<'a> {
    pub(super) bytes: &'a [u8],
    /// From the start of one row to that of the next, in bytes. Zero means that rows follow each other without padding.
    pub(super) stride: usize,
    pub(super) size_px: (u32, u32),
    pub(super) order: Order,
}

/// The part of a buffer that counts, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The newest picture, in memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// Blue, green, red and one that does not count; rows without padding.
    pub(super) bgrx: Vec<u8>,
}

impl Picture {
    /// Copies what counts of `buffer`; returns false, and changes nothing, if there is no whole picture in it.
    ///
    /// What is larger than pictures can be is made smaller by a whole number, each pixel the mean of those in its place.
    pub(super) fn fill(&mut self, buffer: &Buffer<'_>, crop: Option<Crop>) -> bool {
        let (width, height) = buffer.size_px;
        // A part of no size says that there is none.
        let crop = crop.filter(|crop| crop.width > 0 && crop.height > 0);
        let part = crop.unwrap_or(Crop {
            x: 0,
            y: 0,
            width,
            height,
        });
        let fits =
            |at: u32, len: u32, whole: u32| at.checked_add(len).is_some_and(|end| end <= whole);
        let is_whole = fits(part.x, part.width, width) && fits(part.y, part.height, height);
        let sides = 1..=MAX_SIDE_PX;
        if !is_whole || !sides.contains(&part.width) || !sides.contains(&part.height) {
            return false;
        }
        let stride = match buffer.stride {
            0 => width as usize * PIXEL,
            stride => stride,
        };
        let row_len = part.width as usize * PIXEL;
        let start = part.x as usize * PIXEL;
        // Of the last row nothing need be there but its pixels.
        let end = (part.y + part.height - 1) as usize * stride + start + row_len;
        if stride < start + row_len || buffer.bytes.len() < end {
            return false;
        }
        let first = part.y as usize * stride + start;
        let rows = buffer.bytes[first..].chunks(stride);
        let rows = rows.take(part.height as usize).map(|row| &row[..row_len]);
        let step = part
            .width
            .max(part.height)
            .div_ceil(VideoFrame::MAX_SIDE_PX);
        let size_px = (part.width / step, part.height / step);
        if size_px.0 == 0 || size_px.1 == 0 {
            return false;
        }
        (self.width_px, self.height_px) = size_px;
        self.bgrx.clear();
        if step == 1 {
            for row in rows {
                self.bgrx.extend_from_slice(row);
            }
        } else {
            let rows: Vec<&[u8]> = rows.collect();
            self.shrink(&rows, step as usize);
        }
        if buffer.order == Order::Rgbx {
            for pixel in self.bgrx.chunks_exact_mut(PIXEL) {
                pixel.swap(0, 2);
            }
        }
        true
    }

    fn shrink(&mut self, rows: &[&[u8]], step: usize) {
        let count = (step * step) as u32;
        for rows in rows.chunks_exact(step).take(self.height_px as usize) {
            for column in 0..self.width_px as usize {
                let from = column * step * PIXEL;
                let mut sums = [0; PIXEL];
                for row in rows {
                    for pixel in row[from..from + step * PIXEL].chunks_exact(PIXEL) {
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += u32::from(*value);
                        }
                    }
                }
                self.bgrx.extend(sums.map(|sum| (sum / count) as u8));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three by two pixels, each byte its own number, rows of sixteen bytes.
    fn padded() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..28).collect();
        bytes[12..16].fill(99);
        bytes
    }

    fn buffer(bytes: &[u8], order: Order) -> Buffer<'_> {
        Buffer {
            bytes,
            stride: 16,
            size_px: (3, 2),
            order,
        }
    }

    #[test]
    fn padding_is_left_out_and_the_last_row_needs_none() {
        let mut picture = Picture::default();
        assert!(picture.fill(&buffer(&padded(), Order::Bgrx), None));
        assert_eq!((picture.width_px, picture.height_px), (3, 2));
        let expected: Vec<u8> = (0..12).chain(16..28).collect();
        assert_eq!(picture.bgrx, expected);
    }

    #[test]
    fn red_and_blue_change_places_where_red_comes_first() {
        let mut picture = Picture::default();
        assert!(picture.fill(&buffer(&padded(), Order::Rgbx), None));
        assert_eq!(picture.bgrx[..8], [2, 1, 0, 3, 6, 5, 4, 7]);
    }

    #[test]
    fn only_what_counts_is_taken() {
        let crop = Crop {
            x: 1,
            y: 1,
            width: 2,
            height: 1,
        };
        let mut picture = Picture::default();
        assert!(picture.fill(&buffer(&padded(), Order::Bgrx), Some(crop)));
        assert_eq!((picture.width_px, picture.height_px), (2, 1));
        assert_eq!(picture.bgrx, (20..28).collect::<Vec<u8>>());
        let none = Crop { width: 0, ..crop };
        assert!(picture.fill(&buffer(&padded(), Order::Bgrx), Some(none)));
        assert_eq!((picture.width_px, picture.height_px), (3, 2));
    }

    #[test]
    fn a_buffer_that_is_too_short_leaves_the_last_picture_as_it_is() {
        let mut picture = Picture::default();
        assert!(picture.fill(&buffer(&padded(), Order::Bgrx), None));
        let before = picture.bgrx.clone();
        assert!(!picture.fill(&buffer(&padded()[..27], Order::Bgrx), None));
        let too_wide = Crop {
            x: 2,
            y: 0,
            width: 2,
            height: 1,
        };
        assert!(!picture.fill(&buffer(&padded(), Order::Bgrx), Some(too_wide)));
        assert_eq!(picture.bgrx, before);
    }

    #[test]
    fn what_is_too_large_for_a_picture_is_made_smaller_by_a_whole_number() {
        let side = VideoFrame::MAX_SIDE_PX as usize + 2;
        // Two rows, white and black by turns: grey.
        let mut bytes = vec![255; side * PIXEL];
        bytes.extend(vec![0; side * PIXEL]);
        let wide = Buffer {
            bytes: &bytes,
            stride: 0,
            size_px: (side as u32, 2),
            order: Order::Bgrx,
        };
        let mut picture = Picture::default();
        assert!(picture.fill(&wide, None));
        assert_eq!((picture.width_px, picture.height_px), (side as u32 / 2, 1));
        assert_eq!(picture.bgrx.len(), side / 2 * PIXEL);
        assert!(picture.bgrx.iter().all(|value| *value == 127));
    }

    proptest! {
        #[test]
        fn whatever_a_compositor_says_it_is_a_whole_picture_or_none(
            len in 0usize..600,
            stride in 0usize..64,
            size_px in (0u32..12, 0u32..12),
            crop in prop::option::of((any::<u32>(), 0u32..12, any::<u32>(), 0u32..12)),
        ) {
            let bytes = vec![7; len];
            let buffer = Buffer { bytes: &bytes, stride, size_px, order: Order::Rgbx };
            let crop = crop.map(|(x, y, width, height)| Crop { x, y, width, height });
            let mut picture = Picture::default();
            if picture.fill(&buffer, crop) {
                let pixels = picture.width_px as usize * picture.height_px as usize;
                prop_assert!(pixels > 0);
                prop_assert_eq!(picture.bgrx.len(), pixels * PIXEL);
                prop_assert!(picture.width_px <= size_px.0 && picture.height_px <= size_px.1);
            }
        }
    }
}
