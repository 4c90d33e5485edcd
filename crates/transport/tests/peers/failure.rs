//! Partners that vanish, and machinery that dies.

use std::time::Duration;

use media::video::Pictures;
use protocol::{Description, DescriptionKind};
use transport::{Impairment, Peer, PeerConfig, PeerEvent, Restart};

use crate::support::{End, PATIENCE, Pair, behind, distant, loopback};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_falls_silent_is_noticed_in_about_a_second_and_may_come_back() {
    let network = Impairment::seeded(1);
    let b = behind(&network, false);
    let mut pair = Pair::open(loopback(true), b).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.wait(Duration::from_millis(500)).await;

    network.set_loss_ratio(1.0);
    let silence = tokio::time::Instant::now();
    pair.until("the silence is noticed", |pair| {
        pair.a.has_seen(&PeerEvent::Disconnected)
    })
    .await;
    let elapsed = silence.elapsed();
    println!("noticed after {elapsed:?}");
    assert!(
        (Duration::from_millis(700)..Duration::from_secs(2)).contains(&elapsed),
        "{elapsed:?}"
    );

    network.set_loss_ratio(0.0);
    pair.until("it is back", |pair| {
        pair.a.count(&PeerEvent::Connected) == 2
    })
    .await;
    pair.wait(Duration::from_millis(500)).await;
    assert_eq!(pair.a.count(&PeerEvent::Disconnected), 1);
    assert_eq!(pair.a.count(&PeerEvent::Connected), 2);
    pair.close().await;
}

/// The server may be away when the path is: then nobody hears of the restart, and the path must not be lost for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_comes_back_is_used_although_a_restart_was_begun() {
    let network = Impairment::seeded(1);
    let b = behind(&network, false);
    let mut pair = Pair::open(loopback(true), b).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    network.set_loss_ratio(1.0);
    pair.until("the silence is noticed", |pair| {
        pair.a.has_seen(&PeerEvent::Disconnected)
    })
    .await;
    let _unheard = pair.a.peer.create_offer(Some(Restart::Keep)).await.unwrap();
    pair.wait(Duration::from_millis(500)).await;

    network.set_loss_ratio(0.0);
    pair.until("it is back", |pair| {
        pair.a.count(&PeerEvent::Connected) == 2
    })
    .await;
    pair.a.peer.send_message("still here".into()).unwrap();
    pair.until("a message", |pair| pair.b.messages() == ["still here"])
        .await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_path_without_media_is_not_taken_for_a_silent_one() {
    let config = |is_offerer| distant(is_offerer, 3, 0.2, Duration::from_millis(150));
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.wait(Duration::from_secs(8)).await;
    for end in [&pair.a, &pair.b] {
        assert_eq!(end.count(&PeerEvent::Disconnected), 0);
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_whose_sockets_die_fails_although_the_stack_does_not_say_so() {
    let network = Impairment::seeded(1);
    let a = behind(&network, true);
    let mut pair = Pair::open(a, loopback(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;

    network.break_sockets();
    pair.until("the failure is told", |pair| {
        pair.a.has_seen(&PeerEvent::Failed)
    })
    .await;
    pair.a
        .peer
        .send_video(Pictures::Camera, crate::support::frame(1, 10))
        .expect_err("nothing is taken any more");
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_no_failure_and_ends_everything() {
    let mut pair = Pair::connected().await;
    tokio::join!(pair.a.peer.close(), pair.a.peer.close());
    pair.a.peer.close().await;
    let ends = async {
        while let Some(event) = pair.a.events.recv().await {
            assert_ne!(event, PeerEvent::Failed);
        }
        assert_eq!(pair.a.video.recv().await, None);
        assert_eq!(pair.a.audio.recv().await, None);
    };
    tokio::time::timeout(PATIENCE, ends)
        .await
        .expect("the receivers end");
    pair.a.peer.create_offer(None).await.expect_err("closed");
    pair.b.peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_never_used_closes_at_once() {
    let end = End::open(loopback(true)).await;
    tokio::time::timeout(PATIENCE, end.peer.close())
        .await
        .expect("closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_address_to_bind_nothing_opens() {
    let config = PeerConfig {
        bind: vec!["192.0.2.1:0".parse().unwrap()],
        ..loopback(true)
    };
    Peer::open(config)
        .await
        .expect_err("that address is nobody's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_are_not_due_are_refused_and_change_nothing() {
    let mut pair = Pair::on_loopback().await;
    pair.b
        .peer
        .create_answer()
        .await
        .expect_err("there is no offer");
    pair.b
        .peer
        .rollback()
        .await
        .expect_err("there is nothing to take back");
    let answer = Description {
        kind: DescriptionKind::Answer,
        sdp: String::new(),
        number: 0,
    };
    pair.a
        .peer
        .apply_remote(answer)
        .await
        .expect_err("there was no offer");
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.close().await;
}
