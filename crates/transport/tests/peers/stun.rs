//! STUN servers: good ones, silent ones and ones that we cannot use.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;

use protocol::IceServer;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use transport::{PeerConfig, PeerEvent};

use crate::support::{End, PATIENCE, Pair, loopback};

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// What the server says it sees, whoever asks. Reserved for documentation, so nobody is there.
const SEEN: &str = "192.0.2.7:4242";

/// A STUN server (RFC 8489) that answers Binding requests, and its address.
async fn server() -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((len, client)) = socket.recv_from(&mut buffer).await {
            let request = &buffer[..len];
            if len >= 20 && request[..2] == BINDING_REQUEST && request[4..8] == MAGIC_COOKIE {
                socket
                    .send_to(&answer(&request[8..20], SEEN.parse().unwrap()), client)
                    .await
                    .unwrap();
            }
        }
    });
    (address, task)
}

fn answer(transaction: &[u8], seen: SocketAddrV4) -> Vec<u8> {
    let port = seen.port() ^ 0x2112;
    let ip: Vec<u8> = seen
        .ip()
        .octets()
        .iter()
        .zip(MAGIC_COOKIE)
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    let attribute = [
        &XOR_MAPPED_ADDRESS[..],
        &[0, 8, 0, 1],
        &port.to_be_bytes(),
        &ip,
    ]
    .concat();
    [
        &BINDING_SUCCESS[..],
        &[0, attribute.len() as u8],
        &MAGIC_COOKIE,
        transaction,
        &attribute,
    ]
    .concat()
}

fn servers(urls: &[String]) -> Vec<IceServer> {
    urls.iter()
        .map(|url| IceServer {
            urls: vec![url.clone()],
            username: None,
            credential: None,
        })
        .collect()
}

/// The local candidates up to the last.
async fn gathered(end: &mut End) -> Vec<String> {
    let mut candidates = Vec::new();
    let all = async {
        while let Some(event) = end.events.recv().await {
            match event {
                PeerEvent::LocalCandidate(Some(candidate)) => candidates.push(candidate.candidate),
                PeerEvent::LocalCandidate(None) => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("gathering ends");
    candidates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stun_server_sees_becomes_a_candidate() {
    let (address, task) = server().await;
    let mut end = End::open(PeerConfig {
        ice_servers: servers(&[format!("stun:{address}")]),
        ..loopback(true)
    })
    .await;
    end.peer.create_offer(None).await.unwrap();
    let candidates = gathered(&mut end).await;
    let is_seen = |text: &String| text.contains(" 192.0.2.7 4242 ") && text.contains("typ srflx");
    assert!(candidates.iter().any(is_seen), "{candidates:?}");
    assert!(
        candidates.iter().any(|text| text.contains("typ host")),
        "{candidates:?}"
    );
    end.peer.close().await;
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_relay_only_no_address_of_ours_is_told() {
    let (address, task) = server().await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut ice_servers = servers(&[
        format!("stun:{address}"),
        format!("turn:{}", silent.local_addr().unwrap()),
    ]);
    ice_servers[1].username = Some("7:me".into());
    ice_servers[1].credential = Some("secret".into());
    let config = PeerConfig {
        ice_servers,
        relay_only: true,
        ..loopback(true)
    };
    let mut end = End::open(config).await;
    let offer = end.peer.create_offer(None).await.unwrap();
    assert!(!offer.sdp.contains("a=candidate"), "{}", offer.sdp);
    assert!(!offer.sdp.contains("127.0.0.1"), "{}", offer.sdp);
    // Ten times as long as the other test needs to gather.
    let candidate = tokio::time::timeout(Duration::from_millis(500), async {
        loop {
            if let Some(PeerEvent::LocalCandidate(Some(candidate))) = end.events.recv().await {
                return candidate.candidate;
            }
        }
    });
    candidate.await.expect_err("no address is told");
    end.peer.close().await;
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_works_with_a_good_a_silent_and_some_useless_servers() {
    let (address, task) = server().await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let ice_servers = servers(&[
        "stuns:127.0.0.1:1".into(),
        "nonsense".into(),
        "turn:127.0.0.1:1?transport=tcp".into(),
        format!("stun:{}", silent.local_addr().unwrap()),
        format!("stun:{address}"),
    ]);
    let config = |is_offerer| PeerConfig {
        ice_servers: ice_servers.clone(),
        ..loopback(is_offerer)
    };
    let mut pair = Pair::open(config(true), config(false)).await;
    pair.negotiate(None).await;
    pair.until("both are connected", Pair::is_connected).await;
    pair.close().await;
    task.abort();
}
