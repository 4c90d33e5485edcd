//! Who is not wanted, and by whom, over real sockets.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use protocol::{
    ClientMessage, ErrorCode, LeaveReason, NotTaken, ReportReason, Resume, RoomId, ServerMessage,
};
use server::{Policy, Running, Settings};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    admin::{metrics, start_admin},
    client::{Client, Pair, brief, join, patient, proof, start},
    http::request,
};

const BEARER: &str = "Authorization: Bearer correct horse battery";

/// Settings under which a few newcomers are enough: each weighs a fifth.
pub(crate) fn strict() -> Settings {
    Settings {
        reputation: Policy {
            slow_at: 0.3,
            separate_at: 0.5,
            ban_at: 0.7,
            slow_by: Duration::from_millis(300),
            ..Policy::default()
        },
        appeal: Some("write to the operator".to_owned()),
        ..patient()
    }
}

pub(crate) fn report(room: RoomId, block: bool) -> ClientMessage {
    ClientMessage::Report {
        room,
        reason: ReportReason::Harassment,
        note: "<b>he shouted</b>".to_owned(),
        block,
        lines: Vec::new(),
    }
}

impl Client {
    /// Says something about a partner and hears that it is kept.
    pub(crate) async fn is_heard(&mut self, message: ClientMessage) {
        self.say(&message).await;
        let answer = self.hears().await;
        let (ServerMessage::Reported { refused, .. } | ServerMessage::Blocked { refused, .. }) =
            answer
        else {
            panic!("expected an answer, got {answer:?}");
        };
        assert_eq!(refused, None);
    }

    async fn hears_refusal(&mut self, expected: NotTaken) {
        match self.hears().await {
            ServerMessage::Reported { refused, .. } | ServerMessage::Blocked { refused, .. } => {
                assert_eq!(refused, Some(expected));
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Hears that it is banned, and that the connection closes.
    pub(crate) async fn hears_ban(&mut self) -> ServerMessage {
        let (mut messages, _) = self.hears_to_the_end().await;
        let last = messages.pop().expect("a word before the end");
        assert!(matches!(last, ServerMessage::Banned { .. }), "{last:?}");
        last
    }
}

/// Lets a newcomer with `seed` meet `waiter` and report him.
pub(crate) fn reported_by(
    server: &Running,
    waiter: Client,
    seed: u8,
) -> Pin<Box<dyn Future<Output = Client> + '_>> {
    Box::pin(async move {
        let newcomer = Client::known(&server.url(), seed).await;
        let Pair {
            mut offerer,
            mut answerer,
            room,
        } = Pair::of(waiter, newcomer).await;
        offerer.say(&report(room, false)).await;
        let answer = offerer.hears().await;
        assert!(
            matches!(answer, ServerMessage::Reported { refused: None, .. }),
            "{answer:?}"
        );
        offerer
            .say(&ClientMessage::Leave { room: Some(room) })
            .await;
        answerer.has_no_partner_because(LeaveReason::Left).await;
        answerer
    })
}

#[tokio::test]
async fn a_proof_is_good_for_its_own_session_and_no_other() {
    let server = start(brief()).await;
    let mut first = Client::connect(&server).await;
    let old = first.hears_challenge(None).await.expect("a challenge");
    first.say(&proof(1, &old)).await;
    first.has_heard_all().await;

    let mut second = Client::connect(&server).await;
    let new = second.hears_challenge(None).await.expect("a challenge");
    assert_ne!(old, new);
    second.say(&proof(1, &old)).await;
    second.hears_error(ErrorCode::BadProof).await;
    let (_, close) = second.hears_to_the_end().await;
    assert_eq!(close, Some(CloseCode::Policy));

    // Nobody becomes somebody else in the middle of a session.
    first.say(&proof(2, &old)).await;
    first.hears_error(ErrorCode::BadProof).await;
}

#[tokio::test]
async fn a_key_holds_for_the_whole_session_over_all_its_connections() {
    let server = start(patient()).await;
    let mut client = Client::connect(&server).await;
    client
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;
    let ServerMessage::Welcome {
        session: Some(session),
        challenge: Some(challenge),
        ..
    } = client.hears().await
    else {
        panic!("a session and a challenge");
    };
    let resume = || Resume {
        token: session.token,
        received: 0,
    };
    // What is not proved yet can be proved later, by the same challenge.
    let mut client = Client::connect(&server).await;
    assert_eq!(
        client.hears_challenge(Some(resume())).await,
        Some(challenge)
    );
    client.say(&proof(1, &challenge)).await;
    client.say(&join()).await;
    client.hears_waiting().await;

    let mut client = Client::connect(&server).await;
    let received = 1;
    let again = Resume {
        received,
        ..resume()
    };
    assert_eq!(client.hears_challenge(Some(again)).await, None);
}

#[tokio::test]
async fn two_who_have_keys_are_told_what_to_call_each_other_and_others_are_not() {
    let server = start(brief()).await;
    let handle = async |seeds: [u8; 2]| {
        let mut waiter = Client::known(&server.url(), seeds[0]).await.waits().await;
        let mut newcomer = Client::known(&server.url(), seeds[1]).await;
        newcomer.say(&join()).await;
        let mut handles = Vec::new();
        for client in [&mut waiter, &mut newcomer] {
            let ServerMessage::Matched { partner, .. } = client.hears().await else {
                panic!("they meet");
            };
            handles.push(partner.expect("both have keys"));
        }
        handles
    };
    let first = handle([1, 2]).await;
    let again = handle([1, 2]).await;
    let other = handle([3, 2]).await;
    assert_eq!(first, again);
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0], other[0], "another viewer, another name");

    let waiter = Client::known(&server.url(), 1).await.waits().await;
    let mut nobody = Client::greeted(&server).await;
    nobody.say(&join()).await;
    for mut client in [waiter, nobody] {
        let matched = client.hears().await;
        assert!(
            matches!(matched, ServerMessage::Matched { partner: None, .. }),
            "{matched:?}"
        );
    }
}

#[tokio::test]
async fn the_present_and_the_last_partner_can_be_reported_and_nobody_else() {
    let (server, admin) = start_admin(brief()).await;
    let mut pair = Pair::meet(&server).await;
    let mut stranger = Client::greeted(&server).await;
    stranger.say(&report(pair.room, false)).await;
    stranger.hears_refusal(NotTaken::UnknownRoom).await;
    let nowhere = RoomId::from_bytes([0xab; 16]);
    pair.offerer
        .say(&ClientMessage::Block { room: nowhere })
        .await;
    pair.offerer.hears_refusal(NotTaken::UnknownRoom).await;

    pair.offerer.is_heard(report(pair.room, false)).await;
    pair.goes_on().await;
    let room = Some(pair.room);
    pair.offerer
        .say(&ClientMessage::Next { room, offer: None })
        .await;
    pair.offerer.hears_waiting().await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Next)
        .await;
    pair.offerer.is_heard(report(pair.room, false)).await;
    pair.answerer.is_heard(report(pair.room, true)).await;

    let figures = metrics(admin).await;
    assert!((figures["passerby_reports_total"] - 3.0).abs() < 0.1);
    assert!((figures["passerby_blocks_total"] - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn who_reports_without_end_is_not_heard() {
    let server = start(brief()).await;
    let mut pair = Pair::meet(&server).await;
    for _ in 0..10 {
        pair.offerer.is_heard(report(pair.room, false)).await;
    }
    pair.offerer.say(&report(pair.room, true)).await;
    pair.offerer.hears_refusal(NotTaken::TooFast).await;
    pair.goes_on().await;
}

#[tokio::test]
async fn two_of_whom_one_has_blocked_the_other_do_not_meet_again_whoever_asks() {
    let server = start(brief()).await;
    let waiter = Client::known(&server.url(), 1).await.waits().await;
    let blocker = Client::known(&server.url(), 2).await;
    let mut pair = Pair::of(waiter, blocker).await;
    pair.offerer
        .is_heard(ClientMessage::Block { room: pair.room })
        .await;
    pair.goes_on().await;
    for client in [&mut pair.offerer, &mut pair.answerer] {
        client.say(&join()).await;
    }
    pair.offerer.hears_waiting().await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Next)
        .await;
    pair.answerer.hears_waiting().await;
    drop(pair);

    // In later sessions neither, in any order; but each meets others.
    for [first, second] in [[1, 2], [2, 1]] {
        let mut waiting = Vec::new();
        for seed in [first, second] {
            waiting.push(Client::known(&server.url(), seed).await.waits().await);
        }
        let mut other = Client::known(&server.url(), 3).await;
        other.say(&join()).await;
        let (room, _) = other.hears_matched().await;
        assert_eq!(waiting[0].hears_matched().await.0, room);
        waiting[1].has_heard_all().await;
    }
}

#[tokio::test]
async fn without_a_key_a_block_holds_for_the_session() {
    let server = start(brief()).await;
    let mut pair = Pair::meet(&server).await;
    pair.offerer.is_heard(report(pair.room, true)).await;
    pair.offerer.say(&join()).await;
    pair.offerer.hears_waiting().await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Next)
        .await;
    pair.answerer.say(&join()).await;
    pair.answerer.hears_waiting().await;
    let mut other = Client::greeted(&server).await;
    other.say(&join()).await;
    // Who was left before the call came up has kept the place in the queue.
    pair.answerer.hears_matched().await;
    pair.offerer.has_heard_all().await;
}

#[tokio::test]
async fn nobody_meets_himself_at_another_machine() {
    let server = start(brief()).await;
    let mut first = Client::known(&server.url(), 1).await.waits().await;
    let mut second = Client::known(&server.url(), 1).await.waits().await;
    first.has_heard_all().await;
    second.has_heard_all().await;
}

#[tokio::test]
async fn whom_several_people_report_waits_longer_and_then_meets_none_of_the_others() {
    let (server, admin) = start_admin(strict()).await;
    let mut bad = Client::known(&server.url(), 100).await.waits().await;
    for seed in [1, 2] {
        bad = reported_by(&server, bad, seed).await;
        if seed == 1 {
            bad = bad.waits().await;
        }
    }
    // Two fifths: slower. Somebody waits already, and is not met at once.
    let waiter = Client::known(&server.url(), 3).await.waits().await;
    bad.say(&join()).await;
    bad.hears_waiting().await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = {
        let mut waiter = waiter;
        let (room, role) = waiter.hears_matched().await;
        assert_eq!(role, protocol::Role::Answerer);
        bad.hears_matched().await;
        Pair {
            offerer: bad,
            answerer: waiter,
            room,
        }
    };
    answerer.is_heard(report(room, false)).await;

    // Three fifths: apart. The others are not met any more.
    answerer.say(&join()).await;
    answerer.hears_waiting().await;
    offerer.has_no_partner_because(LeaveReason::Next).await;
    offerer.say(&join()).await;
    offerer.hears_waiting().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    answerer.has_heard_all().await;
    offerer.has_heard_all().await;
    let figures = metrics(admin).await;
    assert!((figures["passerby_apart"] - 1.0).abs() < 0.1);
    assert!(figures["passerby_refusals_total{limit=\"standing\"}"] > 0.5);
}

#[tokio::test]
async fn a_ban_ends_the_call_says_why_and_lasts_and_holds_for_nobody_else() {
    let (server, admin) = start_admin(Settings {
        reputation: Policy {
            slow_at: 0.3,
            separate_at: 0.3,
            ban_at: 0.3,
            ..Policy::default()
        },
        ..strict()
    })
    .await;
    let bad = Client::known(&server.url(), 100).await.waits().await;
    let bad = reported_by(&server, bad, 1).await.waits().await;
    let newcomer = Client::known(&server.url(), 2).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::of(bad, newcomer).await;
    offerer.say(&report(room, false)).await;
    let heard = [offerer.hears().await, offerer.hears().await];
    assert!(
        heard
            .iter()
            .any(|it| matches!(it, ServerMessage::Reported { refused: None, .. }))
    );
    let left = |it: &ServerMessage| {
        matches!(
            it,
            ServerMessage::PartnerLeft {
                reason: LeaveReason::Left,
                ..
            }
        )
    };
    assert!(heard.iter().any(left), "{heard:?}");

    let notice = answerer.hears_ban().await;
    let ServerMessage::Banned {
        reason,
        until: Some(_),
        appeal,
    } = &notice
    else {
        panic!("it has an end: {notice:?}");
    };
    assert!(reason.contains("reported"), "{reason}");
    assert_eq!(appeal.as_deref(), Some("write to the operator"));
    let mut again = Client::known(&server.url(), 100).await;
    assert_eq!(again.hears_ban().await, notice);
    Client::known(&server.url(), 2).await.waits().await;
    let figures = metrics(admin).await;
    assert!((figures["passerby_bans_by_reports_total"] - 1.0).abs() < 0.1);
    assert!((figures["passerby_bans"] - 1.0).abs() < 0.1);
    assert!(figures["passerby_refusals_total{limit=\"banned\"}"] > 1.5);
}

pub(crate) async fn order(admin: SocketAddr, what: &str) -> u16 {
    request(admin, &format!("POST /admin/people/{what}"), &[BEARER], "")
        .await
        .status
}

pub(crate) async fn shown(admin: SocketAddr) -> serde_json::Value {
    let answer = request(admin, "GET /admin/people", &[BEARER], "").await;
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.body).expect("JSON")
}

#[tokio::test]
async fn the_operator_sees_reports_dismisses_them_bans_and_lets_in_again() {
    let (server, admin) = start_admin(brief()).await;
    let bad = Client::known(&server.url(), 100).await.waits().await;
    let mut bad = reported_by(&server, bad, 1).await;
    let list = shown(admin).await;
    let one = &list["reports"][0];
    assert_eq!(one["reason"], "harassment");
    assert_eq!(one["note"], "<b>he shouted</b>");
    assert_eq!(one["address"], "127.0.0.1/32");
    let number = one["number"].as_u64().expect("a number");

    // By the report, for good.
    assert_eq!(
        order(admin, &format!("ban?number={number}&reason=enough")).await,
        200
    );
    let notice = bad.hears_ban().await;
    let expected = ServerMessage::Banned {
        reason: "enough".to_owned(),
        until: None,
        appeal: None,
    };
    assert_eq!(notice, expected);
    let ban = shown(admin).await["bans"][0]["number"]
        .as_u64()
        .expect("a number");
    assert_eq!(order(admin, &format!("unban?number={ban}")).await, 200);
    assert_eq!(order(admin, &format!("unban?number={ban}")).await, 404);
    let bad = Client::known(&server.url(), 100).await.waits().await;

    // What is dismissed is gone.
    reported_by(&server, bad, 2).await;
    let number = &shown(admin).await["reports"][0]["number"];
    assert_eq!(order(admin, &format!("dismiss?number={number}")).await, 200);
    assert_eq!(shown(admin).await["report_count"], 0);

    // By the address: before anything else is said.
    assert_eq!(order(admin, "ban?network=127.0.0.0/8&days=1").await, 200);
    let mut anybody = Client::connect(&server).await;
    anybody
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;
    anybody.hears_ban().await;
    assert_eq!(order(admin, "ban?network=nowhere").await, 400);
    assert_eq!(order(admin, "ban").await, 400);
}

#[tokio::test]
async fn only_who_has_the_token_sees_and_orders_and_the_page_shows_what_people_wrote_as_text() {
    let (server, admin) = start_admin(brief()).await;
    let bad = Client::known(&server.url(), 100).await.waits().await;
    reported_by(&server, bad, 1).await;
    let without = request(admin, "GET /admin/people", &[], "").await;
    assert_eq!(without.status, 401);
    for what in [
        "ban?network=127.0.0.1",
        "dismiss?number=1",
        "unban?number=1",
    ] {
        let answer = request(admin, &format!("POST /admin/people/{what}"), &[], "").await;
        assert_eq!(answer.status, 401, "{what}");
    }
    let public = request(server.addr(), "GET /admin/people", &[BEARER], "").await;
    assert_eq!(public.status, 404);
    let page = request(
        admin,
        "GET /admin/people",
        &[BEARER, "Accept: text/html"],
        "",
    )
    .await;
    assert!(page.body.contains("&lt;b&gt;he shouted"), "{}", page.body);
    assert_eq!(shown(admin).await["report_count"], 1);
}
