//! NATs, as STUN servers see them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use protocol::IceServer;
use transport::{CheckConfig, Ipv6, NatFiltering, NatMapping, UdpReach, Verdict, check_connection};

use crate::servers::{response, seen_as, udp};

const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// A STUN server at `address` whose clients all seem to come from 203.0.113.5, port as `port` has it.
async fn server(address: &str, mut port: impl FnMut() -> u16 + Send + 'static) -> String {
    let address = udp(address, move |request, _| {
        let seen = format!("203.0.113.5:{}", port()).parse().unwrap();
        vec![response(BINDING_SUCCESS, request, &seen_as(seen))]
    });
    format!("stun:{}", address.await)
}

fn servers(urls: Vec<String>) -> Vec<IceServer> {
    vec![IceServer {
        urls,
        username: None,
        credential: None,
    }]
}

#[tokio::test]
async fn two_servers_that_see_the_same_address_make_a_friendly_nat() {
    let urls = vec![
        server("127.0.0.1:0", || 700).await,
        server("127.0.0.2:0", || 700).await,
    ];
    let report = check_connection(&servers(urls), CheckConfig::default()).await;
    assert_eq!(report.nat.mapping, NatMapping::EndpointIndependent);
    assert_eq!(report.nat.filtering, NatFiltering::Unknown);
    assert_eq!(report.verdict(), Verdict::DirectLikely);
    assert_eq!(
        report.public_address.unwrap().0,
        "203.0.113.5:700".parse::<SocketAddr>().unwrap()
    );
    assert!(report.took < CheckConfig::default().limit);
}

#[tokio::test]
async fn a_nat_that_shows_each_server_another_port_is_symmetric() {
    static PORT: AtomicU16 = AtomicU16::new(700);
    let another = || PORT.fetch_add(1, Ordering::Relaxed);
    let urls = vec![
        server("127.0.0.1:0", another).await,
        server("127.0.0.2:0", another).await,
    ];
    let report = check_connection(&servers(urls), CheckConfig::default()).await;
    assert_eq!(report.nat.mapping, NatMapping::EndpointDependent);
    assert_eq!(report.verdict(), Verdict::DirectWithSomeOnly);

    let urls = vec![
        server("127.0.0.1:0", another).await,
        server("127.0.0.1:0", another).await,
    ];
    let report = check_connection(&servers(urls), CheckConfig::default()).await;
    assert_eq!(report.nat.mapping, NatMapping::AddressAndPortDependent);
}

#[tokio::test]
async fn a_server_that_answers_only_the_second_time_is_heard() {
    let mut asked = 0;
    let address = udp("127.0.0.1:0", move |request, _| {
        asked += 1;
        let seen = seen_as("203.0.113.5:700".parse().unwrap());
        // The check asks from two sockets, and each loses its first.
        let answer = (asked > 2).then(|| response(BINDING_SUCCESS, request, &seen));
        answer.into_iter().collect()
    });
    let url = format!("stun:{}", address.await);
    let report = check_connection(&servers(vec![url]), CheckConfig::default()).await;
    let answer = report.stun[0].outcome.unwrap();
    assert!(
        answer
            .round_trip
            .is_some_and(|time| time < Duration::from_millis(200)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_server_cannot_make_us_send_to_anybody() {
    let victim = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = victim.local_addr().unwrap().port();
    let other = [
        &[0x80, 0x2C, 0, 8, 0, 1][..],
        &port.to_be_bytes(),
        &[224, 0, 0, 1],
    ]
    .concat();
    let address = udp("127.0.0.1:0", move |request, _| {
        let seen = seen_as("203.0.113.5:700".parse().unwrap());
        vec![response(
            BINDING_SUCCESS,
            request,
            &[seen, other.clone()].concat(),
        )]
    });
    let url = format!("stun:{}", address.await);
    let report = check_connection(&servers(vec![url]), CheckConfig::default()).await;
    assert_eq!(report.nat.filtering, NatFiltering::Unknown);
    assert!(report.took < CheckConfig::default().limit);
}

#[tokio::test]
async fn an_answer_over_ipv6_shows_that_ipv6_works() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("left out: this machine has no IPv6");
        return;
    }
    let url = server("[::1]:0", || 700).await;
    let report = check_connection(&servers(vec![url]), CheckConfig::default()).await;
    assert!(report.stun[0].is_ipv6);
    assert_eq!(report.ipv6, Ipv6::Works);
    assert_eq!(report.udp, UdpReach::Works);
}

#[tokio::test]
async fn without_servers_there_is_nothing_to_ask() {
    let report = check_connection(&[], CheckConfig::default()).await;
    assert_eq!(report.verdict(), Verdict::NothingToAsk);
    assert!(report.took < CheckConfig::default().limit);
}
