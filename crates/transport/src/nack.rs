//! Fills the gaps in what arrives: with what repair packets give back, and by asking the partner for the rest.
//!
//! The generator of `rtc-interceptor` 0.21.1 is not used: it does not see that a retransmission (RFC 4588) fills a gap,
//! so it asks for the same packet until the packet leaves its window (18 retransmissions for each loss were measured),
//! and it asks at a fixed interval whatever the round trip is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::repair::rlc::{RlcDecoder, SourcePacket};
use media::repair::{MissingPackets, SoundRequests};
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use crate::outgoing::source;
use crate::payload_types::InboundTypes;
use crate::stats::RoundTrip;

/// The round trip before one was measured: neither neighbours nor another continent.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(50);

/// An interceptor for the slot `NackGenerator`.
pub(crate) struct NackGenerator {
    /// Names us in our requests (RFC 4585 section 6.1).
    ssrc: u32,
    round_trip: Arc<RoundTrip>,
    /// What the payload types of retransmissions repeat.
    types: Arc<InboundTypes>,
    streams: HashMap<u32, Inbound>,
    /// From the SSRC of a retransmission stream to that of the stream it repairs.
    repaired: HashMap<u32, u32>,
    /// SSRCs of retransmission streams: gaps in these are nobody's loss.
    repairs: HashSet<u32>,
    sound_requests: SoundRequests,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

/// What is known of the packets of one stream.
#[derive(Debug)]
struct Inbound {
    missing: MissingPackets,
    is_sound: bool,
    /// From the first repair packet on.
    decoder: Option<RlcDecoder>,
}

impl Inbound {
    const fn new(is_sound: bool) -> Self {
        Self {
            missing: if is_sound {
                MissingPackets::of_sound()
            } else {
                MissingPackets::of_pictures()
            },
            is_sound,
            decoder: None,
        }
    }

    fn on_source(&mut self, packet: SourcePacket, now: Instant) {
        self.missing.on_arrived(packet.sequence_number, now);
        if let Some(decoder) = &mut self.decoder {
            decoder.on_packet(packet);
        }
    }

    fn on_repair(&mut self, payload: &[u8], now: Instant) {
        let decoder = self.decoder.get_or_insert_default();
        if let Some(newest) = decoder.on_repair(payload) {
            self.missing.on_protected(now);
            self.missing.on_announced(newest, now);
        }
    }

    fn poll_recovered(&mut self, now: Instant) -> Option<SourcePacket> {
        let packet = self.decoder.as_mut()?.poll_output()?;
        self.missing.on_arrived(packet.sequence_number, now);
        Some(packet)
    }
}

impl NackGenerator {
    pub(crate) fn new(ssrc: u32, round_trip: Arc<RoundTrip>, types: Arc<InboundTypes>) -> Self {
        Self {
            ssrc,
            round_trip,
            types,
            streams: HashMap::new(),
            repaired: HashMap::new(),
            repairs: HashSet::new(),
            sound_requests: SoundRequests::default(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    /// Whether the packet goes on to those who read; what it gives back follows in `reads`.
    fn on_rtp(&mut self, packet: &rtc::rtp::Packet, now: Instant) -> bool {
        let header = &packet.header;
        let Some(primary) = self.repaired.get(&header.ssrc).copied() else {
            if let Some(stream) = self.streams.get_mut(&header.ssrc) {
                let source = source(header, header.sequence_number, &packet.payload);
                stream.on_source(source, now);
            }
            return true;
        };
        let Some(stream) = self.streams.get_mut(&primary) else {
            return true;
        };
        if header.csrc == [primary] {
            stream.on_repair(&packet.payload, now);
            return false;
        }
        // A retransmission starts with the original sequence number (RFC 4588 section 4); padding does not.
        if let Some((original, payload)) = packet.payload.split_first_chunk::<2>() {
            let original = u16::from_be_bytes(*original);
            if let Some(payload_type) = self.types.repeated(header.payload_type) {
                let payload = packet.payload.slice_ref(payload);
                let source = SourcePacket {
                    payload_type,
                    ..source(header, original, &payload)
                };
                stream.on_source(source, now);
            } else {
                // Of a type that nobody told of: it fills the gap, and says nothing about others.
                stream.missing.on_arrived(original, now);
            }
        }
        true
    }

    /// Passes on what a packet of this stream, or one that repairs it, has given back.
    fn take_recovered(&mut self, ssrc: u32, now: Instant) {
        let primary = self.repaired.get(&ssrc).copied().unwrap_or(ssrc);
        let Some(stream) = self.streams.get_mut(&primary) else {
            return;
        };
        while let Some(packet) = stream.poll_recovered(now) {
            let header = rtc::rtp::Header {
                version: 2,
                ssrc: primary,
                marker: packet.marker,
                payload_type: packet.payload_type,
                sequence_number: packet.sequence_number,
                timestamp: packet.timestamp,
                ..rtc::rtp::Header::default()
            };
            let payload = packet.payload;
            let packet = Packet::Rtp(rtc::rtp::Packet { header, payload });
            self.reads.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(packet),
            });
        }
    }

    fn ask(&mut self, now: Instant) {
        let round_trip = self.round_trip.get().unwrap_or(USUAL_ROUND_TRIP);
        let is_sound_worth_it = self.sound_requests.is_worth_it(round_trip, now);
        let mut requests: Vec<(u32, Vec<u16>)> = self
            .streams
            .iter_mut()
            .map(|(ssrc, stream)| {
                if stream.is_sound && !is_sound_worth_it {
                    stream.missing.give_up();
                }
                (*ssrc, stream.missing.due(now, round_trip))
            })
            .filter(|(_, due)| !due.is_empty())
            .collect();
        requests.sort_unstable_by_key(|(ssrc, _)| *ssrc);
        for (media_ssrc, due) in requests {
            let nacks = nack_pairs_from_sequence_numbers(&due);
            let nack = TransportLayerNack {
                sender_ssrc: self.ssrc,
                media_ssrc,
                nacks,
            };
            self.writes.push_back(TaggedPacket {
                now,
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(nack)])),
            });
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for NackGenerator {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let now = packet.now;
        let (ssrc, goes_on) = match &packet.message.packet {
            Packet::Rtp(rtp) => (Some(rtp.header.ssrc), self.on_rtp(rtp, now)),
            _ => (None, true),
        };
        if goes_on {
            self.reads.push_back(packet);
        }
        if let Some(ssrc) = ssrc {
            self.take_recovered(ssrc, now);
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.ask(now);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.streams
            .values()
            .filter_map(|stream| stream.missing.next_at())
            .min()
    }
}

impl Interceptor for NackGenerator {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    /// The stack binds a stream first and the one that repairs it afterwards, with the same feedback.
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        let takes_nack = info
            .rtcp_feedback
            .iter()
            .any(|feedback| feedback.typ == "nack" && feedback.parameter.is_empty());
        if !takes_nack || self.repairs.contains(&info.ssrc) {
            return;
        }
        let is_sound = info.mime_type.starts_with("audio/");
        (self.streams.entry(info.ssrc)).or_insert_with(|| Inbound::new(is_sound));
        if let Some(repair) = info.ssrc_rtx {
            self.repaired.insert(repair, info.ssrc);
            self.repairs.insert(repair);
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.streams.remove(&info.ssrc);
        if let Some(repair) = info.ssrc_rtx {
            self.repaired.remove(&repair);
            self.repairs.remove(&repair);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use media::repair::rlc::RlcEncoder;
    use rtc::interceptor::RTCPFeedback;
    use rtc::rtcp::transport_feedbacks::transport_layer_nack::NackPair;

    use super::*;

    const PRIMARY: u32 = 1;
    const REPAIR: u32 = 2;

    fn bound() -> NackGenerator {
        let mut generator = NackGenerator::new(9, Arc::default(), Arc::default());
        let feedback = vec![RTCPFeedback {
            typ: "nack".into(),
            parameter: String::new(),
        }];
        let info = StreamInfo {
            rtcp_feedback: feedback,
            ..StreamInfo::default()
        };
        generator.bind_remote_stream(&StreamInfo {
            ssrc: PRIMARY,
            ssrc_rtx: Some(REPAIR),
            ..info.clone()
        });
        generator.bind_remote_stream(&StreamInfo {
            ssrc: REPAIR,
            ..info
        });
        generator
    }

    fn receive(
        generator: &mut NackGenerator,
        ssrc: u32,
        sequence_number: u16,
        payload: &'static [u8],
        now: Instant,
    ) {
        let header = rtc::rtp::Header {
            ssrc,
            sequence_number,
            ..rtc::rtp::Header::default()
        };
        let packet = Packet::Rtp(rtc::rtp::Packet {
            header,
            payload: payload.into(),
        });
        let transport = TransportContext::default();
        let tagged = TaggedPacket {
            now,
            transport,
            message: AttributedPacket::new(packet),
        };
        generator.handle_read(tagged).unwrap();
        assert!(generator.poll_read().is_some(), "what comes in goes on");
    }

    fn rtp(ssrc: u32, sequence_number: u16, csrc: Vec<u32>, payload: Bytes) -> rtc::rtp::Packet {
        let header = rtc::rtp::Header {
            version: 2,
            ssrc,
            csrc,
            sequence_number,
            ..rtc::rtp::Header::default()
        };
        rtc::rtp::Packet { header, payload }
    }

    /// What goes on.
    fn handle(
        generator: &mut NackGenerator,
        packet: rtc::rtp::Packet,
        now: Instant,
    ) -> Vec<rtc::rtp::Packet> {
        let tagged = TaggedPacket {
            now,
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        generator.handle_read(tagged).unwrap();
        let passed = std::iter::from_fn(|| generator.poll_read());
        let packets = passed.filter_map(|packet| match packet.message.packet {
            Packet::Rtp(packet) => Some(packet),
            _ => None,
        });
        packets.collect()
    }

    fn requests(generator: &mut NackGenerator, now: Instant) -> Vec<(u32, Vec<u16>)> {
        generator.handle_timeout(now).unwrap();
        let mut result = Vec::new();
        while let Some(packet) = generator.poll_write() {
            let Packet::Rtcp(packets) = packet.message.packet else {
                panic!("not RTCP")
            };
            for packet in packets {
                let nack = packet
                    .as_any()
                    .downcast_ref::<TransportLayerNack>()
                    .expect("a NACK")
                    .clone();
                result.push((
                    nack.media_ssrc,
                    nack.nacks.iter().flat_map(NackPair::packet_list).collect(),
                ));
            }
        }
        result
    }

    #[test]
    fn a_loss_is_asked_for_and_its_retransmission_ends_the_asking() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut generator = bound();
        receive(&mut generator, PRIMARY, 5, b"a", at(0));
        receive(&mut generator, PRIMARY, 7, b"c", at(0));
        assert_eq!(generator.poll_timeout(), Some(at(5)));
        assert_eq!(requests(&mut generator, at(5)), [(PRIMARY, vec![6])]);

        receive(&mut generator, REPAIR, 0, b"\0\x06b", at(20));
        assert_eq!(generator.poll_timeout(), None);
        assert!(requests(&mut generator, at(1000)).is_empty());
    }

    #[test]
    fn a_repair_packet_gives_back_what_was_lost_and_goes_no_further() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut generator = bound();
        let mut encoder = RlcEncoder::new();
        let mut repair_number = 0;
        let mut received = Vec::new();
        for number in 0..32_u16 {
            let now = at(10 * u64::from(number));
            let packet = rtp(PRIMARY, number, vec![], Bytes::from(vec![number as u8; 50]));
            encoder.push(source(&packet.header, number, &packet.payload), now);
            if number != 29 {
                received.extend(handle(&mut generator, packet, now));
            }
            if number % 4 == 3 {
                let repair = encoder.repair(Duration::from_millis(100), now).unwrap();
                let packet = rtp(REPAIR, repair_number, vec![PRIMARY], repair);
                repair_number += 1;
                received.extend(handle(&mut generator, packet, now));
            }
        }
        let numbers = received.iter().map(|packet| packet.header.sequence_number);
        let expected: Vec<u16> = (0..29).chain([30, 31, 29]).collect();
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        assert!(received.iter().all(|packet| packet.header.ssrc == PRIMARY));
        assert_eq!(received[31].payload, [29; 50][..]);
        assert!(requests(&mut generator, at(1000)).is_empty());
    }

    #[test]
    fn a_retransmission_counts_as_what_it_repeats_also_when_the_codec_has_changed_since() {
        const FIRST: u8 = 45;
        const FIRST_REPAIR: u8 = 46;
        const SECOND: u8 = 103;
        let start = Instant::now();
        let reach = Duration::from_millis(100);
        let mut generator = bound();
        generator
            .types
            .learn("a=rtpmap:45 AV1/90000\r\na=fmtp:46 apt=45\r\na=rtpmap:103 H264/90000\r\n");
        let mut encoder = RlcEncoder::new();
        let mut recovered = Vec::new();
        for number in 0..8_u16 {
            let mut packet = rtp(PRIMARY, number, vec![], Bytes::from(vec![number as u8; 50]));
            packet.header.payload_type = if number < 4 { FIRST } else { SECOND };
            encoder.push(source(&packet.header, number, &packet.payload), start);
            if ![3, 5].contains(&number) {
                handle(&mut generator, packet, start);
            }
            // From the first repair packet on the receiver keeps what comes, and the next one is not to reach back before it.
            if number == 0 {
                let repair = encoder.repair(reach, start).unwrap();
                handle(&mut generator, rtp(REPAIR, 0, vec![PRIMARY], repair), start);
                encoder.clear();
            }
        }
        let repair = encoder.repair(reach, start).unwrap();
        let repair = rtp(REPAIR, 1, vec![PRIMARY], repair);
        recovered.extend(handle(&mut generator, repair, start));
        assert_eq!(recovered, [], "two are missing, and there is one equation");
        let again = [&3_u16.to_be_bytes()[..], &[3; 50]].concat();
        let mut again = rtp(REPAIR, 2, vec![], again.into());
        again.header.payload_type = FIRST_REPAIR;
        recovered.extend(handle(&mut generator, again, start));
        let given_back = recovered.last().expect("with the other one it is solved");
        assert_eq!(given_back.header.sequence_number, 5);
        assert_eq!(given_back.header.payload_type, SECOND);
        assert_eq!(given_back.payload, [5; 50][..]);
    }

    #[test]
    fn no_repair_packet_does_harm() {
        let start = Instant::now();
        let mut generator = bound();
        handle(
            &mut generator,
            rtp(PRIMARY, 1, vec![], Bytes::from_static(b"a")),
            start,
        );
        for (number, payload) in [&b""[..], &b"\0"[..], &[0xff; 1400][..], &[0; 9000][..]]
            .into_iter()
            .enumerate()
        {
            let packet = rtp(
                REPAIR,
                number as u16,
                vec![PRIMARY],
                Bytes::from_static(payload),
            );
            assert!(handle(&mut generator, packet, start).is_empty());
        }
        let of_another = rtp(REPAIR, 9, vec![77], Bytes::from_static(b"\0\x01a"));
        assert_eq!(
            handle(&mut generator, of_another, start).len(),
            1,
            "no repair packet of ours"
        );
    }

    #[test]
    fn gaps_and_padding_in_the_retransmission_stream_are_nobodys_loss() {
        let start = Instant::now();
        let mut generator = bound();
        receive(&mut generator, REPAIR, 0, b"", start);
        receive(&mut generator, REPAIR, 9, b"\0", start);
        assert_eq!(generator.poll_timeout(), None);
    }

    #[test]
    fn sound_is_asked_for_over_short_paths_only() {
        for (round_trip_ms, is_asked_for) in [(40, true), (200, false)] {
            let start = Instant::now();
            let at = |ms| start + Duration::from_millis(ms);
            let mut generator = bound();
            generator.streams.insert(PRIMARY, Inbound::new(true));
            generator
                .round_trip
                .set(Duration::from_millis(round_trip_ms));
            receive(&mut generator, PRIMARY, 5, b"a", at(0));
            receive(&mut generator, PRIMARY, 7, b"c", at(0));
            assert_eq!(requests(&mut generator, at(0)).is_empty(), !is_asked_for);
            let is_resting = (generator.poll_timeout()).is_none_or(|next_at| next_at > at(0));
            assert!(is_resting);
        }
    }

    #[test]
    fn a_stream_without_nack_feedback_is_left_alone() {
        let start = Instant::now();
        let mut generator = NackGenerator::new(9, Arc::default(), Arc::default());
        generator.bind_remote_stream(&StreamInfo {
            ssrc: PRIMARY,
            ..StreamInfo::default()
        });
        receive(&mut generator, PRIMARY, 5, b"", start);
        receive(&mut generator, PRIMARY, 7, b"", start);
        assert_eq!(generator.poll_timeout(), None);
    }
}
