//! Clients that mean ill, while one that does not makes its call.

use std::time::{Duration, Instant};

use relay::{Config, stun::method};
use server::{RelaySettings, Running, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::client::{
    Certificate, Heard, PATIENCE, Peer, TurnClient, relay_settings, start, start_with, until,
};

/// A call that goes on whatever others do.
struct Bystander {
    client: TurnClient,
    peer: Peer,
    relayed: std::net::SocketAddr,
}

impl Bystander {
    async fn new(server: &Running) -> Self {
        let mut client = TurnClient::udp(server.relay_addr().unwrap(), 99).await;
        let relayed = client.allocate().await.unwrap();
        let peer = Peer::new("127.0.0.1").await;
        client.bind(0x4000, peer.addr()).await.unwrap();
        Self {
            client,
            peer,
            relayed,
        }
    }

    async fn goes_on(&mut self) {
        self.client.send_by_channel(0x4000, b"there").await;
        assert_eq!(self.peer.hears().await.0, b"there");
        self.peer.send(self.relayed, b"back").await;
        assert_eq!(
            self.client.hears().await,
            Heard::Channel(0x4000, b"back".to_vec())
        );
    }
}

fn limited(limits: Config) -> RelaySettings {
    RelaySettings {
        limits,
        ..relay_settings()
    }
}

#[tokio::test]
async fn peers_without_permission_are_not_heard() {
    let server = start(relay_settings()).await;
    let mut bystander = Bystander::new(&server).await;
    let mut client = TurnClient::udp(server.relay_addr().unwrap(), 1).await;
    let relayed = client.allocate().await.unwrap();
    let peer = Peer::new("127.0.0.1").await;
    peer.send(relayed, b"let me in").await;
    client.send(peer.addr(), b"x").await;

    assert!(client.hears_nothing().await);
    until(&server, |counters| counters.drops_unpermitted == 2).await;
    bystander.goes_on().await;
}

#[tokio::test]
async fn private_peers_are_refused() {
    let server = start(limited(Config::default())).await;
    let mut client = TurnClient::udp(server.relay_addr().unwrap(), 1).await;
    client.allocate().await.unwrap();
    for peer in [
        "10.0.0.1:80",
        "169.254.169.254:80",
        "192.168.1.1:80",
        "100.64.3.4:80",
    ] {
        let peer = peer.parse().unwrap();
        assert_eq!(client.permit(peer).await, Err(403), "{peer}");
        assert_eq!(client.bind(0x4000, peer).await, Err(403), "{peer}");
        client.send(peer, b"x").await;
    }
    let counters = until(&server, |counters| counters.drops_unpermitted == 4).await;
    assert_eq!(counters.denied_peers, 8);
    assert_eq!(counters.packets_to_peers, 0);
    // Its own address is permitted for its other clients; another program there is not reached.
    let own = Peer::new("127.0.0.1").await;
    client.permit(own.addr()).await.unwrap();
    client.send(own.addr(), b"x").await;
    until(&server, |counters| counters.drops_unpermitted == 5).await;
}

#[tokio::test]
async fn wrong_expired_and_stolen_credentials_get_nothing() {
    let server = start(relay_settings()).await;
    let addr = server.relay_addr().unwrap();
    let mut bystander = Bystander::new(&server).await;

    let mut wrong = TurnClient::udp(addr, 1).await;
    wrong.key[3] ^= 1;
    assert_eq!(wrong.allocate().await, Err(401));
    let mut expired = TurnClient::tcp(addr, 1).await;
    let secrets = relay_settings().secrets.unwrap();
    let (username, password) = secrets.mint(Duration::from_secs(1_000_000_000), Duration::ZERO, 1);
    expired.log_in(&username, &password);
    assert_eq!(expired.allocate().await, Err(401));
    // A nonce that was given to another.
    let mut one = TurnClient::udp(addr, 1).await;
    one.allocate().await.unwrap();
    let mut two = TurnClient::udp(addr, 1).await;
    two.nonce.clone_from(&one.nonce);
    let request = two.request(method::REFRESH, |request| request);
    two.write(&request).await;
    two.read().await.unwrap();

    let counters = until(&server, |counters| counters.stale_nonces == 5).await;
    assert_eq!(counters.wrong_credentials, 1);
    assert_eq!(counters.expired_credentials, 1);
    bystander.goes_on().await;
}

#[tokio::test]
async fn quotas_hold() {
    let server = start(limited(Config {
        max_per_user: 2,
        max_per_ip: 4,
        ..relay_settings().limits
    }))
    .await;
    let addr = server.relay_addr().unwrap();
    let mut clients = Vec::new();
    for (user, expected) in [
        (1, true),
        (1, true),
        (1, false),
        (2, true),
        (3, true),
        (4, false),
    ] {
        let mut client = TurnClient::udp(addr, user).await;
        let allocated = client.allocate().await;
        assert_eq!(allocated.is_ok(), expected, "{allocated:?}");
        assert!(expected || allocated == Err(486));
        clients.push(client);
    }
    let counters = until(&server, |counters| counters.quota_refusals == 2).await;
    assert_eq!(counters.allocations, 4);
}

#[tokio::test]
async fn garbage_by_udp_is_dropped() {
    let server = start(relay_settings()).await;
    let mut bystander = Bystander::new(&server).await;
    let mut client = TurnClient::udp(server.relay_addr().unwrap(), 1).await;
    let good = client.request(method::ALLOCATE, |request| request);
    let mut sent = 0;
    for len in 0..good.len() {
        client.write(&good[..len]).await;
        sent += 1;
    }
    for first in 0..=255_u8 {
        client.write(&[&[first][..], &good[1..]].concat()).await;
        client.write(&[first; 2000]).await;
    }
    client.write(&[0x40; 5000]).await;

    bystander.goes_on().await;
    let counters = until(&server, |counters| counters.drops_oversized == 1).await;
    assert!(counters.malformed > sent, "{counters:?}");
    assert_eq!(counters.allocations, 1);
}

#[tokio::test]
async fn garbage_by_tcp_closes_the_connection() {
    let server = start(relay_settings()).await;
    let mut bystander = Bystander::new(&server).await;
    for garbage in [
        &[0, 1, 0, 7, 0, 0][..],
        &[0, 1, 0xff, 0xfc, 1, 2, 3],
        &[1, 1, 0x40, 0, 1, 2, 3],
        b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl\x80\x80",
    ] {
        let mut stream = TcpStream::connect(server.relay_addr().unwrap())
            .await
            .unwrap();
        stream.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        // Closed or reset: what it has not read is thrown away.
        read.expect("the server closes").ok();
    }
    bystander.goes_on().await;
}

#[tokio::test]
async fn a_message_in_pieces_is_understood() {
    let server = start(relay_settings()).await;
    let mut client = TurnClient::tcp(server.relay_addr().unwrap(), 1).await;
    client
        .permit("127.0.0.1:9".parse().unwrap())
        .await
        .unwrap_err();
    let request = client.request(method::ALLOCATE, |request| {
        request.attribute(relay::stun::attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    });
    for byte in &request {
        client.write(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let reply = client.read().await.unwrap();
    let message = relay::stun::Message::parse(&reply).unwrap();
    assert_eq!(message.class, relay::stun::Class::Success);
}

#[tokio::test]
async fn a_flood_from_one_address_does_not_reach_a_call() {
    let server = start(limited(Config {
        allocation_packets: relay::Rate::of(1_000_000),
        ..relay_settings().limits
    }))
    .await;
    let mut bystander = Bystander::new(&server).await;
    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    flood.connect(server.relay_addr().unwrap()).await.unwrap();
    let mut request = Vec::new();
    relay::stun::Writer::new(
        &mut request,
        relay::stun::Class::Request,
        method::ALLOCATE,
        [1; 12],
    )
    .finish();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        for _ in 0..50 {
            // A full buffer loses it, which is the flood's affair.
            flood.try_send(&request).ok();
        }
        bystander.goes_on().await;
    }

    let seconds = started.elapsed().as_secs() + 1;
    let rate = Config::default().unproven_requests;
    let counters = until(&server, |counters| counters.rate_limited > 1000).await;
    let answered = counters.challenges + counters.stale_nonces;
    assert!(answered <= rate.burst + rate.per_second * seconds + 1);
    let mut answers = 0;
    while flood.try_recv(&mut [0; 2048]).is_ok() {
        answers += 1;
    }
    assert!(answers <= answered);
}

#[tokio::test]
async fn half_open_connections_are_bounded_and_end() {
    let certificate = Certificate::new();
    let settings = Settings {
        max_others_per_ip: 20,
        tls: Some(certificate.settings.clone().into()),
        ..Settings::default()
    };
    let server = start_with(relay_settings(), settings).await;
    let mut silent = Vec::new();
    for i in 0..20 {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        // Some say nothing, some begin with TLS, some with a message, some with a request.
        match i % 4 {
            0 => {}
            1 => stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap(),
            2 => stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap(),
            _ => stream.write_all(&[0, 1, 0, 0x40]).await.unwrap(),
        }
        silent.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    // One more is closed at once,
    let mut more = TcpStream::connect(server.addr()).await.unwrap();
    let started = Instant::now();
    let read = timeout(PATIENCE, more.read(&mut [0; 10])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    assert!(started.elapsed() < Duration::from_secs(5));
    // and the others after a while, the half message last.
    for (i, mut stream) in silent.into_iter().enumerate() {
        if i % 4 == 3 {
            continue;
        }
        let read = timeout(PATIENCE, stream.read(&mut [0; 10])).await;
        let read = read.expect("the server closes");
        assert!(matches!(read, Ok(0) | Err(_)), "{i}");
    }
    TurnClient::tcp(server.addr(), 1)
        .await
        .allocate()
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_the_oldest_media_and_keeps_nobody_waiting() {
    let server = start(limited(Config {
        allocation_bytes: relay::Rate::of(1_000_000_000),
        allocation_packets: relay::Rate::of(1_000_000),
        ..relay_settings().limits
    }))
    .await;
    let mut bystander = Bystander::new(&server).await;
    let mut client = TurnClient::tcp(server.relay_addr().unwrap(), 1).await;
    let relayed = client.allocate().await.unwrap();
    let peer = Peer::new("127.0.0.1").await;
    client.bind(0x4000, peer.addr()).await.unwrap();
    let started = Instant::now();
    let mut number = 0_u32;
    // Until the kernel's buffers and ours are full.
    loop {
        for _ in 0..20 {
            number += 1;
            peer.send(relayed, &[number.to_be_bytes(); 300].concat())
                .await;
        }
        bystander.goes_on().await;
        let counters = server.relay_counters().unwrap();
        if counters.drops_congested > 1000 {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{counters:?}");
    }
    // It reads again, and hears the newest.
    let last = number.to_be_bytes();
    let mut heard = 0;
    loop {
        let Heard::Channel(_, data) = client.hears().await else {
            panic!("by channel");
        };
        heard += 1;
        if data[..4] == last {
            break;
        }
    }
    assert!(heard < number);
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn allocations_that_come_and_go_leave_nothing_behind() {
    let server = start(limited(Config {
        unproven_requests: relay::Rate::of(1_000_000),
        max_per_ip: 1000,
        ..relay_settings().limits
    }))
    .await;
    let addr = server.relay_addr().unwrap();
    let mut before = 0;
    for round in 1..=6 {
        for user in 0..100 {
            let mut udp = TurnClient::udp(addr, user).await;
            udp.allocate().await.unwrap();
            assert_eq!(udp.refresh(0).await, Ok(0));
            let mut tcp = TurnClient::tcp(addr, user).await;
            tcp.allocate().await.unwrap();
        }
        // The last one may be answered a moment before it is counted.
        until(&server, |counters| {
            counters.allocations_opened == 200 * round && counters.allocations == 0
        })
        .await;
        if round == 2 {
            before = memory();
        }
    }
    let grown = memory().saturating_sub(before);
    // Other tests of this process run beside it.
    assert!(grown < 32 << 20, "{grown} bytes more");
}
