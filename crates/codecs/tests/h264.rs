//! H.264 there and back.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Instant;

use codecs::{
    CodecError, H264Decoder, H264Encoder, VideoDecoder as _, VideoEncoder as _, VideoSettings,
};
use media::video::{Mark, TestPattern, VideoFrame, h264, read_mark};

mod support;

use support::{TICKS_PER_FRAME, draw, encode, psnr};

fn settings(target_bitrate: u32) -> VideoSettings {
    VideoSettings {
        target_bitrate,
        ..VideoSettings::default()
    }
}

#[test]
fn the_picture_comes_back_nearly_as_it_was() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(1_000_000));
    let mut decoder = H264Decoder::new().unwrap();
    for number in 0..60 {
        let original = draw(&pattern, number);
        let encoded = encode(&mut encoder, &pattern, number, false);
        assert_eq!(
            encoded.is_keyframe,
            number == 0,
            "a keyframe at the start and none without need"
        );
        assert_eq!(encoded.timestamp, number * TICKS_PER_FRAME);
        let decoded = decoder
            .decode(&encoded.data)
            .unwrap()
            .expect("each frame comes out at once");
        assert_eq!((decoded.width_px(), decoded.height_px()), (640, 480));
        let psnr = psnr(&original, &decoded);
        assert!(psnr > 34.0, "frame {number}: {psnr} dB");
    }
}

#[test]
fn what_moves_leaves_no_specks_behind() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(1_000_000));
    let mut decoder = H264Decoder::new().unwrap();
    let mut specks = 0;
    for number in 0..120 {
        let encoded = encode(&mut encoder, &pattern, number, false);
        let decoded = decoder.decode(&encoded.data).unwrap().expect("a picture");
        if number >= 90 {
            let original = draw(&pattern, number);
            let pairs = original.y().iter().zip(decoded.y());
            specks += pairs
                .filter(|(one, other)| one.abs_diff(**other) > 40)
                .count();
        }
    }
    println!(
        "pixels that are clearly wrong, in each picture: {}",
        specks / 30
    );
    assert!(specks / 30 < 20, "{} in each picture", specks / 30);
}

#[test]
fn the_mark_can_be_read_at_150_kbits() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(150_000));
    let mut decoder = H264Decoder::new().unwrap();
    let mut bytes = 0;
    for number in 0..150 {
        let encoded = encode(&mut encoder, &pattern, number, false);
        if number >= 30 {
            bytes += encoded.data.len();
        }
        let decoded = decoder.decode(&encoded.data).unwrap().unwrap();
        let expected = Mark {
            frame_number: number,
            capture_time_us: u64::from(number) * 33_333 + 1_700_000_000_000_000,
        };
        assert_eq!(read_mark(&decoded), Some(expected), "frame {number}");
    }
    let bits_per_second = bytes * 8 / 4;
    assert!(
        (100_000..200_000).contains(&bits_per_second),
        "{bits_per_second} bit/s"
    );
}

#[test]
fn a_keyframe_comes_on_request() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(settings(500_000));
    for number in 0..30 {
        let is_requested = number == 7 || number == 20;
        let encoded = encode(&mut encoder, &pattern, number, is_requested);
        assert_eq!(
            encoded.is_keyframe,
            is_requested || number == 0,
            "frame {number}"
        );
        // Whoever joins here needs nothing from before.
        if encoded.is_keyframe {
            assert!(
                H264Decoder::new()
                    .unwrap()
                    .decode(&encoded.data)
                    .unwrap()
                    .is_some()
            );
        }
    }
}

#[test]
fn the_bitrate_follows_its_target() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(600_000));
    let mut number = 0;
    for target in [600_000, 250_000, 900_000, 150_000] {
        encoder.set_target_bitrate(target).unwrap();
        let mut second = |encoder: &mut H264Encoder| -> usize {
            let numbers = number..number + 30;
            number += 30;
            numbers
                .map(|number| encode(encoder, &pattern, number, false).data.len() * 8)
                .sum()
        };
        second(&mut encoder);
        let measured = second(&mut encoder) as f64;
        let ratio = measured / f64::from(target);
        // The pattern may not need all that it gets, but it never gets more.
        assert!(
            (0.5..1.2).contains(&ratio),
            "{measured} instead of {target} bit/s"
        );
    }
}

#[test]
fn another_size_begins_with_a_keyframe_and_keeps_the_bitrate() {
    let mut encoder = H264Encoder::new(settings(2_000_000));
    let mut decoder = H264Decoder::new().unwrap();
    encoder.set_target_bitrate(200_000).unwrap();
    let mut number = 0;
    for (width, height) in [(640, 480), (320, 240), (1280, 720), (322, 182)] {
        let pattern = TestPattern::new(width, height);
        let mut bits = 0;
        for index in 0..30 {
            let encoded = encode(&mut encoder, &pattern, number, false);
            assert_eq!(encoded.is_keyframe, index == 0);
            let decoded = decoder.decode(&encoded.data).unwrap().unwrap();
            assert_eq!((decoded.width_px(), decoded.height_px()), (width, height));
            bits += if index == 0 {
                0
            } else {
                encoded.data.len() * 8
            };
            number += 1;
        }
        assert!(
            bits < 400_000,
            "{bits} bits in a second at {width}x{height}"
        );
    }
}

#[test]
fn pictures_out_of_range_are_refused_and_do_no_harm() {
    let mut encoder = H264Encoder::new(settings(500_000));
    for (width, height) in [(8, 8), (4096, 16), (4096, 4096), (2, 480)] {
        let planes = vec![128; VideoFrame::len_bytes(width, height)];
        let frame = VideoFrame::from_planes(width, height, planes, Instant::now()).unwrap();
        let refused = encoder.encode(&frame, 0, false);
        assert!(
            matches!(refused, Err(CodecError::UnsupportedSize { .. })),
            "{width}x{height}: {refused:?}"
        );
    }
    assert!(encode(&mut encoder, &TestPattern::new(320, 240), 0, false).is_keyframe);
}

#[test]
fn garbage_is_an_error_and_the_next_keyframe_decodes() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(settings(500_000));
    let mut decoder = H264Decoder::new().unwrap();
    assert!(
        decoder
            .decode(&encode(&mut encoder, &pattern, 0, false).data)
            .unwrap()
            .is_some()
    );
    let mut random = simulation::Random::new(1);
    for len in [0, 1, 5, 100, 5000] {
        let mut garbage = vec![0, 0, 0, 1, 0x65];
        garbage.extend((0..len).map(|_| random.next_u64() as u8));
        let decoded = decoder.decode(&garbage);
        assert!(
            matches!(decoded, Err(CodecError::Undecodable)),
            "{len} bytes: {decoded:?}"
        );
        let keyframe = encode(&mut encoder, &pattern, 1, true);
        assert!(decoder.decode(&keyframe.data).unwrap().is_some());
    }
}

#[test]
fn a_frame_without_its_reference_is_never_a_picture() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(settings(500_000));
    let mut decoder = H264Decoder::new().unwrap();
    let frames: Vec<_> = (0..10)
        .map(|number| encode(&mut encoder, &pattern, number, number == 8))
        .collect();
    assert!(
        matches!(
            decoder.decode(&frames[1].data),
            Err(CodecError::Undecodable)
        ),
        "before any keyframe"
    );
    assert!(decoder.decode(&frames[0].data).unwrap().is_some());
    // Frame 1 is missing.
    assert!(
        matches!(
            decoder.decode(&frames[2].data),
            Err(CodecError::Undecodable)
        ),
        "after a gap"
    );
    assert!(
        matches!(
            decoder.decode(&frames[3].data),
            Err(CodecError::Undecodable)
        ),
        "and after the error"
    );
    assert!(decoder.decode(&frames[8].data).unwrap().is_some());
    assert_eq!(
        read_mark(&decoder.decode(&frames[9].data).unwrap().unwrap())
            .unwrap()
            .frame_number,
        9
    );
}

#[test]
fn a_frame_with_a_hole_is_never_a_picture() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(1_000_000));
    let keyframe = encode(&mut encoder, &pattern, 0, true);
    for cut in [100, keyframe.data.len() / 2, keyframe.data.len() - 20] {
        let mut decoder = H264Decoder::new().unwrap();
        let decoded = decoder.decode(&keyframe.data[..cut]);
        assert!(
            matches!(decoded, Err(CodecError::Undecodable)),
            "cut at {cut}: {decoded:?}"
        );
    }
}

#[test]
fn hostile_changes_never_panic() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(settings(300_000));
    let frames: Vec<_> = (0..20)
        .map(|number| encode(&mut encoder, &pattern, number, number % 5 == 0))
        .collect();
    let mut random = simulation::Random::new(7);
    let mut decoder = H264Decoder::new().unwrap();
    for round in 0..300 {
        let mut data = frames[round % frames.len()].data.to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(data.len() as u64) as usize;
            data[at] = random.next_u64() as u8;
        }
        if let Ok(Some(frame)) = decoder.decode(&data) {
            assert!(frame.width_px() <= VideoFrame::MAX_SIDE_PX);
        }
    }
}

#[test]
fn packets_carry_the_stream_unchanged() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = H264Encoder::new(settings(1_000_000));
    for number in 0..10 {
        let encoded = encode(&mut encoder, &pattern, number, number == 5);
        let payloads = h264::packetize(&encoded, 1100);
        assert!(payloads.iter().all(|payload| payload.len() <= 1100));
        let unit = h264::depacketize(payloads.iter().map(AsRef::as_ref)).unwrap();
        assert_eq!(unit.data, encoded.data);
        assert_eq!(unit.is_keyframe, encoded.is_keyframe);
    }
}

#[test]
fn a_picture_has_the_colours_that_the_stream_speaks_of() {
    use media::video::Colors;
    use openh264::encoder::{EncoderConfig, VuiConfig};
    use openh264::formats::YUVBuffer;
    use openh264::{OpenH264API, encoder::Encoder};

    for (vui, expected) in [
        (None, Colors::default()),
        (Some(VuiConfig::bt601()), Colors::of_code_points(6, false)),
        (Some(VuiConfig::bt709()), Colors::of_code_points(1, false)),
        (
            Some(VuiConfig::bt709_full()),
            Colors::of_code_points(1, true),
        ),
    ] {
        let mut config = EncoderConfig::new();
        if let Some(vui) = vui {
            config = config.vui(vui);
        }
        let api = OpenH264API::from_source();
        let mut encoder = Encoder::with_api_config(api, config).unwrap();
        let mut decoder = H264Decoder::new().unwrap();
        // The second one has no parameter set of its own.
        for _ in 0..2 {
            let data = encoder.encode(&YUVBuffer::new(320, 240)).unwrap().to_vec();
            let picture = decoder.decode(&data).unwrap().unwrap();
            assert_eq!(picture.colors(), expected, "{vui:?}");
        }
    }
}

#[test]
fn the_memory_of_a_picture_is_used_again_when_nobody_has_it_any_more() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(settings(500_000));
    let mut decoder = H264Decoder::new().unwrap();
    let mut next = |number| {
        let encoded = encode(&mut encoder, &pattern, number, false);
        decoder.decode(&encoded.data).unwrap().unwrap()
    };
    let shown = next(0);
    let before = shown.clone();
    let places: Vec<_> = (1..30).map(|number| next(number).y().as_ptr()).collect();
    assert!(places.iter().all(|place| *place == places[0]));
    assert_ne!(places[0], shown.y().as_ptr());
    assert_eq!(shown, before, "what is shown is left alone");
}
