//! A call through a relay alone, with coturn as the relay.

use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use protocol::IceServer;
use transport::{CandidateKind, PeerConfig};

use crate::support::{Pair, loopback};

/// A TURN server on loopback that ends with the test.
struct TurnServer {
    child: Child,
    url: String,
}

impl TurnServer {
    /// `None` where coturn is not installed, unless `PASSERBY_LAB=on` says that it must be.
    async fn start() -> Option<Self> {
        // Free a moment ago is the best that can be had: coturn takes no port 0.
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let spawned = Command::new("turnserver")
            .args([
                "-n",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                "--log-file",
                "stdout",
            ])
            .args(["--lt-cred-mech", "--user", "me:secret", "--realm", "test"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--allow-loopback-peers", "--pidfile", "/dev/null"])
            .args(["--listening-port", &port.to_string()])
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
        let server = Self {
            child,
            url: format!("turn:127.0.0.1:{port}?transport=udp"),
        };
        for _ in 0..100 {
            // It listens on TCP too, which is how to see that it is up.
            if TcpListener::bind(("127.0.0.1", port)).is_err() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("coturn does not come up");
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_through_a_relay_alone() {
    let Some(server) = TurnServer::start().await else {
        return;
    };
    let config = |is_offerer| PeerConfig {
        ice_servers: vec![IceServer {
            urls: vec![server.url.clone()],
            username: Some("me".into()),
            credential: Some("secret".into()),
        }],
        relay_only: true,
        ..loopback(is_offerer)
    };
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(false).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.a
        .peer
        .send_message("through the relay".into())
        .unwrap();
    pair.until("a message", |pair| {
        pair.b.messages() == ["through the relay"]
    })
    .await;
    let path = pair.a.peer.stats().await.path.expect("there is a path");
    assert_eq!(
        (path.local, path.remote),
        (CandidateKind::Relay, CandidateKind::Relay)
    );
    pair.close().await;
}
