//! The whole way of a picture: encoder, packets, a bad network, jitter buffer, decoder.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::{Duration, Instant};

use codecs::{VideoSettings, video_codecs, video_decoder, video_encoder};
use media::video::{Config, Input, JitterBuffer, Output, TestPattern, VideoCodec, VideoFrame};
use media::{Codec, RtpPacket};
use simulation::{Conditions, Link};

/// Of the clock of the stream.
const TICKS_PER_FRAME: u32 = 2970;
/// Where there are several codecs, so many frames come of one and then of the next.
const FRAMES_OF_A_CODEC: usize = 40;
const FRAME_INTERVAL: Duration = Duration::from_millis(33);

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// What came out at the other end.
struct Shown {
    numbers: Vec<u32>,
    keyframe_requests: u64,
    undecodable: u32,
}

/// Sends `frames` frames of the test pattern. What the decoder shows must be what it shows without a network.
fn run(codecs: &[VideoCodec], conditions: Conditions, seed: u64, frames: u32) -> Shown {
    let start = simulation::start();
    let pattern = TestPattern::new(320, 240);
    let settings = VideoSettings {
        target_bitrate: 500_000,
        ..VideoSettings::default()
    };
    let mut codec = codecs[0];
    let mut encoder = video_encoder(codec, settings).unwrap();
    let mut reference_decoder = video_decoder(codec).unwrap();
    let mut reference: Vec<VideoFrame> = Vec::new();
    let mut decoder = (codec, video_decoder(codec).unwrap());
    let mut buffer = JitterBuffer::new(Config::default());
    let mut link = Link::new(conditions, seed);
    let mut requests = Link::new(
        Conditions {
            latency: conditions.latency,
            ..Conditions::default()
        },
        seed,
    );
    let mut sequence_number = 65_000_u16;
    let mut shown = Shown {
        numbers: Vec::new(),
        keyframe_requests: 0,
        undecodable: 0,
    };

    let mut wants_keyframe = false;
    let mut now = start;
    while reference.len() < frames as usize {
        let number = reference.len() as u32;
        let next_frame = start + FRAME_INTERVAL * number;
        let next = [
            link.poll_timeout(),
            requests.poll_timeout(),
            buffer.poll_timeout(),
        ];
        now = next
            .into_iter()
            .flatten()
            .fold(next_frame, Instant::min)
            .max(now);

        wants_keyframe |= std::iter::from_fn(|| requests.poll(now)).count() > 0;
        if now >= next_frame {
            let wanted = codecs[reference.len() / FRAMES_OF_A_CODEC % codecs.len()];
            if wanted != codec {
                codec = wanted;
                encoder = video_encoder(codec, settings).unwrap();
                reference_decoder = video_decoder(codec).unwrap();
            }
            let frame = encoder
                .encode(
                    &pattern.draw(number, 0, now),
                    number * TICKS_PER_FRAME,
                    std::mem::take(&mut wants_keyframe),
                )
                .unwrap()
                .unwrap();
            reference.push(reference_decoder.decode(&frame.data).unwrap().unwrap());
            let payloads = VideoCodec::packetize(&frame, 1100);
            let count = payloads.len();
            for (index, payload) in payloads.into_iter().enumerate() {
                let len_bytes = payload.len();
                let marker = index + 1 == count;
                let packet = RtpPacket {
                    codec: Codec::Video(codec),
                    sequence_number,
                    timestamp: frame.timestamp,
                    marker,
                    payload,
                    arrived_at: now,
                };
                sequence_number = sequence_number.wrapping_add(1);
                link.send_bytes(now, packet, len_bytes);
            }
        }
        let arrived = std::iter::from_fn(|| link.poll(now));
        let mut inputs: Vec<_> = arrived
            .map(|packet| {
                Input::Packet(RtpPacket {
                    arrived_at: now,
                    ..packet
                })
            })
            .collect();
        if buffer.poll_timeout().is_some_and(|at| at <= now) {
            inputs.push(Input::Timeout);
        }
        for input in inputs {
            buffer.handle(input, now);
            while let Some(output) = buffer.poll_output() {
                match output {
                    Output::KeyframeRequest => requests.send(now, ()),
                    Output::Frame(frame) => {
                        if frame.codec != decoder.0 {
                            decoder = (frame.codec, video_decoder(frame.codec).unwrap());
                        }
                        match decoder.1.decode(&frame.data) {
                            Ok(picture) => {
                                let picture = picture.expect("every frame is a picture");
                                let number = frame.timestamp / TICKS_PER_FRAME;
                                assert_eq!(
                                    picture.planes(),
                                    reference[number as usize].planes(),
                                    "frame {number}"
                                );
                                shown.numbers.push(number);
                            }
                            Err(_) => shown.undecodable += 1,
                        }
                    }
                }
            }
        }
    }
    shown.keyframe_requests = buffer.counters().keyframe_requests;
    shown
}

#[test]
fn a_good_network_shows_every_picture() {
    for codec in video_codecs() {
        let conditions = Conditions {
            latency: ms(30),
            ..Conditions::default()
        };
        let shown = run(&[*codec], conditions, 1, 200);
        assert_eq!(
            shown.numbers,
            (0..shown.numbers.len() as u32).collect::<Vec<_>>()
        );
        assert!(shown.numbers.len() >= 198);
    }
}

#[test]
fn every_picture_from_a_bad_network_is_whole_and_in_order() {
    let cases = video_codecs()
        .iter()
        .flat_map(|codec| (0..4).map(|seed| (*codec, seed)));
    for (codec, seed) in cases {
        let conditions = Conditions {
            latency: ms(40),
            jitter: ms(20),
            loss_ratio: 0.02,
            reorder_ratio: 0.05,
            duplicate_ratio: 0.02,
            ..Conditions::default()
        };
        let shown = run(&[codec], conditions, seed, 400);
        assert!(
            shown.numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "{codec}, seed {seed}: {:?}",
            shown.numbers
        );
        assert_eq!(
            shown.undecodable, 0,
            "{codec}, seed {seed}: the jitter buffer handed out what cannot be decoded"
        );
        assert!(
            shown.keyframe_requests > 0,
            "{codec}, seed {seed}: nothing was lost?"
        );
        // Without retransmission each loss costs the wait and a round trip.
        assert!(
            shown.numbers.len() >= 100,
            "{codec}, seed {seed}: {} of 400",
            shown.numbers.len()
        );
        assert!(
            *shown.numbers.last().unwrap() >= 370,
            "{codec}, seed {seed}: it ends frozen"
        );
    }
}

#[test]
fn a_sender_may_change_the_codec_at_a_keyframe() {
    let good = Conditions {
        latency: ms(30),
        ..Conditions::default()
    };
    let shown = run(video_codecs(), good, 1, 200);
    assert!(shown.numbers.len() >= 198, "{:?}", shown.numbers);
    assert_eq!((shown.undecodable, shown.keyframe_requests), (0, 0));

    let bad = Conditions {
        latency: ms(40),
        jitter: ms(20),
        loss_ratio: 0.02,
        ..Conditions::default()
    };
    for seed in 0..4 {
        let shown = run(video_codecs(), bad, seed, 400);
        assert_eq!(shown.undecodable, 0, "seed {seed}");
        assert!(*shown.numbers.last().unwrap() >= 370, "seed {seed}");
    }
}
