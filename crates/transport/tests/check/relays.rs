//! Relays that work, and relays that say no.

use std::time::Duration;

use transport::{
    CheckConfig, NatFiltering, NatMapping, RelayError, RelayTransport, UdpReach, Verdict,
    check_connection,
};

use crate::coturn::{Coturn, with_login};
use crate::servers::silent_udp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_over_udp_tcp_and_tls_are_tried_with_a_real_datagram() {
    let Some(server) = Coturn::start(&["--allow-loopback-peers"]).await else {
        return;
    };
    let urls = [
        format!("stun:{}", server.address()),
        server.udp_url(),
        server.tcp_url(),
        server.tls_url(),
    ];
    let config = CheckConfig {
        extra_roots: vec![server.certificate()],
        ..CheckConfig::default()
    };
    let report = check_connection(&with_login(&urls), config).await;
    eprintln!("{report:#?}");
    let transports: Vec<_> = report.relays.iter().map(|relay| relay.transport).collect();
    assert_eq!(
        transports,
        [
            RelayTransport::Udp,
            RelayTransport::Tcp,
            RelayTransport::Tls
        ]
    );
    for relay in &report.relays {
        let answer = relay.outcome.unwrap();
        let round_trip = answer.round_trip.expect("nothing is lost on loopback");
        assert!(round_trip <= answer.set_up, "{relay:?}");
        assert!(
            answer.relayed_round_trip < Duration::from_secs(1),
            "{relay:?}"
        );
        assert!(!answer.is_ipv6);
    }
    report.stun[0]
        .outcome
        .unwrap()
        .round_trip
        .expect("nothing is lost on loopback");
    assert_eq!(report.udp, UdpReach::Works);
    assert_eq!(report.nat.mapping, NatMapping::NoNat);
    assert_eq!(report.nat.filtering, NatFiltering::Unknown);
    assert_eq!(report.verdict(), Verdict::DirectLikely);
    let seen = report.public_address.expect("the server sees us").0;
    assert!(seen.ip().is_loopback());
    assert!(report.took < CheckConfig::default().limit);
    let port = format!("{}", seen.port());
    assert!(
        !format!("{report:?}").contains(&port),
        "the address is in no log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_two_addresses_shows_who_is_let_in() {
    let second = ["--listening-ip", "127.0.0.2", "--allow-loopback-peers"];
    let Some(server) = Coturn::start(&second).await else {
        return;
    };
    let report = check_connection(
        &with_login(&[format!("stun:{}", server.address())]),
        CheckConfig::default(),
    )
    .await;
    assert_eq!(report.nat.mapping, NatMapping::NoNat);
    assert_eq!(report.nat.filtering, NatFiltering::EndpointIndependent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_allocated_is_given_back() {
    let Some(server) = Coturn::start(&["--allow-loopback-peers", "--user-quota", "1"]).await else {
        return;
    };
    let check = async || {
        let servers = with_login(&[server.udp_url()]);
        check_connection(&servers, CheckConfig::default())
            .await
            .relays[0]
            .outcome
    };
    check().await.unwrap();
    // coturn takes a second to free what was released, and ten minutes for what was not.
    for _ in 0..10 {
        match check().await {
            Ok(_) => return,
            Err(error) => assert_eq!(error, RelayError::Full),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("it was not given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_and_missing_credentials_are_told_apart() {
    let Some(server) = Coturn::start(&["--allow-loopback-peers"]).await else {
        return;
    };
    let urls = [server.udp_url(), server.tcp_url()];
    let mut servers = with_login(&urls);
    servers[0].credential = Some("guess".into());
    let report = check_connection(&servers, CheckConfig::default()).await;
    for relay in &report.relays {
        assert_eq!(
            relay.outcome,
            Err(RelayError::WrongCredentials),
            "{relay:?}"
        );
    }
    assert_eq!(report.udp, UdpReach::Works, "it was answered all the same");

    servers[0].credential = None;
    let report = check_connection(&servers, CheckConfig::default()).await;
    for relay in &report.relays {
        assert_eq!(relay.outcome, Err(RelayError::NoCredentials), "{relay:?}");
    }

    // Longer than the protocol allows: cannot even be asked.
    servers[0].username = Some("x".repeat(600));
    servers[0].credential = Some("secret".into());
    let report = check_connection(&servers, CheckConfig::default()).await;
    assert_eq!(report.relays[0].outcome, Err(RelayError::WrongCredentials));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_must_not_send_to_itself_says_so() {
    // coturn refuses loopback peers unless it is told otherwise.
    let Some(server) = Coturn::start(&[]).await else {
        return;
    };
    let report = check_connection(&with_login(&[server.udp_url()]), CheckConfig::default()).await;
    assert_eq!(report.relays[0].outcome, Err(RelayError::PeerForbidden));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_udp_is_silent_a_relay_over_tcp_is_what_is_left() {
    let Some(server) = Coturn::start(&["--allow-loopback-peers"]).await else {
        return;
    };
    let (_socket, silent) = silent_udp().await;
    let urls = [
        format!("stun:{silent}"),
        format!("turn:{silent}?transport=udp"),
        server.tcp_url(),
    ];
    let config = CheckConfig {
        limit: Duration::from_millis(1500),
        ..CheckConfig::default()
    };
    let limit = config.limit;
    let report = check_connection(&with_login(&urls), config).await;
    assert_eq!(report.udp, UdpReach::Blocked);
    assert_eq!(report.verdict(), Verdict::RelayOverStreamOnly);
    // With room for a busy machine: nothing else is waited for.
    assert!(report.took < 2 * limit, "{:?}", report.took);
}
