//! Defects of servers in the field that this one must never have. Each was seen to strand, mislead or expose people.

use protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, IceServer, LeaveReason, Role,
    ServerMessage,
};
use server::{Census, Settings, Turn, TurnCredentials};

use crate::client::{Client, Pair, brief, candidate, join, start, until};

/// A disconnect emptied the whole queue.
#[tokio::test]
async fn one_who_goes_does_not_take_those_who_wait_with_him() {
    let server = start(brief()).await;
    let pair = Pair::meet(&server).await;
    let waiter = Client::waiting(&server).await;

    drop(pair.offerer);
    until(
        &server,
        Census {
            connections: 2,
            waiting: 1,
            rooms: 0,
            ..Census::default()
        },
    )
    .await;

    let newcomer = Client::greeted(&server).await;
    Pair::of(waiter, newcomer).await.goes_on().await;
}

/// One who left while waiting was matched all the same, and the other was lost.
#[tokio::test]
async fn nobody_is_matched_with_one_who_went_while_waiting() {
    let server = start(brief()).await;
    let ghost = Client::waiting(&server).await;
    drop(ghost);
    until(&server, Census::default()).await;

    let survivor = Client::waiting(&server).await;

    let newcomer = Client::greeted(&server).await;
    Pair::of(survivor, newcomer).await.goes_on().await;
}

/// The newest waited shortest: whoever had bad luck once starved.
#[tokio::test]
async fn who_waits_longest_is_matched_first() {
    let server = start(brief()).await;
    let _who_may_come = Pair::meet(&server).await;
    let mut pair = Pair::meet(&server).await;
    // Those two have just met, so both wait for somebody else.
    pair.offerer
        .say(&ClientMessage::Next {
            room: None,
            offer: None,
        })
        .await;
    pair.offerer.hears_waiting().await;
    pair.answerer.hears().await;
    let third = Client::greeted(&server).await;
    let mut held = Pair::of(pair.offerer, third).await;
    held.is_answered().await;
    held.offerer
        .say(&ClientMessage::Next {
            room: None,
            offer: None,
        })
        .await;
    held.offerer.hears_waiting().await;
    held.answerer.hears().await;
    held.answerer.say(&join()).await;
    held.answerer.hears_waiting().await;
    assert_eq!(server.census().waiting, 2);

    let newcomer = Client::greeted(&server).await;
    Pair::of(held.offerer, newcomer).await.goes_on().await;
}

/// Rooms were numbered, and anybody could send into any of them.
#[tokio::test]
async fn a_stranger_cannot_send_into_a_room() {
    let server = start(brief()).await;
    let mut pair = Pair::meet(&server).await;
    let mut other_pair = Pair::meet(&server).await;
    let mut lobby = Client::greeted(&server).await;
    let room = pair.room;
    assert_ne!(room, other_pair.room);

    for stranger in [&mut lobby, &mut other_pair.offerer] {
        for kind in [DescriptionKind::Offer, DescriptionKind::Answer] {
            let description = Description {
                kind,
                sdp: "v=0\r\n".into(),
                number: 0,
            };
            stranger
                .say(&ClientMessage::Description { room, description })
                .await;
            let ServerMessage::Error {
                code, room: named, ..
            } = stranger.hears().await
            else {
                panic!("refused");
            };
            assert_eq!((code, named), (ErrorCode::WrongRoom, Some(room)));
        }
        stranger
            .say(&ClientMessage::Candidate {
                room,
                candidate: Some(candidate("c")),
            })
            .await;
        stranger.hears_error(ErrorCode::WrongRoom).await;
    }

    pair.goes_on().await;
    other_pair.goes_on().await;
}

/// Rooms and their sockets were kept for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_and_connections_are_forgotten() {
    let server = start(brief()).await;

    for round in 0..50 {
        let Pair {
            mut offerer,
            answerer,
            room,
        } = Pair::meet(&server).await;
        if round % 2 == 0 {
            offerer
                .say(&ClientMessage::Leave { room: Some(room) })
                .await;
        }
        drop(answerer);
        drop(offerer);
    }

    until(&server, Census::default()).await;
}

/// The partner of one who went saw a frozen picture and was told nothing.
#[tokio::test]
async fn the_partner_of_one_who_went_is_told_once() {
    let server = start(brief()).await;
    let Pair {
        offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;

    drop(offerer);

    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(answerer.hears().await, left);
    answerer.has_heard_all().await;
}

/// No STUN or TURN server was ever named, so that only people in one network could meet.
#[tokio::test]
async fn a_match_names_the_ice_servers_with_credentials_for_this_call() {
    let server = start(Settings {
        stun: vec!["stun:stun.example.org".parse().unwrap()],
        turn: Some(Turn {
            urls: vec!["turn:turn.example.org?transport=udp".parse().unwrap()],
            credentials: TurnCredentials::Minted {
                secrets: relay::Secrets::new(vec!["north".to_owned()]).unwrap(),
                ttl: std::time::Duration::from_mins(1),
            },
        }),
        ..brief()
    })
    .await;
    let mut waiter = Client::waiting(&server).await;
    let mut newcomer = Client::greeted(&server).await;

    newcomer.say(&join()).await;

    let mut names = Vec::new();
    for client in [&mut waiter, &mut newcomer] {
        let ServerMessage::Matched { ice_servers, .. } = client.hears().await else {
            panic!("matched");
        };
        let [stun, turn] = &ice_servers[..] else {
            panic!("{ice_servers:?}")
        };
        let urls = vec!["stun:stun.example.org".to_owned()];
        assert_eq!(
            *stun,
            IceServer {
                urls,
                username: None,
                credential: None
            }
        );
        assert_eq!(turn.urls, ["turn:turn.example.org?transport=udp"]);
        assert!(turn.credential.is_some());
        names.push(turn.username.clone());
    }
    assert_ne!(names[0], names[1], "each side has its own");
}

/// There was no way on but to load the page again.
#[tokio::test]
async fn next_and_stop_work_on_one_connection() {
    let server = start(brief()).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;

    answerer
        .say(&ClientMessage::Next {
            room: Some(room),
            offer: None,
        })
        .await;
    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Next,
    };
    assert_eq!(offerer.hears().await, left);
    answerer.hears_waiting().await;
    let mut pair = Pair::of(answerer, offerer).await;
    pair.answerer
        .say(&ClientMessage::Leave { room: None })
        .await;
    let left = ServerMessage::PartnerLeft {
        room: pair.room,
        reason: LeaveReason::Left,
    };
    assert_eq!(pair.offerer.hears().await, left);

    pair.answerer.has_heard_all().await;
    assert_eq!(
        server.census(),
        Census {
            connections: 2,
            waiting: 0,
            rooms: 0,
            ..Census::default()
        }
    );
}

/// Both sides were told to send an offer.
#[tokio::test]
async fn exactly_one_of_two_is_to_send_the_offer() {
    let server = start(brief()).await;
    for _ in 0..5 {
        let mut waiter = Client::waiting(&server).await;
        let mut newcomer = Client::greeted(&server).await;
        newcomer.say(&join()).await;

        let mut roles = [
            waiter.hears_matched().await.1,
            newcomer.hears_matched().await.1,
        ];

        roles.sort_unstable_by_key(|role| role.is_polite());
        assert_eq!(roles, [Role::Offerer, Role::Answerer]);
        drop((waiter, newcomer));
        until(&server, Census::default()).await;
    }
}

/// Connecting meant being matched, before the camera was there.
#[tokio::test]
async fn nobody_is_matched_who_has_not_asked() {
    let server = start(brief()).await;
    let mut idle = Client::greeted(&server).await;

    let mut waiter = Client::waiting(&server).await;

    waiter.has_heard_all().await;
    idle.has_heard_all().await;
}
