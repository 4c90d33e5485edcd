//! Opus packets, in whatever order they come, to a steady sequence of things to play.
//!
//! The buffer holds back as much sound as the network's jitter asks for, and no more: the target follows the transit times
//! of the last two seconds. Playout never stops. What is missing is recovered from the packet after it: one packet from its
//! in-band FEC, more of them from its deep redundancy (DRED); or else concealed. When too much piles up, or there is too
//! little, the sound is played a little faster or slower ([`Stretch`]).
//!
//! Each packet says how much sound it holds (RFC 6716 section 3.1), from 2.5 to 120 ms, and may hold another amount than the
//! one before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    FRAME_DURATION, FRAME_SAMPLES, OpusRedundancy, PACKET_DURATION, SAMPLE_RATE_HZ, Stretch,
    opus_packet_redundancy, opus_packet_samples,
};
use crate::RtpPacket;
use crate::time::{SequenceUnwrapper, TimestampUnwrapper};

mod bursts;
mod correction;
mod delay;
mod interface;
mod recurring;
mod sent_again;

use bursts::BurstWatch;
use correction::{Correction, Target};
use delay::DelayEstimator;
pub use interface::{Config, Counters, Pull};

/// Samples in one frame, as timestamps count them.
const FRAME: u64 = FRAME_SAMPLES as u64;
/// Opus counts in pieces of 2.5 ms.
const OPUS_STEP: u64 = 120;
/// No more is recovered at once than the longest frame of Opus holds: 60 ms.
const LONGEST_FRAME: u64 = 6 * FRAME;

/// The jitter buffer of one inbound Opus stream.
#[derive(Debug)]
pub struct JitterBuffer {
    config: Config,
    packets: BTreeMap<u64, Stored>,
    sequence_numbers: SequenceUnwrapper,
    media_times: TimestampUnwrapper,
    first_media_time: Option<u64>,
    delay_estimator: DelayEstimator,
    bursts: BurstWatch,
    /// Delay wanted from outside, so that the picture can keep up.
    wanted_delay: Duration,
    state: State,
    correction: Correction,
    /// How much sound each packet of the present gap held, and the number of the packet after it.
    gap: Option<(u64, u64)>,
    last_timestamp: Option<u32>,
    stray: Option<RtpPacket>,
    counters: Counters,
}

#[derive(Debug)]
struct Stored {
    timestamp: u32,
    media_time: u64,
    samples: u64,
    payload: Bytes,
    redundancy: OpusRedundancy,
    arrived_at: Instant,
}

/// What comes next in the stream.
#[derive(Debug, Clone, Copy)]
struct Position {
    sequence_number: u64,
    media_time: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Collects packets until there is enough delay. What was played before, if anything.
    Filling {
        after: Option<Position>,
    },
    Playing {
        next: Position,
        concealed: Duration,
    },
}

impl JitterBuffer {
    /// A jump of sequence numbers beyond this: the sender began anew.
    const MAX_JUMP: u64 = 1000;
    /// How near a second far packet must be to confirm it.
    const NEIGHBOURHOOD: u16 = 16;
    /// More packets than this are never kept; the oldest go.
    const MAX_PACKETS: usize = 256;
    /// A gap in media time without a gap in sequence numbers is played as silence up to this length, and skipped beyond.
    const MAX_GAP: u64 = SAMPLE_RATE_HZ as u64 / 2;

    /// Makes an empty buffer.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            packets: BTreeMap::new(),
            sequence_numbers: SequenceUnwrapper::new(),
            media_times: TimestampUnwrapper::new(),
            first_media_time: None,
            delay_estimator: DelayEstimator::new(),
            bursts: BurstWatch::default(),
            wanted_delay: Duration::ZERO,
            state: State::Filling { after: None },
            correction: Correction::default(),
            gap: None,
            last_timestamp: None,
            stray: None,
            counters: Counters::default(),
        }
    }

    /// Aims at no less than `delay`, for instance because the picture takes longer than the sound. Bounded by
    /// [`Config::max_delay`].
    pub const fn set_wanted_delay(&mut self, delay: Duration) {
        self.wanted_delay = delay;
    }

    /// How much delay the buffer aims at.
    pub fn target_delay(&self) -> Duration {
        self.network_delay()
            .max(self.wanted_delay)
            .clamp(self.config.min_delay, self.config.max_delay)
    }

    /// How much of it is for the network's jitter.
    fn network_delay(&self) -> Duration {
        // One frame on top: what plays asks frame by frame, and not always on time.
        self.delay_estimator.spread() + FRAME_DURATION
    }

    /// How much sound is in the buffer, gaps included.
    pub fn delay(&self) -> Duration {
        let Some((_, newest)) = self.packets.last_key_value() else {
            return Duration::ZERO;
        };
        let end = newest.media_time + newest.samples;
        let begin = match self.state {
            State::Playing { next, .. } => next.media_time,
            State::Filling { .. } => self
                .packets
                .values()
                .next()
                .map_or(end, |oldest| oldest.media_time),
        };
        duration(end.saturating_sub(begin))
    }

    /// The RTP timestamp of the sound that the latest pull gave out. `None` before the first packet.
    pub const fn last_timestamp(&self) -> Option<u32> {
        self.last_timestamp
    }

    /// What has happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes in a packet. What is no Opus packet is ignored.
    pub fn insert(&mut self, packet: RtpPacket) {
        let Some(samples) = opus_packet_samples(&packet.payload) else {
            return;
        };
        let sequence_number = self.sequence_numbers.peek(packet.sequence_number.into());
        let newest = self.packets.last_key_value().map(|(newest, _)| *newest);
        let played = match self.state {
            State::Playing { next, .. } => Some(next.sequence_number),
            State::Filling { after } => after.map(|after| after.sequence_number),
        };
        let is_far = newest
            .or(played)
            .is_some_and(|near| near.abs_diff(sequence_number) > Self::MAX_JUMP);
        if is_far {
            self.on_far_packet(packet);
            return;
        }
        self.stray = None;
        let media_time = self.media_times.unwrap(packet.timestamp);
        self.sequence_numbers.unwrap(packet.sequence_number.into());
        let first_media_time = *self.first_media_time.get_or_insert(media_time);
        // Also those that come too late: they are why the target must rise.
        let is_in_order = newest
            .or(played)
            .is_none_or(|newest| sequence_number >= newest);
        self.delay_estimator.push(
            micros(media_time, first_media_time),
            packet.arrived_at,
            is_in_order,
        );
        let redundancy = opus_packet_redundancy(&packet.payload);
        // What was sent again tells nothing of when redundancy comes.
        if is_in_order && (redundancy.has_dred || redundancy.has_fec) {
            let arrived_at = packet.arrived_at;
            self.on_redundancy(sequence_number, media_time, redundancy, played, arrived_at);
        }

        if played.is_some_and(|next| sequence_number < next) {
            self.counters.packets_late += 1;
            return;
        }
        let Entry::Vacant(place) = self.packets.entry(sequence_number) else {
            self.counters.packets_duplicate += 1;
            return;
        };
        place.insert(Stored {
            timestamp: packet.timestamp,
            media_time,
            samples: samples.into(),
            payload: packet.payload,
            redundancy,
            arrived_at: packet.arrived_at,
        });
        if self.packets.len() > Self::MAX_PACKETS {
            self.drop_oldest();
        }
    }

    /// Redundancy brings lost frames late, but it brings them: their delay counts like that of packets, so that the next loss
    /// will be bridged in time. In-band FEC brings one packet, deep redundancy a burst of them.
    fn on_redundancy(
        &mut self,
        sequence_number: u64,
        media_time: u64,
        redundancy: OpusRedundancy,
        played: Option<u64>,
        arrived_at: Instant,
    ) {
        let before = self.packets.range(..sequence_number).next_back();
        let gap_begin = before
            .map(|(before, stored)| (before + 1, stored.media_time + stored.samples))
            .or_else(|| Some((played?, self.next_media_time()?)));
        let Some((gap_sequence_number, gap_media_time)) = gap_begin else {
            return;
        };
        if sequence_number <= gap_sequence_number {
            return;
        }
        let first_media_time = self.first_media_time.unwrap_or_default();
        let lost_packets = sequence_number - gap_sequence_number;
        let step = (media_time.saturating_sub(gap_media_time) / lost_packets).max(OPUS_STEP);
        // One lost packet is left to FEC also where there is deep redundancy.
        let reach = if redundancy.has_dred && lost_packets > 1 {
            samples(self.config.max_redundancy_delay)
        } else {
            step
        };
        let oldest = gap_media_time.max(media_time.saturating_sub(reach));
        for lost in (oldest..media_time).step_by(step as usize) {
            self.delay_estimator
                .push(micros(lost, first_media_time), arrived_at, true);
        }
    }

    const fn next_media_time(&self) -> Option<u64> {
        match self.state {
            State::Playing { next, .. } | State::Filling { after: Some(next) } => {
                Some(next.media_time)
            }
            State::Filling { after: None } => None,
        }
    }

    /// Whether the sender should send deep redundancy, because losses come in bursts.
    pub const fn wants_deep_redundancy(&self) -> bool {
        self.bursts.are_bursts()
    }

    /// Takes back the last [`Pull::Reconstruct`], of so many samples: the packet's redundancy did not reach so far.
    pub const fn on_out_of_reach(&mut self, samples: usize) {
        let samples = samples as u64;
        self.counters.samples_reconstructed =
            self.counters.samples_reconstructed.saturating_sub(samples);
        self.counters.samples_concealed += samples;
    }

    /// The packet that comes next in the stream, if it is there: to be changed in length together with the one that was given
    /// last, where that alone is too short.
    pub fn pull_next(&mut self, now: Instant) -> Option<Bytes> {
        let (number, stored) = self.packets.first_key_value()?;
        let State::Playing { next, .. } = self.state else {
            return None;
        };
        let is_next = *number == next.sequence_number && stored.media_time == next.media_time;
        is_next.then(|| self.give_out(now))
    }

    /// The next thing to play. Called whenever what the last call gave has been decoded and is about to run out, with the
    /// instant at which it will have.
    pub fn pull(&mut self, now: Instant) -> Pull {
        self.enforce_max_delay();
        match self.state {
            State::Filling { .. } => self.pull_filling(now),
            State::Playing { next, concealed } => self.pull_playing(next, concealed, now),
        }
    }

    fn pull_filling(&mut self, now: Instant) -> Pull {
        let oldest = self.packets.first_key_value();
        let Some((&sequence_number, oldest)) = oldest else {
            return Pull::Silence {
                samples: FRAME_SAMPLES,
            };
        };
        let (media_time, arrived_at) = (oldest.media_time, oldest.arrived_at);
        let target = self.target_delay();
        // The packet that comes next may not come: the clock decides as well as the fill.
        let is_enough = self.delay() >= target || now >= arrived_at + target;
        if !is_enough {
            return Pull::Silence {
                samples: FRAME_SAMPLES,
            };
        }
        self.correction.restart();
        let next = Position {
            sequence_number,
            media_time,
        };
        self.state = State::Playing {
            next,
            concealed: Duration::ZERO,
        };
        self.pull_playing(next, Duration::ZERO, now)
    }

    fn pull_playing(&mut self, next: Position, concealed: Duration, now: Instant) -> Pull {
        let Some((&sequence_number, oldest)) = self.packets.first_key_value() else {
            return self.run_dry(next, concealed);
        };
        let gap = oldest.media_time.saturating_sub(next.media_time);
        // Time that jumps back, or far ahead, belongs to a sender that began anew or paused: go on from there.
        if oldest.media_time < next.media_time || gap > Self::MAX_GAP {
            let next = Position {
                sequence_number,
                media_time: oldest.media_time,
            };
            return self.decode(next, now);
        }
        if gap == 0 {
            return self.decode(
                Position {
                    sequence_number,
                    ..next
                },
                now,
            );
        }
        let lost_packets = sequence_number.saturating_sub(next.sequence_number);
        let carried = oldest.redundancy;
        // FEC describes one packet better than deep redundancy does.
        let by_fec =
            lost_packets == 1 && gap <= LONGEST_FRAME && (carried.has_fec || !carried.has_dred);
        let samples = if by_fec { gap } else { FRAME.min(gap) };
        let left = gap - samples;
        // All that is lost is taken to have been of the same length.
        let (each, _) = self
            .gap
            .filter(|(_, after)| *after == sequence_number)
            .unwrap_or_else(|| (gap.div_ceil(lost_packets.max(1)), sequence_number));
        self.gap = Some((each, sequence_number));
        let lost_after = left.div_ceil(each).min(lost_packets);
        self.state = State::Playing {
            next: Position {
                sequence_number: sequence_number - lost_after,
                media_time: next.media_time + samples,
            },
            concealed: Duration::ZERO,
        };
        self.bursts.on_lost((lost_packets - lost_after) as u32);
        let packet = oldest.payload.clone();
        let made = samples.next_multiple_of(OPUS_STEP);
        let samples = made as usize;
        if lost_packets == 0 {
            // The sender left silence out (DTX).
            Pull::Silence { samples }
        } else if by_fec {
            self.counters.samples_recovered += made;
            Pull::Recover { packet, samples }
        } else if carried.has_dred {
            self.counters.samples_reconstructed += made;
            Pull::Reconstruct {
                packet,
                samples_before: gap as u32,
                samples,
            }
        } else {
            self.counters.samples_concealed += made;
            Pull::Conceal { samples }
        }
    }

    /// Nothing is there. Time stands still meanwhile: what is late will be played late, and the delay grows.
    fn run_dry(&mut self, next: Position, concealed: Duration) -> Pull {
        if concealed >= self.config.max_conceal {
            self.state = State::Filling { after: Some(next) };
            return Pull::Silence {
                samples: FRAME_SAMPLES,
            };
        }
        self.state = State::Playing {
            next,
            concealed: concealed + FRAME_DURATION,
        };
        self.counters.samples_concealed += FRAME;
        Pull::Conceal {
            samples: FRAME_SAMPLES,
        }
    }

    /// Gives out the packet at `next`, which is there.
    fn decode(&mut self, next: Position, now: Instant) -> Pull {
        let media_time_us = micros(next.media_time, self.first_media_time.unwrap_or_default());
        let delay = self.delay_estimator.behind_fastest(media_time_us, now);
        let target = Target {
            delay: self.target_delay(),
            for_network: self.network_delay(),
        };
        let patience = self.config.patience;
        let stretch = self.correction.next(delay, target, patience, now);
        Pull::Decode {
            packet: self.give_out(now),
            stretch,
        }
    }

    /// Takes out the oldest packet, which must be there.
    fn give_out(&mut self, now: Instant) -> Bytes {
        let (sequence_number, stored) = self.packets.pop_first().expect("the packet is there");
        self.last_timestamp = Some(stored.timestamp);
        let next = Position {
            sequence_number: sequence_number + 1,
            media_time: stored.media_time + stored.samples,
        };
        self.state = State::Playing {
            next,
            concealed: Duration::ZERO,
        };
        self.counters.packets_decoded += 1;
        self.bursts.on_received(now);
        stored.payload
    }

    /// What was wanted of the last [`Pull::Decode`] has been done, by so many samples; none where it could not be done.
    pub fn on_stretched(&mut self, how: Stretch, samples: usize) {
        if samples == 0 {
            return;
        }
        if how.is_shorter() {
            self.counters.packets_shortened += 1;
        } else {
            self.counters.packets_lengthened += 1;
        }
        self.correction.done(duration(samples as u64));
    }

    /// What exceeds the limit goes at once: it arrived in a burst after an outage.
    fn enforce_max_delay(&mut self) {
        while self.packets.len() > 1 && self.delay() > self.config.max_delay + PACKET_DURATION {
            self.drop_oldest();
        }
    }

    /// Leaves out the oldest packet.
    fn drop_oldest(&mut self) {
        let Some((sequence_number, stored)) = self.packets.pop_first() else {
            return;
        };
        self.counters.packets_dropped += 1;
        let after = Position {
            sequence_number: sequence_number + 1,
            media_time: stored.media_time + stored.samples,
        };
        match &mut self.state {
            State::Filling { after: played } => *played = Some(after),
            State::Playing { next, .. } => *next = after,
        }
    }

    fn on_far_packet(&mut self, packet: RtpPacket) {
        let Some(stray) = self.stray.take() else {
            self.stray = Some(packet);
            return;
        };
        let distance = packet.sequence_number.wrapping_sub(stray.sequence_number);
        if distance == 0 || distance.min(distance.wrapping_neg()) > Self::NEIGHBOURHOOD {
            self.stray = Some(packet);
            return;
        }
        *self = Self {
            counters: self.counters,
            wanted_delay: self.wanted_delay,
            last_timestamp: self.last_timestamp,
            ..Self::new(self.config)
        };
        self.insert(stray);
        self.insert(packet);
    }
}

fn duration(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE_HZ))
}

const fn samples(duration: Duration) -> u64 {
    duration.as_micros() as u64 * SAMPLE_RATE_HZ as u64 / 1_000_000
}

/// Media time since the first packet, in microseconds.
fn micros(media_time: u64, first: u64) -> i64 {
    media_time.wrapping_sub(first) as i64 * 1000 / (i64::from(SAMPLE_RATE_HZ) / 1000)
}

#[cfg(test)]
mod tests;
