//! One direction of a call in virtual time: frames, packets, repair of all kinds, a lossy link, playout. Sizes are real, contents
//! are not.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::RtpPacket;
use media::repair::rlc::{RlcDecoder, RlcEncoder, SourcePacket};
use media::repair::{MissingPackets, Protection};
use media::video::{
    Config, EncodedFrame, Input, JitterBuffer, Output, PlayoutDelay, VideoCodec, h264,
};
use simulation::{Conditions, Link, Random};

const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
const CLOCK_HZ: u128 = 90_000;
const PAYLOAD_BYTES: usize = 1160;
const HEADER_BYTES: usize = 64;
/// What pictures are before losses count.
const SETTLE: Duration = Duration::from_secs(5);
const FROZEN: Duration = Duration::from_millis(200);

/// A path and what is sent over it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub round_trip: Duration,
    pub loss_ratio: f64,
    pub loss_run: f64,
    pub video_bps: u64,
    /// The losses end then.
    pub clean_from: Option<Duration>,
}

/// Which means of repair there are.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    pub has_playout_delay: bool,
    pub has_copies: bool,
    pub protection: Option<Code>,
}

/// Which packets a repair packet helps to give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Those of the last moments.
    SlidingWindow,
    /// Those of the last frame only: what a block code or `FlexFEC` with the best of masks could do at most.
    Frame,
    /// One packet each: the packets of a frame twice, in turn.
    Repetition,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// The share of time without a new picture for 200 ms and more.
    pub frozen: f64,
    pub latency_p50: Duration,
    pub latency_p95: Duration,
    /// Bytes sent beyond the pictures, for each byte of theirs.
    pub overhead: f64,
    /// The share of frames that were complete without waiting for an answer from here.
    pub complete_at_once: f64,
    pub keyframe_requests: u64,
    pub last_delay: Duration,
}

#[derive(Debug, Clone)]
enum Forth {
    Packet(RtpPacket),
    Repair(Bytes),
}

#[derive(Debug, Clone)]
enum Back {
    Missing(Vec<u16>),
    Keyframe,
}

struct Call {
    scenario: Scenario,
    means: Means,
    start: Instant,
    now: Instant,
    random: Random,
    forth: Link<Forth>,
    back: Link<Back>,
    // The sender.
    frames: u32,
    sequence_number: u16,
    wants_keyframe: bool,
    kept: HashMap<u16, (RtpPacket, Option<Instant>)>,
    pending_copies: Vec<(Instant, RtpPacket)>,
    busy_until: Instant,
    encoder: RlcEncoder,
    protection: Protection,
    picture_bytes: usize,
    other_bytes: usize,
    // The receiver.
    decoder: RlcDecoder,
    missing: MissingPackets,
    buffer: JitterBuffer,
    delay: PlayoutDelay,
    shown: Vec<(Instant, Instant)>,
    complete_at_once: usize,
}

/// Runs for so long.
pub fn run(scenario: Scenario, means: Means, time: Duration, seed: u64) -> Outcome {
    let mut call = Call::new(scenario, means, seed);
    call.run(time);
    call.outcome()
}

impl Call {
    fn new(scenario: Scenario, means: Means, seed: u64) -> Self {
        let start = simulation::start();
        let conditions = Conditions {
            latency: scenario.round_trip / 2,
            loss_ratio: scenario.loss_ratio,
            loss_run: scenario.loss_run,
            ..Conditions::default()
        };
        let config = Config {
            max_wait: Config::max_wait_for(scenario.round_trip),
            ..Config::default()
        };
        Self {
            scenario,
            means,
            start,
            now: start,
            random: Random::new(seed),
            forth: Link::new(conditions, seed),
            back: Link::new(conditions, seed ^ 0x5555),
            frames: 0,
            sequence_number: 65_000,
            wants_keyframe: true,
            kept: HashMap::new(),
            pending_copies: Vec::new(),
            busy_until: start,
            encoder: RlcEncoder::new(),
            protection: Protection::new(),
            picture_bytes: 0,
            other_bytes: 0,
            decoder: RlcDecoder::new(),
            missing: MissingPackets::of_pictures(),
            buffer: JitterBuffer::new(config),
            delay: PlayoutDelay::new(),
            shown: Vec::new(),
            complete_at_once: 0,
        }
    }

    fn run(&mut self, time: Duration) {
        while self.now < self.start + time {
            let next_frame = self.start + FRAME_INTERVAL * self.frames;
            let copy_at = self.pending_copies.iter().map(|(at, _)| *at).min();
            let next = [
                self.forth.poll_timeout(),
                self.back.poll_timeout(),
                self.buffer.poll_timeout(),
                self.missing.next_at(),
                copy_at,
            ];
            let next = next.into_iter().flatten().fold(next_frame, Instant::min);
            self.now = self.now.max(next);
            if let Some(clean_from) = self.scenario.clean_from
                && self.now >= self.start + clean_from
            {
                self.scenario.loss_ratio = 0.0;
                let conditions = Conditions {
                    latency: self.scenario.round_trip / 2,
                    ..Conditions::default()
                };
                self.forth.set_conditions(conditions);
                self.back.set_conditions(conditions);
            }
            if self.now >= next_frame {
                self.send_frame();
            }
            self.answer();
            self.receive();
        }
    }

    fn send_frame(&mut self) {
        let mean = self.scenario.video_bps as f64 / 8.0 * FRAME_INTERVAL.as_secs_f64();
        let is_keyframe = std::mem::take(&mut self.wants_keyframe);
        let scatter = 0.75 + 0.5 * self.random.duration(Duration::from_secs(1)).as_secs_f64();
        let size = mean * if is_keyframe { 5.0 } else { scatter };
        let mut data = Vec::new();
        if is_keyframe {
            data.extend([0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce]);
        }
        data.extend([0, 0, 0, 1, if is_keyframe { 0x65 } else { 0x41 }, 0x88]);
        data.resize(size as usize, 0x55);
        let elapsed = FRAME_INTERVAL * self.frames;
        let timestamp = (elapsed.as_micros() * CLOCK_HZ / 1_000_000) as u32;
        self.frames += 1;
        let frame = EncodedFrame {
            codec: VideoCodec::H264,
            data: data.into(),
            is_keyframe,
            timestamp,
        };
        if self.means.protection.is_some() || self.means.has_copies {
            self.protection.update(
                self.scenario.loss_ratio,
                false,
                self.scenario.round_trip,
                self.now,
            );
            self.protection
                .set_has_decoder(self.means.protection.is_some());
        }
        if self.means.protection == Some(Code::Frame) {
            self.encoder.clear();
        }
        let payloads = h264::packetize(&frame, PAYLOAD_BYTES);
        let last = payloads.len() - 1;
        let mut sent = Vec::new();
        for (index, payload) in payloads.into_iter().enumerate() {
            let packet = RtpPacket {
                codec: media::Codec::Video(VideoCodec::H264),
                sequence_number: self.sequence_number,
                timestamp,
                marker: index == last,
                payload,
                arrived_at: self.now,
            };
            self.sequence_number = self.sequence_number.wrapping_add(1);
            self.picture_bytes += packet.payload.len() + HEADER_BYTES;
            self.kept
                .insert(packet.sequence_number, (packet.clone(), None));
            sent.push(packet.clone());
            let at = self.leave(packet.payload.len());
            self.encoder.push(source(&packet), at);
            self.forth.send_bytes(at, Forth::Packet(packet), 1200);
            if let Some(code) = self.means.protection {
                for turn in 0..self.protection.on_packet(index == last, at) {
                    self.protect(code, &sent, turn as usize, at);
                }
            }
        }
    }

    fn protect(&mut self, code: Code, sent: &[RtpPacket], turn: usize, at: Instant) {
        if code == Code::Repetition {
            let packet = sent[turn % sent.len()].clone();
            self.other_bytes += packet.payload.len() + HEADER_BYTES;
            let at = self.leave(packet.payload.len());
            self.forth.send_bytes(at, Forth::Packet(packet), 1200);
        } else if let Some(repair) = self.encoder.repair(self.protection.reach(), at) {
            self.other_bytes += repair.len() + HEADER_BYTES;
            let at = self.leave(repair.len());
            self.forth.send_bytes(at, Forth::Repair(repair), 1200);
        }
    }

    /// When something of this size leaves that is sent now: the pacer spreads frames.
    fn leave(&mut self, bytes: usize) -> Instant {
        let rate = 1.6 * self.scenario.video_bps as f64 * (1.0 + self.protection.ratio());
        let takes = Duration::from_secs_f64((bytes + HEADER_BYTES) as f64 * 8.0 / rate);
        self.busy_until = self.busy_until.max(self.now) + takes;
        self.busy_until
    }

    fn answer(&mut self) {
        while let Some(request) = self.back.poll(self.now) {
            match request {
                Back::Keyframe => self.wants_keyframe = true,
                Back::Missing(numbers) => {
                    for number in numbers {
                        self.send_again(number);
                    }
                }
            }
        }
        let now = self.now;
        let (due, pending) = std::mem::take(&mut self.pending_copies)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.pending_copies = pending;
        for (_, packet) in due {
            self.other_bytes += packet.payload.len() + HEADER_BYTES;
            self.forth.send_bytes(now, Forth::Packet(packet), 1200);
        }
    }

    fn send_again(&mut self, number: u16) {
        let Some((packet, repeated_at)) = self.kept.get_mut(&number) else {
            return;
        };
        let pause = self.scenario.round_trip.mul_f64(0.8);
        if repeated_at.is_some_and(|at| self.now < at + pause) {
            return;
        }
        *repeated_at = Some(self.now);
        let copies = if self.means.has_copies {
            self.protection.copies()
        } else {
            1
        };
        for copy in 0..copies {
            let at = self.now + Duration::from_millis(10) * copy;
            self.pending_copies.push((at, packet.clone()));
        }
    }

    fn receive(&mut self) {
        while let Some(arrived) = self.forth.poll(self.now) {
            match arrived {
                Forth::Packet(packet) => {
                    self.decoder.on_packet(source(&packet));
                    self.take(packet);
                }
                Forth::Repair(repair) => {
                    if let Some(newest) = self.decoder.on_repair(&repair) {
                        self.missing.on_protected(self.now);
                        self.missing.on_announced(newest, self.now);
                    }
                }
            }
            while let Some(recovered) = self.decoder.poll_output() {
                self.take(RtpPacket {
                    codec: media::Codec::Video(VideoCodec::H264),
                    sequence_number: recovered.sequence_number,
                    timestamp: recovered.timestamp,
                    marker: recovered.marker,
                    payload: recovered.payload,
                    arrived_at: self.now,
                });
            }
        }
        if self.buffer.poll_timeout().is_some_and(|at| at <= self.now) {
            self.buffer.handle(Input::Timeout, self.now);
            self.drain();
        }
        let due = self.missing.due(self.now, self.scenario.round_trip);
        if !due.is_empty() {
            self.back.send(self.now, Back::Missing(due));
        }
    }

    fn take(&mut self, packet: RtpPacket) {
        self.missing.on_arrived(packet.sequence_number, self.now);
        let arrived_at = self.now;
        let packet = RtpPacket {
            codec: media::Codec::Video(VideoCodec::H264),
            arrived_at,
            ..packet
        };
        self.buffer.handle(Input::Packet(packet), self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.buffer.poll_output() {
            match output {
                Output::KeyframeRequest => self.back.send(self.now, Back::Keyframe),
                Output::Frame(frame) => {
                    let elapsed = u128::from(frame.timestamp) * 1_000_000 / CLOCK_HZ;
                    let captured = self.start + Duration::from_micros(elapsed as u64);
                    if self.now < captured + self.scenario.round_trip {
                        self.complete_at_once += 1;
                    }
                    let mut at = self.now;
                    if self.means.has_playout_delay {
                        at = self.delay.frame_ready(frame.media_time, self.now);
                    }
                    let before = self.shown.last().map_or(at, |(shown, _)| *shown);
                    self.shown.push((at.max(before), captured));
                }
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let from = self.start + SETTLE;
        let counted: Vec<_> = self.shown.iter().filter(|(at, _)| *at >= from).collect();
        let gaps = counted.windows(2).map(|pair| pair[1].0 - pair[0].0);
        let frozen: Duration = gaps.filter(|gap| *gap >= FROZEN).sum();
        let mut latencies: Vec<_> = counted
            .iter()
            .map(|(at, captured)| *at - *captured)
            .collect();
        latencies.sort_unstable();
        let quantile = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index).copied().unwrap_or_default()
        };
        Outcome {
            frozen: frozen.as_secs_f64() / (self.now - from).as_secs_f64(),
            latency_p50: quantile(0.5),
            latency_p95: quantile(0.95),
            overhead: self.other_bytes as f64 / self.picture_bytes.max(1) as f64,
            complete_at_once: self.complete_at_once as f64 / f64::from(self.frames),
            keyframe_requests: self.buffer.counters().keyframe_requests,
            last_delay: self.delay.delay(),
        }
    }
}

fn source(packet: &RtpPacket) -> SourcePacket {
    SourcePacket {
        sequence_number: packet.sequence_number,
        payload_type: 102,
        marker: packet.marker,
        timestamp: packet.timestamp,
        payload: packet.payload.clone(),
    }
}
