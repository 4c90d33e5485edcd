//! Servers that are silent, refuse, or answer nonsense: the check says which, and is over in time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use transport::{
    CheckConfig, ConnectionReport, ReachError, RelayError, UdpReach, Verdict, check_connection,
};

use crate::coturn::with_login;
use crate::servers::{error_code, response, silent_udp, tcp, tls, udp};

const ALLOCATE_ERROR: [u8; 2] = [0x01, 0x13];
const LIMIT: Duration = Duration::from_secs(1);

async fn check(urls: &[String]) -> ConnectionReport {
    let config = CheckConfig {
        limit: LIMIT,
        ..CheckConfig::default()
    };
    let report = check_connection(&with_login(urls), config).await;
    // With room for a busy machine: nothing else is waited for.
    assert!(report.took < 3 * LIMIT, "{:?}", report.took);
    report
}

fn relay_error(report: &ConnectionReport) -> RelayError {
    report.relays[0].outcome.unwrap_err()
}

#[tokio::test]
async fn silent_servers_are_waited_for_and_no_longer() {
    let (_socket, silent) = silent_udp().await;
    // Connections wait in the queue and are never accepted.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = listener.local_addr().unwrap();
    let report = check(&[
        format!("stun:{silent}"),
        format!("turn:{silent}"),
        format!("turn:{deaf}?transport=tcp"),
        format!("turns:{deaf}?transport=tcp"),
    ])
    .await;
    assert_eq!(report.stun[0].outcome, Err(ReachError::NoAnswer));
    for relay in &report.relays {
        assert_eq!(relay.outcome, Err(ReachError::NoAnswer.into()), "{relay:?}");
    }
    assert_eq!(report.udp, UdpReach::Unknown);
    assert_eq!(report.verdict(), Verdict::NoConnection);
}

#[tokio::test]
async fn refused_ports_are_told_at_once() {
    let udp: SocketAddr = UdpSocket::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let tcp: SocketAddr = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let report = check(&[
        format!("stun:{udp}"),
        format!("turn:{udp}"),
        format!("turn:{tcp}?transport=tcp"),
        format!("turns:{tcp}"),
    ])
    .await;
    assert_eq!(report.stun[0].outcome, Err(ReachError::Refused));
    for relay in &report.relays {
        assert_eq!(relay.outcome, Err(ReachError::Refused.into()), "{relay:?}");
    }
}

#[tokio::test]
async fn nonsense_over_udp_is_called_nonsense_even_if_it_never_ends() {
    for count in [1, 300] {
        let address = udp("127.0.0.1:0", move |_, _| {
            vec![b"HTTP/1.1 200 OK".to_vec(); count]
        })
        .await;
        let report = check(&[format!("stun:{address}"), format!("turn:{address}")]).await;
        assert_eq!(report.stun[0].outcome, Err(ReachError::Garbage));
        assert_eq!(relay_error(&report), ReachError::Garbage.into());
    }
}

#[tokio::test]
async fn nonsense_over_tcp_and_tls_is_told_at_once() {
    let web = tcp(b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
    let report = check(&[format!("turn:{web}?transport=tcp")]).await;
    assert_eq!(relay_error(&report), ReachError::Garbage.into());
    // Whoever waits for more waits for all of it.
    assert!(report.took < LIMIT, "{:?}", report.took);

    let report = check(&[format!("turns:{web}")]).await;
    assert_eq!(relay_error(&report), ReachError::NoTls.into());

    let closing = tcp(b"", true).await;
    let report = check(&[format!("turn:{closing}?transport=tcp")]).await;
    assert_eq!(relay_error(&report), ReachError::Closed.into());
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_or_for_another_name_is_refused() {
    let (address, certificate) = tls("localhost").await;
    let by_name = with_login(&[format!("turns:localhost:{}", address.port())]);
    let by_address = with_login(&[format!("turns:{address}")]);
    for (servers, roots) in [(&by_name, vec![]), (&by_address, vec![certificate.clone()])] {
        let config = CheckConfig {
            limit: LIMIT,
            extra_roots: roots,
            ..CheckConfig::default()
        };
        let report = check_connection(servers, config).await;
        assert_eq!(relay_error(&report), ReachError::BadCertificate.into());
    }
    // Trusted, and then it says nothing.
    let config = CheckConfig {
        limit: LIMIT,
        extra_roots: vec![certificate],
        ..CheckConfig::default()
    };
    let report = check_connection(&by_name, config).await;
    assert_eq!(relay_error(&report), ReachError::NoAnswer.into());
}

#[tokio::test]
async fn refusals_are_told_in_words() {
    for (code, expected) in [
        (486, RelayError::Full),
        (508, RelayError::Full),
        (300, RelayError::RefusedWith(300)),
        // Without realm and nonce there is nothing to sign with.
        (401, RelayError::WrongCredentials),
    ] {
        let address = udp("127.0.0.1:0", move |request, _| {
            vec![response(ALLOCATE_ERROR, request, &error_code(code))]
        });
        let report = check(&[format!("turn:{}", address.await)]).await;
        assert_eq!(relay_error(&report), expected);
    }
}

#[tokio::test]
async fn a_server_that_finds_every_nonce_stale_does_not_keep_us_busy() {
    let address = udp("127.0.0.1:0", move |request, _| {
        let is_signed = request.windows(2).any(|pair| pair == [0x00, 0x08]) && request.len() > 60;
        let realm = [&[0, 0x14, 0, 4][..], b"test"].concat();
        let nonce = [&[0, 0x15, 0, 4][..], b"once"].concat();
        let code = error_code(if is_signed { 438 } else { 401 });
        vec![response(
            ALLOCATE_ERROR,
            request,
            &[code, realm, nonce].concat(),
        )]
    });
    let report = check(&[format!("turn:{}", address.await)]).await;
    assert_eq!(relay_error(&report), RelayError::RefusedWith(438));
}

#[tokio::test]
async fn urls_that_make_no_sense_cost_nothing_and_are_named() {
    let urls: Vec<String> = [
        "nonsense",
        "turn:",
        "stuns:example.org",
        "turns:example.org?transport=udp",
    ]
    .map(str::to_owned)
    .into();
    let report = check(&urls).await;
    let stun: Vec<_> = report.stun.iter().map(|check| check.outcome).collect();
    assert_eq!(
        stun,
        [Err(ReachError::BadUrl), Err(ReachError::NotSupported)]
    );
    let relays: Vec<_> = report.relays.iter().map(|check| check.outcome).collect();
    assert_eq!(
        relays,
        [
            Err(ReachError::BadUrl.into()),
            Err(ReachError::NotSupported.into())
        ]
    );
    assert!(report.took < LIMIT, "nobody was waited for");
}

#[tokio::test]
async fn a_long_list_is_cut_and_the_rest_counted() {
    let urls: Vec<String> = (0..40).map(|number| format!("nonsense{number}")).collect();
    let report = check(&urls).await;
    assert_eq!((report.stun.len(), report.left_out), (16, 24));
}
