//! Several codecs for pictures in one call: what is agreed on, and changes from one to another in mid-call.

use std::time::Duration;

use bytes::Bytes;
use media::video::{EncodedFrame, Pictures, VideoCodec};
use media::{Codec, RtpPacket};
use transport::{Dropped, PeerConfig};

use crate::support::{Pair, behind, drain, frame, in_order, loopback, network};

const BOTH: [VideoCodec; 2] = [VideoCodec::Av1, VideoCodec::H264];

/// What carries AV1, as far as RTP is concerned: a sequence header, and a frame of `len` bytes that no other number has.
fn av1_frame(number: u32, len: usize) -> EncodedFrame {
    let mut data = vec![0x0a, 1, 0, 0x32];
    let mut left = len + 1;
    while left >= 0x80 {
        data.push(left as u8 | 0x80);
        left >>= 7;
    }
    data.push(left as u8);
    data.push(0x10);
    data.extend((0..len).map(|index| (number as usize * 7 + index) as u8));
    EncodedFrame {
        codec: VideoCodec::Av1,
        data: data.into(),
        is_keyframe: true,
        timestamp: number * 3000,
    }
}

fn with(config: PeerConfig, codecs: &[VideoCodec]) -> PeerConfig {
    PeerConfig {
        video_codecs: codecs.to_vec(),
        ..config
    }
}

async fn connected(a: PeerConfig, b: PeerConfig) -> Pair {
    let mut pair = Pair::open(a, b).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair
}

/// The frames in a stream without gaps, each with its codec.
fn frames(packets: Vec<RtpPacket>) -> Vec<(VideoCodec, u32, Bytes)> {
    let (packets, missing) = in_order(packets);
    assert_eq!(missing, 0);
    let frames = packets.chunk_by(|left, right| left.timestamp == right.timestamp);
    let joined = frames.map(|packets| {
        let Codec::Video(codec) = packets[0].codec else {
            panic!("it is a picture")
        };
        let payloads = packets.iter().map(|packet| packet.payload.as_ref());
        let unit = codec.depacketize(payloads).expect("a whole frame");
        (codec, packets[0].timestamp, unit.data)
    });
    joined.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_codec_may_change_at_any_frame_and_each_packet_says_which_it_is() {
    let mut pair = connected(with(loopback(true), &BOTH), with(loopback(false), &BOTH)).await;
    for is_a in [true, false] {
        let (from, to) = if is_a {
            (&pair.a, &mut pair.b)
        } else {
            (&pair.b, &mut pair.a)
        };
        assert!(
            BOTH.iter()
                .all(|codec| from.peer.takes_video(Pictures::Camera, *codec))
        );
        let sent: Vec<_> = (1..=30)
            .map(|number| match number / 5 % 2 {
                0 => av1_frame(number, 300 * number as usize),
                _ => frame(number, 300 * number as usize),
            })
            .collect();
        for frame in &sent {
            from.peer
                .send_video(Pictures::Camera, frame.clone())
                .unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let expected: Vec<_> = sent
            .into_iter()
            .map(|frame| (frame.codec, frame.timestamp, frame.data))
            .collect();
        assert_eq!(frames(drain(&mut to.video)), expected);
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_both_sides_have_is_agreed_on() {
    for (a, b) in [(&BOTH[..], &BOTH[1..]), (&BOTH[1..], &BOTH[..])] {
        let mut pair = connected(with(loopback(true), a), with(loopback(false), b)).await;
        for end in [&pair.a, &pair.b] {
            assert!(end.peer.takes_video(Pictures::Camera, VideoCodec::H264));
            assert!(!end.peer.takes_video(Pictures::Camera, VideoCodec::Av1));
            let refused = end.peer.send_video(Pictures::Camera, av1_frame(1, 100));
            assert_eq!(refused, Err(Dropped::NotConnected));
            end.peer
                .send_video(Pictures::Camera, frame(2, 100))
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        for end in [&mut pair.a, &mut pair.b] {
            let received = frames(drain(&mut end.video));
            let expected = frame(2, 100);
            assert_eq!(
                received,
                [(expected.codec, expected.timestamp, expected.data)]
            );
        }
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_of_either_codec_are_sent_again_as_what_they_were() {
    let networks = [21, 22].map(|seed| network(seed, 0.0, Duration::from_millis(20)));
    let a = with(behind(&networks[0], true), &BOTH);
    let b = with(behind(&networks[1], false), &BOTH);
    let mut pair = connected(a, b).await;
    let mut received = Vec::new();
    let sent: Vec<_> = (1..=150)
        .map(|number| match number / 20 % 2 {
            0 => av1_frame(number, 8000),
            _ => frame(number, 8000),
        })
        .collect();
    for (number, frame) in sent.iter().enumerate() {
        let is_lossy = (10..=130).contains(&number);
        networks[0].set_loss_ratio(if is_lossy { 0.05 } else { 0.0 });
        pair.a
            .peer
            .send_video(Pictures::Camera, frame.clone())
            .unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        received.extend(drain(&mut pair.b.video));
    }
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        received.extend(drain(&mut pair.b.video));
    }
    assert!(networks[0].lost() > 20, "the network was too good");
    let expected: Vec<_> = sent
        .into_iter()
        .map(|frame| (frame.codec, frame.timestamp, frame.data))
        .collect();
    assert_eq!(frames(received), expected);
    let stats = pair.a.peer.stats().await;
    assert!(stats.video.retransmitted_sent > 0, "{:?}", stats.video);
    pair.close().await;
}
