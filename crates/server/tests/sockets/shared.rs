//! What is known of people by one of several servers is known by all, whatever becomes of Redis and of the servers.

use std::{net::SocketAddr, path::Path, time::Duration};

use protocol::{ClientMessage, ServerMessage};
use server::{Running, Settings};
use tokio::time::{sleep, timeout};

use crate::{
    admin::{metrics, start_admin},
    client::{Client, brief, patient},
    elsewhere::{is_ready, of_cluster},
    people::{order, reported_by, shown, strict},
    redis_server::RedisServer,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One of several, and where its operator looks in.
async fn one_of(redis: &RedisServer, settings: Settings) -> (Running, SocketAddr) {
    let (server, admin) = start_admin(of_cluster(redis, settings)).await;
    is_ready(&server, "ready\n").await;
    (server, admin)
}

fn keeps(path: &Path) -> Settings {
    Settings {
        store: Some(path.to_owned()),
        ..patient()
    }
}

/// Waits until the operator of a server sees so many bans.
async fn has_bans(admin: SocketAddr, count: usize) -> serde_json::Value {
    let mut seen = serde_json::Value::Null;
    let asked = timeout(PATIENCE, async {
        loop {
            seen = shown(admin).await["bans"].take();
            if seen.as_array().map(Vec::len) == Some(count) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let is_so = asked.await.is_ok();
    assert!(is_so, "expected {count} bans: {seen}");
    seen
}

/// Waits until these are banned, and nobody else.
async fn has_banned(admin: SocketAddr, seeds: &[u8]) {
    let mut expected: Vec<String> = seeds.iter().map(|seed| key_of(*seed)).collect();
    expected.sort_unstable();
    let asked = timeout(PATIENCE, async {
        loop {
            let bans = shown(admin).await["bans"].take();
            let bans = bans.as_array().into_iter().flatten();
            let keys = bans.filter_map(|ban| ban["whom"]["key"].as_str().map(str::to_owned));
            let mut keys: Vec<String> = keys.collect();
            keys.sort_unstable();
            if keys == expected {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(asked.await.is_ok(), "not just {seeds:?} are banned");
}

async fn number_of_the_ban(admin: SocketAddr) -> u64 {
    has_bans(admin, 1).await[0]["number"]
        .as_u64()
        .expect("a number")
}

/// The key that is made of `seed`, as the operator writes it.
fn key_of(seed: u8) -> String {
    use ring::signature::KeyPair as _;

    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]);
    let pair = pair.expect("any seed is a key");
    let whole = ring::digest::digest(&ring::digest::SHA256, pair.public_key().as_ref());
    let half = whole.as_ref()[..16].try_into().expect("16 bytes");
    format!("{:032x}", u128::from_be_bytes(half))
}

#[tokio::test]
async fn a_ban_and_its_end_hold_on_all_servers_for_those_who_are_there_and_those_who_come() {
    let redis = RedisServer::start();
    let (one, admin) = one_of(&redis, patient()).await;
    let (other, other_admin) = one_of(&redis, patient()).await;
    let mut there = Client::known(&other.url(), 7).await.waits().await;
    let ban = format!("ban?key={}&days=3&reason=Threats.", key_of(7));
    assert_eq!(order(admin, &ban).await, 200);

    let notice = there.hears_ban().await;
    let ServerMessage::Banned { reason, until, .. } = &notice else {
        panic!("{notice:?}");
    };
    assert_eq!((reason.as_str(), until.is_some()), ("Threats.", true));
    for server in [&one, &other] {
        let mut again = Client::known(&server.url(), 7).await;
        assert_eq!(again.hears_ban().await, notice, "to the second");
        Client::known(&server.url(), 8).await.has_heard_all().await;
    }
    // One that comes later knows it too.
    let (late, late_admin) = one_of(&redis, patient()).await;
    let number = number_of_the_ban(late_admin).await;
    assert_eq!(
        Client::known(&late.url(), 7).await.hears_ban().await,
        notice
    );

    // Any of them may let him in again.
    assert_eq!(
        order(late_admin, &format!("unban?number={number}")).await,
        200
    );
    for admin in [admin, other_admin, late_admin] {
        has_bans(admin, 0).await;
    }
    Client::known(&one.url(), 7).await.has_heard_all().await;

    let seen = metrics(other_admin).await;
    for (name, expected) in [
        ("passerby_bans_from_others_total", 1.0),
        ("passerby_shared{what=\"bans\"}", 1.0),
        ("passerby_shared_untold{what=\"bans\"}", 0.0),
        ("passerby_shared_refused_total{what=\"bans\"}", 0.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name}");
    }
}

#[tokio::test]
async fn a_network_that_is_banned_at_one_server_is_banned_at_all() {
    let redis = RedisServer::start();
    let (_one, admin) = one_of(&redis, patient()).await;
    let (other, _) = one_of(&redis, patient()).await;
    let mut there = Client::waiting(&other).await;
    assert_eq!(order(admin, "ban?network=127.0.0.0/8").await, 200);
    there.hears_ban().await;
}

#[tokio::test]
async fn who_is_banned_by_reports_at_one_server_is_banned_at_all() {
    let redis = RedisServer::start();
    let settings = Settings {
        reputation: server::Policy {
            ban_at: 0.3,
            ..strict().reputation
        },
        ..patient()
    };
    let (one, _) = one_of(&redis, settings.clone()).await;
    let (_other, other_admin) = one_of(&redis, settings).await;
    let bad = Client::known(&one.url(), 100).await.waits().await;
    let bad = reported_by(&one, bad, 1).await.waits().await;
    let newcomer = Client::known(&one.url(), 2).await;
    let mut pair = crate::client::Pair::of(bad, newcomer).await;
    let report = crate::people::report(pair.room, false);
    pair.offerer.say(&report).await;
    pair.answerer.hears_ban().await;
    let bans = has_bans(other_admin, 1).await;
    assert_eq!(bans[0]["by_reports"], true);
    assert_eq!(bans[0]["whom"]["key"], key_of(100));
}

#[tokio::test]
async fn what_is_decided_while_redis_is_away_is_told_when_it_is_back_though_it_has_forgotten_all() {
    let mut redis = RedisServer::start();
    let (one, admin) = one_of(&redis, patient()).await;
    let (other, other_admin) = one_of(&redis, patient()).await;
    let ban = |seed| format!("ban?key={}", key_of(seed));
    assert_eq!(order(admin, &ban(1)).await, 200);
    let first = number_of_the_ban(other_admin).await;

    redis.stop();
    is_ready(&one, "degraded\n").await;
    is_ready(&other, "degraded\n").await;
    assert_eq!(order(admin, &ban(2)).await, 200);
    assert_eq!(order(other_admin, &ban(3)).await, 200);
    let lifted = order(other_admin, &format!("unban?number={first}")).await;
    assert_eq!(lifted, 200);
    redis.start_again();
    for admin in [admin, other_admin] {
        has_banned(admin, &[2, 3]).await;
    }

    // And what Redis forgets without a word is told again by those who know.
    redis.does("FLUSHALL");
    let (_late, late_admin) = one_of(&redis, patient()).await;
    has_banned(late_admin, &[2, 3]).await;
}

#[tokio::test]
async fn a_server_that_comes_back_tells_what_it_knows_and_hears_what_it_has_missed() {
    let mut redis = RedisServer::start();
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store");
    let (one, admin) = one_of(&redis, keeps(&path)).await;
    let (other, other_admin) = one_of(&redis, patient()).await;
    for seed in [1, 2] {
        let ban = format!("ban?key={}", key_of(seed));
        assert_eq!(order(admin, &ban).await, 200);
    }
    has_bans(other_admin, 2).await;
    one.stop().await;
    let bans = has_bans(other_admin, 2).await;
    let lifted = bans.as_array().into_iter().flatten();
    let lifted = lifted.filter(|ban| ban["whom"]["key"] == key_of(1));
    let number = lifted
        .map(|ban| ban["number"].clone())
        .next()
        .expect("it is there");
    assert_eq!(
        order(other_admin, &format!("unban?number={number}")).await,
        200
    );

    // It has missed that one is let in again.
    let (back, admin) = one_of(&redis, keeps(&path)).await;
    let left = has_bans(admin, 1).await;
    assert_eq!(left[0]["whom"]["key"], key_of(2));
    back.stop().await;
    other.stop().await;

    // It alone knows of the ban, and Redis is empty.
    redis.stop();
    redis.start_again();
    let (new, new_admin) = one_of(&redis, patient()).await;
    Client::known(&new.url(), 2).await.has_heard_all().await;
    let (_back, _) = one_of(&redis, keeps(&path)).await;
    let bans = has_bans(new_admin, 1).await;
    assert_eq!(bans[0]["whom"]["key"], key_of(2));
    Client::known(&new.url(), 1).await.has_heard_all().await;
}

#[tokio::test]
async fn bans_of_a_server_that_was_alone_hold_on_all_when_it_is_one_of_several() {
    let redis = RedisServer::start();
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store");
    let (alone, admin) = start_admin(Settings {
        store: Some(path.clone()),
        ..brief()
    })
    .await;
    let ban = format!("ban?key={}", key_of(1));
    assert_eq!(order(admin, &ban).await, 200);
    alone.stop().await;
    let (_one, _) = one_of(&redis, keeps(&path)).await;
    let (_other, other_admin) = one_of(&redis, patient()).await;
    has_bans(other_admin, 1).await;
}

/// Waits until a figure is so.
async fn counts(admin: SocketAddr, name: &str, expected: f64) {
    let counted = timeout(PATIENCE, async {
        while metrics(admin).await.get(name) != Some(&expected) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(counted.await.is_ok(), "expected {expected} {name}");
}

/// Waits until a server has heard all that Redis knows.
async fn has_read_all(admin: SocketAddr) {
    counts(admin, "passerby_shared_untold{what=\"secret\"}", 0.0).await;
}

#[tokio::test]
async fn reports_at_several_servers_count_together_and_one_reporter_counts_once() {
    let redis = RedisServer::start();
    let settings = Settings {
        reputation: server::Policy {
            slow_at: 0.3,
            separate_at: 0.3,
            ban_at: 0.3,
            ..strict().reputation
        },
        ..patient()
    };
    let (one, admin) = one_of(&redis, settings.clone()).await;
    let (other, other_admin) = one_of(&redis, settings).await;
    let bad = Client::known(&one.url(), 100).await.waits().await;
    drop(reported_by(&one, bad, 1).await);
    counts(other_admin, "passerby_reports", 1.0).await;

    // The same one again, at another server: nothing more.
    let bad = Client::known(&other.url(), 100).await.waits().await;
    let bad = reported_by(&other, bad, 1).await.waits().await;
    counts(admin, "passerby_shared_untold{what=\"reports\"}", 0.0).await;
    counts(other_admin, "passerby_shared_untold{what=\"reports\"}", 0.0).await;
    for admin in [admin, other_admin] {
        let list = shown(admin).await;
        assert_eq!(list["report_count"], 1);
        let score = list["reports"][0]["score"].as_f64().expect("a score");
        assert!(score < 0.3, "{score}");
    }
    // Another one is enough.
    let newcomer = Client::known(&other.url(), 2).await;
    let mut pair = crate::client::Pair::of(bad, newcomer).await;
    let report = crate::people::report(pair.room, false);
    pair.offerer.say(&report).await;
    pair.answerer.hears_ban().await;
    has_bans(admin, 1).await;
    counts(admin, "passerby_reports", 2.0).await;

    // What the operator of one forgives is forgiven at all.
    let number = number_of_the_ban(admin).await;
    assert_eq!(order(admin, &format!("unban?number={number}")).await, 200);
    has_bans(other_admin, 0).await;
    counts(other_admin, "passerby_reports", 0.0).await;
    assert_eq!(shown(admin).await["report_count"], 0);
}

#[tokio::test]
async fn a_report_about_somebody_of_another_server_is_about_him_at_his_own_server_too() {
    let redis = RedisServer::start();
    let (one, admin) = one_of(&redis, brief()).await;
    let (other, other_admin) = one_of(&redis, brief()).await;
    let mut bad = Client::known(&one.url(), 100).await.waits().await;
    let mut reporter = Client::known(&other.url(), 1).await.waits().await;
    let (room, _) = reporter.hears_matched().await;
    bad.hears_matched().await;
    reporter.is_heard(crate::people::report(room, false)).await;
    counts(admin, "passerby_reports", 1.0).await;
    for admin in [admin, other_admin] {
        let list = shown(admin).await;
        let report = &list["reports"][0];
        assert_eq!(report["about"]["key"], key_of(100));
        assert_eq!(report["note"], "<b>he shouted</b>");
    }
    // Dismissed at one, gone at both.
    let number = &shown(admin).await["reports"][0]["number"];
    assert_eq!(order(admin, &format!("dismiss?number={number}")).await, 200);
    counts(other_admin, "passerby_reports", 0.0).await;
}

#[tokio::test]
async fn who_was_blocked_at_one_server_is_not_met_at_others() {
    let redis = RedisServer::start();
    let (one, _) = one_of(&redis, brief()).await;
    let (other, other_admin) = one_of(&redis, brief()).await;
    let (third, third_admin) = one_of(&redis, brief()).await;
    let waiter = Client::known(&one.url(), 1).await.waits().await;
    let newcomer = Client::known(&one.url(), 2).await;
    let mut pair = crate::client::Pair::of(waiter, newcomer).await;
    let room = pair.room;
    pair.offerer.is_heard(ClientMessage::Block { room }).await;
    drop(pair);
    for admin in [other_admin, third_admin] {
        counts(admin, "passerby_blocks", 1.0).await;
    }
    // Of two servers, whichever of them is where; and at one.
    for (blocked_at, blocker_at) in [(&other, &third), (&third, &other), (&other, &other)] {
        let mut blocked = Client::known(&blocked_at.url(), 1).await.waits().await;
        let mut blocker = Client::known(&blocker_at.url(), 2).await.waits().await;
        sleep(Duration::from_millis(500)).await;
        blocked.has_heard_all().await;
        blocker.has_heard_all().await;
    }
    // With anybody else it is as ever, once these are gone.
    sleep(Duration::from_millis(300)).await;
    let mut blocked = Client::known(&other.url(), 1).await.waits().await;
    let mut stranger = Client::known(&third.url(), 3).await.waits().await;
    let (room, _) = blocked.hears_matched().await;
    assert_eq!(stranger.hears_matched().await.0, room);
}

#[tokio::test]
async fn people_know_each_other_again_at_whichever_servers_they_meet() {
    let redis = RedisServer::start();
    let (one, admin) = one_of(&redis, brief()).await;
    has_read_all(admin).await;
    let (other, other_admin) = one_of(&redis, brief()).await;
    has_read_all(other_admin).await;
    let mut handles = Vec::new();
    for second_at in [&one, &other] {
        let mut first = Client::known(&one.url(), 1).await.waits().await;
        let mut second = Client::known(&second_at.url(), 2).await;
        second.say(&crate::client::join()).await;
        for client in [&mut first, &mut second] {
            loop {
                match client.hears().await {
                    ServerMessage::Waiting { .. } => {}
                    ServerMessage::Matched { partner, .. } => {
                        handles.push(partner.expect("both have proved a key"));
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        drop((first, second));
        // Both are gone for good before they meet again.
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(handles[..2], handles[2..]);
    assert_ne!(handles[0], handles[1]);
}
