use media::congestion::{EstimatorSnapshot, ProbeCluster};
use rtc::interceptor::{RTCPFeedback, RTPHeaderExtension};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc,
};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::nack_pairs_from_sequence_numbers;

use tokio::sync::mpsc::Receiver;

use super::*;

const AUDIO: u32 = 1;
const VIDEO: u32 = 2;
const REPAIR: u32 = 3;
const EXTENSION: u8 = 4;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One whose partner reports what arrives, or does not.
fn bound(has_reports: bool, now: Instant) -> Outgoing {
    bound_with_events(has_reports, now).0
}

fn bound_with_events(has_reports: bool, now: Instant) -> (Outgoing, Receiver<PeerEvent>) {
    let ssrcs = LocalSsrcs {
        audio: AUDIO,
        video: VIDEO,
        video_retransmission: REPAIR,
        screen: 5,
        screen_retransmission: 6,
    };
    let rates = EstimatorConfig::default();
    let (events, received) = EventSink::new();
    let parts = OutgoingParts {
        ssrcs,
        round_trip: Arc::new(RoundTrip::default()),
        gate: Arc::new(Gate::default()),
        budget: Arc::new(SharedBudget::new(rates)),
        departures: Arc::default(),
        events,
        rates,
    };
    let mut outgoing = Outgoing::new(parts, now);
    let extension = RTPHeaderExtension {
        uri: TRANSPORT_WIDE_URI.to_owned(),
        id: EXTENSION.into(),
    };
    let info = StreamInfo {
        rtp_header_extensions: has_reports.then_some(extension).into_iter().collect(),
        rtcp_feedback: vec![RTCPFeedback {
            typ: "nack".into(),
            parameter: String::new(),
        }],
        ..StreamInfo::default()
    };
    outgoing.bind_local_stream(&StreamInfo {
        ssrc: AUDIO,
        ..info.clone()
    });
    outgoing.bind_local_stream(&StreamInfo {
        ssrc: VIDEO,
        ssrc_rtx: Some(REPAIR),
        payload_type_rtx: Some(103),
        ..info
    });
    (outgoing, received)
}

fn packet(ssrc: u32, sequence_number: u16, len: usize) -> rtc::rtp::Packet {
    rtc::rtp::Packet {
        header: rtc::rtp::Header {
            version: 2,
            ssrc,
            sequence_number,
            ..rtc::rtp::Header::default()
        },
        payload: vec![7; len].into(),
    }
}

fn send(outgoing: &mut Outgoing, packet: rtc::rtp::Packet, now: Instant) {
    outgoing.handle_write(tagged(packet, now)).unwrap();
}

/// What leaves: SSRC, sequence number and transport-wide number.
fn leaving(outgoing: &mut Outgoing) -> Vec<(u32, u16, Option<u16>)> {
    let mut result = Vec::new();
    while let Some(packet) = outgoing.poll_write() {
        let Packet::Rtp(rtp) = packet.message.packet else {
            continue;
        };
        let number = rtp.header.get_extension(EXTENSION);
        let number = number.map(|bytes| u16::from_be_bytes(bytes[..].try_into().unwrap()));
        result.push((rtp.header.ssrc, rtp.header.sequence_number, number));
    }
    result
}

/// Lets time pass until `until`, as the stack does; what leaves meanwhile, and when.
fn pass_time(outgoing: &mut Outgoing, from: Instant, until: Instant) -> Vec<(Instant, u32, u16)> {
    let mut now = from;
    let mut result = Vec::new();
    while let Some(at) = outgoing.poll_timeout()
        && at < until
    {
        // Whoever names a moment that is past would keep the stack busy for nothing.
        now = now.max(at) + Duration::from_micros(1);
        outgoing.handle_timeout(now).unwrap();
        let left = leaving(outgoing).into_iter();
        result.extend(left.map(|(ssrc, number, _)| (now, ssrc, number)));
        assert!(result.len() < 10_000, "it never ends");
    }
    result
}

fn hear(outgoing: &mut Outgoing, packet: Box<dyn rtc::rtcp::Packet>, now: Instant) {
    hear_all(outgoing, vec![packet], now);
}

/// Of one datagram.
fn hear_all(outgoing: &mut Outgoing, packets: Vec<Box<dyn rtc::rtcp::Packet>>, now: Instant) {
    let message = AttributedPacket::new(Packet::Rtcp(packets));
    let tagged = TaggedPacket {
        now,
        transport: TransportContext::default(),
        message,
    };
    outgoing.handle_read(tagged).unwrap();
    assert!(outgoing.poll_read().is_some(), "others hear it too");
}

fn feedback(base: u16, spacing_us: &[i64]) -> TransportLayerCc {
    let delta = |delta: &i64| RecvDelta {
        type_tcc_packet: SymbolTypeTcc::PacketReceivedLargeDelta,
        delta: *delta,
    };
    TransportLayerCc {
        base_sequence_number: base,
        packet_status_count: spacing_us.len() as u16,
        packet_chunks: vec![PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol: SymbolTypeTcc::PacketReceivedLargeDelta,
            run_length: spacing_us.len() as u16,
        })],
        recv_deltas: spacing_us.iter().map(delta).collect(),
        ..TransportLayerCc::default()
    }
}

#[test]
fn all_streams_are_numbered_together() {
    let now = Instant::now();
    let mut outgoing = bound(true, now);
    send(&mut outgoing, packet(VIDEO, 5, 100), now);
    send(&mut outgoing, packet(AUDIO, 9, 100), now);
    let left = leaving(&mut outgoing);
    assert_eq!(left, [(VIDEO, 5, Some(0)), (AUDIO, 9, Some(1))]);
}

#[test]
fn a_large_picture_is_spread_out_and_sound_passes_it() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    for number in 0..20 {
        send(&mut outgoing, packet(VIDEO, number, 1100), start);
    }
    let at_once = leaving(&mut outgoing).len();
    assert!(at_once < 10, "{at_once}");
    send(&mut outgoing, packet(AUDIO, 0, 80), start);
    let with_sound = leaving(&mut outgoing);
    assert_eq!(with_sound[0].0, AUDIO);
    let at_once = at_once + with_sound.len() - 1;

    let left = pass_time(&mut outgoing, start, start + Duration::from_secs(5));
    let pictures: Vec<_> = left.iter().filter(|(_, ssrc, _)| *ssrc == VIDEO).collect();
    assert_eq!(at_once + pictures.len(), 20, "all of it leaves");
    assert!(pictures.is_sorted(), "in order");
    assert!(pictures.last().unwrap().0 > start + ms(200), "in its time");
}

#[test]
fn without_reports_nothing_is_numbered_and_the_application_decides() {
    let start = Instant::now();
    let mut outgoing = bound(false, start);
    send(&mut outgoing, packet(VIDEO, 5, 100), start);
    assert_eq!(leaving(&mut outgoing), [(VIDEO, 5, None)]);
    assert_eq!(outgoing.parts.budget.get().target_bps, None);
    assert_eq!(outgoing.poll_timeout(), None, "nothing to wait for");
}

#[test]
fn a_lost_packet_is_sent_again_under_a_number_of_its_own() {
    let now = Instant::now();
    let mut outgoing = bound(true, now);
    send(&mut outgoing, packet(VIDEO, 5, 100), now);
    assert_eq!(leaving(&mut outgoing).len(), 1);
    let request = TransportLayerNack {
        sender_ssrc: 9,
        media_ssrc: VIDEO,
        nacks: nack_pairs_from_sequence_numbers(&[5, 6]),
    };
    hear(&mut outgoing, Box::new(request), now + ms(40));
    let left = leaving(&mut outgoing);
    assert_eq!(left[0], (REPAIR, 0, Some(1)));
    // The first probe has nothing else to send.
    assert!(left.iter().all(|(ssrc, ..)| *ssrc == REPAIR), "{left:?}");
}

#[test]
fn sound_is_sent_again_before_all_pictures_as_long_as_it_can_be_heard_and_the_same_in_every_bit() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    let packets = |outgoing: &mut Outgoing| -> Vec<rtc::rtp::Packet> {
        let left = std::iter::from_fn(|| outgoing.poll_write());
        left.filter_map(|packet| match packet.message.packet {
            Packet::Rtp(rtp) => Some(rtp),
            _ => None,
        })
        .collect()
    };
    for number in 0..40 {
        send(&mut outgoing, packet(AUDIO, number, 100), start);
    }
    let first = packets(&mut outgoing);
    assert_eq!(first.len(), 40);
    for number in 0..100 {
        send(&mut outgoing, packet(VIDEO, number, 1000), start);
    }
    packets(&mut outgoing);
    let request = TransportLayerNack {
        sender_ssrc: 9,
        media_ssrc: AUDIO,
        nacks: nack_pairs_from_sequence_numbers(&[3, 20, 30]),
    };
    // Together with a request for so many pictures that these are given up.
    let pictures = TransportLayerNack {
        media_ssrc: VIDEO,
        nacks: nack_pairs_from_sequence_numbers(&(0..100).collect::<Vec<_>>()),
        ..request
    };
    hear_all(
        &mut outgoing,
        vec![Box::new(request), Box::new(pictures)],
        start + ms(1),
    );
    let again = packets(&mut outgoing);
    let again = again.iter().filter(|packet| packet.header.ssrc == AUDIO);
    assert_eq!(
        again.collect::<Vec<_>>(),
        [&first[20], &first[30]],
        "3 has been heard by now; another header under the same number would be encrypted with the same nonce"
    );
}

#[test]
fn what_would_take_long_to_repair_is_not_made_up_for_and_a_keyframe_takes_its_place() {
    for (lost, len, is_repaired) in [(5, 100, true), (8, 1000, true), (80, 1000, false)] {
        let start = Instant::now();
        let (mut outgoing, mut events) = bound_with_events(true, start);
        for number in 0..80 {
            send(&mut outgoing, packet(VIDEO, number, len), start);
        }
        let now = start + Duration::from_secs(3);
        pass_time(&mut outgoing, start, now);
        while events.try_recv().is_ok() {}
        let request = TransportLayerNack {
            sender_ssrc: 9,
            media_ssrc: VIDEO,
            nacks: nack_pairs_from_sequence_numbers(&(0..lost).collect::<Vec<_>>()),
        };
        let mut again = Vec::new();
        for second in 0..3 {
            let now = now + Duration::from_secs(second);
            hear(&mut outgoing, Box::new(request.clone()), now);
            let at_once = leaving(&mut outgoing).into_iter();
            again.extend(at_once.map(|(ssrc, ..)| ssrc));
            let until = now + Duration::from_secs(1);
            let later = pass_time(&mut outgoing, now, until).into_iter();
            again.extend(later.map(|(_, ssrc, _)| ssrc));
        }
        let again = again.iter().filter(|ssrc| **ssrc == REPAIR).count();
        assert_eq!(again >= 5, is_repaired, "{lost} lost, {again} sent again");
        let keyframe = PeerEvent::KeyframeRequested(Pictures::Camera);
        let has_keyframe = std::iter::from_fn(|| events.try_recv().ok()).any(|it| it == keyframe);
        assert_eq!(has_keyframe, !is_repaired, "{lost} lost");
    }
}

#[test]
fn requests_for_streams_that_are_not_ours_are_nobodys() {
    let now = Instant::now();
    let mut outgoing = bound(true, now);
    let request = TransportLayerNack {
        sender_ssrc: 9,
        media_ssrc: 77,
        nacks: nack_pairs_from_sequence_numbers(&[5]),
    };
    hear(&mut outgoing, Box::new(request), now);
    hear(&mut outgoing, Box::new(feedback(1234, &[1000, 1000])), now);
    assert!(leaving(&mut outgoing).is_empty());
}

#[test]
fn what_arrives_in_time_lets_the_target_rise() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    let before = outgoing.estimator.target_bps();
    let (mut now, mut number) = (start, 0);
    let mut base = 0_u16;
    for _ in 0..100 {
        for _ in 0..4 {
            send(&mut outgoing, packet(VIDEO, number, 1000), now);
            number = number.wrapping_add(1);
        }
        let until = now + ms(50);
        let sent = leaving(&mut outgoing).len() + pass_time(&mut outgoing, now, until).len();
        now = until;
        if sent > 0 {
            let spacing = 50_000 / sent as i64 / 250 * 250;
            hear(
                &mut outgoing,
                Box::new(feedback(base, &vec![spacing; sent])),
                now + ms(10),
            );
            base = base.wrapping_add(sent as u16 + leaving(&mut outgoing).len() as u16);
        }
    }
    let after = outgoing.parts.budget.get().target_bps.unwrap();
    assert!(after > 2 * before, "{before} to {after}");
}

#[test]
fn a_probe_is_filled_with_what_was_sent() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    send(&mut outgoing, packet(VIDEO, 5, 1000), start);
    let left = pass_time(&mut outgoing, start, start + ms(100));
    // The first probe is ordered at once, and one packet does not fill it.
    let _first = leaving(&mut outgoing);
    assert!(left.iter().all(|(_, ssrc, _)| *ssrc != AUDIO));
    outgoing.pacer.start_probe(
        ProbeCluster {
            id: 99,
            rate_bps: 1_000_000,
            min_packets: 5,
            min_bytes: 4000,
        },
        start + ms(100),
    );
    send(&mut outgoing, packet(VIDEO, 6, 500), start + ms(100));
    let mut filled: Vec<_> = leaving(&mut outgoing)
        .into_iter()
        .map(|(ssrc, number, _)| (ssrc, number))
        .collect();
    filled.extend(
        pass_time(&mut outgoing, start + ms(100), start + ms(300))
            .into_iter()
            .map(|(_, ssrc, number)| (ssrc, number)),
    );
    let repairs = filled.iter().filter(|(ssrc, _)| *ssrc == REPAIR).count();
    assert!(repairs >= 3, "{filled:?}");
}

#[test]
fn a_probe_is_whole_although_all_packets_are_larger_than_it_asks_for() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    send(&mut outgoing, packet(VIDEO, 5, 1000), start);
    pass_time(&mut outgoing, start, start + ms(1200));
    let _first = leaving(&mut outgoing);
    let begin = start + ms(1200);
    outgoing.pacer.start_probe(
        ProbeCluster {
            id: 99,
            rate_bps: 1_000_000,
            min_packets: 5,
            min_bytes: 2000,
        },
        begin,
    );
    send(&mut outgoing, packet(VIDEO, 6, 1000), begin);
    let mut left = leaving(&mut outgoing).len();
    left += pass_time(&mut outgoing, begin, begin + ms(300)).len();
    assert_eq!(left, 5);
}

/// Lets it know of losses on a long path, by `now`.
fn lose(outgoing: &mut Outgoing, now: Instant) {
    outgoing.parts.round_trip.set(ms(300));
    let path = EstimatorSnapshot {
        loss_ratio: 0.1,
        ..EstimatorSnapshot::default()
    };
    for second in 0..10 {
        let ago = Duration::from_secs(10 - second);
        let at = now.checked_sub(ago).unwrap();
        outgoing.protecting.update(true, path, ms(300), at);
    }
}

/// Sends ten frames of four packets, and gives what leaves on the repair stream: the sources that it names.
fn repairs_of_frames(outgoing: &mut Outgoing, start: Instant) -> Vec<Vec<u32>> {
    let mut repairs = Vec::new();
    for number in 0..40 {
        let now = start + ms(8 * u64::from(number));
        let mut picture = packet(VIDEO, number, 100);
        picture.header.marker = number % 4 == 3;
        send(outgoing, picture, now);
        outgoing.handle_timeout(now + ms(7)).unwrap();
        while let Some(packet) = outgoing.poll_write() {
            if let Packet::Rtp(rtp) = packet.message.packet
                && rtp.header.ssrc == REPAIR
            {
                repairs.push(rtp.header.csrc);
            }
        }
    }
    repairs
}

#[test]
fn pictures_are_protected_where_losses_would_cost_a_long_round_trip() {
    let start = Instant::now() + Duration::from_secs(20);
    let mut outgoing = bound(true, start);
    outgoing.parts.budget.set_decoding_repair(true);
    lose(&mut outgoing, start);
    let repairs = repairs_of_frames(&mut outgoing, start);
    let named = repairs.iter().filter(|csrc| csrc[..] == [VIDEO]).count();
    assert!((10..=20).contains(&named), "{named}");
    let repair_ratio = outgoing.parts.budget.get().repair_ratio;
    assert!((0.2..0.5).contains(&repair_ratio), "{repair_ratio}");
}

#[test]
fn a_partner_that_has_not_asked_for_repair_packets_gets_none() {
    let start = Instant::now() + Duration::from_secs(20);
    let mut outgoing = bound(true, start);
    lose(&mut outgoing, start);
    let repairs = repairs_of_frames(&mut outgoing, start);
    assert!(repairs.iter().all(Vec::is_empty), "padding at most");
}

#[test]
fn on_a_long_lossy_path_what_is_sent_again_is_sent_twice() {
    let start = Instant::now() + Duration::from_secs(20);
    let mut outgoing = bound(true, start);
    send(&mut outgoing, packet(VIDEO, 5, 100), start);
    let _ = pass_time(&mut outgoing, start, start + Duration::from_secs(1));
    let _ = leaving(&mut outgoing);
    let now = start + Duration::from_secs(1);
    lose(&mut outgoing, now);
    let request = TransportLayerNack {
        sender_ssrc: 9,
        media_ssrc: VIDEO,
        nacks: nack_pairs_from_sequence_numbers(&[5]),
    };
    hear(&mut outgoing, Box::new(request.clone()), now);
    hear(&mut outgoing, Box::new(request), now + ms(5));
    assert_eq!(leaving(&mut outgoing).len(), 1, "the same request");
    let later = pass_time(&mut outgoing, now, now + ms(100));
    assert_eq!(later.len(), 1, "{later:?}");
    assert!(later[0].0 >= now + ms(10));
}

#[test]
fn nothing_leaves_while_there_is_no_path() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    outgoing.parts.gate.pause();
    send(&mut outgoing, packet(AUDIO, 1, 80), start);
    assert!(leaving(&mut outgoing).is_empty());
    assert!(outgoing.poll_timeout().is_some(), "it looks again");
    outgoing.parts.gate.resume();
    send(&mut outgoing, packet(AUDIO, 2, 80), start + ms(20));
    let left: Vec<u16> = leaving(&mut outgoing).iter().map(|left| left.1).collect();
    assert_eq!(left, [1, 2]);
}

#[test]
fn a_path_is_another_one_by_its_addresses_or_its_sockets_and_begins_with_a_probe() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    let gate = Arc::clone(&outgoing.parts.gate);
    let mut number = 0;
    let mut padding_after = |outgoing: &mut Outgoing, at: Instant| {
        number += 1;
        send(outgoing, packet(VIDEO, number, 1000), at);
        let mut left: Vec<u32> = leaving(outgoing).iter().map(|left| left.0).collect();
        let later = pass_time(outgoing, at, at + ms(900));
        left.extend(later.iter().map(|left| left.1));
        left.iter().filter(|ssrc| **ssrc == REPAIR).count()
    };
    gate.on_path(true, false);
    assert!(padding_after(&mut outgoing, start) > 0, "the first probe");
    assert_eq!(padding_after(&mut outgoing, start + ms(1000)), 0);
    gate.on_path(false, true);
    assert_eq!(padding_after(&mut outgoing, start + ms(2000)), 0);
    gate.on_path(false, false);
    assert!(
        padding_after(&mut outgoing, start + ms(3000)) > 0,
        "a probe"
    );
    gate.on_rebound();
    gate.on_path(false, true);
    assert!(padding_after(&mut outgoing, start + ms(4000)) > 0);
    assert_eq!(padding_after(&mut outgoing, start + ms(5000)), 0);
}

#[test]
fn it_is_told_when_a_picture_has_left_and_nothing_of_what_is_sent_again() {
    let start = Instant::now();
    let mut outgoing = bound(true, start);
    for number in 0..20 {
        let mut picture = packet(VIDEO, number, 1000);
        picture.header.timestamp = 90;
        picture.header.marker = number == 19;
        send(&mut outgoing, picture, start);
    }
    let departures = Arc::clone(&outgoing.parts.departures);
    assert_eq!(departures.take(), None, "it waits in the pacer");
    let left = pass_time(&mut outgoing, start, start + Duration::from_secs(1));
    let departure = departures.take().expect("it has left");
    let (last_at, _, _) = left.last().expect("some waited");
    assert_eq!(departure.timestamp, 90);
    assert_eq!((departure.first_at, departure.last_at), (start, *last_at));
    let again = start + Duration::from_secs(2);
    let request = TransportLayerNack {
        sender_ssrc: 9,
        media_ssrc: VIDEO,
        nacks: nack_pairs_from_sequence_numbers(&[19]),
    };
    hear(&mut outgoing, Box::new(request), again);
    pass_time(&mut outgoing, again, again + Duration::from_secs(1));
    assert_eq!(departures.take(), None);
}

/// Sends one picture, waits until nothing was heard of it for long, or hears of it, and fills the queue. The transport-wide
/// number of the newest packet comes with it.
fn after_silence(is_silent: bool, start: Instant, now: Instant) -> (Outgoing, u16) {
    let mut outgoing = bound(true, start);
    outgoing.parts.gate.on_path(true, false);
    send(&mut outgoing, packet(VIDEO, 1, 1000), start);
    pass_time(&mut outgoing, start, start + ms(100));
    if !is_silent {
        // The first probe is reported too.
        hear(
            &mut outgoing,
            Box::new(feedback(0, &[0; 64])),
            start + ms(100),
        );
    }
    pass_time(&mut outgoing, start + ms(100), now);
    assert_eq!(outgoing.estimator.is_silent(), is_silent);
    for number in 2..100 {
        send(&mut outgoing, packet(VIDEO, number, 1000), now);
    }
    assert_eq!(outgoing.pacer.drops().pictures, 0);
    let newest = leaving(&mut outgoing)
        .last()
        .and_then(|(_, _, number)| *number);
    (outgoing, newest.expect("some have left"))
}

#[test]
fn what_was_sent_into_silence_gives_way_to_a_keyframe_when_there_is_a_path_again() {
    for (is_silent, is_another) in [(false, true), (true, true), (false, false), (true, false)] {
        let start = Instant::now();
        let now = start + ms(3000);
        let (mut outgoing, newest) = after_silence(is_silent, start, now);
        if is_another {
            outgoing.parts.gate.on_path(false, false);
        } else {
            hear(&mut outgoing, Box::new(feedback(newest, &[0])), now + ms(1));
        }
        let request = TransportLayerNack {
            sender_ssrc: 9,
            media_ssrc: VIDEO,
            nacks: nack_pairs_from_sequence_numbers(&[1]),
        };
        hear(&mut outgoing, Box::new(request), now + ms(1));
        assert_eq!(outgoing.pacer.drops().pictures > 0, is_silent);
        let left = pass_time(&mut outgoing, now + ms(1), now + ms(100));
        let is_repeated = left.iter().any(|(_, ssrc, _)| *ssrc == REPAIR);
        assert_eq!(is_repeated, !is_silent, "{left:?}");
        // What comes now is sent, and sent again.
        send(&mut outgoing, packet(VIDEO, 100, 1000), now + ms(100));
        let repeated = outgoing.repeated.get_mut(&VIDEO).unwrap();
        assert!(repeated.repeat(100, ms(10), now + ms(200)).is_some());
    }
}
