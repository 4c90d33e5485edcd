//! The veil: pictures are but colours until both people have said that they want to be seen, and to see.
//!
//! It is drawn at the sender, so that no other program can look behind it. Owns no clock and no connection.

use media::video::{Scaler, VideoFrame};

/// The shorter side of a veiled picture, in pixels: the smallest that codecs take. Of a face it leaves a few spots of colour.
const SHORTER_SIDE_PX: u32 = 16;
/// Beyond this shape a picture is squeezed: a strip of many pixels would show more.
const LONGEST_SHAPE: u32 = 2;

/// What both have said about the veil of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VeilView {
    /// This person wants to be seen and to see.
    pub is_lifted: bool,
    /// Whether the partner wants that. None before the partner has said so; those who know of no veil never do.
    pub partner_lifted: Option<bool>,
}

impl VeilView {
    /// The beginning of a call, which is veiled or not.
    pub(crate) const fn begin(is_veiled: bool) -> Self {
        Self {
            is_lifted: !is_veiled,
            partner_lifted: None,
        }
    }

    /// Whether the veil hides a picture of this size, in pixels: all that are larger than veiled ones, while it is down.
    pub const fn hides(self, (width_px, height_px): (u32, u32)) -> bool {
        let longest_px = LONGEST_SHAPE * SHORTER_SIDE_PX;
        self.is_down() && (width_px > longest_px || height_px > longest_px)
    }

    /// Whether pictures are veiled: as long as one of the two has not lifted it. A partner who says nothing knows of no veil.
    pub const fn is_down(self) -> bool {
        !self.is_lifted || matches!(self.partner_lifted, Some(false))
    }
}

/// The size of a veiled picture in pixels, for one of this size.
pub(crate) fn veiled_px((width_px, height_px): (u32, u32)) -> (u32, u32) {
    let short = SHORTER_SIDE_PX;
    let long = |longer: u32, shorter: u32| {
        let side = u64::from(short) * u64::from(longer) / u64::from(shorter.max(1));
        (side.min(u64::from(LONGEST_SHAPE * short)) as u32 / 2 * 2).max(short)
    };
    if width_px >= height_px {
        (long(width_px, height_px), short)
    } else {
        (short, long(height_px, width_px))
    }
}

/// Draws the veil over pictures.
#[derive(Debug, Default)]
pub(crate) struct Weaver {
    scaler: Scaler,
}

impl Weaver {
    /// The picture behind the veil; every pixel of it is the mean of many. None of one that has no veiled size.
    pub(crate) fn veil(&mut self, frame: &VideoFrame) -> Option<VideoFrame> {
        let size_px = veiled_px((frame.width_px(), frame.height_px()));
        self.scaler.scale(frame, size_px).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn both_have_to_lift_it_and_who_knows_of_none_need_not() {
        let veil = |is_lifted, partner_lifted| VeilView {
            is_lifted,
            partner_lifted,
        };
        for partner in [None, Some(false), Some(true)] {
            assert!(veil(false, partner).is_down());
        }
        assert!(veil(true, Some(false)).is_down());
        assert!(!veil(true, Some(true)).is_down());
        assert!(!veil(true, None).is_down());
        assert!(VeilView::begin(true).is_down());
        assert!(!VeilView::begin(false).is_down());
    }

    #[test]
    fn a_veiled_picture_is_tiny_whatever_it_was_and_can_be_encoded() {
        for size in [
            (640, 480),
            (1920, 1080),
            (480, 640),
            (4096, 2),
            (2, 4096),
            (16, 16),
            (4096, 4096),
        ] {
            let (width, height) = veiled_px(size);
            assert!(width % 2 == 0 && height % 2 == 0, "{size:?}");
            assert_eq!(width.min(height), SHORTER_SIDE_PX, "{size:?}");
            assert!(width.max(height) <= 2 * SHORTER_SIDE_PX, "{size:?}");
            assert!(!VeilView::begin(true).hides((width, height)), "{size:?}");
        }
        assert_eq!(veiled_px((640, 480)), (20, 16));
        for clear in [(34, 16), (16, 34), (640, 480)] {
            assert!(VeilView::begin(true).hides(clear), "{clear:?}");
            assert!(!VeilView::begin(false).hides(clear), "{clear:?}");
        }
    }

    #[test]
    fn nothing_fine_is_left_behind_the_veil() {
        // Stripes of one pixel become an even grey.
        let (width, height) = (640, 480);
        let mut planes: Vec<u8> = (0..width * height)
            .map(|at| 40 + 170 * (at % 2) as u8)
            .collect();
        planes.resize(VideoFrame::len_bytes(width, height), 128);
        let frame = VideoFrame::from_planes(width, height, planes, Instant::now()).unwrap();
        let veiled = Weaver::default().veil(&frame).unwrap();
        assert!(
            veiled.y().iter().all(|luma| luma.abs_diff(125) <= 3),
            "{:?}",
            veiled.y()
        );
    }
}
