//! Offers that are told ahead, and travel with the match.

use protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, LeaveReason, PathPolicy, Resume, Role,
    RoomId, ServerMessage, TAKES_OFFER_AHEAD, limits,
};
use server::{Census, Running, Settings};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, brief, join, patient, start, until};

/// What a client is told of a match: its role, the partner's offer, the number of its own that was handed over.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    role: Role,
    offer: Option<Description>,
    handed_over: Option<u32>,
}

#[tokio::test]
async fn the_offer_of_one_who_comes_is_told_to_one_who_waits_with_the_match() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await.waits().await;
    let mut newcomer = able(&server).await;

    newcomer.say(&join_with(Some(offer(1)))).await;

    let (room, told) = hears_match(&mut newcomer).await;
    assert_eq!(told, handed_over(1));
    assert_eq!(hears_match(&mut waiter).await, (room, given(offer(1))));
    // The rest of the negotiation goes on from there.
    let description = Description {
        kind: DescriptionKind::Answer,
        ..offer(1)
    };
    let answer = ClientMessage::Description {
        room,
        description: description.clone(),
    };
    waiter.say(&answer).await;
    let relayed = ServerMessage::Description { room, description };
    assert_eq!(newcomer.hears().await, relayed);
}

#[tokio::test]
async fn next_tells_an_offer_too_and_it_goes_to_the_next_partner_alone() {
    let server = start(brief()).await;
    let mut first = able(&server).await.waits().await;
    let mut person = able(&server).await;
    person.say(&join_with(Some(offer(1)))).await;
    let (room, _) = hears_match(&mut person).await;
    assert_eq!(hears_match(&mut first).await.1, given(offer(1)));
    let mut second = able(&server).await.waits().await;

    let next = ClientMessage::Next {
        room: Some(room),
        offer: Some(offer(2)),
    };
    person.say(&next).await;

    assert_eq!(hears_match(&mut person).await.1, handed_over(2));
    assert_eq!(hears_match(&mut second).await.1, given(offer(2)));
    let reason = LeaveReason::Next;
    let left = ServerMessage::PartnerLeft { room, reason };
    assert_eq!(first.hears().await, left);
}

#[tokio::test]
async fn an_offer_is_given_to_one_partner_and_never_again() {
    let server = start(brief()).await;
    let mut first = able(&server).await.waits().await;
    let mut person = able(&server).await;
    person.say(&join_with(Some(offer(1)))).await;
    hears_match(&mut person).await;
    hears_match(&mut first).await;
    let mut second = able(&server).await.waits().await;

    // Neither with another wish nor by one that came too late to be for this match.
    let late = ClientMessage::Offer {
        offer: Some(offer(1)),
    };
    person.say(&late).await;
    person.say(&next()).await;

    assert_eq!(hears_match(&mut person).await.1, plain(Role::Offerer));
    assert_eq!(hears_match(&mut second).await.1, plain(Role::Answerer));
}

#[tokio::test]
async fn the_answerers_own_offer_is_forgotten_with_the_match() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await;
    waiter.say(&join_with(Some(offer(1)))).await;
    waiter.hears_waiting().await;
    let mut newcomer = able(&server).await;
    newcomer.say(&join_with(Some(offer(7)))).await;
    assert_eq!(hears_match(&mut waiter).await.1, given(offer(7)));
    assert_eq!(hears_match(&mut newcomer).await.1, handed_over(7));

    newcomer.say(&ClientMessage::Leave { room: None }).await;
    waiter.hears().await;
    let mut third = able(&server).await.waits().await;
    waiter.say(&next()).await;

    assert_eq!(hears_match(&mut waiter).await.1, plain(Role::Offerer));
    assert_eq!(hears_match(&mut third).await.1, plain(Role::Answerer));
}

#[tokio::test]
async fn one_who_waits_offers_where_the_one_who_comes_has_nothing_ready() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await;
    waiter.say(&join_with(Some(offer(3)))).await;
    waiter.hears_waiting().await;
    let mut newcomer = able(&server).await;

    newcomer.say(&join()).await;

    assert_eq!(hears_match(&mut newcomer).await.1, given(offer(3)));
    assert_eq!(hears_match(&mut waiter).await.1, handed_over(3));
}

#[tokio::test]
async fn of_one_who_waits_the_last_word_counts() {
    let server = start(brief()).await;
    for (told, last) in [
        (vec![Some(offer(1)), Some(offer(2))], Some(offer(2))),
        (vec![Some(offer(1)), None], None),
        (vec![None, Some(offer(2))], Some(offer(2))),
    ] {
        // A second wish counts like a word of its own.
        for says_it_by_joining in [false, true] {
            let mut waiter = able(&server).await;
            waiter.say(&join_with(told[0].clone())).await;
            waiter.hears_waiting().await;
            let offer = told[1].clone();
            if says_it_by_joining {
                waiter.say(&join_with(offer)).await;
                waiter.hears_waiting().await;
            } else {
                waiter.say(&ClientMessage::Offer { offer }).await;
                waiter.has_heard_all().await;
            }
            let mut newcomer = able(&server).await;
            newcomer.say(&join()).await;

            let expected = last.clone().map_or(plain(Role::Answerer), given);
            assert_eq!(hears_match(&mut newcomer).await.1.offer, expected.offer);
            hears_match(&mut waiter).await;
            for mut client in [waiter, newcomer] {
                client.send(Message::Close(None)).await;
                client.hears_to_the_end().await;
            }
            until(&server, Census::default()).await;
        }
    }
}

#[tokio::test]
async fn one_who_does_not_know_of_it_is_told_no_offer_and_the_partner_sends_its_own() {
    let server = start(brief()).await;
    for answerer_knows in [false, true] {
        let mut waiter = if answerer_knows {
            able(&server).await.waits().await
        } else {
            Client::waiting(&server).await
        };
        // One that does not know of it itself may still tell one: it hears what became of it.
        let mut newcomer = Client::greeted(&server).await;
        newcomer.say(&join_with(Some(offer(1)))).await;

        let (newcomer_hears, waiter_hears) = if answerer_knows {
            (handed_over(1), given(offer(1)))
        } else {
            (plain(Role::Offerer), plain(Role::Answerer))
        };
        assert_eq!(hears_match(&mut newcomer).await.1, newcomer_hears);
        assert_eq!(hears_match(&mut waiter).await.1, waiter_hears);
    }
}

#[tokio::test]
async fn a_late_next_tells_nothing() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await.waits().await;
    let mut person = able(&server).await;
    person.say(&join()).await;
    let (room, _) = hears_match(&mut person).await;
    hears_match(&mut waiter).await;

    let late = ClientMessage::Next {
        room: Some(RoomId::from_bytes([0xee; 16])),
        offer: Some(offer(1)),
    };
    person.say(&late).await;
    person.hears_error(ErrorCode::WrongRoom).await;
    let mut second = able(&server).await.waits().await;
    let next = ClientMessage::Next {
        room: Some(room),
        offer: None,
    };
    person.say(&next).await;

    assert_eq!(hears_match(&mut person).await.1, plain(Role::Offerer));
    assert_eq!(hears_match(&mut second).await.1, plain(Role::Answerer));
}

#[tokio::test]
async fn where_calls_use_relays_only_no_other_address_is_told_ahead() {
    let server = start(Settings {
        path_policy: PathPolicy::RelayOnly,
        ..brief()
    })
    .await;
    let mut waiter = able(&server).await.waits().await;
    let mut newcomer = able(&server).await;
    let sdp = |candidates: &str| Description {
        sdp: format!("v=0\r\n{candidates}"),
        ..offer(1)
    };
    let relay = "a=candidate:2 1 udp 16777215 198.51.100.9 60000 typ relay raddr";
    let told = format!(
        "c=IN IP4 203.0.113.7\r\n\
         a=candidate:1 1 udp 2130706431 203.0.113.7 50000 typ host\r\n\
         {relay} 203.0.113.7 rport 50000\r\n"
    );

    newcomer.say(&join_with(Some(sdp(&told)))).await;

    let passed = format!("c=IN IP4 0.0.0.0\r\n{relay} 0.0.0.0 rport 9\r\n");
    assert_eq!(hears_match(&mut waiter).await.1, given(sdp(&passed)));
    assert_eq!(hears_match(&mut newcomer).await.1, handed_over(1));
    assert_eq!(server.withheld_candidates(), 1);
}

#[tokio::test]
async fn what_is_no_offer_or_too_long_is_refused_in_words_and_the_wish_with_it() {
    let server = start(brief()).await;
    let _waiter = Client::waiting(&server).await;
    let answer = Description {
        kind: DescriptionKind::Answer,
        ..offer(1)
    };
    let nonsense = Description {
        sdp: "hello".to_owned(),
        ..offer(1)
    };
    let huge = Description {
        sdp: "v=0".to_owned() + &"a".repeat(limits::AHEAD_SDP_BYTES),
        ..offer(1)
    };
    for (bad, code, words) in [
        (answer, ErrorCode::Malformed, "not an offer in SDP"),
        (nonsense, ErrorCode::Malformed, "not an offer in SDP"),
        (huge, ErrorCode::TooLarge, "over the limit of 16384"),
    ] {
        let mut client = able(&server).await;
        client.say(&join_with(Some(bad))).await;

        match client.hears().await {
            ServerMessage::Error {
                code: heard,
                message,
                ..
            } => {
                assert_eq!(heard, code);
                assert!(message.contains(words), "{message}");
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
        client.has_heard_all().await;
    }
}

#[tokio::test]
async fn offers_that_come_too_often_are_refused_and_the_one_before_stands() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await.waits().await;
    for number in 1..=8 {
        let offer = Some(offer(number));
        waiter.say(&ClientMessage::Offer { offer }).await;
    }
    waiter.has_heard_all().await;

    let offer_nine = Some(offer(9));
    waiter
        .say(&ClientMessage::Offer { offer: offer_nine })
        .await;
    waiter.hears_error(ErrorCode::TooFast).await;

    let mut newcomer = able(&server).await;
    newcomer.say(&join()).await;
    assert_eq!(hears_match(&mut newcomer).await.1, given(offer(8)));
    assert_eq!(hears_match(&mut waiter).await.1, handed_over(8));
}

#[tokio::test]
async fn a_client_that_comes_back_has_told_nothing_and_is_known_by_what_it_says_then() {
    let server = start(patient()).await;
    let mut waiter = Client::connect(&server).await;
    let token = says_hello(&mut waiter, true, None).await;
    waiter.say(&join_with(Some(offer(1)))).await;
    waiter.hears_waiting().await;
    drop(waiter);
    let away = Census {
        absent: 1,
        ..Census::default()
    };
    until(&server, away).await;

    let mut waiter = Client::connect(&server).await;
    let resume = Resume { token, received: 1 };
    // Another program by now, perhaps.
    says_hello(&mut waiter, false, Some(resume)).await;
    waiter.say(&join()).await;
    waiter.hears_waiting().await;
    let mut newcomer = able(&server).await;
    newcomer.say(&join_with(Some(offer(2)))).await;

    assert_eq!(hears_match(&mut newcomer).await.1, plain(Role::Offerer));
    assert_eq!(hears_match(&mut waiter).await.1, plain(Role::Answerer));
}

#[tokio::test]
async fn a_match_that_is_said_again_after_a_loss_has_the_offer_with_it() {
    let server = start(patient()).await;
    let mut waiter = Client::connect(&server).await;
    let token = says_hello(&mut waiter, true, None).await;
    waiter.say(&join()).await;
    waiter.hears_waiting().await;
    // Nobody reads any more, and the server does not know it.
    let _half_open = waiter;
    let mut newcomer = able(&server).await;
    newcomer.say(&join_with(Some(offer(1)))).await;
    let (room, told) = hears_match(&mut newcomer).await;
    assert_eq!(told, handed_over(1));

    let mut waiter = Client::connect(&server).await;
    let resume = Resume { token, received: 1 };
    says_hello(&mut waiter, true, Some(resume)).await;

    assert_eq!(hears_match(&mut waiter).await, (room, given(offer(1))));
}

#[tokio::test]
async fn one_who_stops_and_starts_again_has_told_nothing() {
    let server = start(brief()).await;
    let mut waiter = able(&server).await;
    waiter.say(&join_with(Some(offer(1)))).await;
    waiter.hears_waiting().await;
    waiter.say(&ClientMessage::Leave { room: None }).await;
    let late = Some(offer(1));
    waiter.say(&ClientMessage::Offer { offer: late }).await;
    waiter.say(&join()).await;
    waiter.hears_waiting().await;

    let mut newcomer = able(&server).await;
    newcomer.say(&join()).await;

    assert_eq!(hears_match(&mut newcomer).await.1, plain(Role::Offerer));
}

fn offer(number: u32) -> Description {
    Description {
        kind: DescriptionKind::Offer,
        sdp: format!("v=0\r\no=- {number} 2 IN IP4 127.0.0.1\r\n"),
        number,
    }
}

fn join_with(offer: Option<Description>) -> ClientMessage {
    match join() {
        ClientMessage::Join {
            interests,
            language,
            ..
        } => ClientMessage::Join {
            interests,
            language,
            offer,
        },
        other => other,
    }
}

const fn next() -> ClientMessage {
    ClientMessage::Next {
        room: None,
        offer: None,
    }
}

const fn plain(role: Role) -> Told {
    Told {
        role,
        offer: None,
        handed_over: None,
    }
}

const fn given(offer: Description) -> Told {
    Told {
        role: Role::Answerer,
        offer: Some(offer),
        handed_over: None,
    }
}

const fn handed_over(number: u32) -> Told {
    Told {
        role: Role::Offerer,
        offer: None,
        handed_over: Some(number),
    }
}

/// A client that takes offers with matches.
async fn able(server: &Running) -> Client {
    let mut client = Client::connect(server).await;
    says_hello(&mut client, true, None).await;
    client
}

/// Says `hello` and hears the answer; returns the session's token.
async fn says_hello(
    client: &mut Client,
    takes_offer_ahead: bool,
    resume: Option<Resume>,
) -> protocol::ResumeToken {
    let capability = takes_offer_ahead.then(|| TAKES_OFFER_AHEAD.to_owned());
    let is_return = resume.is_some();
    client
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: capability.into_iter().collect(),
            resume,
        })
        .await;
    match client.hears().await {
        ServerMessage::Welcome {
            session: Some(session),
            resumed,
            ..
        } => {
            assert_eq!(resumed.is_some(), is_return);
            session.token
        }
        other => panic!("expected a welcome with a session, got {other:?}"),
    }
}

async fn hears_match(client: &mut Client) -> (RoomId, Told) {
    match client.hears().await {
        ServerMessage::Matched {
            room,
            role,
            offer,
            handed_over,
            ..
        } => {
            let told = Told {
                role,
                offer,
                handed_over,
            };
            (room, told)
        }
        other => panic!("expected a match, got {other:?}"),
    }
}
