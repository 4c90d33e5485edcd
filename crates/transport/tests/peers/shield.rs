//! Calls that show the partner no address of ours, and the change to a direct path and back.

use std::time::Duration;

use protocol::Candidate;
use tokio::net::UdpSocket;
use transport::{CandidateKind, PeerConfig, PeerEvent, Restart};

use crate::coturn::{Coturn, with_login};
use crate::support::{Pair, distant, drain, in_order, loopback, speak};
use crate::turn::LOOPBACK;

fn config(server: &Coturn, relay_only: bool, is_offerer: bool) -> PeerConfig {
    PeerConfig {
        ice_servers: with_login(&[server.udp_url()]),
        relay_only,
        ..loopback(is_offerer)
    }
}

/// A candidate that is a socket of the test's own, to see what is sent there.
fn candidate(socket: &UdpSocket) -> Candidate {
    let address = socket.local_addr().unwrap();
    Candidate {
        candidate: format!(
            "candidate:1 1 udp 2130706431 {} {} typ host",
            address.ip(),
            address.port()
        ),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shielded_peer_sends_nothing_to_the_partners_addresses() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let mut pair = Pair::open(config(&server, false, true), config(&server, true, false)).await;
    let partner = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    pair.negotiate(None).await;
    pair.b
        .peer
        .add_candidate(Some(candidate(&partner)))
        .await
        .unwrap();
    // Nor does it connect to a stream that the partner offers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut stream = candidate(&partner);
    stream.candidate = format!(
        "candidate:1 1 tcp 2105458943 127.0.0.1 {} typ host tcptype passive",
        listener.local_addr().unwrap().port()
    );
    pair.b.peer.add_candidate(Some(stream)).await.unwrap();
    pair.until("both are connected", Pair::is_connected).await;
    pair.b.peer.send_message("from nowhere".into()).unwrap();
    pair.until("a message", |pair| pair.a.messages() == ["from nowhere"])
        .await;
    pair.wait(Duration::from_millis(500)).await;
    let relay = pair.b.told.first().expect("a relay was told").clone();
    assert!(relay.contains(" typ relay "), "{relay}");
    let mut buffer = [0; 1500];
    while let Ok((_, from)) = partner.try_recv_from(&mut buffer) {
        let is_relay = relay.contains(&format!(" {} {} typ", from.ip(), from.port()));
        assert!(is_relay, "it has shown itself");
    }
    let connection = tokio::time::timeout(Duration::from_millis(10), listener.accept());
    assert!(connection.await.is_err(), "it has connected");
    let path = pair.a.paths.last().expect("a path is told");
    assert_ne!(path.remote, CandidateKind::Host, "{path:?}");

    // And now it may: the same socket gets something, so that the silence above meant something. It is told of before
    // the answer, because nothing is tried any more once another pair has been selected.
    pair.b.peer.allow_direct();
    let offer = pair.a.peer.create_offer(Some(Restart::Keep)).await.unwrap();
    pair.b.peer.apply_remote(offer).await.unwrap();
    pair.b
        .peer
        .add_candidate(Some(candidate(&partner)))
        .await
        .unwrap();
    let answer = pair.b.peer.create_answer().await.unwrap();
    pair.a.peer.apply_remote(answer).await.unwrap();
    pair.until("a check of its own", |_| {
        let arrived = partner.try_recv_from(&mut buffer);
        arrived.is_ok_and(|(_, from)| !relay.contains(&format!(" {} typ", from.port())))
    })
    .await;
    pair.close().await;
}

/// Both have a relay, and how long they take to connect.
async fn connect(server: &Coturn, is_shielded: bool) -> (Pair, Duration) {
    let started_at = std::time::Instant::now();
    let (a, b) = (
        config(server, false, true),
        config(server, is_shielded, false),
    );
    let mut pair = Pair::open(a, b).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    (pair, started_at.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_path_is_preferred_to_a_relay_and_a_relay_not_waited_with_where_there_is_none() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    for (is_shielded, limit) in [(false, 250), (true, 400)] {
        let (pair, elapsed) = connect(&server, is_shielded).await;
        println!("shielded: {is_shielded}, connected after {elapsed:?}");
        assert!(elapsed < Duration::from_millis(limit), "{elapsed:?}");
        let path = pair.a.paths.last().expect("a path is told");
        assert_eq!(path.is_relayed(), is_shielded, "{path:?}");
        pair.close().await;
    }
}

/// The longest time without a packet at either end since the last call, and how many are missing.
fn longest_gap(pair: &mut Pair) -> (Duration, usize) {
    let (mut gap, mut missing) = (Duration::ZERO, 0);
    for packets in [&mut pair.a.audio, &mut pair.b.audio] {
        let packets = drain(packets);
        assert!(packets.len() > 50, "{} packets", packets.len());
        for two in packets.windows(2) {
            gap = gap.max(
                two[1]
                    .arrived_at
                    .saturating_duration_since(two[0].arrived_at),
            );
        }
        missing += in_order(packets).1;
    }
    (gap, missing)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_direct_breaks_nothing() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let mut pair = Pair::open(config(&server, true, true), config(&server, true, false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    let speaking = [speak(&pair.a.peer), speak(&pair.b.peer)];
    for end in [&pair.a, &pair.b] {
        end.peer.allow_direct();
    }
    // Onto the direct path, and from that to itself.
    for round in 0..2 {
        pair.wait(Duration::from_millis(700)).await;
        pair.negotiate(Some(Restart::Keep)).await;
        pair.until("both are connected again", |pair| {
            let is_back = |count| count == round + 2;
            is_back(pair.a.count(&PeerEvent::Connected))
                && is_back(pair.b.count(&PeerEvent::Connected))
        })
        .await;
        pair.wait(Duration::from_millis(700)).await;
        for end in [&pair.a, &pair.b] {
            let path = end.paths.last().expect("a path is told");
            assert!(!path.is_relayed(), "{path:?}");
        }
        let (gap, missing) = longest_gap(&mut pair);
        println!("restart {round}: longest gap {gap:?}, {missing} packets missing");
        assert!(gap < Duration::from_millis(200), "{gap:?}");
        assert_eq!(missing, 0);
    }
    for task in speaking {
        task.abort();
    }
    assert_eq!(pair.a.count(&PeerEvent::Disconnected), 0);
    pair.close().await;
}

/// The search for another path takes two round trips and a bit, in which the sound waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_a_long_path_loses_nothing() {
    let config = |is_offerer| distant(is_offerer, 0, 0.0, Duration::from_millis(25));
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    let speaking = [speak(&pair.a.peer), speak(&pair.b.peer)];
    pair.wait(Duration::from_millis(700)).await;
    pair.negotiate(Some(Restart::Keep)).await;
    pair.wait(Duration::from_secs(1)).await;
    for task in speaking {
        task.abort();
    }
    assert_eq!(pair.a.count(&PeerEvent::Connected), 2);
    let (gap, missing) = longest_gap(&mut pair);
    println!("round trip 50 ms: longest gap {gap:?}, {missing} packets missing");
    assert!(gap < Duration::from_millis(300), "{gap:?}");
    assert_eq!(missing, 0);
    pair.close().await;
}
