//! Who has to work before meeting anybody, while many newcomers come at once, and who has not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::{ClientMessage, ErrorCode, Nonce, Resume, ServerMessage, Session, TAKES_WORK, Work};
use redb::{Database, TableDefinition};
use ring::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use server::{NewcomerPolicy, Running, Settings};

use crate::{
    admin::{metrics, start_admin},
    client::{Client, Pair, brief, join, patient, proof, start},
    http::request,
};

const BITS: u32 = 10;

/// From the third newcomer in a minute on each works.
fn crowded() -> Settings {
    let newcomers = NewcomerPolicy {
        per_minute: 1,
        per_minute_per_ip: 0,
        most_bits: BITS,
    };
    Settings {
        newcomers,
        ..brief()
    }
}

/// What was found by looking, or what is not it.
fn find(work: &Work, is_right: bool) -> ClientMessage {
    let is_it = |nonce: &Nonce| {
        let hash = digest(&SHA256, &work.preimage(*nonce));
        work.is_done_by(hash.as_ref()) == is_right
    };
    let mut nonces = (0..1_u64 << 24).map(|number| Nonce::from_bytes(number.to_be_bytes()));
    let nonce = nonces.find(is_it).expect("there is one");
    ClientMessage::Worked { nonce }
}

impl Client {
    /// Connects and says `hello` as a program that can work, with a key if there is a seed for one.
    async fn able(url: &str, seed: Option<u8>, resume: Option<Resume>) -> (Self, Option<Session>) {
        let mut client = Self::connect_at(url).await;
        client
            .say(&ClientMessage::Hello {
                version: 1,
                capabilities: vec![TAKES_WORK.to_owned()],
                resume,
            })
            .await;
        let ServerMessage::Welcome {
            challenge, session, ..
        } = client.hears().await
        else {
            panic!("expected a welcome");
        };
        if let Some((seed, challenge)) = seed.zip(challenge) {
            client.say(&proof(seed, &challenge)).await;
        }
        (client, session)
    }

    async fn hears_work(&mut self) -> Work {
        match self.hears().await {
            ServerMessage::Work(work) => work,
            other => panic!("expected work, got {other:?}"),
        }
    }
}

/// Lets so many newcomers in that the next one has to work.
async fn crowd(server: &Running) -> Pair {
    Pair::meet(server).await
}

#[tokio::test]
async fn without_a_crowd_nobody_works() {
    let calm = NewcomerPolicy {
        per_minute: 600,
        per_minute_per_ip: 60,
        most_bits: BITS,
    };
    for newcomers in [calm, NewcomerPolicy::OFF] {
        let (server, admin) = start_admin(Settings {
            newcomers,
            limits_private_ips: true,
            ..brief()
        })
        .await;
        for seed in 0..20 {
            let (client, _) = Client::able(&server.url(), Some(seed), None).await;
            let other = Client::greeted(&server).await.waits().await;
            Pair::of(other, client).await.goes_on().await;
        }
        let figures = metrics(admin).await;
        assert!(figures["passerby_work_asked_total"] < 0.5);
        assert!(figures["passerby_work_bits"] < 0.5);
    }
}

#[tokio::test]
async fn in_a_crowd_a_newcomer_works_and_then_meets_others() {
    let (server, admin) = start_admin(crowded()).await;
    let mut talking = crowd(&server).await;
    let (mut first, _) = Client::able(&server.url(), Some(1), None).await;
    first.say(&join()).await;
    let work = first.hears_work().await;
    assert_eq!(work.bits, BITS);
    let figures = metrics(admin).await;
    assert!((figures["passerby_work_bits"] - f64::from(BITS)).abs() < 0.1);
    let page = request(
        admin,
        "GET /admin",
        &[
            "Authorization: Bearer correct horse battery",
            "Accept: text/html",
        ],
        "",
    )
    .await;
    assert!(page.body.contains("10 bits, about 1\u{202f}024 hashes"));

    // Asked again before it is done, it is the same work.
    first.say(&join()).await;
    assert_eq!(first.hears_work().await, work);
    first.say(&find(&work, true)).await;
    first.hears_waiting().await;

    // Each has work of its own, and one without a key as well.
    let (mut second, _) = Client::able(&server.url(), None, None).await;
    second.say(&join()).await;
    let other = second.hears_work().await;
    assert_ne!(other.challenge, work.challenge);
    first.has_heard_all().await;
    second.say(&find(&other, true)).await;
    let (room, _) = second.hears_matched().await;
    assert_eq!(first.hears_matched().await.0, room);

    // Once is enough for the session.
    second.say(&join()).await;
    second.hears_waiting().await;
    talking.goes_on().await;
    assert_eq!(server.newcomers_who_worked(), 2);
}

#[tokio::test]
async fn what_is_not_found_is_refused_in_words_and_nothing_counts_twice() {
    let (server, admin) = start_admin(crowded()).await;
    crowd(&server).await;
    let (mut client, _) = Client::able(&server.url(), Some(1), None).await;
    client.say(&find_nothing()).await;
    client.hears_error(ErrorCode::BadWork).await;
    client.say(&join()).await;
    let work = client.hears_work().await;
    client.say(&find(&work, false)).await;
    match client.hears().await {
        ServerMessage::Error { code, message, .. } => {
            assert_eq!(code, ErrorCode::BadWork);
            assert!(message.contains("still to be done"), "{message}");
        }
        other => panic!("expected words, got {other:?}"),
    }
    let found = find(&work, true);
    client.say(&found).await;
    client.hears_waiting().await;
    client.say(&found).await;
    client.hears_error(ErrorCode::BadWork).await;

    // In another session it is worth nothing.
    let (mut other, _) = Client::able(&server.url(), Some(2), None).await;
    other.say(&join()).await;
    other.hears_work().await;
    other.say(&found).await;
    other.hears_error(ErrorCode::BadWork).await;
    client.has_heard_all().await;
    let figures = metrics(admin).await;
    assert!((figures["passerby_refusals_total{limit=\"work\"}"] - 4.0).abs() < 0.1);
    assert!((figures["passerby_work_done_total"] - 1.0).abs() < 0.1);
}

fn find_nothing() -> ClientMessage {
    let nonce = Nonce::from_bytes([0; 8]);
    ClientMessage::Worked { nonce }
}

#[tokio::test]
async fn who_leaves_or_is_lost_meanwhile_is_asked_again_and_only_for_what_is_still_wanted() {
    let server = start(Settings {
        newcomers: crowded().newcomers,
        ..patient()
    })
    .await;
    crowd(&server).await;
    let (mut client, session) = Client::able(&server.url(), Some(1), None).await;
    client.say(&join()).await;
    let work = client.hears_work().await;
    client.say(&ClientMessage::Leave { room: None }).await;
    client.say(&find(&work, true)).await;
    client.has_heard_all().await;
    client.say(&join()).await;
    client.hears_waiting().await;

    // A connection is lost before the work is done: the session owes it still, and wants nobody until it asks.
    let (mut lost, lost_session) = Client::able(&server.url(), Some(2), None).await;
    lost.say(&join()).await;
    let work = lost.hears_work().await;
    drop(lost);
    let resume = |session: Option<Session>, received| {
        let token = session.expect("sessions are kept").token;
        Some(Resume { token, received })
    };
    let (mut back, _) = Client::able(&server.url(), None, resume(lost_session, 1)).await;
    back.say(&find(&work, true)).await;
    back.has_heard_all().await;
    client.has_heard_all().await;
    back.say(&join()).await;
    let (room, _) = back.hears_matched().await;
    assert_eq!(client.hears_matched().await.0, room);
    assert!(session.is_some());
}

/// As if this key had been here for so many hours.
fn make_known(store: &std::path::Path, seed: u8, hours: u64) {
    const KEYS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("keys");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is a key");
    let hash = digest(&SHA256, pair.public_key().as_ref());
    let hash: [u8; 16] = hash.as_ref()[..16].try_into().expect("half of it");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock that goes").as_secs();
    let row = serde_json::json!({"first_seen": now - hours * 3600 - 5, "last_seen": now});
    let database = Database::open(store).expect("it is a store");
    let transaction = database.begin_write().expect("nobody else has it");
    {
        let mut keys = transaction.open_table(KEYS).expect("there is one");
        let row = row.to_string();
        keys.insert(hash, row.as_bytes()).expect("there is room");
    }
    transaction.commit().expect("there is room");
}

#[tokio::test]
async fn whose_key_is_known_for_a_day_never_works() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let store = folder.path().join("store.redb");
    let settings = || Settings {
        store: Some(store.clone()),
        ..crowded()
    };
    start(settings()).await.stop().await;
    make_known(&store, 1, 24);
    make_known(&store, 2, 23);
    let server = start(settings()).await;
    crowd(&server).await;
    let (mut known, _) = Client::able(&server.url(), Some(1), None).await;
    known.say(&join()).await;
    known.hears_waiting().await;
    let (mut too_new, _) = Client::able(&server.url(), Some(2), None).await;
    too_new.say(&join()).await;
    too_new.hears_work().await;
    // Without the proof nobody knows.
    let (mut silent, _) = Client::able(&server.url(), None, None).await;
    silent.say(&join()).await;
    silent.hears_work().await;
    known.has_heard_all().await;
}

#[tokio::test]
async fn a_program_that_cannot_work_waits_for_its_turn_and_is_not_sent_away() {
    let newcomers = NewcomerPolicy {
        per_minute: 120,
        per_minute_per_ip: 0,
        most_bits: BITS,
    };
    let (server, admin) = start_admin(Settings {
        newcomers,
        ..brief()
    })
    .await;
    // The budget of a minute, and as much again.
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let mut client = Client::greeted(&server).await;
        client.say(&join()).await;
        client.hears().await;
        crowd.push(client);
    }
    drop(crowd);
    let mut old = [
        Client::greeted(&server).await,
        Client::greeted(&server).await,
    ];
    for client in &mut old {
        client.say(&join()).await;
        client.hears_waiting().await;
    }
    let [one, other] = &mut old;
    one.has_heard_all().await;
    // Its turn comes after a while: 60 s ÷ 120 × 4.
    let (room, _) = other.hears_matched().await;
    assert_eq!(one.hears_matched().await.0, room);
    let figures = metrics(admin).await;
    assert!(figures["passerby_refusals_total{limit=\"lane\"}"] > 1.5);
}

#[tokio::test]
async fn from_a_crowded_address_newcomers_work_whatever_else_is_calm() {
    let server = start(Settings {
        newcomers: NewcomerPolicy {
            per_minute: 1000,
            per_minute_per_ip: 1,
            most_bits: BITS,
        },
        limits_private_ips: true,
        ..brief()
    })
    .await;
    crowd(&server).await;
    let (mut client, _) = Client::able(&server.url(), Some(1), None).await;
    client.say(&join()).await;
    let work = client.hears_work().await;
    client.say(&find(&work, true)).await;
    client.hears_waiting().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    client.has_heard_all().await;
}
