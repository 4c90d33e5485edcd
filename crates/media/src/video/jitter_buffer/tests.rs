use bytes::Bytes;

use super::*;
use crate::video::{EncodedFrame, h264};

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

/// A sender of small H.264 frames: every packet in its own order, 33 ms apart.
struct Sender {
    start: Instant,
    sequence_number: u16,
    frames: u32,
}

impl Sender {
    fn new(first_sequence_number: u16) -> Self {
        Self {
            start: simulation::start(),
            sequence_number: first_sequence_number,
            frames: 0,
        }
    }

    fn now(&self) -> Instant {
        self.start + ms(33) * self.frames
    }

    fn packets(&mut self, is_keyframe: bool, slice_bytes: usize) -> Vec<RtpPacket> {
        let number = self.frames.to_be_bytes().map(|byte| byte | 0x80);
        let mut data = Vec::new();
        if is_keyframe {
            data.extend([0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1]);
        }
        data.extend([0, 0, 0, 1, if is_keyframe { 0x65 } else { 0x41 }]);
        data.extend(number);
        data.extend(vec![0xaa; slice_bytes]);
        self.frames += 1;
        let timestamp = self.frames * 2970;
        let frame = EncodedFrame {
            codec: VideoCodec::H264,
            data: data.into(),
            is_keyframe,
            timestamp,
        };
        let payloads = h264::packetize(&frame, 1000);
        let last = payloads.len() - 1;
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| {
            self.sequence_number = self.sequence_number.wrapping_add(1);
            RtpPacket {
                codec: Codec::Video(frame.codec),
                sequence_number: self.sequence_number.wrapping_sub(1),
                timestamp,
                marker: index == last,
                payload,
                arrived_at: self.start + ms(33) * (self.frames - 1),
            }
        });
        packets.collect()
    }

    /// Three packets: parameter sets and two fragments.
    fn keyframe(&mut self) -> Vec<RtpPacket> {
        self.packets(true, 1500)
    }

    /// Two packets.
    fn delta(&mut self) -> Vec<RtpPacket> {
        self.packets(false, 1500)
    }
}

/// Sends each packet at the moment of its arrival; gives what came out: frames by number, requests as `None`.
fn feed(
    buffer: &mut JitterBuffer,
    packets: impl IntoIterator<Item = RtpPacket>,
) -> Vec<Option<u32>> {
    let mut outputs = Vec::new();
    for packet in packets {
        let now = packet.arrived_at;
        buffer.handle(Input::Packet(packet), now);
        outputs.extend(drain(buffer));
    }
    outputs
}

fn drain(buffer: &mut JitterBuffer) -> Vec<Option<u32>> {
    let outputs = std::iter::from_fn(|| buffer.poll_output());
    outputs
        .map(|output| match output {
            Output::Frame(frame) => Some(frame.timestamp / 2970 - 1),
            Output::KeyframeRequest => None,
        })
        .collect()
}

fn elapse(buffer: &mut JitterBuffer, until: Instant) -> Vec<Option<u32>> {
    let mut outputs = Vec::new();
    while let Some(at) = buffer.poll_timeout().filter(|at| *at <= until) {
        buffer.handle(Input::Timeout, at);
        outputs.extend(drain(buffer));
    }
    outputs
}

#[test]
fn frames_leave_with_their_last_packet() {
    let mut sender = Sender::new(65_533);
    let mut buffer = JitterBuffer::new(Config::default());
    assert_eq!(
        feed(&mut buffer, sender.keyframe()),
        [Some(0)],
        "also when the numbers wrap"
    );
    let mut delta = sender.delta();
    let last = delta.pop();
    assert_eq!(feed(&mut buffer, delta), []);
    assert_eq!(feed(&mut buffer, last), [Some(1)]);
    assert_eq!(
        buffer.poll_timeout(),
        None,
        "nothing is missing, nothing to wait for"
    );
}

#[test]
fn a_frame_says_where_and_when_it_was() {
    let mut sender = Sender::new(7);
    let mut buffer = JitterBuffer::new(Config::default());
    let mut packets = sender.keyframe();
    let (first, last) = (sender.start + ms(1), sender.start + ms(9));
    packets[2].arrived_at = first;
    packets[0].arrived_at = last;
    packets.reverse();
    for packet in packets {
        let now = packet.arrived_at;
        buffer.handle(Input::Packet(packet), now);
    }
    let Some(Output::Frame(frame)) = buffer.poll_output() else {
        panic!("no frame")
    };
    assert!(frame.is_keyframe);
    assert!(
        frame
            .data
            .starts_with(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65])
    );
    assert_eq!((frame.timestamp, frame.packets), (2970, 3));
    assert_eq!(
        (frame.first_packet_at, frame.completed_at),
        (sender.start, last)
    );
}

#[test]
fn reordered_packets_are_put_in_order() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    let mut packets: Vec<_> = [sender.keyframe(), sender.delta(), sender.delta()].concat();
    packets.swap(2, 3);
    packets.swap(4, 6);
    assert_eq!(feed(&mut buffer, packets), [Some(0), Some(1), Some(2)]);
}

#[test]
fn a_stream_that_begins_out_of_order_needs_no_request() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    let mut packets = sender.keyframe();
    packets.rotate_left(1);
    assert_eq!(feed(&mut buffer, packets), [Some(0)]);
}

#[test]
fn whoever_joins_in_the_middle_asks_at_once_and_again_until_a_keyframe_comes() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    assert_eq!(feed(&mut buffer, sender.delta()), [None]);
    assert_eq!(elapse(&mut buffer, sender.start + ms(499)), []);
    assert_eq!(elapse(&mut buffer, sender.start + ms(1100)), [None, None]);
    assert_eq!(feed(&mut buffer, sender.delta()), [], "cannot be decoded");
    assert_eq!(feed(&mut buffer, sender.keyframe()), [Some(2)]);
    assert_eq!(feed(&mut buffer, sender.delta()), [Some(3)]);
    assert_eq!(elapse(&mut buffer, sender.start + ms(60_000)), []);
    assert_eq!(buffer.counters().keyframe_requests, 3);
}

#[test]
fn a_retransmission_within_the_wait_saves_the_stream() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    let mut lossy = sender.delta();
    let mut lost = lossy.remove(0);
    assert_eq!(feed(&mut buffer, [lossy, sender.delta()].concat()), []);
    assert_eq!(buffer.poll_timeout(), Some(lost.arrived_at + ms(200)));
    lost.arrived_at += ms(199);
    assert_eq!(elapse(&mut buffer, lost.arrived_at), []);
    assert_eq!(feed(&mut buffer, [lost]), [Some(1), Some(2)]);
    assert_eq!(buffer.counters().frames_dropped, 0);
}

#[test]
fn what_stays_missing_costs_everything_up_to_the_next_keyframe() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    let lossy = sender.delta().split_off(1);
    assert_eq!(feed(&mut buffer, [lossy, sender.delta()].concat()), []);
    assert_eq!(elapse(&mut buffer, sender.start + ms(300)), [None]);
    assert_eq!(feed(&mut buffer, sender.delta()), []);
    assert_eq!(
        feed(&mut buffer, [sender.keyframe(), sender.delta()].concat()),
        [Some(4), Some(5)]
    );
    let counters = buffer.counters();
    assert_eq!((counters.frames_complete, counters.frames_dropped), (3, 3));
    assert_eq!(counters.keyframe_requests, 1);
}

#[test]
fn a_whole_lost_frame_is_noticed_by_its_sequence_numbers() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    sender.delta();
    assert_eq!(
        feed(&mut buffer, sender.delta()),
        [],
        "it builds on the lost one"
    );
    assert_eq!(elapse(&mut buffer, sender.start + ms(1000))[..1], [None]);
}

#[test]
fn a_keyframe_behind_a_hole_ends_the_waiting() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    sender.delta();
    assert_eq!(
        feed(&mut buffer, [sender.delta(), sender.keyframe()].concat()),
        [Some(3)]
    );
    assert_eq!(buffer.counters().keyframe_requests, 0);
}

#[test]
fn a_keyframe_on_its_way_is_not_asked_for() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    sender.delta();
    let mut keyframe = sender.keyframe();
    let mut last = keyframe.pop().unwrap();
    assert_eq!(feed(&mut buffer, keyframe), []);
    assert_eq!(
        elapse(&mut buffer, sender.start + ms(66 + 200)),
        [],
        "given up, but not asked"
    );
    last.arrived_at = sender.start + ms(300);
    assert_eq!(feed(&mut buffer, [last]), [Some(2)]);
}

#[test]
fn a_keyframe_without_its_parameter_sets_is_not_handed_out_while_they_may_come() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    let mut packets = [sender.delta(), sender.keyframe()].concat();
    let parameter_sets = packets.remove(2);
    assert_eq!(feed(&mut buffer, packets), [None]);
    assert_eq!(feed(&mut buffer, [parameter_sets]), [Some(1)]);
}

#[test]
fn duplicates_and_late_packets_are_counted_and_change_nothing() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    let keyframe = sender.keyframe();
    let mut delta = sender.delta();
    let last = delta.pop().unwrap();
    feed(
        &mut buffer,
        [keyframe.clone(), delta.clone(), delta, keyframe].concat(),
    );
    assert_eq!(feed(&mut buffer, [last]), [Some(1)]);
    let counters = buffer.counters();
    assert_eq!((counters.packets_duplicate, counters.packets_late), (1, 3));
    assert_eq!(counters.frames_complete, 2);
}

#[test]
fn padding_between_frames_holds_nothing_up() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    let mut padding = sender.packets(false, 0);
    padding[0].payload = Bytes::new();
    padding[0].timestamp = 2970;
    padding[0].marker = false;
    assert_eq!(
        feed(&mut buffer, [padding, sender.delta()].concat()),
        [Some(2)]
    );
    assert_eq!(buffer.counters().frames_dropped, 0);
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let mut before = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, before.keyframe());
    let mut after = Sender::new(30_000);
    after.frames = 5_000;
    assert_eq!(
        feed(&mut buffer, [after.keyframe(), after.delta()].concat()),
        [Some(5000), Some(5001)]
    );
}

#[test]
fn numbers_that_went_around_during_an_outage_are_not_taken_for_late() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, [sender.keyframe(), sender.delta()].concat());
    sender.sequence_number = sender.sequence_number.wrapping_sub(50);
    sender.frames += 4000;
    assert_eq!(
        feed(&mut buffer, [sender.delta(), sender.delta()].concat()),
        [None]
    );
    assert_eq!(feed(&mut buffer, sender.keyframe()), [Some(4004)]);
}

#[test]
fn one_stray_packet_changes_nothing() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    let stray = RtpPacket {
        sequence_number: 40_000,
        ..sender.delta()[0].clone()
    };
    sender.sequence_number -= 2;
    assert_eq!(feed(&mut buffer, [stray]), []);
    assert_eq!(feed(&mut buffer, sender.delta()), [Some(2)]);
}

#[test]
fn a_frame_the_decoder_refused_is_followed_by_nothing_but_a_keyframe() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    buffer.handle(Input::DecodeFailed, sender.now());
    assert_eq!(drain(&mut buffer), [None]);
    assert_eq!(feed(&mut buffer, sender.delta()), []);
    assert_eq!(feed(&mut buffer, sender.keyframe()), [Some(2)]);
}

#[test]
fn a_decoder_that_refuses_everything_does_not_flood_the_sender_with_requests() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    for _ in 0..30 {
        feed(&mut buffer, sender.keyframe());
        buffer.handle(Input::DecodeFailed, sender.now());
    }
    assert!(
        (2..=11).contains(&buffer.counters().keyframe_requests),
        "{:?}",
        buffer.counters()
    );
}

#[test]
fn payloads_that_are_no_h264_cost_the_frame_and_a_request() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    feed(&mut buffer, sender.keyframe());
    let mut broken = sender.delta();
    broken[0].payload = Bytes::from_static(&[0x19, 1, 2, 3]);
    assert_eq!(feed(&mut buffer, broken), [None]);
    assert_eq!(
        feed(&mut buffer, [sender.delta(), sender.keyframe()].concat()),
        [Some(3)]
    );
}

#[test]
fn memory_stays_bounded_when_a_hole_is_never_filled() {
    let config = Config {
        max_packets: 50,
        max_bytes: 40_000,
        max_wait: ms(60_000),
        ..Config::default()
    };
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(config);
    feed(&mut buffer, sender.keyframe());
    sender.delta();
    for _ in 0..500 {
        feed(&mut buffer, sender.delta());
        assert!(buffer.len_packets() <= 50);
        assert!(buffer.bytes <= 40_000);
    }
    assert!(buffer.counters().keyframe_requests >= 1);
    assert_eq!(feed(&mut buffer, sender.keyframe()), [Some(502)]);
}

#[test]
fn parts_of_keyframes_that_never_become_whole_are_forgotten() {
    let mut sender = Sender::new(100);
    let mut buffer = JitterBuffer::new(Config::default());
    for _ in 0..300 {
        feed(&mut buffer, sender.keyframe().split_off(1));
    }
    assert!(
        buffer.len_packets() < 40,
        "{} packets",
        buffer.len_packets()
    );
}

/// The packets of one AV1 frame, from this sequence number on.
fn av1_packets(start: Instant, first: u16, number: u32, is_keyframe: bool) -> Vec<RtpPacket> {
    let mut data = if is_keyframe {
        vec![0x0a, 1, 0]
    } else {
        Vec::new()
    };
    // 2,501 bytes: three packets.
    data.extend([0x32, 0xc5, 0x13]);
    data.push(if is_keyframe { 0x10 } else { 0x30 });
    data.extend(vec![number as u8; 2500]);
    let frame = EncodedFrame {
        codec: VideoCodec::Av1,
        data: data.into(),
        is_keyframe,
        timestamp: number * 2970,
    };
    let payloads = VideoCodec::packetize(&frame, 1000);
    assert_eq!(payloads.len(), 3);
    let packets = payloads
        .into_iter()
        .zip(0..)
        .map(|(payload, index)| RtpPacket {
            codec: Codec::Video(frame.codec),
            sequence_number: first + index,
            timestamp: frame.timestamp,
            marker: index == 2,
            payload,
            arrived_at: start + ms(33) * number,
        });
    packets.collect()
}

/// The frames that come out, by their media time in frames; requests as `None`.
fn outputs(buffer: &mut JitterBuffer, packets: Vec<RtpPacket>) -> Vec<Option<(u32, bool)>> {
    let mut outputs = Vec::new();
    for packet in packets {
        let now = packet.arrived_at;
        buffer.handle(Input::Packet(packet), now);
        while let Some(output) = buffer.poll_output() {
            outputs.push(match output {
                Output::Frame(frame) => {
                    assert_eq!(frame.codec, VideoCodec::Av1);
                    Some((frame.timestamp / 2970, frame.is_keyframe))
                }
                Output::KeyframeRequest => None,
            });
        }
    }
    outputs
}

#[test]
fn frames_of_av1_leave_with_their_last_packet() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let key = av1_packets(start, 100, 1, true);
    assert_eq!(outputs(&mut buffer, key), [Some((1, true))]);
    let delta = av1_packets(start, 103, 2, false);
    assert_eq!(outputs(&mut buffer, delta), [Some((2, false))]);
}

#[test]
fn a_keyframe_of_av1_whose_beginning_comes_last_is_waited_for() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let mut key = av1_packets(start, 100, 1, true);
    let mut first = key.remove(0);
    let delta = av1_packets(start, 103, 2, false);
    // Nothing says what the frame is, so a keyframe is asked for; but what is there is kept.
    assert_eq!(outputs(&mut buffer, key), [None]);
    assert_eq!(outputs(&mut buffer, delta), []);
    first.arrived_at = start + ms(120);
    let out = outputs(&mut buffer, vec![first]);
    assert_eq!(out, [Some((1, true)), Some((2, false))]);
}

#[test]
fn a_frame_of_av1_that_is_no_keyframe_is_not_kept_while_one_is_needed() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    assert_eq!(
        outputs(&mut buffer, av1_packets(start, 100, 1, false)),
        [None]
    );
    assert_eq!(buffer.len_packets(), 0);
    let key = av1_packets(start, 103, 2, true);
    assert_eq!(outputs(&mut buffer, key), [Some((2, true))]);
}

#[test]
fn a_frame_of_two_codecs_is_none() {
    let start = simulation::start();
    let mut buffer = JitterBuffer::new(Config::default());
    let key = av1_packets(start, 100, 1, true);
    assert_eq!(outputs(&mut buffer, key), [Some((1, true))]);
    let mut mixed = av1_packets(start, 103, 2, false);
    mixed[1].codec = Codec::Video(VideoCodec::H264);
    assert_eq!(outputs(&mut buffer, mixed), [None]);
    assert_eq!(buffer.counters().frames_dropped, 1);
}
