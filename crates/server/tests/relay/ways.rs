//! The ways of a packet: by UDP, TCP and TLS, to peers and to other clients, by IPv4 and IPv6.

use std::time::Duration;

use relay::stun::{Class, Message, Writer, attribute, method};
use server::{RelaySettings, Server, Settings};

use crate::client::{
    Certificate, Heard, Peer, TurnClient, relay_settings, start, start_with, until,
};

/// Everything that a call needs, there and back.
async fn works(client: &mut TurnClient) {
    let peer = Peer::new("127.0.0.1").await;
    let relayed = client.allocate().await.unwrap();
    client.permit(peer.addr()).await.unwrap();
    client.send(peer.addr(), b"by indication").await;
    assert_eq!(peer.hears().await, (b"by indication".to_vec(), relayed));
    peer.send(relayed, b"back").await;
    assert_eq!(
        client.hears().await,
        Heard::Data(peer.addr(), b"back".to_vec())
    );

    client.bind(0x4000, peer.addr()).await.unwrap();
    for len in [0, 1, 2, 3, 4, 1200, relay::MAX_PAYLOAD] {
        let data = vec![len as u8; len];
        client.send_by_channel(0x4000, &data).await;
        assert_eq!(peer.hears().await, (data.clone(), relayed));
        peer.send(relayed, &data).await;
        assert_eq!(client.hears().await, Heard::Channel(0x4000, data));
    }
    assert_eq!(client.refresh(600).await, Ok(600));
}

#[tokio::test]
async fn by_udp() {
    let server = start(relay_settings()).await;
    works(&mut TurnClient::udp(server.relay_addr().unwrap(), 1).await).await;
}

#[tokio::test]
async fn by_tcp_at_the_port_of_the_relay_and_at_that_of_signalling() {
    let server = start(relay_settings()).await;
    for addr in [server.relay_addr().unwrap(), server.addr()] {
        works(&mut TurnClient::tcp(addr, 1).await).await;
    }
}

#[tokio::test]
async fn by_tls_at_the_port_of_the_relay_and_at_that_of_signalling() {
    let certificate = Certificate::new();
    let tls = Some(certificate.settings.clone().into());
    let settings = Settings {
        tls,
        ..Settings::default()
    };
    let server = start_with(relay_settings(), settings).await;
    let mut tls_addr = server.addr();
    tls_addr.set_port(server.relay_tls_port().unwrap());
    for addr in [tls_addr, server.addr()] {
        for alpn in [&[][..], &[&b"stun.turn"[..]]] {
            let stream = certificate.connect(addr, alpn).await.unwrap();
            works(&mut TurnClient::over(stream, 1)).await;
        }
    }
}

#[tokio::test]
async fn everybody_is_told_his_address() {
    let server = start(relay_settings()).await;
    let addr = server.relay_addr().unwrap();
    let mut request = Vec::new();
    Writer::new(&mut request, Class::Request, method::BINDING, [1; 12]).finish();
    for mut client in [
        TurnClient::udp(addr, 1).await,
        TurnClient::tcp(addr, 1).await,
    ] {
        client.write(&request).await;
        let reply = client.read().await.unwrap();
        let message = Message::parse(&reply).unwrap();
        let mapped = message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap();
        assert!(message.xor_address(mapped).unwrap().ip().is_loopback());
    }
}

#[tokio::test]
async fn two_clients_reach_each_other_whatever_they_come_by() {
    let strict = RelaySettings {
        limits: relay::Config::default(),
        ..relay_settings()
    };
    // Even where private peers are refused: it is the relay's own address.
    let server = start(strict).await;
    let addr = server.relay_addr().unwrap();
    let mut one = TurnClient::udp(addr, 1).await;
    let mut two = TurnClient::tcp(addr, 2).await;
    let (one_relayed, two_relayed) = (one.allocate().await.unwrap(), two.allocate().await.unwrap());
    one.bind(0x4001, two_relayed).await.unwrap();
    two.permit(one_relayed).await.unwrap();

    one.send_by_channel(0x4001, b"hello").await;
    assert_eq!(
        two.hears().await,
        Heard::Data(one_relayed, b"hello".to_vec())
    );
    two.send(one_relayed, b"hello yourself").await;
    assert_eq!(
        one.hears().await,
        Heard::Channel(0x4001, b"hello yourself".to_vec())
    );
    let counters = until(&server, |counters| counters.packets_between_clients == 2).await;
    assert_eq!(counters.packets_to_clients, 2);
}

#[tokio::test]
async fn by_ipv6_and_from_one_family_to_the_other() {
    for listen in ["[::1]:0", "[::]:0"] {
        let settings = Settings {
            listen: vec![listen.parse().unwrap()],
            relay: Some(relay_settings()),
            ..Settings::default()
        };
        let server = Server::bind(settings).await.unwrap().start();
        let port = server.relay_addr().unwrap().port();
        let peer = Peer::new("::1").await;
        let mut client = TurnClient::udp(([0, 0, 0, 0, 0, 0, 0, 1], port).into(), 1).await;
        let relayed = client
            .allocate_with(|request| {
                request.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
            })
            .await
            .unwrap();
        client.bind(0x4000, peer.addr()).await.unwrap();
        client.send_by_channel(0x4000, b"hello").await;

        assert_eq!(peer.hears().await, (b"hello".to_vec(), relayed));
        peer.send(relayed, b"hi").await;
        assert_eq!(client.hears().await, Heard::Channel(0x4000, b"hi".to_vec()));
    }
    // A socket for both families knows IPv4 clients by their IPv4 addresses.
    let settings = Settings {
        listen: vec!["[::]:0".parse().unwrap()],
        relay: Some(relay_settings()),
        ..Settings::default()
    };
    let server = Server::bind(settings).await.unwrap().start();
    let port = server.relay_addr().unwrap().port();
    works(&mut TurnClient::udp(([127, 0, 0, 1], port).into(), 1).await).await;
    works(&mut TurnClient::tcp(([127, 0, 0, 1], port).into(), 1).await).await;
}

#[tokio::test]
async fn a_relay_without_an_address_of_a_family_says_so() {
    let server = start(relay_settings()).await;
    let mut client = TurnClient::udp(server.relay_addr().unwrap(), 1).await;
    let allocated = client
        .allocate_with(|request| {
            request.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
        })
        .await;

    assert_eq!(allocated, Err(440));
}

#[tokio::test]
async fn behind_1_to_1_nat_peers_are_told_the_outer_address() {
    let outer = "198.51.100.7".parse().unwrap();
    let server = start(RelaySettings {
        relay_ips: vec![outer],
        relay_ports: 50_100..=50_130,
        ..relay_settings()
    })
    .await;
    let addr = server.relay_addr().unwrap();
    let (mut one, mut two) = (
        TurnClient::udp(addr, 1).await,
        TurnClient::udp(addr, 2).await,
    );
    let (one_relayed, two_relayed) = (one.allocate().await.unwrap(), two.allocate().await.unwrap());
    assert_eq!((one_relayed.ip(), two_relayed.ip()), (outer, outer));
    assert!((50_100..=50_130).contains(&one_relayed.port()));

    // And they reach each other by it, which a NAT would not let through.
    one.bind(0x4000, two_relayed).await.unwrap();
    two.bind(0x4000, one_relayed).await.unwrap();
    one.send_by_channel(0x4000, b"hello").await;
    assert_eq!(two.hears().await, Heard::Channel(0x4000, b"hello".to_vec()));
}

#[tokio::test]
async fn a_range_of_ports_is_used_up_and_given_back() {
    let server = start(RelaySettings {
        relay_ports: 50_140..=50_143,
        ..relay_settings()
    })
    .await;
    let addr = server.relay_addr().unwrap();
    let mut clients = Vec::new();
    let mut ports = std::collections::BTreeSet::new();
    for user in 0..4 {
        let mut client = TurnClient::udp(addr, user).await;
        ports.insert(client.allocate().await.unwrap().port());
        clients.push(client);
    }
    assert_eq!(ports.len(), 4);
    let mut late = TurnClient::udp(addr, 9).await;
    assert_eq!(late.allocate().await, Err(508));

    assert_eq!(clients[2].refresh(0).await, Ok(0));
    late.allocate().await.expect("a port is free again");
}

#[tokio::test]
async fn an_allocation_ends_by_itself_and_with_its_connection() {
    let server = start(RelaySettings {
        limits: relay::Config {
            max_lifetime: Duration::from_secs(1),
            ..relay_settings().limits
        },
        ..relay_settings()
    })
    .await;
    let addr = server.relay_addr().unwrap();
    let peer = Peer::new("127.0.0.1").await;
    let mut client = TurnClient::udp(addr, 1).await;
    let relayed = client.allocate().await.unwrap();
    client.bind(0x4000, peer.addr()).await.unwrap();
    assert_eq!(client.refresh(u32::MAX).await, Ok(1));
    until(&server, |counters| counters.allocations == 0).await;
    client.send_by_channel(0x4000, b"x").await;
    assert_eq!(client.refresh(600).await, Err(437));
    // Nobody listens there any longer.
    tokio::net::UdpSocket::bind(relayed)
        .await
        .expect("the port is free");

    let mut client = TurnClient::tcp(addr, 1).await;
    client.allocate().await.unwrap();
    until(&server, |counters| counters.allocations == 1).await;
    drop(client);
    until(&server, |counters| counters.allocations == 0).await;
}

/// The other implementation's client, against ours.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coturns_client_loses_nothing() {
    let server = start(relay_settings()).await;
    let port = server.relay_addr().unwrap().port().to_string();
    for way in [
        &["-y"][..],
        &["-y", "-s"],
        &["-y", "-t"],
        &["-y", "-t", "-s"],
    ] {
        let mut command = tokio::process::Command::new("turnutils_uclient");
        command
            .args(["-c", "-m", "2", "-n", "10", "-l", "400", "-W", "north"])
            .args(["-u", "me", "-p", &port])
            .args(way)
            .arg("127.0.0.1")
            .kill_on_drop(true);
        let output = match tokio::time::timeout(Duration::from_mins(1), command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => {
                let is_demanded = std::env::var("PASSERBY_LAB").is_ok_and(|value| value == "on");
                assert!(!is_demanded, "coturn's client cannot be started: {error}");
                eprintln!("left out: coturn's client cannot be started: {error}");
                return;
            }
            Err(elapsed) => panic!("coturn's client does not end: {elapsed}: {way:?}"),
        };
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(
            words.contains("tot_send_msgs=20, tot_recv_msgs=20"),
            "{way:?}: {words}"
        );
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn each_is_relayed_at_the_address_that_he_came_to() {
    let ips = ["127.0.0.1", "127.0.0.2"];
    let settings = Settings {
        listen: ips.map(|ip| format!("{ip}:0").parse().unwrap()).to_vec(),
        relay: Some(RelaySettings {
            limits: relay::Config::default(),
            ..relay_settings()
        }),
        ..Settings::default()
    };
    let server = Server::bind(settings).await.unwrap().start();
    let port = server.relay_addr().unwrap().port();
    let mut clients = Vec::new();
    for (user, ip) in ips.into_iter().enumerate() {
        let addr = format!("{ip}:{port}").parse().unwrap();
        for mut client in [
            TurnClient::udp(addr, user as u64).await,
            TurnClient::tcp(addr, user as u64).await,
        ] {
            let relayed = client.allocate().await.unwrap();
            assert_eq!(relayed.ip(), addr.ip());
            clients.push((client, relayed));
        }
    }
    // They reach each other even where private peers are refused, and no other program at these addresses.
    let (mut one, one_relayed) = clients.swap_remove(0);
    let (mut two, two_relayed) = clients.pop().unwrap();
    assert_ne!(one_relayed.ip(), two_relayed.ip());
    one.permit(two_relayed).await.unwrap();
    two.permit(one_relayed).await.unwrap();
    one.send(two_relayed, b"hello").await;
    assert_eq!(
        two.hears().await,
        Heard::Data(one_relayed, b"hello".to_vec())
    );
    let other = Peer::new("127.0.0.2").await;
    one.send(other.addr(), b"x").await;
    until(&server, |counters| counters.drops_unpermitted == 1).await;
}
