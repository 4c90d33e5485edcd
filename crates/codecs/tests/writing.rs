//! Writing on a screen, encoded as what it is.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Instant;

use codecs::{VideoSettings, video_codecs, video_decoder, video_encoder};
use media::video::{Pictures, VideoCodec, VideoFrame};

#[expect(
    dead_code,
    reason = "most of it is for those who draw the test pattern"
)]
mod support;

use support::{TICKS_PER_FRAME, psnr};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 540;

/// A page of strokes one or two pixels wide, dark on light, moved up by so many rows.
fn page(scrolled: u32) -> VideoFrame {
    let is_ink = |x: u32, y: u32| {
        let (column, row) = (x / 8, y / 14);
        let (x, y) = (x % 8, y % 14);
        let glyph = (column * 7919 + row * 104_729) % 61;
        let is_blank = glyph < 12 || x > 5 || y > 9;
        !is_blank && (x == glyph % 6 || y == glyph % 9 || (x + y) == glyph % 13)
    };
    let mut planes = Vec::with_capacity(VideoFrame::len_bytes(WIDTH, HEIGHT));
    for y in 0..HEIGHT {
        planes.extend((0..WIDTH).map(|x| if is_ink(x, y + scrolled) { 30 } else { 225 }));
    }
    planes.resize(VideoFrame::len_bytes(WIDTH, HEIGHT), 128);
    VideoFrame::from_planes(WIDTH, HEIGHT, planes, Instant::now()).unwrap()
}

/// Ten pictures of a page that stands still after it was scrolled: bytes in all, and the likeness of the last one in dB.
fn encode(codec: VideoCodec, pictures: Pictures, target_bitrate: u32) -> (usize, f64) {
    let settings = VideoSettings {
        target_bitrate,
        frames_per_second: 15.0,
        pictures,
    };
    let mut encoder = video_encoder(codec, settings).unwrap();
    let mut decoder = video_decoder(codec).unwrap();
    let (mut bytes, mut likeness) = (0, 0.0);
    for number in 0..10 {
        let frame = page(3 * number.min(4));
        let timestamp = number * 2 * TICKS_PER_FRAME;
        let encoded = encoder.encode(&frame, timestamp, false).unwrap();
        let Some(encoded) = encoded else { continue };
        bytes += encoded.data.len();
        if let Some(decoded) = decoder.decode(&encoded.data).unwrap() {
            likeness = psnr(&frame, &decoded);
        }
    }
    (bytes, likeness)
}

#[test]
fn writing_can_be_read_and_av1_makes_more_of_it_when_it_knows_what_it_is() {
    for codec in video_codecs() {
        let [(camera_bytes, camera), (screen_bytes, screen)] =
            [Pictures::Camera, Pictures::Screen].map(|pictures| encode(*codec, pictures, 700_000));
        println!(
            "{codec}: as a camera's {camera_bytes} bytes, {camera:.1} dB; as a screen's {screen_bytes} bytes, {screen:.1} dB"
        );
        assert!(screen > 24.0, "{codec}: {screen:.1} dB");
        if *codec == VideoCodec::Av1 {
            assert!(
                screen > camera + 6.0 && screen_bytes < camera_bytes,
                "{screen:.1} dB"
            );
        }
    }
}
