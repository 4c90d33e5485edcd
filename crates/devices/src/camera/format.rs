//! Which of the formats that a camera offers is taken.

use std::cmp::Reverse;

use media::video::VideoFrame;

use super::CameraSettings;

/// How the pixels of a picture lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pixels {
    /// 4:2:2, packed.
    Yuyv,
    /// 4:2:0, a luma plane and one of interleaved chroma.
    Nv12,
    /// Each picture a JPEG file.
    Mjpeg,
}

/// One format that a camera offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) fps: u32,
    pub(super) pixels: Pixels,
}

/// Up to this size USB 2 carries raw pictures 30 times a second; above it cameras slow down and JPEG is the way out.
const LARGEST_RAW_PX: u32 = 640 * 480;

/// Picks the offer that is nearest to the wish: fast enough first, then the nearest size, then the nearest speed,
/// then the pixels that cost least.
pub(super) fn choose(offers: &[Offer], wish: CameraSettings) -> Option<Offer> {
    offers
        .iter()
        .copied()
        .filter(|offer| {
            let sides = 2..=VideoFrame::MAX_SIDE_PX;
            offer.fps > 0 && sides.contains(&offer.width_px) && sides.contains(&offer.height_px)
        })
        .min_by_key(|offer| {
            // A picture a little slow is better than one of the wrong size; half the speed is not.
            let is_slow = offer.fps * 5 < wish.fps * 4;
            let distance =
                offer.width_px.abs_diff(wish.width_px) + offer.height_px.abs_diff(wish.height_px);
            (
                is_slow,
                distance,
                offer.fps.abs_diff(wish.fps),
                cost(*offer),
                Reverse(offer.width_px),
            )
        })
}

const fn cost(offer: Offer) -> u8 {
    let is_small = offer.width_px * offer.height_px <= LARGEST_RAW_PX;
    match (offer.pixels, is_small) {
        (Pixels::Yuyv, true) | (Pixels::Mjpeg, false) => 0,
        (Pixels::Nv12, _) => 1,
        (Pixels::Mjpeg, true) | (Pixels::Yuyv, false) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: CameraSettings = CameraSettings {
        width_px: 640,
        height_px: 480,
        fps: 30,
    };
    const HD: CameraSettings = CameraSettings {
        width_px: 1280,
        height_px: 720,
        fps: 30,
    };

    fn offer(pixels: Pixels, width_px: u32, height_px: u32, fps: u32) -> Offer {
        Offer {
            width_px,
            height_px,
            fps,
            pixels,
        }
    }

    /// What a common USB 2 webcam offers.
    fn webcam() -> Vec<Offer> {
        vec![
            offer(Pixels::Yuyv, 640, 480, 30),
            offer(Pixels::Yuyv, 1280, 720, 10),
            offer(Pixels::Yuyv, 1920, 1080, 5),
            offer(Pixels::Mjpeg, 640, 480, 30),
            offer(Pixels::Mjpeg, 1280, 720, 15),
            offer(Pixels::Mjpeg, 1280, 720, 30),
            offer(Pixels::Mjpeg, 1920, 1080, 30),
        ]
    }

    #[test]
    fn small_pictures_are_taken_raw_and_large_ones_as_jpeg() {
        assert_eq!(
            choose(&webcam(), VGA),
            Some(offer(Pixels::Yuyv, 640, 480, 30))
        );
        assert_eq!(
            choose(&webcam(), HD),
            Some(offer(Pixels::Mjpeg, 1280, 720, 30))
        );
    }

    #[test]
    fn a_slow_picture_of_the_right_size_loses_against_a_fast_one_of_another() {
        let offers = [
            offer(Pixels::Yuyv, 1280, 720, 10),
            offer(Pixels::Yuyv, 640, 480, 30),
        ];
        assert_eq!(choose(&offers, HD), Some(offers[1]));
        let offers = [
            offer(Pixels::Yuyv, 1280, 720, 25),
            offer(Pixels::Yuyv, 640, 480, 30),
        ];
        assert_eq!(choose(&offers, HD), Some(offers[0]));
    }

    #[test]
    fn whatever_is_usable_is_better_than_nothing() {
        let only = offer(Pixels::Nv12, 352, 288, 15);
        assert_eq!(choose(&[only], HD), Some(only));
        assert_eq!(choose(&[], HD), None);
        assert_eq!(choose(&[offer(Pixels::Yuyv, 8192, 4320, 30)], HD), None);
        assert_eq!(choose(&[offer(Pixels::Yuyv, 640, 480, 0)], HD), None);
    }
}
