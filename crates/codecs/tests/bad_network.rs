//! The whole way of a picture: encoder, packets, a bad network, jitter buffer, decoder.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::{Duration, Instant};

use codecs::{H264Decoder, H264Encoder, H264Settings, VideoDecoder as _, VideoEncoder as _};
use media::RtpPacket;
use media::video::{Config, Input, JitterBuffer, Output, TestPattern, VideoFrame, h264, read_mark};
use simulation::{Conditions, Link};

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
fn run(conditions: Conditions, seed: u64, frames: u32) -> Shown {
    let start = simulation::start();
    let pattern = TestPattern::new(320, 240);
    let mut encoder = H264Encoder::new(H264Settings {
        target_bitrate: 500_000,
        ..H264Settings::default()
    });
    let mut reference_decoder = H264Decoder::new().unwrap();
    let mut reference: Vec<VideoFrame> = Vec::new();
    let mut decoder = H264Decoder::new().unwrap();
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
            let frame = encoder
                .encode(
                    &pattern.draw(number, 0, now),
                    number * 2970,
                    std::mem::take(&mut wants_keyframe),
                )
                .unwrap()
                .unwrap();
            reference.push(reference_decoder.decode(&frame.data).unwrap().unwrap());
            let payloads = h264::packetize(&frame, 1100);
            let count = payloads.len();
            for (index, payload) in payloads.into_iter().enumerate() {
                let len_bytes = payload.len();
                let marker = index + 1 == count;
                let packet = RtpPacket {
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
                    Output::Frame(frame) => match decoder.decode(&frame.data) {
                        Ok(picture) => {
                            let picture = picture.expect("every frame is a picture");
                            let number =
                                read_mark(&picture).expect("the mark is whole").frame_number;
                            assert_eq!(
                                picture.planes(),
                                reference[number as usize].planes(),
                                "frame {number}"
                            );
                            shown.numbers.push(number);
                        }
                        Err(_) => shown.undecodable += 1,
                    },
                }
            }
        }
    }
    shown.keyframe_requests = buffer.counters().keyframe_requests;
    shown
}

#[test]
fn a_good_network_shows_every_picture() {
    let shown = run(
        Conditions {
            latency: ms(30),
            ..Conditions::default()
        },
        1,
        200,
    );
    assert_eq!(
        shown.numbers,
        (0..shown.numbers.len() as u32).collect::<Vec<_>>()
    );
    assert!(shown.numbers.len() >= 198);
}

#[test]
fn every_picture_from_a_bad_network_is_whole_and_in_order() {
    for seed in 0..4 {
        let conditions = Conditions {
            latency: ms(40),
            jitter: ms(20),
            loss_ratio: 0.02,
            reorder_ratio: 0.05,
            duplicate_ratio: 0.02,
            ..Conditions::default()
        };
        let shown = run(conditions, seed, 400);
        assert!(
            shown.numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "seed {seed}: {:?}",
            shown.numbers
        );
        assert_eq!(
            shown.undecodable, 0,
            "seed {seed}: the jitter buffer handed out what cannot be decoded"
        );
        assert!(
            shown.keyframe_requests > 0,
            "seed {seed}: nothing was lost?"
        );
        // Without retransmission each loss costs the wait and a round trip.
        assert!(
            shown.numbers.len() >= 100,
            "seed {seed}: {} of 400",
            shown.numbers.len()
        );
        assert!(
            *shown.numbers.last().unwrap() >= 370,
            "seed {seed}: it ends frozen"
        );
    }
}
