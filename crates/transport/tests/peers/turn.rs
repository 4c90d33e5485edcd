//! Calls through a relay alone, with coturn as the relay, over each way to it; and relays that misbehave.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use protocol::IceServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::{
    CandidateKind, CertificateDer, PairState, PathProtocol, PeerConfig, PeerEvent, Restart,
};

use crate::support::{End, Pair, drain, frame, in_order, loopback};

/// A TURN server on loopback that ends with the test.
pub(crate) struct TurnServer {
    child: Child,
    port: u16,
    tls_port: u16,
    /// Vouches for the name `localhost` of this server.
    pub(crate) root: CertificateDer<'static>,
    _files: TemporaryFiles,
}

/// Removes what it names.
struct TemporaryFiles(Vec<std::path::PathBuf>);

impl Drop for TemporaryFiles {
    fn drop(&mut self) {
        for file in &self.0 {
            drop(std::fs::remove_file(file));
        }
    }
}

impl TurnServer {
    /// `None` where coturn is not installed, unless `PASSERBY_LAB=on` says that it must be.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// With further arguments for coturn.
    async fn start_with(arguments: &[&str]) -> Option<Self> {
        // Another program may have been faster to take its port.
        for _ in 0..5 {
            let server = Self::try_start(arguments)?;
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("coturn does not come up");
    }

    /// Waits until it answers over UDP and listens on TCP.
    async fn is_up(&self) -> bool {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(("127.0.0.1", self.port)).await.unwrap();
        let mut request = [0; 20];
        request[1] = 1;
        request[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        for _ in 0..60 {
            // A refusal comes at once.
            drop(socket.send(&request).await);
            let mut answer = [0; 99];
            let answer = tokio::time::timeout(Duration::from_millis(50), socket.recv(&mut answer));
            let is_taken = |port| TcpListener::bind(("127.0.0.1", port)).is_err();
            match answer.await {
                Ok(Ok(_)) if is_taken(self.port) && is_taken(self.tls_port) => return true,
                Err(_) => {}
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        false
    }

    fn try_start(arguments: &[&str]) -> Option<Self> {
        // Free a moment ago is the best that can be had: coturn takes no port 0.
        let free_port = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.local_addr().unwrap().port()
        };
        let (port, tls_port) = (free_port(), free_port());
        let identity = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let write = |suffix: &str, content: String| {
            let name = format!("passerby-{}-{port}.{suffix}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let certificate = write("crt", identity.cert.pem());
        let key = write("key", identity.signing_key.serialize_pem());
        let spawned = Command::new("turnserver")
            .args(["-n", "--no-cli", "--no-dtls", "--log-file", "stdout"])
            .args(["--lt-cred-mech", "--user", "me:secret", "--realm", "test"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--allow-loopback-peers", "--pidfile", "/dev/null"])
            .args(["--listening-port", &port.to_string()])
            .args(["--tls-listening-port", &tls_port.to_string()])
            .arg("--cert")
            .arg(&certificate)
            .arg("--pkey")
            .arg(&key)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let is_demanded = std::env::var("PASSERBY_LAB").is_ok_and(|value| value == "on");
                assert!(!is_demanded, "coturn cannot be started: {error}");
                eprintln!("left out: coturn cannot be started: {error}");
                return None;
            }
        };
        Some(Self {
            child,
            port,
            tls_port,
            root: identity.cert.der().clone(),
            _files: TemporaryFiles(vec![certificate, key]),
        })
    }

    pub(crate) fn udp(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=udp", self.port)
    }

    fn tcp(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=tcp", self.port)
    }

    fn tls(&self) -> String {
        format!("turns:localhost:{}?transport=tcp", self.tls_port)
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn relays(urls: &[String]) -> Vec<IceServer> {
    vec![IceServer {
        urls: urls.to_vec(),
        username: Some("me".into()),
        credential: Some("secret".into()),
    }]
}

fn relay_only(
    urls: &[String],
    root: Option<&CertificateDer<'static>>,
    is_offerer: bool,
) -> PeerConfig {
    PeerConfig {
        ice_servers: relays(urls),
        extra_roots: root.cloned().into_iter().collect(),
        relay_only: true,
        ..loopback(is_offerer)
    }
}

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
    let Some(server) = TurnServer::start().await else {
        return;
    };
    call(&[server.udp()], &server.root, PathProtocol::Udp).await;
}

/// A whole keyframe at once, from the first moment on, both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_first_packets_arrive_through_a_relay_too() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let config = |is_offerer| relay_only(&[server.udp()], None, is_offerer);
    for number in 0..5 {
        let mut pair = Pair::open(config(true), config(false)).await;
        pair.negotiate(None).await;
        let mut has_sent = [false; 2];
        while has_sent != [true; 2] {
            pair.step(Duration::from_micros(500)).await;
            for (end, has_sent) in [&pair.a, &pair.b].into_iter().zip(&mut has_sent) {
                if !*has_sent && end.has_seen(&PeerEvent::Connected) {
                    end.peer.send_video(frame(1, 30_000)).unwrap();
                    *has_sent = true;
                }
            }
        }
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
    let Some(server) = TurnServer::start().await else {
        return;
    };
    call(&[server.tcp()], &server.root, PathProtocol::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_through_a_relay_behind_tls() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    call(&[server.tls()], &server.root, PathProtocol::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_udp_blocked_a_relay_behind_tcp_is_found_in_under_a_second() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let blocked = format!("turn:{}", silent.local_addr().unwrap());
    let urls = [blocked, server.tcp(), server.tls()];
    let elapsed = call(&urls, &server.root, PathProtocol::Tcp).await;
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
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
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let (silent, count) = misbehaving(silence);
    let urls = [format!("turn:{silent}?transport=tcp"), server.udp()];
    call(&urls, &server.root, PathProtocol::Udp).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_relay_does_not_keep_another_from_being_used() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let (silent, count) = misbehaving(silence);
    let urls = [format!("turn:{silent}?transport=tcp"), server.tls()];
    let elapsed = call(&urls, &server.root, PathProtocol::Tls).await;
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
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
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let wrong_name = server.tls().replace("localhost", "127.0.0.1");
    for (url, root) in [(wrong_name, Some(&server.root)), (server.tls(), None)] {
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
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let cut = Arc::new(tokio::sync::Notify::new());
    let (port, cutter) = (server.port, Arc::clone(&cut));
    let (address, count) = misbehaving(move |stream| pass_on(stream, port, Arc::clone(&cutter)));
    let a = relay_only(&[format!("turn:{address}?transport=tcp")], None, true);
    let b = relay_only(&[server.udp()], None, false);
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
    for url in [TurnServer::udp, TurnServer::tcp] {
        let Some(server) = TurnServer::start_with(&["--user-quota", "3"]).await else {
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
