//! Bad networks: every call connects, and what is lost is sent again, once.

use std::time::Duration;

use media::video::Pictures;
use transport::Impairment;

use crate::support::{Pair, behind, drain, frame, in_order, network, sound};

/// A pair whose datagrams are lost with this chance and delayed both ways.
pub(crate) async fn impaired(
    seed: u64,
    loss_ratio: f64,
    delay: Duration,
) -> (Pair, [Impairment; 2]) {
    let networks = [2 * seed, 2 * seed + 1].map(|seed| network(seed, loss_ratio, delay));
    let (a, b) = (behind(&networks[0], true), behind(&networks[1], false));
    (Pair::open(a, b).await, networks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_calls_of_twenty_connect_at_ten_percent_loss() {
    let calls = (1..=20).map(|seed| {
        tokio::spawn(async move {
            let (mut pair, _) = impaired(seed, 0.1, Duration::from_millis(20)).await;
            pair.negotiate(None).await;
            pair.until(&format!("call {seed} connects"), Pair::is_connected)
                .await;
            pair.close().await;
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("connects");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_sent_again_and_not_again_and_again() {
    let (mut pair, [network, _]) = impaired(7, 0.0, Duration::from_millis(12)).await;
    // Without repair packets, which count with what is sent again.
    let without_repair = |sdp: String| sdp.replace(protocol::sdp::REPAIRS, "a=x");
    pair.negotiate_through(None, without_repair).await;
    pair.until("both are connected", Pair::is_connected).await;
    let (mut video, mut sounds) = (Vec::new(), Vec::new());

    // The loss starts after the first packets and stops before the last, so that every loss shows as a gap.
    for number in 1..=150 {
        let is_lossy = (10..=130).contains(&number);
        network.set_loss_ratio(if is_lossy { 0.05 } else { 0.0 });
        pair.a
            .peer
            .send_video(Pictures::Camera, frame(number, 8000))
            .expect("there is room");
        pair.a
            .peer
            .send_audio(sound(number), number * 960)
            .expect("there is room");
        tokio::time::sleep(Duration::from_millis(10)).await;
        video.extend(drain(&mut pair.b.video));
        sounds.extend(drain(&mut pair.b.audio));
    }
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        video.extend(drain(&mut pair.b.video));
        sounds.extend(drain(&mut pair.b.audio));
    }

    let (a, b) = (pair.a.peer.stats().await, pair.b.peer.stats().await);
    let lost = network.lost();
    let told = format!("{lost} datagrams lost, {:?}, {:?}", a.video, b.video);
    assert!(lost > 20, "the network was too good: {told}");
    let (video, missing) = in_order(video);
    assert_eq!(
        (missing, video.len() as u64),
        (0, a.video.packets_sent),
        "{told}"
    );
    let (sounds, missing) = in_order(sounds);
    assert_eq!((missing, sounds.len()), (0, 150), "{told}");
    assert!(
        a.video.retransmitted_sent > 0 && a.video.retransmitted_sent <= 2 * lost,
        "{told}"
    );
    assert!(
        b.video.nacks_sent > 0 && a.video.nacks_received > 0,
        "{told}"
    );
    pair.close().await;
}
