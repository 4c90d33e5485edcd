//! Restarts for a better path, whose offer and answer take the path that there is.

use std::time::Duration;

use protocol::{Description, DescriptionKind, sdp};
use transport::{PeerEvent, Restart};

use crate::coturn::{Coturn, with_login};
use crate::support::{End, Pair, distant, drain, in_order, loopback, speak};
use crate::turn::LOOPBACK;

/// How many packets have arrived at this end, and how many of those in between are missing.
fn heard(end: &mut End) -> (usize, usize) {
    let (packets, missing) = in_order(drain(&mut end.audio));
    (packets.len(), missing)
}

impl Pair {
    /// One end says a description to the other over the path that there is.
    async fn say(&mut self, from_a: bool, description: Description) -> Description {
        let (from, to) = if from_a {
            (&self.a, &self.b)
        } else {
            (&self.b, &self.a)
        };
        let before = to.messages().len();
        from.peer.send_message(description.sdp).expect("it is open");
        self.until("the description", |pair| {
            let to = if from_a { &pair.b } else { &pair.a };
            to.messages().len() > before
        })
        .await;
        let to = if from_a { &self.b } else { &self.a };
        Description {
            sdp: to.messages().pop().expect("it has come"),
            ..description
        }
    }

    /// One end offers a better path and the other answers, over the path that there is.
    async fn improve(&mut self, a_offers: bool) {
        let before = [&self.a, &self.b].map(|end| end.count(&PeerEvent::Connected));
        let peers = [self.a.peer.clone(), self.b.peer.clone()];
        let (offerer, answerer) = (
            &peers[usize::from(!a_offers)],
            &peers[usize::from(a_offers)],
        );
        let offer = offerer.create_offer(Some(Restart::Improve)).await.unwrap();
        let offer = self.say(a_offers, offer).await;
        answerer.apply_remote(offer).await.unwrap();
        let answer = answerer.create_answer().await.unwrap();
        assert_eq!(answer.kind, DescriptionKind::Answer);
        let answer = self.say(!a_offers, answer).await;
        offerer.apply_remote(answer).await.unwrap();
        self.until("both are connected again", |pair| {
            let now = [&pair.a, &pair.b].map(|end| end.count(&PeerEvent::Connected));
            now.iter().zip(&before).all(|(now, before)| now > before)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_needs_nothing_but_the_path_that_there_is() {
    let config = |is_offerer| distant(is_offerer, 0, 0.0, Duration::from_millis(20));
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    let speaking = [speak(&pair.a.peer), speak(&pair.b.peer)];
    // Each side offers, also after restarts of the other's.
    for a_offers in [true, false, false, true] {
        pair.improve(a_offers).await;
        pair.wait(Duration::from_millis(300)).await;
    }
    for task in speaking {
        task.abort();
    }
    pair.wait(Duration::from_millis(100)).await;
    for end in [&mut pair.a, &mut pair.b] {
        let (count, missing) = heard(end);
        assert!(count > 60, "{count} packets");
        assert_eq!(missing, 0);
        assert_eq!(end.count(&PeerEvent::Disconnected), 0);
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_were_hidden_go_direct_over_the_relay_that_they_have() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let config = |is_offerer| transport::PeerConfig {
        ice_servers: with_login(&[server.udp_url()]),
        relay_only: true,
        ..loopback(is_offerer)
    };
    for a_offers in [true, false] {
        let mut pair = Pair::open(config(true), config(false)).await;
        pair.negotiate(None).await;
        pair.until("both are connected", Pair::is_connected).await;
        let speaking = [speak(&pair.a.peer), speak(&pair.b.peer)];
        for end in [&pair.a, &pair.b] {
            end.peer.allow_direct();
        }
        pair.improve(a_offers).await;
        pair.wait(Duration::from_millis(500)).await;
        for task in speaking {
            task.abort();
        }
        for end in [&mut pair.a, &mut pair.b] {
            let path = end.paths.last().expect("a path is told");
            assert!(!path.is_relayed(), "{path:?}");
            let (count, missing) = heard(end);
            assert!(count > 20, "{count} packets");
            assert_eq!(missing, 0);
        }
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_comes_costs_nothing() {
    let mut pair = Pair::connected().await;
    let speaking = [speak(&pair.a.peer), speak(&pair.b.peer)];
    let offer = pair.a.peer.create_offer(Some(Restart::Improve)).await;
    pair.b.peer.apply_remote(offer.unwrap()).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.wait(Duration::from_millis(500)).await;
    for end in [&mut pair.a, &mut pair.b] {
        let (count, missing) = heard(end);
        assert!(count > 15 && missing == 0, "{count}, {missing} missing");
    }
    // It does come, much later than one would wait for it.
    pair.a.peer.apply_remote(answer).await.unwrap();
    pair.until("both are connected again", |pair| {
        [&pair.a, &pair.b].map(|end| end.count(&PeerEvent::Connected)) == [2, 2]
    })
    .await;
    for task in speaking {
        task.abort();
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_was_answered_may_be_followed_by_another_of_either_side() {
    for a_follows in [true, false] {
        let mut pair = Pair::connected().await;
        let offer = pair.a.peer.create_offer(Some(Restart::Improve)).await;
        pair.b.peer.apply_remote(offer.unwrap()).await.unwrap();
        let answer = pair.b.peer.create_answer().await.unwrap();
        if a_follows {
            // As when its network has changed: the answer that is under way counts no more.
            pair.a.peer.rollback().await.unwrap();
            pair.negotiate(Some(Restart::Rebind)).await;
        } else {
            pair.a.peer.apply_remote(answer).await.unwrap();
            let offer = pair.b.peer.create_offer(Some(Restart::Keep)).await.unwrap();
            pair.a.peer.apply_remote(offer).await.unwrap();
            let answer = pair.a.peer.create_answer().await.unwrap();
            pair.b.peer.apply_remote(answer).await.unwrap();
        }
        pair.wait(Duration::from_millis(300)).await;
        pair.b.peer.send_message("still there".into()).unwrap();
        pair.until("a message", |pair| pair.a.messages() == ["still there"])
            .await;
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_path_is_not_kept_for_an_answer() {
    let mut pair = Pair::connected().await;
    let offer = pair.a.peer.create_offer(Some(Restart::Improve)).await;
    assert!(sdp::says(offer.as_ref().unwrap(), sdp::PATH_WORKS));
    let mut offer = offer.unwrap();
    // What a partner says that does not know of this.
    offer.sdp = offer.sdp.replace(sdp::PATH_WORKS, "a=x");
    pair.b.peer.apply_remote(offer).await.unwrap();
    pair.b.peer.create_answer().await.unwrap();
    pair.b
        .peer
        .send_message("out of reach".into())
        .expect("it waits");
    pair.wait(Duration::from_millis(500)).await;
    assert_eq!(pair.a.messages(), Vec::<String>::new());
    pair.close().await;
}
