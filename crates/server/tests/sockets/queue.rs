//! Whose turn it is, as people notice it.

use std::time::Duration;

use protocol::{ClientMessage, Description, DescriptionKind, LeaveReason, RoomId, ServerMessage};
use server::{Running, Settings};

use crate::client::{Client, Pair, patient, start};

fn join_speaking(language: Option<&str>) -> ClientMessage {
    ClientMessage::Join {
        interests: Vec::new(),
        language: language.map(str::to_owned),
        offer: None,
    }
}

/// One who has asked for a partner and has not heard the answer yet.
async fn asks(server: &Running, language: Option<&str>) -> Client {
    let mut client = Client::greeted(server).await;
    client.say(&join_speaking(language)).await;
    client
}

async fn meets(one: &mut Client, other: &mut Client) -> RoomId {
    let (room, _) = one.hears_matched().await;
    assert_eq!(other.hears_matched().await.0, room);
    room
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_is_left_before_the_answer_keeps_the_place_in_the_queue() {
    for is_answered in [false, true] {
        let server = start(patient()).await;
        // Two who talk on, so that there is hope for either language.
        let mut talking = asks(&server, Some("en")).await;
        talking.hears_waiting().await;
        let mut with_him = asks(&server, Some("de")).await;
        meets(&mut talking, &mut with_him).await;

        let mut alice = asks(&server, Some("en")).await;
        alice.hears_waiting().await;
        let mut bob = asks(&server, Some("en")).await;
        let room = meets(&mut alice, &mut bob).await;
        if is_answered {
            let description = Description {
                kind: DescriptionKind::Answer,
                sdp: "v=0".into(),
                number: 1,
            };
            bob.say(&ClientMessage::Description { room, description })
                .await;
            let heard = alice.hears().await;
            assert!(matches!(heard, ServerMessage::Description { .. }));
        }
        let mut carol = asks(&server, Some("de")).await;
        carol.hears_waiting().await;

        let room = Some(room);
        bob.say(&ClientMessage::Leave { room }).await;
        let heard = alice.hears().await;
        let is_left = matches!(
            heard,
            ServerMessage::PartnerLeft {
                reason: LeaveReason::Left,
                ..
            }
        );
        assert!(is_left, "{heard:?}");
        alice.say(&ClientMessage::Next { room, offer: None }).await;
        alice.hears_waiting().await;

        let mut dave = asks(&server, None).await;
        let first = if is_answered { &mut carol } else { &mut alice };
        meets(&mut dave, first).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_whom_none_answers_are_parted_and_both_keep_their_places() {
    let server = start(Settings {
        answer_deadline: Duration::from_millis(1500),
        ..patient()
    })
    .await;
    // Two whose call has come up, so that there is hope for either language.
    let mut talking = asks(&server, Some("en")).await;
    talking.hears_waiting().await;
    let mut with_him = asks(&server, Some("de")).await;
    let room = meets(&mut talking, &mut with_him).await;
    let mut call = Pair {
        offerer: with_him,
        answerer: talking,
        room,
    };
    call.is_answered().await;

    let mut alice = asks(&server, Some("en")).await;
    alice.hears_waiting().await;
    let mut silent = asks(&server, Some("en")).await;
    let room = meets(&mut alice, &mut silent).await;
    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(alice.hears().await, left);
    assert_eq!(silent.hears().await, left);
    let mut carol = asks(&server, Some("de")).await;
    carol.hears_waiting().await;
    alice
        .say(&ClientMessage::Next {
            room: Some(room),
            offer: None,
        })
        .await;
    alice.hears_waiting().await;

    // Carol asked before her, and still it is Alice's turn.
    let mut dave = asks(&server, None).await;
    meets(&mut dave, &mut alice).await;
    call.goes_on().await;
}
