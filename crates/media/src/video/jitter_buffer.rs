//! RTP packets, in whatever order they come, to frames that can be decoded, in order.
//!
//! There is no fixed delay: a frame leaves as soon as it and everything it builds on is complete. What is missing gets a
//! chance to be retransmitted; after that the stream is given up until the next keyframe, which is asked for. A frame that
//! builds on a missing one is never handed out. Memory is bounded in packets and bytes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::VideoCodec;
use super::payload::{AccessUnit, InvalidPayload, KeyframePart};
use crate::time::{SequenceUnwrapper, TimestampUnwrapper};
use crate::{Codec, RtpPacket};

mod interface;

pub use interface::{AssembledFrame, Config, Counters, Input, Output};

/// The jitter buffer of one inbound stream, whose codec may change at a keyframe.
#[derive(Debug)]
pub struct JitterBuffer {
    config: Config,
    packets: BTreeMap<u64, Stored>,
    bytes: usize,
    /// The first sequence number that is neither handed out nor given up. `None` before the first packet.
    next: Option<u64>,
    /// To which frame the packet just before `next` belonged, if it came.
    media_time_before_next: Option<u64>,
    state: State,
    sequence_numbers: SequenceUnwrapper,
    media_times: TimestampUnwrapper,
    newest_media_time: u64,
    /// A packet far from all others. With a neighbour it means that the sender began anew; alone it means nothing.
    stray: Option<RtpPacket>,
    last_request_at: Option<Instant>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything up to `next` was handed out. If a packet is missing: when that was noticed.
    Streaming { missing_since: Option<Instant> },
    /// Nothing can be decoded before a keyframe. When to ask for one (again).
    NeedsKeyframe { ask_at: Instant },
}

#[derive(Debug)]
struct Stored {
    packet: RtpPacket,
    media_time: u64,
    keyframe_part: Option<KeyframePart>,
}

impl Stored {
    fn is_of_keyframe(&self) -> bool {
        self.keyframe_part.is_some_and(KeyframePart::is_certain)
    }
}

fn video_codec(packet: &RtpPacket) -> Option<VideoCodec> {
    match packet.codec {
        Codec::Video(codec) => Some(codec),
        Codec::Opus => None,
    }
}

fn keyframe_part(packet: &RtpPacket) -> Option<KeyframePart> {
    video_codec(packet)?.keyframe_part(&packet.payload)
}

/// Packets that make a frame, all there: the first and the last sequence number.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: u64,
    last: u64,
}

impl JitterBuffer {
    /// A jump of sequence numbers beyond what reordering and retransmission explain: the sender began anew.
    const MAX_JUMP: u64 = 4096;
    /// How near a second far packet must be to confirm it, and how far before the first packet of a stream others may
    /// still come.
    const NEIGHBOURHOOD: u16 = 32;
    /// Requests come no closer than this, whatever the sender makes of them.
    const MIN_REQUEST_SPACING: Duration = Duration::from_millis(100);

    /// Makes an empty buffer.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            packets: BTreeMap::new(),
            bytes: 0,
            next: None,
            media_time_before_next: None,
            state: State::Streaming {
                missing_since: None,
            },
            sequence_numbers: SequenceUnwrapper::new(),
            media_times: TimestampUnwrapper::new(),
            newest_media_time: 0,
            stray: None,
            last_request_at: None,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Changes [`Config::max_wait`], for instance because the round trip turned out to be longer.
    pub const fn set_max_wait(&mut self, max_wait: Duration) {
        self.config.max_wait = max_wait;
    }

    /// Something happened. Drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Packet(packet) => self.on_packet(packet, now),
            Input::Timeout => self.on_timeout(now),
            Input::DecodeFailed => self.on_decode_failed(now),
        }
    }

    /// The next order; `None` when all are given.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Streaming { missing_since } => {
                missing_since.map(|since| since + self.config.max_wait)
            }
            State::NeedsKeyframe { ask_at } => Some(ask_at),
        }
    }

    /// What has happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// How many packets wait in the buffer.
    pub fn len_packets(&self) -> usize {
        self.packets.len()
    }

    fn on_packet(&mut self, packet: RtpPacket, now: Instant) {
        let sequence_number = self.sequence_numbers.peek(packet.sequence_number.into());
        let Some(next) = self.next else {
            return self.begin(packet, now);
        };
        let is_behind = sequence_number < next;
        // Newer than everything, yet with a number from the past: the numbers went once around during an outage.
        let is_newest = self.media_times.peek(packet.timestamp) > self.newest_media_time;
        if sequence_number.abs_diff(next) > Self::MAX_JUMP || is_behind && is_newest {
            return self.on_far_packet(packet, now);
        }
        self.stray = None;
        if is_behind {
            self.counters.packets_late += 1;
        } else if self.packets.contains_key(&sequence_number) {
            self.counters.packets_duplicate += 1;
        } else {
            self.insert(packet, now);
            self.advance(now);
            self.ask_if_due(now);
        }
    }

    /// The first packet of a stream.
    fn begin(&mut self, packet: RtpPacket, now: Instant) {
        let starts_keyframe = keyframe_part(&packet).is_some_and(KeyframePart::is_certain);
        let first = self.sequence_numbers.unwrap(packet.sequence_number.into());
        self.next = Some(first - u64::from(Self::NEIGHBOURHOOD));
        // A stream that begins with a keyframe gets the time to deliver it. Joining in the middle needs one now.
        let patience = if starts_keyframe {
            self.config.keyframe_interval
        } else {
            Duration::ZERO
        };
        self.state = State::NeedsKeyframe {
            ask_at: now + patience,
        };
        self.insert(packet, now);
        self.advance(now);
        self.ask_if_due(now);
    }

    fn on_far_packet(&mut self, packet: RtpPacket, now: Instant) {
        let Some(stray) = self.stray.take() else {
            self.stray = Some(packet);
            return;
        };
        let distance = packet.sequence_number.wrapping_sub(stray.sequence_number);
        if distance == 0 || distance.min(distance.wrapping_neg()) > Self::NEIGHBOURHOOD {
            self.stray = Some(packet);
            return;
        }
        self.drop_all();
        self.sequence_numbers = SequenceUnwrapper::new();
        self.next = None;
        self.begin(stray, now);
        self.on_packet(packet, now);
    }

    fn on_timeout(&mut self, now: Instant) {
        if let State::Streaming {
            missing_since: Some(since),
        } = self.state
            && now >= since + self.config.max_wait
        {
            self.need_keyframe(now);
            self.advance(now);
        }
        self.ask_if_due(now);
    }

    fn on_decode_failed(&mut self, now: Instant) {
        self.need_keyframe(now);
        self.advance(now);
        self.ask_if_due(now);
    }

    fn insert(&mut self, packet: RtpPacket, now: Instant) {
        let is_full = self.packets.len() >= self.config.max_packets
            || self.bytes + packet.payload.len() > self.config.max_bytes;
        if is_full {
            self.drop_all();
            self.need_keyframe(now);
        }
        let sequence_number = self.sequence_numbers.unwrap(packet.sequence_number.into());
        if Some(sequence_number) < self.next {
            return;
        }
        let media_time = self.media_times.unwrap(packet.timestamp);
        self.newest_media_time = self.newest_media_time.max(media_time);
        self.bytes += packet.payload.len();
        let keyframe_part = keyframe_part(&packet);
        self.packets.insert(
            sequence_number,
            Stored {
                packet,
                media_time,
                keyframe_part,
            },
        );
    }

    /// Hands out all that can be decoded.
    fn advance(&mut self, now: Instant) {
        loop {
            self.skip_padding();
            let at_head = match self.state {
                State::Streaming { .. } => self.next.and_then(|next| self.complete_span(next)),
                State::NeedsKeyframe { .. } => None,
            };
            if let Some(span) = at_head {
                if let Ok(unit) = self.assemble(span) {
                    self.hand_out(span, unit);
                } else {
                    self.drop_before(span.last + 1);
                    self.need_keyframe(now);
                }
            } else if let Some((span, unit)) = self.find_keyframe() {
                // Whatever is before it, complete or not, is older than a picture that needs none of it.
                self.drop_before(span.first);
                self.hand_out(span, unit);
            } else {
                break;
            }
        }
        match self.state {
            State::Streaming { .. } => self.note_missing(),
            State::NeedsKeyframe { .. } => self.drop_undecodable(now),
        }
    }

    /// The newest complete keyframe.
    fn find_keyframe(&self) -> Option<(Span, AccessUnit)> {
        self.packets.iter().rev().find_map(|(&first, stored)| {
            let is_start = match stored.keyframe_part? {
                KeyframePart::Start => true,
                // Parameter sets may stand before it, unless its neighbour belongs to another frame.
                KeyframePart::FirstSlice => self.follows_other_frame(first, stored.media_time),
                KeyframePart::Rest | KeyframePart::Undetermined => false,
            };
            let span = if is_start {
                self.complete_span(first)?
            } else {
                return None;
            };
            let unit = self.assemble(span).ok()?;
            unit.is_keyframe.then_some((span, unit))
        })
    }

    fn follows_other_frame(&self, sequence_number: u64, media_time: u64) -> bool {
        let before = match self.packets.get(&(sequence_number - 1)) {
            Some(before) => Some(before.media_time),
            None => self
                .media_time_before_next
                .filter(|_| Some(sequence_number) == self.next),
        };
        before.is_some_and(|before| before != media_time)
    }

    /// The frame that begins with packet `first`, if all of it is there.
    ///
    /// It ends with the marker, or before a packet with another timestamp, whichever comes first without a gap.
    fn complete_span(&self, first: u64) -> Option<Span> {
        let media_time = self.packets.get(&first)?.media_time;
        for (expected, (&sequence_number, stored)) in (first..).zip(self.packets.range(first..)) {
            if sequence_number != expected {
                return None;
            }
            if stored.media_time != media_time {
                return Some(Span {
                    first,
                    last: sequence_number - 1,
                });
            }
            if stored.packet.marker {
                return Some(Span {
                    first,
                    last: sequence_number,
                });
            }
        }
        None
    }

    fn assemble(&self, span: Span) -> Result<AccessUnit, InvalidPayload> {
        let packets = || {
            let stored = self.packets.range(span.first..=span.last);
            stored.map(|(_, stored)| &stored.packet)
        };
        // Padding may be of any.
        let with_content = || packets().filter(|packet| !packet.payload.is_empty());
        let codec = with_content().find_map(video_codec);
        let codec = codec.ok_or(InvalidPayload::Empty)?;
        if with_content().any(|packet| video_codec(packet) != Some(codec)) {
            return Err(InvalidPayload::MixedCodecs);
        }
        codec.depacketize(packets().map(|packet| &packet.payload[..]))
    }

    fn hand_out(&mut self, span: Span, unit: AccessUnit) {
        let packets = self.take_before(span.last + 1);
        let Some(first) = packets.get(&span.first) else {
            return;
        };
        let arrivals = || packets.values().map(|stored| stored.packet.arrived_at);
        self.state = State::Streaming {
            missing_since: None,
        };
        self.counters.frames_complete += 1;
        self.outputs.push_back(Output::Frame(AssembledFrame {
            codec: unit.codec,
            data: unit.data,
            is_keyframe: unit.is_keyframe,
            timestamp: first.packet.timestamp,
            media_time: first.media_time,
            first_packet_at: arrivals().min().unwrap_or(first.packet.arrived_at),
            completed_at: arrivals().max().unwrap_or(first.packet.arrived_at),
            packets: packets.len(),
        }));
    }

    /// Passes over packets without content at the head: a sender may probe for bandwidth between two frames.
    fn skip_padding(&mut self) {
        while let Some(next) = self.next
            && self
                .packets
                .get(&next)
                .is_some_and(|stored| stored.packet.payload.is_empty())
        {
            self.take_before(next + 1);
        }
    }

    /// While a keyframe is needed: forgets what cannot become one, frame by frame from the head.
    ///
    /// A part of a keyframe may wait for the rest until the next request is due; then it is outdated.
    fn drop_undecodable(&mut self, now: Instant) {
        while let Some((&first, head)) = self.packets.first_key_value() {
            let media_time = head.media_time;
            let of_frame = self
                .packets
                .iter()
                .take_while(|(_, stored)| stored.media_time == media_time);
            let Some((&last, _)) = of_frame.last() else {
                return;
            };
            let after = last + 1;
            let may_grow = self.packets.range(after..).next().is_none();
            if may_grow && self.complete_span(first).is_none() {
                return;
            }
            let is_outdated = now >= head.packet.arrived_at + self.config.keyframe_interval;
            // One whose beginning is missing may turn out to be one.
            let is_open = head.keyframe_part == Some(KeyframePart::Undetermined);
            let is_keyframe = is_open
                || self
                    .packets
                    .range(..after)
                    .any(|(_, stored)| stored.is_of_keyframe());
            if is_keyframe && !is_outdated {
                return;
            }
            self.drop_before(after);
        }
    }

    fn drop_all(&mut self) {
        if let Some((&last, _)) = self.packets.last_key_value() {
            self.drop_before(last + 1);
        }
    }

    /// Gives up everything before `sequence_number`.
    fn drop_before(&mut self, sequence_number: u64) {
        let mut last_media_time = None;
        for stored in self.take_before(sequence_number).into_values() {
            let has_content = !stored.packet.payload.is_empty();
            if has_content && last_media_time.replace(stored.media_time) != Some(stored.media_time)
            {
                self.counters.frames_dropped += 1;
            }
        }
    }

    fn take_before(&mut self, sequence_number: u64) -> BTreeMap<u64, Stored> {
        let kept = self.packets.split_off(&sequence_number);
        let taken = std::mem::replace(&mut self.packets, kept);
        self.bytes -= taken
            .values()
            .map(|stored| stored.packet.payload.len())
            .sum::<usize>();
        if self.next < Some(sequence_number) {
            self.next = Some(sequence_number);
            self.media_time_before_next = taken
                .get(&(sequence_number - 1))
                .map(|stored| stored.media_time);
        }
        taken
    }

    fn need_keyframe(&mut self, now: Instant) {
        if let State::NeedsKeyframe { .. } = self.state {
            return;
        }
        // One that is arriving needs no request, unless it does not arrive in time.
        let is_coming = self.packets.values().any(Stored::is_of_keyframe);
        let patience = if is_coming {
            self.config.max_wait
        } else {
            Duration::ZERO
        };
        let earliest = self
            .last_request_at
            .map_or(now, |at| at + Self::MIN_REQUEST_SPACING);
        self.state = State::NeedsKeyframe {
            ask_at: earliest.max(now + patience),
        };
    }

    fn ask_if_due(&mut self, now: Instant) {
        if let State::NeedsKeyframe { ask_at } = &mut self.state
            && now >= *ask_at
        {
            *ask_at = now + self.config.keyframe_interval;
            self.last_request_at = Some(now);
            self.counters.keyframe_requests += 1;
            self.outputs.push_back(Output::KeyframeRequest);
        }
    }

    /// Since when the packet that holds everything up is missing: since a later one arrived.
    fn note_missing(&mut self) {
        let head = self.next.unwrap_or_default();
        let numbers = self.packets.keys().zip(head..);
        let beyond_gap = numbers
            .into_iter()
            .find(|(number, expected)| *number != expected);
        let missing_since = beyond_gap.and_then(|(&beyond, _)| {
            self.packets
                .range(beyond..)
                .map(|(_, stored)| stored.packet.arrived_at)
                .min()
        });
        self.state = State::Streaming { missing_since };
    }
}

#[cfg(test)]
mod tests;
