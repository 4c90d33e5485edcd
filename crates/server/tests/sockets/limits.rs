//! Who asks too often or too much is put off, counted, and harms nobody else; and who a client is behind a proxy.

use std::net::SocketAddr;

use protocol::{ClientMessage, ErrorCode, ServerMessage};
use relay::Rate;
use server::{Limits, Proxies, ProxyHeader, Settings};

use crate::{
    admin::{metrics, start_admin},
    client::{Client, Pair, brief, candidate, join},
    http::upgrade,
};

const fn rate(per_second: u64, burst: u64) -> Rate {
    Rate { per_second, burst }
}

/// How often that limit has refused or put off somebody.
async fn refused(admin: SocketAddr, limit: &str) -> u64 {
    metrics(admin).await[&format!("passerby_refusals_total{{limit=\"{limit}\"}}")] as u64
}

#[tokio::test]
async fn who_asks_for_partners_too_often_waits_and_is_answered_all_the_same() {
    let limits = Limits {
        nexts: rate(1, 3),
        ..Limits::default()
    };
    let (server, admin) = start_admin(Settings { limits, ..brief() }).await;
    let mut robot = Client::greeted(&server).await;
    for _ in 0..3 {
        robot.say(&join()).await;
        robot.hears_waiting().await;
    }
    assert_eq!(refused(admin, "nexts").await, 0);

    robot.say(&ClientMessage::Leave { room: None }).await;
    robot.say(&join()).await;
    robot.say(&ClientMessage::Prepare).await;
    Client::greeted(&server).await.has_heard_all().await;

    // What came after the question that was put off has waited behind it.
    robot.hears_waiting().await;
    let heard = robot.hears().await;
    assert!(matches!(heard, ServerMessage::Prepared { .. }), "{heard:?}");
    assert_eq!(refused(admin, "nexts").await, 1);
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits_too_unless_it_is_a_private_one() {
    let limits = Limits {
        nexts_per_ip: rate(1, 2),
        ..Limits::default()
    };
    for (limits_private_ips, put_off) in [(true, 2), (false, 0)] {
        let (server, admin) = start_admin(Settings {
            limits,
            limits_private_ips,
            ..brief()
        })
        .await;
        let _first = Pair::meet(&server).await;
        let _second = Pair::meet(&server).await;
        assert_eq!(refused(admin, "nexts_per_ip").await, put_off);
    }
}

#[tokio::test]
async fn who_sends_too_many_bytes_is_read_later_and_nothing_is_lost() {
    let limits = Limits {
        bytes: rate(20_000, 20_000),
        ..Limits::default()
    };
    let (server, admin) = start_admin(Settings { limits, ..brief() }).await;
    let mut pair = Pair::meet(&server).await;
    let (room, text) = (pair.room, "c".repeat(900));
    for _ in 0..40 {
        let candidate = Some(candidate(&text));
        pair.offerer
            .say(&ClientMessage::Candidate { room, candidate })
            .await;
    }
    for _ in 0..40 {
        let heard = pair.answerer.hears().await;
        assert!(
            matches!(heard, ServerMessage::Candidate { .. }),
            "{heard:?}"
        );
    }
    assert!(refused(admin, "bytes").await >= 1);
    pair.goes_on().await;
}

#[tokio::test]
async fn how_many_frames_may_come_is_for_the_operator_to_say() {
    let limits = Limits {
        frames: rate(1, 5),
        ..Limits::default()
    };
    let (server, admin) = start_admin(Settings { limits, ..brief() }).await;
    let mut client = Client::greeted(&server).await;
    for _ in 0..7 {
        client.say(&ClientMessage::Leave { room: None }).await;
    }
    client.hears_error(ErrorCode::TooFast).await;
    assert!(refused(admin, "frame_rate").await >= 1);
}

#[tokio::test]
async fn connections_that_come_too_fast_wait_and_get_in() {
    let limits = Limits {
        handshakes_per_ip: rate(1, 3),
        ..Limits::default()
    };
    let (server, admin) = start_admin(Settings {
        limits,
        limits_private_ips: true,
        ..brief()
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(Client::greeted(&server).await);
    }
    assert!(refused(admin, "handshakes").await >= 1);
    for client in &mut clients {
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn a_browser_on_somebody_elses_page_may_not_connect() {
    let (server, admin) = start_admin(Settings {
        origins: vec!["https://friend.example".to_owned()],
        ..brief()
    })
    .await;
    let own = format!("Origin: http://{}", server.addr());
    for (headers, status) in [
        (&[][..], 101),
        (&[own.as_str()], 101),
        (&["Origin: https://friend.example"], 101),
        (&["Origin: https://evil.example"], 403),
        (&["Origin: null"], 403),
    ] {
        assert_eq!(
            upgrade(server.addr(), headers).await.0,
            status,
            "{headers:?}"
        );
    }
    assert_eq!(refused(admin, "origin").await, 2);
}

#[tokio::test]
async fn behind_a_proxy_of_ours_each_client_has_its_own_share_and_nobody_else_is_believed() {
    let alice = &["X-Forwarded-For: 203.0.113.66, 198.51.100.1"][..];
    let bob = &["X-Forwarded-For: 198.51.100.2"][..];
    let settings = || Settings {
        max_per_ip: 1,
        ..brief()
    };
    let (server, admin) = start_admin(Settings {
        proxies: Proxies {
            trusted: vec!["127.0.0.0/8".parse().expect("a network")],
            header: ProxyHeader::XForwardedFor,
        },
        ..settings()
    })
    .await;
    let (status, _alice) = upgrade(server.addr(), alice).await;
    assert_eq!(status, 101);
    assert_eq!(upgrade(server.addr(), alice).await.0, 429);
    let (status, _bob) = upgrade(server.addr(), bob).await;
    assert_eq!(status, 101);
    assert_eq!(refused(admin, "connections_per_ip").await, 1);

    // Without the setting the header is anybody's word: the address is that of this machine, which is not limited.
    let (server, _) = start_admin(settings()).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let (status, stream) = upgrade(server.addr(), alice).await;
        assert_eq!(status, 101);
        all.push(stream);
    }
}
