//! Two peers on loopback: everything a call needs works in both directions.

use std::time::Duration;

use media::RtpPacket;
use media::video::{Pictures, h264};
use tokio::sync::mpsc;
use transport::{
    CandidateKind, Dropped, Impairment, MediaKind, PathProtocol, PathStats, PeerConfig, PeerEvent,
};

use crate::support::{End, PATIENCE, Pair, drain, frame, in_order, loopback, sound};

/// Receives packets until the one with this RTP timestamp that ends a frame.
async fn receive_until(timestamp: u32, packets: &mut mpsc::Receiver<RtpPacket>) -> Vec<RtpPacket> {
    let mut received = Vec::new();
    let all = async {
        while let Some(packet) = packets.recv().await {
            let is_last = packet.timestamp == timestamp;
            received.push(packet);
            if is_last && received.last().is_some_and(|packet| packet.marker) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("the last frame arrives");
    received
}

async fn video_arrives(from: &End, to: &mut End, numbers: std::ops::Range<u32>) {
    let frames: Vec<_> = numbers
        .map(|number| frame(number, 100 + 1000 * (number as usize % 12)))
        .collect();
    for frame in &frames {
        from.peer
            .send_video(Pictures::Camera, frame.clone())
            .expect("the queue takes a frame each 5 ms");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = frames.last().expect("at least one frame").timestamp;
    let (packets, missing) = in_order(receive_until(last, &mut to.video).await);
    assert_eq!(missing, 0);
    let received = packets.chunk_by(|left, right| left.timestamp == right.timestamp);
    let received: Vec<_> = received
        .map(|packets| {
            assert!(
                packets.last().is_some_and(|packet| packet.marker),
                "the last packet of a frame is marked"
            );
            let payloads = packets.iter().map(|packet| packet.payload.as_ref());
            (
                packets[0].timestamp,
                h264::depacketize(payloads).expect("a whole frame").data,
            )
        })
        .collect();
    let sent: Vec<_> = frames
        .into_iter()
        .map(|frame| (frame.timestamp, frame.data))
        .collect();
    assert_eq!(received, sent);
}

async fn audio_arrives(from: &End, to: &mut End) {
    for number in 0..20 {
        from.peer
            .send_audio(sound(number), number * 960)
            .expect("the queue takes a packet each 5 ms");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut received = Vec::new();
    while received.len() < 20 {
        received.push(
            tokio::time::timeout(PATIENCE, to.audio.recv())
                .await
                .expect("in time")
                .expect("open"),
        );
    }
    for (number, packet) in received.iter().enumerate() {
        assert_eq!(packet.payload, sound(number as u32));
        assert_eq!(packet.timestamp, number as u32 * 960);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_and_sound_arrive_as_they_were_sent_both_ways() {
    let mut pair = Pair::connected().await;
    let Pair { a, b } = &mut pair;
    video_arrives(a, b, 1..31).await;
    video_arrives(b, a, 1..31).await;
    audio_arrives(a, b).await;
    audio_arrives(b, a).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_arrive_in_order_both_ways_also_those_sent_before_the_channel_is_open() {
    let mut pair = Pair::on_loopback().await;
    for number in 0..10 {
        pair.a.peer.send_message(format!("a{number} ü")).unwrap();
        pair.b.peer.send_message(format!("b{number}")).unwrap();
    }
    pair.negotiate(None).await;
    pair.until("20 messages", |pair| {
        pair.a.messages().len() + pair.b.messages().len() == 20
    })
    .await;
    assert!(
        pair.a
            .messages()
            .iter()
            .enumerate()
            .all(|(number, text)| *text == format!("b{number}"))
    );
    assert!(
        pair.b
            .messages()
            .iter()
            .enumerate()
            .all(|(number, text)| *text == format!("a{number} ü"))
    );
    assert_eq!(pair.a.count(&PeerEvent::MessageChannelOpen), 1);
    assert_eq!(pair.b.count(&PeerEvent::MessageChannelOpen), 1);

    let longest = "x".repeat(protocol::limits::PEER_MESSAGE_BYTES);
    pair.a.peer.send_message(longest.clone()).unwrap();
    assert_eq!(
        pair.a.peer.send_message(longest.clone() + "x"),
        Err(Dropped::TooLong)
    );
    pair.until("the longest message", |pair| {
        pair.b.messages().contains(&longest)
    })
    .await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyframe_requests_reach_the_other_side() {
    let mut pair = Pair::connected().await;
    // Asked for before anything has arrived, it is kept until there is a stream to ask for.
    pair.b.peer.request_keyframe(Pictures::Camera);
    pair.a
        .peer
        .send_video(Pictures::Camera, frame(1, 100))
        .unwrap();
    pair.b
        .peer
        .send_video(Pictures::Camera, frame(1, 100))
        .unwrap();
    pair.until("the early request", |pair| {
        pair.a
            .count(&PeerEvent::KeyframeRequested(Pictures::Camera))
            == 1
    })
    .await;
    receive_until(3000, &mut pair.a.video).await;
    pair.a.peer.request_keyframe(Pictures::Camera);
    pair.until("a request the other way", |pair| {
        pair.b
            .count(&PeerEvent::KeyframeRequested(Pictures::Camera))
            == 1
    })
    .await;

    let (a, b) = (
        pair.a.peer.stats().await.video,
        pair.b.peer.stats().await.video,
    );
    assert_eq!(
        (a.keyframe_requests_sent, a.keyframe_requests_received),
        (1, 1)
    );
    assert_eq!(
        (b.keyframe_requests_sent, b.keyframe_requests_received),
        (1, 1)
    );
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_before_the_connection_and_after_it() {
    let mut pair = Pair::on_loopback().await;
    assert_eq!(
        pair.a.peer.send_video(Pictures::Camera, frame(1, 10)),
        Err(Dropped::NotConnected)
    );
    assert_eq!(
        pair.a.peer.send_audio(sound(1), 0),
        Err(Dropped::NotConnected)
    );
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.a
        .peer
        .send_video(Pictures::Camera, frame(1, 10))
        .unwrap();

    pair.close().await;
    assert_eq!(
        pair.a.peer.send_video(Pictures::Camera, frame(1, 10)),
        Err(Dropped::NotConnected)
    );
    assert_eq!(
        pair.a.peer.send_audio(sound(1), 0),
        Err(Dropped::NotConnected)
    );
    assert_eq!(
        pair.a.peer.send_message("x".into()),
        Err(Dropped::NotConnected)
    );
    assert_eq!(pair.a.peer.stats().await.video.frames_refused, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_refused_frame_by_frame_and_what_is_taken_arrives_whole() {
    let mut pair = Pair::connected().await;
    let taken: Vec<u32> = (1..=200)
        .filter(|number| {
            pair.a
                .peer
                .send_video(Pictures::Camera, frame(*number, 20_000))
                .is_ok()
        })
        .collect();
    assert!(
        taken.len() < 200,
        "a queue that takes everything is not bounded"
    );
    let last = taken.last().expect("at least one is taken") * 3000;
    let mut packets = receive_until(last, &mut pair.b.video).await;
    let retransmissions = async {
        while in_order(packets.clone()).1 > 0 {
            packets.extend(pair.b.video.recv().await);
        }
    };
    tokio::time::timeout(PATIENCE, retransmissions)
        .await
        .expect("what the burst lost is sent again");
    let (packets, _) = in_order(packets);
    let mut timestamps: Vec<u32> = packets.iter().map(|packet| packet.timestamp).collect();
    timestamps.dedup();
    assert_eq!(
        timestamps,
        taken.iter().map(|number| number * 3000).collect::<Vec<_>>()
    );
    assert_eq!(
        pair.a.peer.stats().await.video.frames_refused,
        200 - taken.len() as u64
    );
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counters_tell_what_happened() {
    let mut pair = Pair::connected().await;
    let Pair { a, b } = &mut pair;
    audio_arrives(a, b).await;
    video_arrives(a, b, 1..6).await;
    pair.until("sender reports", |pair| {
        pair.b.reports(MediaKind::Audio) > 0 && pair.b.reports(MediaKind::Video) > 0
    })
    .await;

    let (a, b) = (pair.a.peer.stats().await, pair.b.peer.stats().await);
    for (stats, end) in [(&a, &pair.a), (&b, &pair.b)] {
        let host = PathStats {
            local: CandidateKind::Host,
            remote: CandidateKind::Host,
            protocol: PathProtocol::Udp,
            is_ipv6: false,
            round_trip: stats.round_trip,
        };
        assert_eq!(stats.path, Some(host));
        assert_eq!(end.paths.len(), 1);
        let selected = stats.pairs.iter().filter(|pair| pair.is_selected);
        assert_eq!(selected.count(), 1, "{:?}", stats.pairs);
    }
    assert!(
        a.round_trip
            .is_some_and(|time| time < Duration::from_secs(1)),
        "{:?}",
        a.round_trip
    );
    assert_eq!((a.audio.packets_sent, b.audio.packets_received), (20, 20));
    assert_eq!((a.audio.bytes_sent, b.audio.bytes_received), (800, 800));
    assert!(a.video.packets_sent > 5);
    assert_eq!(b.video.packets_received, a.video.packets_sent);
    assert_eq!(
        (
            b.video.packets_lost,
            b.video.nacks_sent,
            b.video.packets_dropped
        ),
        (0, 0, 0)
    );
    assert_eq!((b.audio.packets_sent, b.video.packets_sent), (0, 0));
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_nobody_reads_are_dropped_and_counted() {
    let mut pair = Pair::connected().await;
    for number in 1..=60 {
        while pair
            .a
            .peer
            .send_video(Pictures::Camera, frame(number, 20_000))
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let mut dropped = 0;
    for _ in 0..100 {
        let before = dropped;
        dropped = pair.b.peer.stats().await.video.packets_dropped;
        // What comes while the queue is emptied finds room again.
        if dropped > 0 && dropped == before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(dropped > 0);
    assert_eq!(drain(&mut pair.b.video).len(), 512, "what fits is kept");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sender_hears_how_much_of_its_sound_is_lost() {
    let network = Impairment::seeded(4);
    let a = PeerConfig {
        impairment: Some(network.clone()),
        ..loopback(true)
    };
    let mut pair = Pair::open(a, loopback(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    assert!(pair.a.peer.stats().await.audio.loss_ratio_at_partner.abs() < 1e-6);
    // So much that asking again does not bring it all back. Each of the reports, one a second, may by chance tell of none.
    network.set_loss_ratio(0.7);
    let mut highest = 0.0_f32;
    for number in 0..2000_u32 {
        pair.a
            .peer
            .send_audio(sound(number), number * 960)
            .expect("the queue takes a frame each 20 ms");
        pair.wait(Duration::from_millis(20)).await;
        let stats = pair.a.peer.stats().await;
        highest = highest.max(stats.audio.loss_ratio_at_partner);
        if highest > 0.02 {
            break;
        }
    }
    assert!((0.02..=1.0).contains(&highest), "{highest}");
    network.set_loss_ratio(0.0);
    pair.close().await;
}
