//! What can go wrong between the first description and the first packets.

use std::time::Duration;

use media::video::Pictures;
use protocol::Candidate;
use transport::{PathStats, PeerConfig};

use crate::support::{Pair, distant, drain, frame, loopback, sound};

/// Each side is ready at another moment, and begins to speak at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_first_packets_arrive_although_the_sides_are_not_ready_at_once() {
    for seed in 0..5 {
        let config = |is_offerer| distant(is_offerer, seed, 0.0, Duration::from_millis(50));
        let mut pair = Pair::open(config(true), config(false)).await;
        pair.negotiate(None).await;
        pair.send_once_connected(|peer| {
            peer.send_video(Pictures::Camera, frame(1, 10)).unwrap();
            peer.send_audio(sound(1), 480).unwrap();
        })
        .await;
        pair.wait(Duration::from_millis(300)).await;
        for end in [&mut pair.a, &mut pair.b] {
            assert_eq!(drain(&mut end.video).len(), 1, "video, call {seed}");
            assert_eq!(drain(&mut end.audio).len(), 1, "audio, call {seed}");
        }
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_over_ipv6_works_and_says_so() {
    let config = |is_offerer| PeerConfig {
        bind: vec!["[::1]:0".parse().unwrap()],
        ..loopback(is_offerer)
    };
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("left out: this machine has no IPv6");
        return;
    }
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    let is_ipv6 = |path: &PathStats| path.is_ipv6;
    assert!(pair.a.paths.last().is_some_and(is_ipv6));
    pair.close().await;
}

/// Browsers hide their addresses behind such names as long as they show nothing to the camera's owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_name_harms_nothing_and_is_not_looked_up() {
    let mut pair = Pair::on_loopback().await;
    pair.negotiate(None).await;
    let hidden = Candidate {
        candidate:
            "candidate:1 1 udp 2113937151 0f2e6a3c-1d5b-4c8e-9a7f-6b5d4c3e2f1a.local 50000 typ host"
                .into(),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: None,
    };
    for end in [&pair.a, &pair.b] {
        end.peer.add_candidate(Some(hidden.clone())).await.unwrap();
    }
    pair.until("both are connected", Pair::is_connected).await;
    pair.close().await;
}
