//! What leaves: how much, in which order, and what is sent again.
//!
//! One interceptor in the slot `Pacer` holds all that has to know of each packet that leaves, in one place: what was lost and is
//! asked for ([`Retransmissions`]), what is sent beside pictures so that nothing need be asked for ([`Protecting`]), the order and the moments in which packets leave ([`Pacer`]), their transport-wide sequence
//! numbers and what the partner reports about them ([`History`]), and how much may be sent ([`Estimator`]). The stack has an
//! interceptor for each of these, none of which knows of the others; what they cost a call is told in
//! `docs/congestion.md`.

mod budget;
mod departures;
mod feedback;
mod history;
mod protecting;
mod retransmission;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::congestion::{Estimator, EstimatorConfig, Pacer, PacerConfig, Priority, Release};
use media::video::Pictures;
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize as _;

use crate::PeerEvent;
use crate::events::EventSink;
use crate::rtcp_tap::LocalSsrcs;
use crate::send::Gate;
use crate::stats::RoundTrip;
use departures::Leaving;
use feedback::FeedbackReader;
use history::History;
use protecting::Protecting;
use retransmission::{Repair, Retransmissions};

pub use budget::Budget;
pub(crate) use budget::SharedBudget;
pub(crate) use departures::SharedDepartures;
pub(crate) use protecting::source;

/// The header extension that carries transport-wide sequence numbers.
pub(crate) const TRANSPORT_WIDE_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// What a packet has around it on the wire, in bytes, beside what RTP counts: IPv4 20, UDP 8, SRTP 16, and the extension for its
/// number 8.
const OVERHEAD_BYTES: usize = 52;

/// One request for retransmission names no more packets than can be missing at a time.
const MAX_REQUESTED: usize = 256;

/// Of sound, as many of the newest packets are sent again: what is older has been heard by now, as a gap.
const SOUND_PACKETS: u16 = 32;

/// What is lost of pictures is made up for as long as it takes no longer than that. Of a path that has become much thinner a queue's
/// worth of large pictures is lost at once: a keyframe of the new size is there sooner.
const LONGEST_REPAIR: Duration = Duration::from_millis(300);
/// As much as a keyframe is sent again however long it takes: nothing would be won.
const SMALL_REPAIR_BYTES: usize = 12_000;

/// A packet in the pacer.
struct Waiting {
    packet: TaggedPacket,
    /// It has left before under the same number, and must leave the same in every bit, or else it would be encrypted twice with the same
    /// nonce, which lets others forge packets where SRTP uses AES-GCM (RFC 5116 section 5.1.1).
    is_repeated: bool,
}

/// See the module.
pub(crate) struct Outgoing {
    parts: OutgoingParts,
    pacer: Pacer<Waiting>,
    estimator: Estimator,
    history: History,
    feedback: FeedbackReader,
    /// By SSRC: those whose packets the partner may ask for again.
    repeated: HashMap<u32, Retransmissions>,
    protecting: Protecting,
    leaving: Leaving,
    /// Under which identifier the number goes; `None` while nobody would report.
    extension: Option<u8>,
    /// How often the path has changed, as far as the estimator knows.
    path_changes: u64,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
    /// The last moment that it was told.
    now: Instant,
}

/// What others share with it.
pub(crate) struct OutgoingParts {
    pub(crate) ssrcs: LocalSsrcs,
    pub(crate) round_trip: Arc<RoundTrip>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) budget: Arc<SharedBudget>,
    pub(crate) departures: Arc<SharedDepartures>,
    pub(crate) events: EventSink,
    pub(crate) rates: EstimatorConfig,
}

impl Outgoing {
    pub(crate) fn new(parts: OutgoingParts, now: Instant) -> Self {
        let estimator = Estimator::new(parts.rates, now);
        Self {
            pacer: Pacer::new(PacerConfig::default(), estimator.pacing_bps(), now),
            estimator,
            history: History::default(),
            feedback: FeedbackReader::default(),
            repeated: HashMap::new(),
            protecting: Protecting::default(),
            leaving: Leaving::default(),
            extension: None,
            path_changes: 0,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            now,
            parts,
        }
    }

    fn priority(&self, ssrc: u32) -> Priority {
        if ssrc == self.parts.ssrcs.audio {
            Priority::Sound
        } else {
            Priority::Picture
        }
    }

    fn push(&mut self, priority: Priority, packet: TaggedPacket) {
        self.wait(priority, packet, false);
    }

    /// A packet of this stream is sent again, on a stream of its own or as it was. Sound that is to be heard in time does not wait behind
    /// pictures.
    fn push_again(&mut self, ssrc: u32, packet: rtc::rtp::Packet, now: Instant) {
        let priority = match self.priority(ssrc) {
            Priority::Sound => Priority::Sound,
            _ => Priority::Retransmission,
        };
        let is_repeated = packet.header.ssrc == ssrc;
        self.wait(priority, tagged(packet, now), is_repeated);
    }

    fn wait(&mut self, priority: Priority, packet: TaggedPacket, is_repeated: bool) {
        let (now, size_bytes) = (packet.now, wire_bytes(&packet));
        let waiting = Waiting {
            packet,
            is_repeated,
        };
        self.pacer.push(priority, size_bytes, waiting, now);
    }

    fn on_feedback(&mut self, feedback: &TransportLayerCc, now: Instant) {
        let statuses = self.feedback.read(feedback);
        let reports = self.history.on_feedback(&statuses);
        let was_silent = self.estimator.is_silent();
        self.estimator.on_feedback(now, &reports);
        if was_silent && !self.estimator.is_silent() {
            self.start_anew();
        }
    }

    fn on_request(&mut self, request: &TransportLayerNack, now: Instant) {
        let round_trip = self.parts.round_trip.get().unwrap_or_default();
        let is_sound = self.priority(request.media_ssrc) == Priority::Sound;
        let Some(stream) = self.repeated.get_mut(&request.media_ssrc) else {
            return;
        };
        let numbers = request.nacks.iter().flat_map(NackPair::packet_list);
        let mut packets = Vec::new();
        for number in numbers.take(MAX_REQUESTED) {
            if is_sound && !stream.is_among_newest(number, SOUND_PACKETS) {
                continue;
            }
            if let Some(packet) = stream.repeat(number, round_trip, now) {
                packets.push(packet);
                self.protecting
                    .on_sent_again(request.media_ssrc, number, now);
            }
        }
        for packet in packets {
            self.push_again(request.media_ssrc, packet, now);
        }
    }

    /// A packet of a picture was taken in: what protects it follows.
    fn protect(&mut self, picture: &rtc::rtp::Packet, now: Instant) {
        for payload in self.protecting.on_picture(picture, now) {
            let stream = self.repeated.get_mut(&picture.header.ssrc);
            let packet = stream.and_then(|stream| stream.protect(&picture.header, payload));
            if let Some(packet) = packet {
                self.push(Priority::Picture, tagged(packet, now));
            }
        }
    }

    /// Second copies of what was sent again.
    fn push_copies(&mut self, now: Instant) {
        while let Some((ssrc, number)) = self.protecting.poll_copy(now) {
            let stream = self.repeated.get_mut(&ssrc);
            if let Some(packet) = stream.and_then(|stream| stream.copy(number)) {
                self.push_again(ssrc, packet, now);
            }
        }
    }

    /// Takes note of another path, before anything is done with it.
    fn follow_path(&mut self, now: Instant) {
        let path_changes = self.parts.gate.path_changes();
        if std::mem::replace(&mut self.path_changes, path_changes) == path_changes {
            return;
        }
        if self.estimator.is_silent() {
            self.start_anew();
        }
        self.estimator.on_new_path(now);
    }

    /// Pictures that went nowhere are not made up for: a keyframe is there sooner than what the partner lacks of them.
    fn start_anew(&mut self) {
        self.pacer.start_anew();
        self.repeated.values_mut().for_each(Retransmissions::forget);
    }

    /// Lets out what may leave, as long as there is a path.
    fn release(&mut self, now: Instant) {
        self.now = now;
        self.estimator.handle_timeout(now);
        self.follow_losses(now);
        self.push_copies(now);
        self.pacer.set_rate(self.pacing_bps(), now);
        if self.pacer.retransmission_bytes() > SMALL_REPAIR_BYTES
            && self.pacer.retransmission_delay() > LONGEST_REPAIR
        {
            self.start_anew();
        }
        while let Some(cluster) = self.estimator.poll_probe() {
            // Nobody would report on it.
            if self.extension.is_some() {
                self.pacer.start_probe(cluster, now);
            }
        }
        while self.parts.gate.paused_until(now).is_none()
            && let Some(release) = self.pacer.poll(now)
        {
            self.send(release, now);
        }
        if self.pacer.take_lost_picture() {
            // What follows refers to what was dropped.
            for pictures in [Pictures::Camera, Pictures::Screen] {
                self.parts
                    .events
                    .post(PeerEvent::KeyframeRequested(pictures));
            }
        }
        let queue_delay = self.pacer.queue_delay();
        let snapshot = self.extension.map(|_| self.estimator.snapshot());
        let repair_ratio = self.protecting.overhead();
        self.parts
            .budget
            .set(Budget::of(snapshot, repair_ratio, queue_delay));
    }

    /// Protection, and with it the room that there is use for, follow what is lost.
    fn follow_losses(&mut self, now: Instant) {
        let budget = &self.parts.budget;
        let path = self.extension.map(|_| self.estimator.snapshot());
        self.protecting.update(
            // Without reports nobody knows of losses.
            budget.is_decoding_repair() && path.is_some(),
            path.unwrap_or_default(),
            self.parts.round_trip.get().unwrap_or_default(),
            now,
        );
        let ceiling_bps = budget.ceiling_bps() as f64 * (1.0 + self.protecting.overhead());
        self.estimator.set_ceiling(ceiling_bps as u64);
    }

    /// Without reports nobody knows what the path takes: then the application decides.
    fn pacing_bps(&self) -> u64 {
        match self.extension {
            Some(_) => self.estimator.pacing_bps(),
            None => 2 * self.parts.budget.ceiling_bps(),
        }
    }

    fn send(&mut self, release: Release<Waiting>, now: Instant) {
        let waiting = release.item.or_else(|| {
            let filler = self.fill(release.size_bytes, now);
            let size_bytes = filler.as_ref().map(wire_bytes);
            self.pacer.on_padding(size_bytes, now);
            let is_repeated = false;
            filler.map(|packet| Waiting {
                packet,
                is_repeated,
            })
        });
        let Some(Waiting {
            mut packet,
            is_repeated,
        }) = waiting
        else {
            return;
        };
        packet.now = now;
        let size_bytes = wire_bytes(&packet);
        if let Packet::Rtp(rtp) = &packet.message.packet
            && rtp.header.ssrc == self.parts.ssrcs.video
            && let Some(departure) = self.leaving.on_packet(&rtp.header, now)
        {
            self.parts.departures.push(departure);
        }
        if !is_repeated && let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.number(&mut rtp.header, size_bytes, release.probe, now);
        }
        self.writes.push_back(packet);
    }

    /// Gives a packet that leaves its transport-wide number.
    fn number(
        &mut self,
        header: &mut rtc::rtp::Header,
        size_bytes: usize,
        probe: Option<u32>,
        now: Instant,
    ) {
        if let Some(extension) = self.extension {
            let number = self.history.on_sent(now, size_bytes, probe);
            self.estimator.on_sent(now, size_bytes);
            let number = Bytes::copy_from_slice(&number.to_be_bytes());
            if header.set_extension(extension, number).is_err() {
                tracing::debug!("a packet leaves without its transport-wide number");
            }
        }
        if let Some(stream) = self.repeated.get_mut(&header.ssrc) {
            stream.on_left(header);
        }
    }

    /// Something to fill a probe with.
    fn fill(&mut self, size_bytes: usize, now: Instant) -> Option<TaggedPacket> {
        let stream = self.repeated.get_mut(&self.parts.ssrcs.video)?;
        Some(tagged(stream.fill(size_bytes)?, now))
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Outgoing {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            self.follow_path(packet.now);
            for item in packets {
                let item = item.as_any();
                if let Some(feedback) = item.downcast_ref::<TransportLayerCc>() {
                    self.on_feedback(feedback, packet.now);
                } else if let Some(request) = item.downcast_ref::<TransportLayerNack>() {
                    self.on_request(request, packet.now);
                }
            }
            self.release(packet.now);
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let Packet::Rtp(rtp) = &packet.message.packet else {
            // Feedback is worth most while it is fresh.
            self.writes.push_back(packet);
            return Ok(());
        };
        let ssrc = rtp.header.ssrc;
        self.follow_path(packet.now);
        if let Some(stream) = self.repeated.get_mut(&ssrc) {
            stream.keep(rtp, self.parts.gate.repair_of(rtp.header.payload_type));
        }
        let now = packet.now;
        let picture = (ssrc == self.parts.ssrcs.video).then(|| rtp.clone());
        self.push(self.priority(ssrc), packet);
        if let Some(picture) = picture {
            self.protect(&picture, now);
        }
        self.release(now);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.follow_path(now);
        self.release(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let release_at = match self.parts.gate.paused_until(self.now) {
            // Whoever ends the pause earlier has something to send.
            Some(until) => Some(until),
            None => [
                self.pacer.poll_timeout(self.now),
                self.protecting.poll_timeout(),
            ]
            .into_iter()
            .flatten()
            .min(),
        };
        let silence_at = self.extension.and(self.estimator.poll_timeout());
        [release_at, silence_at].into_iter().flatten().min()
    }
}

impl Interceptor for Outgoing {
    /// Once for each stream, and again when something else was agreed on. The streams that repair others are not bound.
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let extension = info
            .rtp_header_extensions
            .iter()
            .find(|extension| extension.uri == TRANSPORT_WIDE_URI);
        if let Some(extension) = extension {
            // One byte has room for 1 to 14 (RFC 8285 section 4.2), and all streams have the same.
            self.extension = u8::try_from(extension.id)
                .ok()
                .filter(|id| (1..=14).contains(id));
        }
        let is_asked_for = info
            .rtcp_feedback
            .iter()
            .any(|feedback| feedback.typ == "nack" && feedback.parameter.is_empty());
        if !is_asked_for {
            return;
        }
        let repair = info
            .ssrc_rtx
            .zip(info.payload_type_rtx)
            .map(|(ssrc, payload_type)| Repair { ssrc, payload_type });
        self.repeated
            .entry(info.ssrc)
            .or_insert_with(|| Retransmissions::new(repair))
            .set_repair(repair);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.repeated.remove(&info.ssrc);
    }

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

fn tagged(packet: rtc::rtp::Packet, now: Instant) -> TaggedPacket {
    TaggedPacket {
        now,
        transport: TransportContext::default(),
        message: AttributedPacket::new(Packet::Rtp(packet)),
    }
}

fn wire_bytes(packet: &TaggedPacket) -> usize {
    match &packet.message.packet {
        Packet::Rtp(rtp) => rtp.marshal_size() + OVERHEAD_BYTES,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
