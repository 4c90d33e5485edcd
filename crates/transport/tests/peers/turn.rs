//! Calls through a relay alone, with coturn as the relay, over each way to it; and relays that misbehave.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use media::video::Pictures;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::{
    CandidateKind, CertificateDer, PairState, PathProtocol, PeerConfig, PeerEvent, Restart,
};

use crate::coturn::{Coturn, with_login};
use crate::support::{End, Pair, drain, frame, in_order, loopback};

/// Both partners are on loopback, and so are their relays.
pub(crate) const LOOPBACK: &[&str] = &["--allow-loopback-peers"];

fn relay_only(
    urls: &[String],
    root: Option<&CertificateDer<'static>>,
    is_offerer: bool,
) -> PeerConfig {
    PeerConfig {
        ice_servers: with_login(urls),
        extra_roots: root.cloned().into_iter().collect(),
        relay_only: true,
        ..loopback(is_offerer)
    }
}

/// How long a relay is waited for that says nothing (`runtime/tunnel/link.rs`; over UDP the stack waits longer). Whoever
/// connects sooner has not waited for it; on an idle machine it takes a tenth of this.
const SILENT_RELAY_LIMIT: Duration = Duration::from_secs(5);

/// Calls through these relays alone, and returns the time to connect.
async fn call(urls: &[String], root: &CertificateDer<'static>, protocol: PathProtocol) -> Duration {
    let started_at = Instant::now();
    let config = |is_offerer| relay_only(urls, Some(root), is_offerer);
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    let elapsed = started_at.elapsed();
    pair.a
        .peer
        .send_message("through the relay".into())
        .unwrap();
    pair.until("a message", |pair| {
        pair.b.messages() == ["through the relay"]
    })
    .await;
    let stats = pair.a.peer.stats().await;
    let selected: Vec<_> = stats.pairs.iter().filter(|pair| pair.is_selected).collect();
    assert!(
        matches!(selected[..], [pair] if pair.local == CandidateKind::Relay && pair.remote == CandidateKind::Relay && pair.state == PairState::Succeeded),
        "{:?}",
        stats.pairs
    );
    let path = stats.path.expect("there is a path");
    assert_eq!(
        (path.local, path.remote, path.protocol, path.is_ipv6),
        (CandidateKind::Relay, CandidateKind::Relay, protocol, false)
    );
    assert!(path.is_relayed() && path.round_trip.is_some());
    pair.close().await;
    println!("{urls:?}: connected after {elapsed:?}");
    elapsed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_through_a_relay_alone() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    call(
        &[server.udp_url()],
        &server.certificate(),
        PathProtocol::Udp,
    )
    .await;
}

/// A whole keyframe at once, from the first moment on, both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_first_packets_arrive_through_a_relay_too() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let config = |is_offerer| relay_only(&[server.udp_url()], None, is_offerer);
    for number in 0..5 {
        let mut pair = Pair::open(config(true), config(false)).await;
        pair.negotiate(None).await;
        pair.send_once_connected(|peer| {
            peer.send_video(Pictures::Camera, frame(1, 30_000)).unwrap();
        })
        .await;
        pair.wait(Duration::from_millis(300)).await;
        let sent = [&pair.b, &pair.a].map(|end| end.peer.clone());
        for (end, from) in [&mut pair.a, &mut pair.b].into_iter().zip(sent) {
            let (arrived, missing) = in_order(drain(&mut end.video));
            let sent = from.stats().await.video.packets_sent;
            // The stack may lose the one that goes ahead of the frame, and that is what it is for.
            let of_the_frame = arrived
                .iter()
                .filter(|packet| !packet.payload.is_empty())
                .count();
            assert_eq!(
                (of_the_frame as u64, missing),
                (sent - 1, 0),
                "call {number}"
            );
        }
        pair.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_through_a_relay_behind_tcp() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    call(
        &[server.tcp_url()],
        &server.certificate(),
        PathProtocol::Tcp,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_through_a_relay_behind_tls() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    call(
        &[server.tls_url()],
        &server.certificate(),
        PathProtocol::Tls,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_udp_blocked_a_relay_behind_tcp_is_found_before_udp_is_given_up() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let blocked = format!("turn:{}", silent.local_addr().unwrap());
    let urls = [blocked, server.tcp_url(), server.tls_url()];
    let elapsed = call(&urls, &server.certificate(), PathProtocol::Tcp).await;
    assert!(elapsed < SILENT_RELAY_LIMIT, "{elapsed:?}");
}

/// A listener that does something with each connection, and counts them.
fn misbehaving<F, T>(behave: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(tokio::net::TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(behave(stream));
        }
    });
    (address, count)
}

async fn silence(stream: tokio::net::TcpStream) {
    tokio::time::sleep(Duration::from_mins(1)).await;
    drop(stream);
}

/// What is gathered in this time, and how.
async fn candidates_within(end: &mut End, time: Duration) -> Vec<String> {
    end.peer.create_offer(None).await.unwrap();
    let mut candidates = Vec::new();
    let all = async {
        while let Some(event) = end.events.recv().await {
            if let PeerEvent::LocalCandidate(Some(candidate)) = event {
                candidates.push(candidate.candidate);
            }
        }
    };
    drop(tokio::time::timeout(time, all).await);
    candidates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_udp_works_no_stream_is_opened() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let (silent, count) = misbehaving(silence);
    let urls = [format!("turn:{silent}?transport=tcp"), server.udp_url()];
    call(&urls, &server.certificate(), PathProtocol::Udp).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_relay_does_not_keep_another_from_being_used() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let (silent, count) = misbehaving(silence);
    let urls = [format!("turn:{silent}?transport=tcp"), server.tls_url()];
    let elapsed = call(&urls, &server.certificate(), PathProtocol::Tls).await;
    assert!(elapsed < SILENT_RELAY_LIMIT, "{elapsed:?}");
    assert_eq!(count.load(Ordering::Relaxed), 2, "one of each peer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_talks_garbage_is_hung_up_on_and_tried_again_with_pauses() {
    let (address, count) = misbehaving(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        // It is closed on the other side.
        let mut sink = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut sink));
        drop(read.await.expect("it hangs up"));
    });
    let urls = [format!("turn:{address}?transport=tcp")];
    let mut end = End::open(relay_only(&urls, None, true)).await;
    let candidates = candidates_within(&mut end, Duration::from_millis(2500)).await;
    assert_eq!(candidates, [""; 0]);
    let count = count.load(Ordering::Relaxed);
    assert!((2..=4).contains(&count), "{count} connections");
    end.peer.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_with_the_wrong_name_or_an_unknown_root_is_not_used() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let wrong_name = server.tls_url().replace("localhost", "127.0.0.1");
    for (url, root) in [
        (wrong_name, Some(&server.certificate())),
        (server.tls_url(), None),
    ] {
        let mut end = End::open(relay_only(&[url], root, true)).await;
        let candidates = candidates_within(&mut end, Duration::from_millis(800)).await;
        assert_eq!(candidates, [""; 0]);
        end.peer.close().await;
    }
}

/// Passes a stream on until it is told to cut it.
async fn pass_on(mut stream: tokio::net::TcpStream, to: u16, cut: Arc<tokio::sync::Notify>) {
    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", to))
        .await
        .unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut server) => {}
        () = cut.notified() => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_stream_breaks_comes_back_with_a_restart() {
    let Some(server) = Coturn::start(LOOPBACK).await else {
        return;
    };
    let cut = Arc::new(tokio::sync::Notify::new());
    let (port, cutter) = (server.address().port(), Arc::clone(&cut));
    let (address, count) = misbehaving(move |stream| pass_on(stream, port, Arc::clone(&cutter)));
    let a = relay_only(&[format!("turn:{address}?transport=tcp")], None, true);
    let b = relay_only(&[server.udp_url()], None, false);
    let mut pair = Pair::open(a, b).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;

    cut.notify_waiters();
    pair.until("the silence is noticed", |pair| {
        pair.a.has_seen(&PeerEvent::Disconnected)
    })
    .await;
    pair.negotiate(Some(Restart::Rebind)).await;
    pair.until("it is back", |pair| {
        pair.a.count(&PeerEvent::Connected) == 2
    })
    .await;
    assert_eq!(count.load(Ordering::Relaxed), 2);
    pair.close().await;
}

/// The server grants a user one allocation more than the two ends need: coturn takes a moment to let go of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_asked_anew_gets_the_old_allocation_back_first() {
    for url in [Coturn::udp_url, Coturn::tcp_url] {
        let Some(server) = Coturn::start(&[LOOPBACK, &["--user-quota", "3"]].concat()).await else {
            return;
        };
        let url = url(&server);
        let config = |is_offerer| relay_only(std::slice::from_ref(&url), None, is_offerer);
        let mut pair = Pair::open(config(true), config(false)).await;
        pair.negotiate(None).await;
        pair.until("both are connected", Pair::is_connected).await;
        for count in 2..5 {
            pair.negotiate(Some(Restart::Rebind)).await;
            pair.until("both are connected again", |pair| {
                let is_back = |end: &End| end.count(&PeerEvent::Connected) == count;
                is_back(&pair.a) && is_back(&pair.b)
            })
            .await;
            pair.wait(Duration::from_millis(2500)).await;
        }
        pair.close().await;
    }
}
