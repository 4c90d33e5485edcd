//! Connections that are made ready before anybody knows whom they are for.

use std::time::Duration;

use protocol::Candidate;
use transport::{Peer, PeerConfig, PeerEvent, Restart};

use crate::support::{End, PATIENCE, Pair, loopback};

/// A peer that has gathered ahead, and its candidates.
async fn ready(config: PeerConfig) -> (End, Vec<Candidate>) {
    let opened = Peer::open_without_role(config).await.expect("opens");
    let mut end = End::new(opened);
    end.peer.gather_ahead().await.expect("gathers");
    let mut candidates = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, end.events.recv()).await;
        match event.expect("gathering ends").expect("it lives") {
            PeerEvent::LocalCandidate(Some(candidate)) => candidates.push(candidate),
            PeerEvent::LocalCandidate(None) => return (end, candidates),
            _ => {}
        }
    }
}

fn fragment(sdp: &str) -> String {
    let line = sdp
        .lines()
        .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    line.expect("there is one").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_was_told_ahead_is_answered_before_the_offerer_knows_of_it() {
    let (a, candidates) = ready(loopback(true)).await;
    let told = a.peer.offer_ahead().await.expect("is there");
    let (b, _) = ready(loopback(false)).await;
    b.peer.offer_ahead().await.expect("is there too");
    for candidate in &candidates {
        let line = format!("a={}\r\n", candidate.candidate);
        assert_eq!(told.sdp.matches(&line).count(), 1, "once: {line}");
    }
    assert_eq!(told.sdp.matches("a=candidate:").count(), candidates.len());
    assert!(told.sdp.contains("a=end-of-candidates"));
    assert!(told.sdp.contains("m=application"), "with the channel");
    println!("{} bytes", told.sdp.len());
    assert!(protocol::may_be_told_ahead(&told));

    let mut pair = Pair { a, b };
    // No candidate is told by itself, in either direction.
    pair.b.peer.take_role(false).await.expect("takes a role");
    pair.b.peer.apply_remote(told.clone()).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.take_role(true).await.expect("takes a role");
    let offer = pair.a.peer.create_offer(None).await.unwrap();
    assert_eq!(offer.sdp, told.sdp, "it is the same one");
    pair.a.peer.apply_remote(answer).await.unwrap();

    pair.until("both are connected", Pair::is_connected).await;
    pair.a.peer.send_message("to b".into()).unwrap();
    pair.b.peer.send_message("to a".into()).unwrap();
    pair.until("messages go both ways", |pair| {
        pair.a.messages() == ["to a"] && pair.b.messages() == ["to b"]
    })
    .await;
    // And the call can be negotiated anew from both sides.
    for restart in [Some(Restart::Keep), None] {
        pair.negotiate(restart).await;
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_ahead_is_told_the_same_way_again_and_only_before_the_role_is_played() {
    let opened = Peer::open_without_role(loopback(true))
        .await
        .expect("opens");
    let cold = End::new(opened);
    cold.peer.offer_ahead().await.expect_err("nothing is ready");
    cold.peer.close().await;

    for is_offerer in [false, true] {
        let (end, _) = ready(loopback(is_offerer)).await;
        let first = end.peer.offer_ahead().await.expect("is there");
        let second = end.peer.offer_ahead().await.expect("is there");
        assert_eq!(first, second);
        end.peer.take_role(is_offerer).await.expect("takes a role");
        if is_offerer {
            end.peer.create_offer(None).await.expect("offers");
        }
        end.peer.offer_ahead().await.expect_err("it is past");
        end.peer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sections_of_a_ready_peers_offer_have_names_of_their_own() {
    let (a, _) = ready(loopback(true)).await;
    let b = End::open(loopback(false)).await;
    let pair = Pair { a, b };
    pair.a.peer.take_role(true).await.expect("takes a role");
    let offer = pair.a.peer.create_offer(None).await.unwrap();
    let mut names: Vec<String> = (offer.sdp.lines())
        .filter(|line| line.starts_with("a=mid:"))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    pair.b.peer.apply_remote(offer).await.unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.apply_remote(answer).await.unwrap();
    // Later ones have the names that were told.
    for from_a in [true, false] {
        let (from, to) = if from_a {
            (&pair.a.peer, &pair.b.peer)
        } else {
            (&pair.b.peer, &pair.a.peer)
        };
        let offer = from.create_offer(None).await.unwrap();
        for name in &names {
            assert!(offer.sdp.contains(name.as_str()), "{name}");
        }
        to.apply_remote(offer).await.unwrap();
        let answer = to.create_answer().await.unwrap();
        from.apply_remote(answer).await.unwrap();
    }
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_made_ready_takes_either_role() {
    for offerer_is_ready in [false, true] {
        for answerer_is_ready in [false, true] {
            let (a, _) = if offerer_is_ready {
                ready(loopback(true)).await
            } else {
                (End::open(loopback(true)).await, Vec::new())
            };
            let (b, _) = if answerer_is_ready {
                let (b, candidates) = ready(loopback(false)).await;
                // Told to nobody in the end.
                b.peer.offer_ahead().await.expect("is there");
                (b, candidates)
            } else {
                (End::open(loopback(false)).await, Vec::new())
            };
            let mut pair = Pair { a, b };
            pair.a.peer.take_role(true).await.expect("takes a role");
            pair.b.peer.take_role(false).await.expect("takes a role");
            pair.negotiate(None).await;
            pair.until("both are connected", Pair::is_connected).await;
            pair.a.peer.send_message("to b".into()).unwrap();
            pair.b.peer.send_message("to a".into()).unwrap();
            pair.until("messages go both ways", |pair| {
                pair.a.messages() == ["to a"] && pair.b.messages() == ["to b"]
            })
            .await;
            pair.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_gathered_ahead_belongs_to_the_description_that_follows() {
    let (offerer, candidates) = ready(loopback(true)).await;
    offerer.peer.take_role(true).await.expect("takes a role");
    let offer = offerer.peer.create_offer(None).await.expect("offers");
    assert!(!candidates.is_empty());

    let (answerer, more) = ready(loopback(false)).await;
    answerer.peer.take_role(false).await.expect("takes a role");
    let local = fragment(&offer.sdp);
    answerer.peer.apply_remote(offer).await.expect("is applied");
    let answer = answerer.peer.create_answer().await.expect("answers");
    for (candidates, fragment) in [(candidates, local), (more, fragment(&answer.sdp))] {
        for candidate in candidates {
            assert_eq!(candidate.username_fragment.as_ref(), Some(&fragment));
        }
    }
    offerer.peer.close().await;
    answerer.peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_nobody_needed_is_closed_like_any_other() {
    let (end, _) = ready(loopback(true)).await;
    tokio::time::timeout(Duration::from_secs(5), end.peer.close())
        .await
        .expect("closes");
}
