//! Whatever the network does: the video jitter buffer hands out only what was sent, in order, and only what can be decoded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media::video::{
    AssembledFrame, Config, EncodedFrame, Input, JitterBuffer, Output, VideoCodec, h264,
};
use media::{Codec, RtpPacket};
use proptest::prelude::*;
use simulation::{Conditions, Link};

const FRAME_INTERVAL: Duration = Duration::from_millis(33);

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// One call in one direction: a sender that answers keyframe requests, two links, a jitter buffer.
struct Call {
    now: Instant,
    start: Instant,
    packets: Link<RtpPacket>,
    requests: Link<()>,
    buffer: JitterBuffer,
    sent: Vec<EncodedFrame>,
    shown: Vec<AssembledFrame>,
    sequence_number: u16,
    wants_keyframe: bool,
}

impl Call {
    fn new(conditions: Conditions, seed: u64, first_sequence_number: u16) -> Self {
        let start = simulation::start();
        let back = Conditions {
            latency: conditions.latency,
            ..Conditions::default()
        };
        Self {
            now: start,
            start,
            packets: Link::new(conditions, seed),
            requests: Link::new(back, seed),
            buffer: JitterBuffer::new(Config::default()),
            sent: Vec::new(),
            shown: Vec::new(),
            sequence_number: first_sequence_number,
            wants_keyframe: true,
        }
    }

    /// Runs until this many frames are sent.
    fn run(&mut self, frames: usize) {
        while self.sent.len() < frames {
            let next_frame = self.start + FRAME_INTERVAL * self.sent.len() as u32;
            let next = [
                self.packets.poll_timeout(),
                self.requests.poll_timeout(),
                self.buffer.poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .fold(next_frame, Instant::min);
            self.now = self.now.max(next);
            if self.now >= next_frame {
                self.send_frame();
            }
            while self.requests.poll(self.now).is_some() {
                self.wants_keyframe = true;
            }
            while let Some(packet) = self.packets.poll(self.now) {
                self.buffer.handle(
                    Input::Packet(RtpPacket {
                        arrived_at: self.now,
                        ..packet
                    }),
                    self.now,
                );
                self.drain();
            }
            if self.buffer.poll_timeout().is_some_and(|at| at <= self.now) {
                self.buffer.handle(Input::Timeout, self.now);
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.buffer.poll_output() {
            match output {
                Output::Frame(frame) => self.shown.push(frame),
                Output::KeyframeRequest => self.requests.send(self.now, ()),
            }
        }
        assert!(self.buffer.len_packets() <= Config::default().max_packets);
    }

    fn send_frame(&mut self) {
        let number = self.sent.len() as u32;
        let is_keyframe = std::mem::take(&mut self.wants_keyframe);
        let mut data = Vec::new();
        if is_keyframe {
            data.extend([0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce]);
        }
        data.extend([0, 0, 0, 1, if is_keyframe { 0x65 } else { 0x41 }, 0x88]);
        data.extend(number.to_be_bytes().map(|byte| byte | 0x80));
        data.extend(vec![
            0x55;
            if is_keyframe {
                9000
            } else {
                500 + number as usize * 37 % 2500
            }
        ]);
        // So that the timestamps wrap within every run.
        let timestamp = (number * 2970).wrapping_sub(100_000);
        let frame = EncodedFrame {
            codec: VideoCodec::H264,
            data: Bytes::from(data),
            is_keyframe,
            timestamp,
        };
        let payloads = h264::packetize(&frame, 1200);
        let last = payloads.len() - 1;
        for (index, payload) in payloads.into_iter().enumerate() {
            let len_bytes = payload.len() + 40;
            let packet = RtpPacket {
                codec: Codec::Video(VideoCodec::H264),
                sequence_number: self.sequence_number,
                timestamp,
                marker: index == last,
                payload,
                arrived_at: self.now,
            };
            self.sequence_number = self.sequence_number.wrapping_add(1);
            self.packets.send_bytes(self.now, packet, len_bytes);
        }
        self.sent.push(frame);
    }

    /// Everything shown was sent exactly so, in this order, and builds on what was shown before.
    fn assert_everything_shown_is_decodable(&self) {
        let mut previous = None;
        for frame in &self.shown {
            let number = frame.timestamp.wrapping_add(100_000) as usize / 2970;
            assert!(
                frame.data == self.sent[number].data,
                "frame {number} is not what was sent"
            );
            assert_eq!(frame.is_keyframe, self.sent[number].is_keyframe);
            assert!(previous < Some(number), "frame {number} after {previous:?}");
            let follows = previous.is_some_and(|previous: usize| previous + 1 == number);
            assert!(
                frame.is_keyframe || follows,
                "frame {number} builds on a missing one, after {previous:?}"
            );
            previous = Some(number);
        }
        for pair in self.shown.windows(2) {
            assert!(pair[0].media_time < pair[1].media_time);
        }
    }
}

#[test]
fn a_clean_network_shows_every_frame_after_its_latency() {
    let mut call = Call::new(
        Conditions {
            latency: ms(40),
            ..Conditions::default()
        },
        1,
        60_000,
    );
    call.run(3000);
    call.assert_everything_shown_is_decodable();
    assert!(call.shown.len() >= 2998, "{}", call.shown.len());
    assert_eq!(
        call.shown.iter().filter(|frame| frame.is_keyframe).count(),
        1
    );
    assert_eq!(call.buffer.counters().keyframe_requests, 0);
}

#[test]
fn reordering_and_doubling_lose_no_frame() {
    let conditions = Conditions {
        latency: ms(40),
        jitter: ms(30),
        reorder_ratio: 0.1,
        duplicate_ratio: 0.1,
        ..Conditions::default()
    };
    let mut call = Call::new(conditions, 2, 60_000);
    call.run(2000);
    call.assert_everything_shown_is_decodable();
    assert!(call.shown.len() >= 1995, "{}", call.shown.len());
    assert!(call.buffer.counters().packets_duplicate > 0);
}

#[test]
fn the_picture_comes_back_after_an_outage() {
    let conditions = Conditions {
        latency: ms(40),
        ..Conditions::default()
    };
    let mut call = Call::new(conditions, 3, 60_000);
    call.run(100);
    call.packets.set_conditions(Conditions {
        loss_ratio: 1.0,
        ..conditions
    });
    call.run(250);
    call.packets.set_conditions(conditions);
    let before = call.shown.len();
    call.run(300);
    call.assert_everything_shown_is_decodable();
    // Half a second is the interval of requests, and then everything flows.
    assert!(
        call.shown.len() - before >= 30,
        "{}",
        call.shown.len() - before
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn only_decodable_frames_come_out_of_any_network(
        seed: u64,
        first_sequence_number: u16,
        loss_percent in 0_u32..20,
        duplicate_percent in 0_u32..20,
        reorder_percent in 0_u32..30,
        reorder_ms in 1_u64..300,
        jitter_ms in 0_u64..150,
    ) {
        let conditions = Conditions {
            latency: ms(50),
            jitter: ms(jitter_ms),
            loss_ratio: f64::from(loss_percent) / 100.0,
            duplicate_ratio: f64::from(duplicate_percent) / 100.0,
            reorder_ratio: f64::from(reorder_percent) / 100.0,
            reorder_delay: ms(reorder_ms),
            ..Conditions::default()
        };
        let mut call = Call::new(conditions, seed, first_sequence_number);
        call.run(300);
        call.assert_everything_shown_is_decodable();
        // However bad it was, it ends well.
        call.packets.set_conditions(Conditions::default());
        let before = call.shown.len();
        call.run(400);
        call.assert_everything_shown_is_decodable();
        prop_assert!(call.shown.len() - before >= 50, "{} of 100", call.shown.len() - before);
    }
}
