//! AV1 there and back.
#![cfg(feature = "av1")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Instant;

use codecs::{
    Av1Decoder, Av1Encoder, CodecError, VideoDecoder as _, VideoEncoder as _, VideoSettings,
    max_effort,
};
use media::video::{Mark, TestPattern, VideoCodec, VideoFrame, av1, read_mark};

mod support;

use support::{TICKS_PER_FRAME, capture_time, draw, encode, psnr};

fn encoder(target_bitrate: u32) -> Av1Encoder {
    Av1Encoder::new(VideoSettings {
        target_bitrate,
        ..VideoSettings::default()
    })
}

#[test]
fn the_picture_comes_back_nearly_as_it_was_with_every_effort() {
    let pattern = TestPattern::new(640, 480);
    for effort in 0..=max_effort(VideoCodec::Av1) {
        let mut encoder = encoder(1_000_000);
        encoder.set_effort(effort).unwrap();
        let mut decoder = Av1Decoder::new().unwrap();
        let mut poor = 0;
        for number in 0..45 {
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
            if psnr(&original, &decoded) < 36.0 {
                poor += 1;
            }
        }
        // Even cells that change as a whole come a picture late at times.
        assert!(poor <= 4, "effort {effort}: {poor} of 45");
    }
}

#[test]
fn the_mark_can_be_read_at_100_kbits_and_the_rate_is_kept() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = encoder(100_000);
    let mut decoder = Av1Decoder::new().unwrap();
    let (mut bytes, mut unread) = (0, 0);
    for number in 0..150 {
        let encoded = encode(&mut encoder, &pattern, number, false);
        if number >= 30 {
            bytes += encoded.data.len();
        }
        let decoded = decoder.decode(&encoded.data).unwrap().unwrap();
        let expected = Mark {
            frame_number: number,
            capture_time_us: capture_time(number),
        };
        match read_mark(&decoded) {
            Some(mark) => assert_eq!(mark, expected),
            None => unread += 1,
        }
    }
    // Even cells that change as a whole come a picture late at times.
    assert!(unread <= 8, "{unread} of 150");
    let bits_per_second = bytes * 8 / 4;
    assert!(
        (60_000..130_000).contains(&bits_per_second),
        "{bits_per_second} bit/s"
    );
}

#[test]
fn a_keyframe_comes_on_request_and_needs_nothing_from_before() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = encoder(500_000);
    for number in 0..30 {
        let is_requested = number == 7 || number == 20;
        let encoded = encode(&mut encoder, &pattern, number, is_requested);
        assert_eq!(encoded.is_keyframe, is_requested || number == 0, "{number}");
        let fresh = Av1Decoder::new().unwrap().decode(&encoded.data);
        assert_eq!(fresh.is_ok(), encoded.is_keyframe, "{number}: {fresh:?}");
    }
}

#[test]
fn a_new_bitrate_is_followed_within_a_second() {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = encoder(600_000);
    let second = |encoder: &mut Av1Encoder, from: u32| -> usize {
        let frames = (from..from + 30).map(|number| encode(encoder, &pattern, number, false));
        frames.map(|frame| frame.data.len() * 8).sum()
    };
    second(&mut encoder, 0);
    let high = second(&mut encoder, 30);
    encoder.set_target_bitrate(200_000).unwrap();
    second(&mut encoder, 60);
    let low = second(&mut encoder, 90);
    encoder.set_target_bitrate(600_000).unwrap();
    second(&mut encoder, 120);
    let again = second(&mut encoder, 150);
    assert!((150_000..260_000).contains(&low), "{high} {low} {again}");
    assert!(high > 2 * low && again > 2 * low, "{high} {low} {again}");
}

#[test]
fn a_smaller_picture_goes_on_without_a_keyframe_and_a_larger_one_with_one() {
    let mut encoder = encoder(800_000);
    let mut decoder = Av1Decoder::new().unwrap();
    let sizes = [
        (640, 480),
        (480, 360),
        (320, 240),
        (640, 480),
        (1280, 720),
        (320, 240),
    ];
    let (mut keyframes, mut poor) = (Vec::new(), 0);
    for (index, (width, height)) in sizes.into_iter().enumerate() {
        let pattern = TestPattern::new(width, height);
        for step in 0..20 {
            let number = index as u32 * 20 + step;
            let original = draw(&pattern, number);
            let encoded = encode(&mut encoder, &pattern, number, false);
            if encoded.is_keyframe {
                keyframes.push(number);
            }
            let decoded = decoder.decode(&encoded.data).unwrap().expect("a picture");
            assert_eq!((decoded.width_px(), decoded.height_px()), (width, height));
            if step >= 10 && psnr(&original, &decoded) < 34.0 {
                poor += 1;
            }
        }
    }
    assert!(poor <= 6, "{poor} of 60");
    // Less than half of it is too far from what came before.
    assert_eq!(keyframes, [0, 60, 80, 100]);
}

#[test]
fn sizes_that_make_no_sense_are_refused_and_the_next_picture_is_encoded() {
    let mut encoder = encoder(100_000);
    let refused = encoder.encode(&draw(&TestPattern::new(16, 16), 0), 0, false);
    assert!(refused.is_ok(), "{refused:?}");
    let tiny = VideoFrame::from_planes(2, 2, vec![0; 6], Instant::now()).unwrap();
    assert!(matches!(
        encoder.encode(&tiny, 1, false),
        Err(CodecError::UnsupportedSize {
            width_px: 2,
            height_px: 2
        })
    ));
    encode(&mut encoder, &TestPattern::new(64, 64), 2, false);
}

#[test]
fn nothing_is_decoded_before_a_keyframe_nor_after_damage() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = encoder(500_000);
    let frames: Vec<_> = (0..6)
        .map(|number| encode(&mut encoder, &pattern, number, number == 4))
        .collect();
    let mut decoder = Av1Decoder::new().unwrap();
    let is_undecodable = |decoded| matches!(decoded, Err(CodecError::Undecodable));
    assert!(is_undecodable(decoder.decode(&frames[1].data)));
    assert!(decoder.decode(&frames[0].data).unwrap().is_some());
    let cut = &frames[1].data[..frames[1].data.len() - 20];
    assert!(is_undecodable(decoder.decode(cut)));
    assert!(is_undecodable(decoder.decode(&frames[2].data)));
    assert!(decoder.decode(&frames[4].data).unwrap().is_some());
    let last = decoder.decode(&frames[5].data).unwrap().unwrap();
    assert_eq!(read_mark(&last).unwrap().frame_number, 5);
}

#[test]
fn hostile_changes_are_errors_or_pictures_and_the_decoder_recovers() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = encoder(300_000);
    let frames: Vec<_> = (0..20)
        .map(|number| encode(&mut encoder, &pattern, number, number % 5 == 0))
        .collect();
    let mut random = simulation::Random::new(7);
    let mut decoder = Av1Decoder::new().unwrap();
    let mut refused = 0;
    for round in 0..1000 {
        let mut data = frames[round % frames.len()].data.to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(data.len() as u64) as usize;
            data[at] = random.next_u64() as u8;
        }
        data.truncate(
            data.len() - random.below(3) as usize * random.below(40) as usize % data.len(),
        );
        match decoder.decode(&data) {
            Ok(Some(frame)) => assert!(frame.width_px() <= VideoFrame::MAX_SIDE_PX),
            Ok(None) => {}
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "{refused}");
    let keyframe = encode(&mut encoder, &pattern, 20, true);
    assert!(decoder.decode(&keyframe.data).unwrap().is_some());
}

#[test]
fn noise_is_refused() {
    let mut random = simulation::Random::new(11);
    let mut decoder = Av1Decoder::new().unwrap();
    for len in 0..600_usize {
        let mut data: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        // A sequence header, or a frame, of noise.
        if let [first, size, ..] = data.as_mut_slice() {
            *first = if len % 2 == 0 { 0x0a } else { 0x32 };
            *size = (len - 2).min(100) as u8;
        }
        assert!(!matches!(decoder.decode(&data), Ok(Some(_))), "{len}");
    }
}

#[test]
fn a_stream_of_giants_is_refused_before_anything_is_allocated() {
    let giant = TestPattern::new(320, 240);
    let mut encoder = encoder(300_000);
    let mut data = encode(&mut encoder, &giant, 0, true).data.to_vec();
    let (at, header) = (0..data.len())
        .find_map(|at| Some((at, av1::check_sizes(data.get(at..)?).ok()??)))
        .expect("a keyframe has a sequence header");
    assert_eq!((header.max_width_px, header.max_height_px), (320, 240));
    assert_eq!(header.profile, 0);
    // The sides' lengths in bits, and then the sides, all of them set: 65,536 by 65,536.
    let content = at + 2 + 2;
    for byte in &mut data[content + 2..content + 8] {
        *byte = 0xff;
    }
    let decoded = Av1Decoder::new().unwrap().decode(&data);
    assert!(
        matches!(decoded, Err(CodecError::Undecodable)),
        "{decoded:?}"
    );
}

#[test]
fn the_memory_of_a_picture_is_used_again_when_nobody_has_it_any_more() {
    let pattern = TestPattern::new(320, 240);
    let mut encoder = encoder(500_000);
    let mut decoder = Av1Decoder::new().unwrap();
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
