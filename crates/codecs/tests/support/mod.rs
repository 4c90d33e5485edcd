//! What the tests of both codecs of pictures share.

use std::time::Instant;

use codecs::VideoEncoder;
use media::video::{EncodedFrame, TestPattern, VideoFrame};

pub(crate) const TICKS_PER_FRAME: u32 = 3000;

pub(crate) fn draw(pattern: &TestPattern, number: u32) -> VideoFrame {
    pattern.draw(number, capture_time(number), Instant::now())
}

pub(crate) fn capture_time(number: u32) -> u64 {
    u64::from(number) * 33_333 + 1_700_000_000_000_000
}

pub(crate) fn encode(
    encoder: &mut impl VideoEncoder,
    pattern: &TestPattern,
    number: u32,
    force_keyframe: bool,
) -> EncodedFrame {
    let timestamp = number * TICKS_PER_FRAME;
    encoder
        .encode(&draw(pattern, number), timestamp, force_keyframe)
        .unwrap()
        .expect("no frame is skipped")
}

/// Peak signal-to-noise ratio of luma, in decibels.
pub(crate) fn psnr(one: &VideoFrame, other: &VideoFrame) -> f64 {
    let squares: f64 = one
        .y()
        .iter()
        .zip(other.y())
        .map(|(one, other)| f64::from(one.abs_diff(*other)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 * one.y().len() as f64 / squares.max(1.0)).log10()
}
