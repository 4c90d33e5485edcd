//! Asks the partner for packets that were lost.
//!
//! The generator of `rtc-interceptor` 0.21.1 is not used: it does not see that a retransmission (RFC 4588) fills a gap,
//! so it asks for the same packet until the packet leaves its window (18 retransmissions for each loss were measured),
//! and it asks at a fixed interval whatever the round trip is.

mod missing;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

use crate::stats::RoundTrip;
use missing::MissingPackets;

/// The round trip before one was measured: neither neighbours nor another continent.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(50);

/// An interceptor for the slot `NackGenerator`.
pub(crate) struct NackGenerator {
    /// Names us in our requests (RFC 4585 section 6.1).
    ssrc: u32,
    round_trip: Arc<RoundTrip>,
    streams: HashMap<u32, MissingPackets>,
    /// From the SSRC of a retransmission stream to that of the stream it repairs.
    repaired: HashMap<u32, u32>,
    /// SSRCs of retransmission streams: gaps in these are nobody's loss.
    repairs: HashSet<u32>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl NackGenerator {
    pub(crate) fn new(ssrc: u32, round_trip: Arc<RoundTrip>) -> Self {
        Self {
            ssrc,
            round_trip,
            streams: HashMap::new(),
            repaired: HashMap::new(),
            repairs: HashSet::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    fn on_rtp(&mut self, packet: &rtc::rtp::Packet, now: Instant) {
        let (ssrc, sequence_number) = match self.repaired.get(&packet.header.ssrc) {
            // A retransmission starts with the original sequence number (RFC 4588 section 4); padding does not.
            Some(primary) => match packet.payload.first_chunk::<2>() {
                Some(original) => (*primary, u16::from_be_bytes(*original)),
                None => return,
            },
            None => (packet.header.ssrc, packet.header.sequence_number),
        };
        if let Some(stream) = self.streams.get_mut(&ssrc) {
            stream.on_arrived(sequence_number, now);
        }
    }

    fn ask(&mut self, now: Instant) {
        let round_trip = self.round_trip.get().unwrap_or(USUAL_ROUND_TRIP);
        let mut requests: Vec<(u32, Vec<u16>)> = self
            .streams
            .iter_mut()
            .map(|(ssrc, stream)| (*ssrc, stream.due(now, round_trip)))
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
        if let Packet::Rtp(rtp) = &packet.message.packet {
            self.on_rtp(rtp, packet.now);
        }
        self.reads.push_back(packet);
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
            .filter_map(MissingPackets::next_at)
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
        self.streams.entry(info.ssrc).or_default();
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

    use rtc::interceptor::RTCPFeedback;
    use rtc::rtcp::transport_feedbacks::transport_layer_nack::NackPair;

    use super::*;

    const PRIMARY: u32 = 1;
    const REPAIR: u32 = 2;

    fn bound() -> NackGenerator {
        let mut generator = NackGenerator::new(9, Arc::new(RoundTrip::default()));
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
    fn gaps_and_padding_in_the_retransmission_stream_are_nobodys_loss() {
        let start = Instant::now();
        let mut generator = bound();
        receive(&mut generator, REPAIR, 0, b"", start);
        receive(&mut generator, REPAIR, 9, b"\0", start);
        assert_eq!(generator.poll_timeout(), None);
    }

    #[test]
    fn a_stream_without_nack_feedback_is_left_alone() {
        let start = Instant::now();
        let mut generator = NackGenerator::new(9, Arc::new(RoundTrip::default()));
        generator.bind_remote_stream(&StreamInfo {
            ssrc: PRIMARY,
            ..StreamInfo::default()
        });
        receive(&mut generator, PRIMARY, 5, b"", start);
        receive(&mut generator, PRIMARY, 7, b"", start);
        assert_eq!(generator.poll_timeout(), None);
    }
}
