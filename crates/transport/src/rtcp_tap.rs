//! Hears what the partner says about the streams: keyframe requests, sender reports, and how much is lost.
//!
//! The stack keeps incoming RTCP to itself, so this sits among its interceptors. It counts too, because the stack's own
//! counters of what the partner asks for stay at zero (`rtc` 0.21.1, `process_read_rtcp_for_stats` is never called).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use media::video::Pictures;
use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use crate::events::EventSink;
use crate::payload_types::InboundTypes;
use crate::stats::Counters;
use crate::{MediaKind, PeerEvent};

/// An interceptor that changes nothing.
pub(crate) struct RtcpTap {
    events: EventSink,
    local: LocalSsrcs,
    counters: Arc<Counters>,
    types: Arc<InboundTypes>,
    /// Of the partner's streams. All with pictures count as the camera's here.
    kinds: HashMap<u32, MediaKind>,
    /// SSRCs of retransmission streams, which have reports but no clock of their own.
    repairs: HashSet<u32>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

/// What this side's streams are called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalSsrcs {
    pub(crate) audio: u32,
    pub(crate) video: u32,
    pub(crate) video_retransmission: u32,
    pub(crate) screen: u32,
    pub(crate) screen_retransmission: u32,
}

impl LocalSsrcs {
    fn kind(self, ssrc: u32) -> Option<MediaKind> {
        match ssrc {
            ssrc if ssrc == self.audio => Some(MediaKind::Audio),
            ssrc if ssrc == self.video => Some(MediaKind::Video),
            ssrc if ssrc == self.screen => Some(MediaKind::Screen),
            _ => None,
        }
    }
}

impl RtcpTap {
    pub(crate) fn new(
        events: EventSink,
        local: LocalSsrcs,
        counters: Arc<Counters>,
        types: Arc<InboundTypes>,
    ) -> Self {
        Self {
            events,
            local,
            counters,
            types,
            kinds: HashMap::new(),
            repairs: HashSet::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    fn on_rtcp(&self, packets: &[Box<dyn rtcp::Packet>]) {
        for (pictures, ssrc) in [
            (Pictures::Camera, self.local.video),
            (Pictures::Screen, self.local.screen),
        ] {
            if packets
                .iter()
                .any(|packet| is_keyframe_request(packet.as_ref(), ssrc))
            {
                self.counters
                    .of(pictures.into())
                    .keyframe_requests_received
                    .fetch_add(1, Ordering::Relaxed);
                self.events.offer(PeerEvent::KeyframeRequested(pictures));
            }
        }
        for packet in packets {
            if let Some(report) = packet.as_any().downcast_ref::<SenderReport>() {
                self.on_sender_report(report);
                self.on_reception_reports(&report.reports);
            } else if let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() {
                self.on_reception_reports(&report.reports);
            } else if packet.as_any().is::<TransportLayerCc>() {
                self.counters
                    .feedback_received
                    .fetch_add(1, Ordering::Relaxed);
            } else if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>()
                && let Some(kind) = self.local.kind(nack.media_ssrc)
            {
                self.counters
                    .of(kind)
                    .nacks_received
                    .fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn on_sender_report(&self, report: &SenderReport) {
        if let Some(kind) = self.kinds.get(&report.ssrc) {
            let is_screen = self.types.screen_ssrc() == Some(report.ssrc);
            self.events.offer(PeerEvent::SenderReport {
                kind: if is_screen { MediaKind::Screen } else { *kind },
                ntp: report.ntp_time,
                rtp_timestamp: report.rtp_time,
            });
        }
    }

    /// How the partner receives our streams; whoever sends says it in sender reports, others in receiver reports.
    fn on_reception_reports(&self, reports: &[ReceptionReport]) {
        for report in reports {
            if let Some(kind) = self.local.kind(report.ssrc) {
                self.counters
                    .of(kind)
                    .lost_at_partner
                    .store(report.fraction_lost, Ordering::Relaxed);
            }
        }
    }
}

/// Picture loss indication (RFC 4585 section 6.3.1) or full intra request (RFC 5104 section 4.3.1) for the stream `ssrc`.
fn is_keyframe_request(packet: &dyn rtcp::Packet, ssrc: u32) -> bool {
    let packet = packet.as_any();
    let loss = packet.downcast_ref::<PictureLossIndication>();
    let request = packet.downcast_ref::<FullIntraRequest>();
    loss.is_some_and(|loss| loss.media_ssrc == ssrc)
        || request.is_some_and(|request| request.fir.iter().any(|entry| entry.ssrc == ssrc))
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for RtcpTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            self.on_rtcp(packets);
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
}

impl Interceptor for RtcpTap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    /// The stack binds a stream first and the one that repairs it afterwards, as the same codec.
    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if self.repairs.contains(&info.ssrc) {
            return;
        }
        let is_audio = info.mime_type.starts_with("audio/");
        self.kinds.insert(
            info.ssrc,
            if is_audio {
                MediaKind::Audio
            } else {
                MediaKind::Video
            },
        );
        self.repairs.extend(info.ssrc_rtx);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.kinds.remove(&info.ssrc);
        if let Some(repair) = info.ssrc_rtx {
            self.repairs.remove(&repair);
        }
    }
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::AttributedPacket;
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;
    use rtc::shared::TransportContext;

    use super::*;

    const OUR_AUDIO: u32 = 4;
    const OUR_VIDEO: u32 = 5;
    const OUR_SCREEN: u32 = 7;
    const THEIR_SCREEN: u32 = 77;

    fn events_of(packets: Vec<Box<dyn rtcp::Packet>>) -> Vec<PeerEvent> {
        events_and_counters_of(packets).0
    }

    fn events_and_counters_of(
        packets: Vec<Box<dyn rtcp::Packet>>,
    ) -> (Vec<PeerEvent>, Arc<Counters>) {
        let (sink, mut events) = EventSink::new();
        let counters = Arc::<Counters>::default();
        let local = LocalSsrcs {
            audio: OUR_AUDIO,
            video: OUR_VIDEO,
            video_retransmission: 6,
            screen: OUR_SCREEN,
            screen_retransmission: 8,
        };
        let types = Arc::<InboundTypes>::default();
        types.learn_screen(&format!(
            "v=0\r\nm=video 9 X\r\na=msid:passerby screen\r\na=ssrc:{THEIR_SCREEN} cname:x\r\n"
        ));
        let mut tap = RtcpTap::new(sink, local, Arc::clone(&counters), types);
        let stream = |ssrc, mime: &str| StreamInfo {
            ssrc,
            mime_type: mime.into(),
            ..StreamInfo::default()
        };
        tap.bind_remote_stream(&stream(1, "audio/opus"));
        tap.bind_remote_stream(&StreamInfo {
            ssrc_rtx: Some(3),
            ..stream(2, "video/H264")
        });
        tap.bind_remote_stream(&stream(3, "video/H264"));
        let message = AttributedPacket::new(Packet::Rtcp(packets));
        tap.handle_read(TaggedPacket {
            now: Instant::now(),
            transport: TransportContext::default(),
            message,
        })
        .unwrap();
        assert!(tap.poll_read().is_some(), "what comes in goes on");
        (
            std::iter::from_fn(|| events.try_recv().ok()).collect(),
            counters,
        )
    }

    fn loss(media_ssrc: u32) -> Box<dyn rtcp::Packet> {
        Box::new(PictureLossIndication {
            sender_ssrc: 9,
            media_ssrc,
        })
    }

    fn report(ssrc: u32) -> Box<dyn rtcp::Packet> {
        Box::new(SenderReport {
            ssrc,
            ntp_time: 77,
            rtp_time: 88,
            ..SenderReport::default()
        })
    }

    #[test]
    fn both_forms_of_keyframe_request_for_our_video_are_heard_once() {
        let fir = vec![FirEntry {
            ssrc: OUR_VIDEO,
            sequence_number: 0,
        }];
        let request = Box::new(FullIntraRequest {
            sender_ssrc: 9,
            media_ssrc: 0,
            fir,
        });
        assert_eq!(
            events_of(vec![loss(OUR_VIDEO), request.clone()]),
            [PeerEvent::KeyframeRequested(Pictures::Camera)]
        );
        assert_eq!(
            events_of(vec![request]),
            [PeerEvent::KeyframeRequested(Pictures::Camera)]
        );
    }

    #[test]
    fn a_keyframe_request_for_another_stream_is_not_ours() {
        assert!(events_of(vec![loss(1)]).is_empty());
    }

    #[test]
    fn requests_are_counted_by_kind() {
        let nack = |media_ssrc| {
            Box::new(TransportLayerNack {
                sender_ssrc: 9,
                media_ssrc,
                nacks: Vec::new(),
            })
        };
        let (_, counters) = events_and_counters_of(vec![
            nack(OUR_AUDIO),
            nack(1),
            nack(OUR_AUDIO),
            loss(OUR_VIDEO),
            Box::new(TransportLayerCc::default()),
        ]);
        let audio = counters.of(MediaKind::Audio);
        let video = counters.of(MediaKind::Video);
        assert_eq!(audio.nacks_received.load(Ordering::Relaxed), 2);
        assert_eq!(video.nacks_received.load(Ordering::Relaxed), 0);
        assert_eq!(video.keyframe_requests_received.load(Ordering::Relaxed), 1);
        assert_eq!(counters.feedback_received.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn losses_of_our_streams_are_heard_in_both_kinds_of_reports() {
        let reception = |ssrc, fraction_lost| ReceptionReport {
            ssrc,
            fraction_lost,
            ..ReceptionReport::default()
        };
        let receiver = ReceiverReport {
            reports: vec![reception(OUR_AUDIO, 64), reception(1, 200)],
            ..ReceiverReport::default()
        };
        let sender = SenderReport {
            reports: vec![reception(OUR_VIDEO, 128)],
            ..SenderReport::default()
        };
        let (_, counters) = events_and_counters_of(vec![Box::new(receiver), Box::new(sender)]);
        let lost = |kind| counters.of(kind).lost_at_partner.load(Ordering::Relaxed);
        assert_eq!((lost(MediaKind::Audio), lost(MediaKind::Video)), (64, 128));
    }

    #[test]
    fn sender_reports_of_the_media_streams_are_passed_on() {
        let expected = |kind| PeerEvent::SenderReport {
            kind,
            ntp: 77,
            rtp_timestamp: 88,
        };
        let packets = vec![report(1), report(2), report(3), report(4)];
        assert_eq!(
            events_of(packets),
            [expected(MediaKind::Audio), expected(MediaKind::Video)]
        );
    }
}
