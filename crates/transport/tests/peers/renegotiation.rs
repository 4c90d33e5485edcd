//! Negotiations during a call: restarts, and offers that cross.

use std::time::Duration;

use media::video::Pictures;
use transport::Restart;

use crate::support::{PATIENCE, Pair, drain, frame};

/// Sends frames until one gets through, both ways.
async fn media_flows(pair: &mut Pair, number: u32) {
    drain(&mut pair.a.video);
    drain(&mut pair.b.video);
    let exchange = async {
        let (mut is_at_a, mut is_at_b) = (false, false);
        while !is_at_a || !is_at_b {
            for end in [&pair.a, &pair.b] {
                end.peer
                    .send_video(Pictures::Camera, frame(number, 100))
                    .expect("connected, and the queue is empty again");
            }
            pair.until_soon().await;
            is_at_a |= drain(&mut pair.a.video)
                .iter()
                .any(|packet| packet.timestamp == number * 3000);
            is_at_b |= drain(&mut pair.b.video)
                .iter()
                .any(|packet| packet.timestamp == number * 3000);
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("media flows both ways");
}

impl Pair {
    /// Relays candidates for a moment.
    async fn until_soon(&mut self) {
        let soon = tokio::time::Instant::now() + Duration::from_millis(20);
        self.until("a moment", |_| tokio::time::Instant::now() >= soon)
            .await;
    }
}

/// Restarts twice, without and with what becomes of candidates in between.
async fn restarts_keep_the_call(restart: Restart) {
    let mut pair = Pair::connected().await;
    media_flows(&mut pair, 1).await;
    let before = pair.a.peer.create_offer(Some(restart)).await.unwrap();
    pair.b.peer.apply_remote(before).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.apply_remote(answer).await.unwrap();
    media_flows(&mut pair, 2).await;
    pair.b.peer.send_message("still there".into()).unwrap();
    pair.until("a message", |pair| pair.a.messages() == ["still there"])
        .await;

    pair.b.peer.rebind_at_next_restart();
    pair.negotiate(Some(restart)).await;
    media_flows(&mut pair, 3).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_that_binds_anew_keeps_the_call() {
    restarts_keep_the_call(Restart::Rebind).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ice_restart_on_the_same_sockets_keeps_the_call() {
    restarts_keep_the_call(Restart::Keep).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_offered_and_answers_later_keeps_its_part_in_the_handshake() {
    let mut pair = Pair::connected().await;
    let offer = pair.b.peer.create_offer(Some(Restart::Keep)).await.unwrap();
    pair.a.peer.apply_remote(offer).await.unwrap();
    let answer = pair.a.peer.create_answer().await.unwrap();
    assert!(answer.sdp.contains("a=setup:passive"));
    assert!(!answer.sdp.contains("a=setup:active"));
    pair.b.peer.apply_remote(answer).await.unwrap();
    media_flows(&mut pair, 1).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binding_anew_changes_the_addresses_that_are_told_and_keeping_does_not() {
    let mut pair = Pair::connected().await;
    let candidates = |sdp: &str| -> Vec<String> {
        let lines = sdp.lines().filter(|line| line.starts_with("a=candidate"));
        lines.map(str::to_owned).collect()
    };
    let mut told = Vec::new();
    for restart in [Restart::Keep, Restart::Rebind, Restart::Keep] {
        let offer = pair.a.peer.create_offer(Some(restart)).await.unwrap();
        told.push(candidates(&offer.sdp));
        pair.b.peer.apply_remote(offer).await.unwrap();
        let answer = pair.b.peer.create_answer().await.unwrap();
        pair.a.peer.apply_remote(answer).await.unwrap();
        media_flows(&mut pair, 1).await;
    }
    assert!(!told[0].is_empty(), "{told:?}");
    assert_ne!(told[0], told[1]);
    assert_eq!(told[1], told[2]);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_negotiation_without_restart_does_not_disturb_the_call() {
    let mut pair = Pair::connected().await;
    media_flows(&mut pair, 1).await;
    pair.negotiate(None).await;
    media_flows(&mut pair, 2).await;
    assert_eq!(pair.a.count(&transport::PeerEvent::Connected), 1);
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_restart_is_refused_and_the_call_goes_on() {
    let mut pair = Pair::connected().await;
    media_flows(&mut pair, 1).await;
    let mut offer = pair.a.peer.create_offer(Some(Restart::Keep)).await.unwrap();
    offer.sdp = offer.sdp.replace("a=mid:", "a=middle:");
    pair.b
        .peer
        .apply_remote(offer)
        .await
        .expect_err("it makes no sense");
    let mut arrivals = 0;
    for number in 2..12 {
        pair.a
            .peer
            .send_video(Pictures::Camera, frame(number, 100))
            .unwrap();
        pair.until_soon().await;
        arrivals += drain(&mut pair.b.video).len();
    }
    assert_eq!(arrivals, 10);
    pair.close().await;
}

/// Both offer; B is polite, takes its offer back and answers.
async fn cross_offers(pair: &mut Pair, restart: Option<Restart>) {
    let offer = pair.a.peer.create_offer(restart).await.unwrap();
    pair.b.peer.create_offer(restart).await.unwrap();
    pair.b
        .peer
        .apply_remote(offer.clone())
        .await
        .expect_err("an offer of its own is pending");
    pair.b.peer.rollback().await.unwrap();
    pair.b.peer.apply_remote(offer).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.apply_remote(answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_offers_that_cross_are_untangled_by_a_rollback() {
    let mut pair = Pair::on_loopback().await;
    cross_offers(&mut pair, None).await;
    pair.until("both are connected", Pair::is_connected).await;
    media_flows(&mut pair, 1).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_that_cross_are_untangled_by_a_rollback() {
    for restart in [Restart::Rebind, Restart::Keep] {
        let mut pair = Pair::connected().await;
        cross_offers(&mut pair, Some(restart)).await;
        media_flows(&mut pair, 1).await;
        pair.close().await;
    }
}
