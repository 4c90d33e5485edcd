//! Connections that are lost, and clients that come back to where they were.

use std::time::{Duration, Instant};

use protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, LeaveReason, Resume, ResumeToken,
    RoomId, ServerMessage, limits,
};
use server::{Census, Running, Settings};

use crate::{
    client::{Client, Pair, brief, candidate, join, patient, start, until},
    returning_client::{ReturningClient, ReturningPair, greet},
};

const OFFERER: usize = 0;
const ANSWERER: usize = 1;

/// Who says what in a negotiation, in this order.
fn negotiation(room: RoomId) -> Vec<(usize, ClientMessage)> {
    let description = |kind| ClientMessage::Description {
        room,
        description: Description {
            kind,
            sdp: format!("v=0\r\ns={kind:?}\r\n"),
            number: 0,
        },
    };
    let candidate = |text| ClientMessage::Candidate {
        room,
        candidate: Some(candidate(text)),
    };
    let end = ClientMessage::Candidate {
        room,
        candidate: None,
    };
    vec![
        (OFFERER, description(DescriptionKind::Offer)),
        (OFFERER, candidate("o1")),
        (ANSWERER, description(DescriptionKind::Answer)),
        (OFFERER, candidate("o2")),
        (ANSWERER, candidate("a1")),
        (ANSWERER, end.clone()),
        (OFFERER, end),
    ]
}

/// What the partner of `speaker` hears of it.
fn relayed(said: &[(usize, ClientMessage)], speaker: usize) -> Vec<ServerMessage> {
    let of_speaker = said.iter().filter(|(who, _)| *who == speaker);
    of_speaker
        .map(|(_, message)| match message.clone() {
            ClientMessage::Description { room, description } => {
                ServerMessage::Description { room, description }
            }
            ClientMessage::Candidate { room, candidate } => {
                ServerMessage::Candidate { room, candidate }
            }
            other => panic!("{other:?} is not relayed"),
        })
        .collect()
}

/// How a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The socket closes right after the last message was written.
    AfterWriting,
    /// The last message is not even written.
    BeforeWriting,
    /// The socket stays open, and nobody reads it any longer.
    HalfOpen,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_negotiation_is_whole_wherever_a_connection_is_lost() {
    let server = start(patient()).await;
    let steps = negotiation(RoomId::from_bytes([0; 16])).len();
    for loss in [Loss::AfterWriting, Loss::BeforeWriting, Loss::HalfOpen] {
        for at in 0..steps {
            for loser in [OFFERER, ANSWERER] {
                for reads_along in [true, false] {
                    Box::pin(negotiate(&server, loss, at, loser, reads_along)).await;
                }
            }
        }
    }
}

/// Negotiates, and lets `loser` lose the connection at step `at`. `reads_along` says whether the two hear each message
/// before the next is said, or all at the end.
async fn negotiate(server: &Running, loss: Loss, at: usize, loser: usize, reads_along: bool) {
    let context = format!("{loss:?} at {at} by {loser}, {reads_along}");
    let ReturningPair {
        offerer,
        answerer,
        room,
    } = ReturningPair::meet(server).await;
    let mut two = [offerer, answerer];
    let script = negotiation(room);
    let heard_before = [two[0].heard.len(), two[1].heard.len()];
    let mut expected = heard_before;
    let mut half_open = None;
    for (step, (speaker, message)) in script.clone().into_iter().enumerate() {
        let is_lost = step == at;
        match loss {
            Loss::BeforeWriting if is_lost => two[loser].loses_connection(),
            Loss::HalfOpen if is_lost => half_open = Some(two[loser].leaves_connection()),
            _ => {}
        }
        two[speaker].say(message).await;
        if is_lost {
            two[loser].loses_connection();
            assert!(two[loser].returns(server).await, "{context}");
        }
        expected[1 - speaker] += 1;
        if reads_along {
            two[1 - speaker].hears_up_to(expected[1 - speaker]).await;
        }
    }
    for (who, client) in two.iter_mut().enumerate() {
        client.hears_up_to(expected[who]).await;
        client.has_heard_all().await;
        let heard = &client.heard[heard_before[who]..expected[who]];
        assert_eq!(heard, relayed(&script, 1 - who), "{context}");
    }
    if let Some(mut older) = half_open {
        older.hears_to_the_end().await;
    }
    for mut client in two {
        client.closes().await;
    }
    until(server, Census::default()).await;
}

#[tokio::test]
async fn what_the_partner_says_meanwhile_is_there_on_return_and_in_order() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    pair.answerer.loses_connection();
    absent(&server, 1).await;

    for text in ["1", "2", "3"] {
        let candidate = Some(candidate(text));
        pair.offerer
            .say(ClientMessage::Candidate { room, candidate })
            .await;
    }
    pair.offerer.has_heard_all().await;
    assert!(pair.answerer.returns(&server).await);

    for text in ["1", "2", "3"] {
        let candidate = Some(candidate(text));
        let expected = ServerMessage::Candidate { room, candidate };
        assert_eq!(pair.answerer.hears().await, expected);
    }
    pair.answerer.has_heard_all().await;
    absent(&server, 0).await;
}

#[tokio::test]
async fn a_session_can_be_taken_up_again_and_again() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    for round in 0..20 {
        pair.answerer.loses_connection();
        let candidate = Some(candidate(&round.to_string()));
        pair.offerer
            .say(ClientMessage::Candidate {
                room,
                candidate: candidate.clone(),
            })
            .await;
        assert!(pair.answerer.returns(&server).await);
        let expected = ServerMessage::Candidate { room, candidate };
        assert_eq!(pair.answerer.hears().await, expected);
    }
    pair.answerer.has_heard_all().await;
    pair.offerer.has_heard_all().await;
}

#[tokio::test]
async fn after_the_grace_the_partner_is_told_and_the_session_is_over() {
    let grace = Duration::from_millis(300);
    let server = start(Settings {
        grace,
        ..Settings::default()
    })
    .await;
    let mut pair = ReturningPair::meet(&server).await;
    let lost_at = Instant::now();

    pair.answerer.loses_connection();

    assert_eq!(pair.offerer.hears().await, disconnected(pair.room));
    assert!(lost_at.elapsed() >= grace, "{:?}", lost_at.elapsed());
    assert!(!pair.answerer.returns(&server).await);
    pair.offerer.has_heard_all().await;
    absent(&server, 0).await;
}

#[tokio::test]
async fn one_who_closes_or_is_refused_is_not_waited_for() {
    let server = start(patient()).await;
    let mut closing = ReturningPair::meet(&server).await;
    closing.answerer.closes().await;
    assert_eq!(closing.offerer.hears().await, disconnected(closing.room));
    assert_eq!(server.census().absent, 0);
    assert!(!closing.answerer.returns(&server).await);

    let server = start(patient()).await;
    let mut refused = ReturningPair::meet(&server).await;
    let mut connection = refused.answerer.leaves_connection();
    for _ in 0..3 {
        connection.send("garbage".into()).await;
    }
    connection.hears_to_the_end().await;
    assert_eq!(refused.offerer.hears().await, disconnected(refused.room));
    assert_eq!(server.census().absent, 0);
    assert!(!refused.answerer.returns(&server).await);
}

#[tokio::test]
async fn a_token_that_is_not_known_begins_another_session() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let token = ResumeToken::from_bytes([7; 16]);

    let received = 0;
    let (mut client, session, resumed) = greet(&server, Some(Resume { token, received })).await;

    assert_eq!(resumed, None);
    assert_ne!(session.expect("a session").token, token);
    client.say(&join()).await;
    client.hears_waiting().await;
    pair.offerer.has_heard_all().await;
    pair.answerer.has_heard_all().await;
}

#[tokio::test]
async fn a_token_that_is_no_token_is_refused() {
    let server = start(patient()).await;
    let mut client = Client::connect(&server).await;
    let hello = r#"{"type":"hello","version":1,"resume":{"token":"secret","received":0}}"#;

    client.send(hello.into()).await;

    client.hears_error(ErrorCode::HelloExpected).await;
}

/// Nobody but the client has the token; but whoever lies about the count does not get what is not there.
#[tokio::test]
async fn a_count_that_cannot_be_ends_the_session() {
    let server = start(patient()).await;
    for received in [99, u64::MAX] {
        let mut pair = ReturningPair::meet(&server).await;
        pair.answerer.loses_connection();
        let Resume { token, .. } = pair.answerer.resume();

        let (_client, _, resumed) = greet(&server, Some(Resume { token, received })).await;

        assert_eq!(resumed, None);
        assert_eq!(pair.offerer.hears().await, disconnected(pair.room));
        assert!(!pair.answerer.returns(&server).await);
    }
}

#[tokio::test]
async fn a_connection_that_takes_up_a_session_ends_the_older_one_and_the_partner_does_not_notice() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let mut older = pair.answerer.leaves_connection();

    assert!(pair.answerer.returns(&server).await);

    assert_eq!(older.hears_to_the_end().await, (vec![], None));
    pair.offerer.has_heard_all().await;
    pair.answerer.has_heard_all().await;
    let both = Census {
        connections: 2,
        rooms: 1,
        ..Census::default()
    };
    until(&server, both).await;
}

#[tokio::test]
async fn one_who_is_away_for_more_than_is_kept_is_forgotten() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    pair.answerer.loses_connection();
    absent(&server, 1).await;

    for number in 0..65 {
        let candidate = Some(candidate(&number.to_string()));
        pair.offerer
            .say(ClientMessage::Candidate { room, candidate })
            .await;
    }

    assert_eq!(pair.offerer.hears().await, disconnected(room));
    assert!(!pair.answerer.returns(&server).await);
    absent(&server, 0).await;
}

#[tokio::test]
async fn what_was_not_received_and_is_not_kept_ends_the_session() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    // More than may wait and be kept together, to one who does not read and so answers no ping.
    let sdp = "x".repeat(limits::SDP_BYTES);
    for _ in 0..12 {
        let description = Description {
            kind: DescriptionKind::Offer,
            sdp: sdp.clone(),
            number: 0,
        };
        pair.offerer
            .say(ClientMessage::Description { room, description })
            .await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    assert!(!pair.answerer.returns(&server).await);

    assert_eq!(pair.offerer.hears().await, disconnected(room));
}

/// The pings ask often enough, however much is said.
#[tokio::test]
async fn one_who_reads_can_always_come_back() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    for _ in 0..20 {
        for _ in 0..5 {
            let description = Description {
                kind: DescriptionKind::Offer,
                sdp: "x".repeat(10_000),
                number: 0,
            };
            pair.offerer
                .say(ClientMessage::Description { room, description })
                .await;
            pair.answerer.hears().await;
        }
        pair.answerer.loses_connection();
        assert!(pair.answerer.returns(&server).await);
    }
    pair.answerer.has_heard_all().await;
}

#[tokio::test]
async fn what_a_pong_acknowledges_is_not_kept() {
    // No ping but those for what was sent.
    let server = start(Settings {
        heartbeat: Duration::from_mins(5),
        ..patient()
    })
    .await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    let heard_before = pair.answerer.heard.len();
    for number in 0..40 {
        let candidate = Some(candidate(&number.to_string()));
        pair.offerer
            .say(ClientMessage::Candidate { room, candidate })
            .await;
    }
    pair.answerer.hears_up_to(heard_before + 40).await;
    // It comes after the pong.
    pair.answerer.has_heard_all().await;
    pair.answerer.loses_connection();

    let resume = Resume {
        received: heard_before as u64 + 10,
        ..pair.answerer.resume()
    };
    let (_client, _, resumed) = greet(&server, Some(resume)).await;

    assert_eq!(resumed, None);
    assert_eq!(pair.offerer.hears().await, disconnected(room));
}

#[tokio::test]
async fn one_who_is_away_learns_on_return_that_the_partner_went_on() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    let room = pair.room;
    pair.answerer.loses_connection();
    absent(&server, 1).await;

    pair.offerer
        .say(ClientMessage::Next {
            room: Some(room),
            offer: None,
        })
        .await;
    let waiting = pair.offerer.hears().await;
    assert!(
        matches!(waiting, ServerMessage::Waiting { .. }),
        "{waiting:?}"
    );
    assert!(pair.answerer.returns(&server).await);

    let reason = LeaveReason::Next;
    let left = ServerMessage::PartnerLeft { room, reason };
    assert_eq!(pair.answerer.hears().await, left);
    pair.answerer
        .say(ClientMessage::Next {
            room: Some(room),
            offer: None,
        })
        .await;
    let matched = pair.answerer.hears().await;
    assert!(
        matches!(matched, ServerMessage::Matched { .. }),
        "{matched:?}"
    );
}

#[tokio::test]
async fn one_who_waits_and_is_lost_meets_nobody_until_he_is_back_and_asks() {
    let server = start(patient()).await;
    let mut ghost = ReturningClient::waiting(&server).await;
    ghost.loses_connection();
    until(
        &server,
        Census {
            absent: 1,
            ..Census::default()
        },
    )
    .await;

    let mut other = Client::waiting(&server).await;
    assert!(ghost.returns(&server).await);
    other.has_heard_all().await;
    ghost.has_heard_all().await;
    ghost.say(join()).await;

    let matched = ghost.hears().await;
    assert!(
        matches!(matched, ServerMessage::Matched { .. }),
        "{matched:?}"
    );
    other.hears_matched().await;
}

#[tokio::test]
async fn one_who_was_matched_before_his_loss_was_noticed_keeps_the_partner_though_he_joins_again() {
    let server = start(patient()).await;
    let mut waiter = ReturningClient::waiting(&server).await;
    let _half_open = waiter.leaves_connection();
    let mut other = Client::greeted(&server).await;
    other.say(&join()).await;
    let (room, _) = other.hears_matched().await;

    assert!(waiter.returns(&server).await);
    waiter.say(ClientMessage::Prepare).await;
    waiter.say(join()).await;

    let matched = waiter.hears().await;
    assert!(
        matches!(matched, ServerMessage::Matched { room: named, .. } if named == room),
        "{matched:?}"
    );
    let prepared = waiter.hears().await;
    assert!(
        matches!(prepared, ServerMessage::Prepared { .. }),
        "{prepared:?}"
    );
    waiter.has_heard_all().await;
    other.has_heard_all().await;

    // The next one is meant.
    waiter.say(join()).await;
    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Next,
    };
    assert_eq!(other.hears().await, left);
}

#[tokio::test]
async fn without_a_grace_there_are_no_sessions() {
    let server = start(Settings {
        grace: Duration::ZERO,
        ..Settings::default()
    })
    .await;
    let (client, session, resumed) = greet(&server, None).await;
    assert_eq!((session, resumed), (None, None));
    drop(client);
    let Pair {
        offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;

    drop(offerer);

    assert_eq!(answerer.hears().await, disconnected(room));
}

#[tokio::test]
async fn no_more_are_waited_for_than_may_be_connected() {
    let server = start(Settings {
        max_connections: 2,
        ..patient()
    })
    .await;
    let mut clients = Vec::new();
    for count in 1..=3 {
        let mut client = ReturningClient::greeted(&server).await;
        client.loses_connection();
        absent(&server, count.min(2)).await;
        until(
            &server,
            Census {
                absent: count.min(2),
                ..Census::default()
            },
        )
        .await;
        clients.push(client);
    }

    for client in &mut clients[1..] {
        assert!(client.returns(&server).await);
        client.closes().await;
    }
    assert!(!clients[0].returns(&server).await);
}

#[tokio::test]
async fn sessions_end_with_the_server() {
    let server = start(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    pair.answerer.loses_connection();
    absent(&server, 1).await;
    let stopping = Instant::now();

    server.stop().await;

    assert!(
        stopping.elapsed() < Duration::from_secs(3),
        "no task is left"
    );
    let shutdown = pair.offerer.hears().await;
    assert!(
        matches!(shutdown, ServerMessage::Shutdown { .. }),
        "{shutdown:?}"
    );
    let server = start(patient()).await;
    assert!(!pair.answerer.returns(&server).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_those_who_do_not_come_back() {
    let server = start(brief()).await;
    for round in 0..30 {
        let mut pair = ReturningPair::meet(&server).await;
        pair.answerer.loses_connection();
        if round % 2 == 0 {
            pair.answerer.returns(&server).await;
        }
        if round % 3 == 0 {
            pair.offerer.leaves_connection();
            pair.offerer.returns(&server).await;
        }
    }

    until(&server, Census::default()).await;
    let stopping = Instant::now();
    server.stop().await;
    assert!(
        stopping.elapsed() < Duration::from_secs(3),
        "no task is left"
    );
}

fn disconnected(room: RoomId) -> ServerMessage {
    let reason = LeaveReason::Disconnected;
    ServerMessage::PartnerLeft { room, reason }
}

async fn absent(server: &Running, count: usize) {
    let counted = tokio::time::timeout(Duration::from_secs(20), async {
        while server.census().absent != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(counted.await.is_ok(), "{:?}", server.census());
}
