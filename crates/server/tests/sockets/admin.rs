//! What the operator sees and orders, over real HTTP.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use protocol::{ClientMessage, ErrorCode, LeaveReason, ServerMessage};
use server::{AdminSettings, Running, Settings};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    client::{Client, Pair, brief, join, patient, start},
    http::{Answer, request},
    returning_client::ReturningPair,
};

const TOKEN: &str = "correct horse battery";
const BEARER: &str = "Authorization: Bearer correct horse battery";
const BROWSER: &str = "Accept: text/html,application/xhtml+xml";

/// The same settings, with a listener for the operator.
pub(crate) fn with_admin(settings: Settings) -> Settings {
    let admin = AdminSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        token: TOKEN.to_owned(),
    };
    Settings {
        admin: Some(admin),
        ..settings
    }
}

pub(crate) async fn start_admin(settings: Settings) -> (Running, SocketAddr) {
    let server = start(with_admin(settings)).await;
    let addr = server.admin_addr().expect("it listens for the operator");
    (server, addr)
}

/// All samples of `/metrics`, by name and labels.
pub(crate) async fn metrics(admin: SocketAddr) -> BTreeMap<String, f64> {
    let answer = request(admin, "GET /metrics", &[BEARER], "").await;
    assert_eq!(answer.status, 200);
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    let samples = answer.body.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect(line))
        })
        .collect()
}

/// What programs see at `/admin`.
pub(crate) async fn look_in(admin: SocketAddr) -> String {
    let answer = request(admin, "GET /admin", &[BEARER], "").await;
    assert_eq!(answer.status, 200);
    answer.body
}

/// What people see there.
pub(crate) async fn overview(admin: SocketAddr) -> String {
    request(admin, "GET /admin", &[BEARER, BROWSER], "")
        .await
        .body
}

/// Looks in as a browser does, and returns its cookie.
async fn log_in(admin: SocketAddr) -> String {
    let form = format!("token={}", TOKEN.replace(' ', "+"));
    let answer = request(admin, "POST /admin/login", &[BROWSER], &form).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/admin"))
    );
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains("correct"), "the token stays where it is");
    format!(
        "Cookie: other=1; {}",
        cookie.split(';').next().unwrap_or_default()
    )
}

/// The hidden field of a page's forms.
fn form_of(page: &Answer) -> &str {
    let (_, rest) = page
        .body
        .split_once("name=\"form\" value=\"")
        .expect("a form");
    rest.split('"').next().unwrap_or_default()
}

#[tokio::test]
async fn only_who_has_the_token_looks_in_and_the_public_port_shows_nothing() {
    let (server, admin) = start_admin(brief()).await;
    for path in ["/metrics", "/admin"] {
        let without = request(admin, &format!("GET {path}"), &[], "").await;
        assert_eq!(without.status, 401, "{path}");
        assert!(!without.body.contains("passerby_"), "{path}");
        for wrong in [
            "Authorization: Bearer correct horse batterz",
            "Authorization: Basic eDp5",
        ] {
            let answer = request(admin, &format!("GET {path}"), &[wrong], "").await;
            assert_eq!(answer.status, 401, "{path}: {wrong}");
        }
        let with = request(admin, &format!("GET {path}"), &[BEARER], "").await;
        assert_eq!(with.status, 200, "{path}");
        let public = request(server.addr(), &format!("GET {path}"), &[BEARER], "").await;
        assert_eq!(public.status, 404, "{path}");
    }
    let drain = request(admin, "POST /admin/drain", &[], "").await;
    assert_eq!(drain.status, 401);
    assert!(server.drain().left(std::time::Instant::now()).is_none());
}

#[tokio::test]
async fn without_a_place_for_the_operator_there_is_none() {
    let server = start(brief()).await;
    assert_eq!(server.admin_addr(), None);
    let answer = request(server.addr(), "GET /metrics", &[BEARER], "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn the_figures_say_what_has_happened() {
    let (server, admin) = start_admin(brief()).await;
    let before = metrics(admin).await;
    assert!(before.values().all(|value| value.is_finite()));
    let mut pair = Pair::meet(&server).await;
    pair.is_answered().await;
    pair.goes_on().await;
    let room = Some(pair.room);
    pair.offerer
        .say(&ClientMessage::Next { room, offer: None })
        .await;
    pair.offerer.hears_waiting().await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Next)
        .await;
    pair.answerer.send("nonsense".into()).await;
    pair.answerer.hears_error(ErrorCode::Malformed).await;

    let after = metrics(admin).await;
    for (name, value) in [
        ("passerby_connections", 2.0),
        ("passerby_waiting", 1.0),
        ("passerby_rooms", 0.0),
        ("passerby_ready", 1.0),
        ("passerby_draining", 0.0),
        ("passerby_max_connections", 10_000.0),
        ("passerby_connections_total", 2.0),
        ("passerby_sessions_total", 2.0),
        ("passerby_joins_total", 2.0),
        ("passerby_nexts_total", 1.0),
        ("passerby_matches_open_total", 1.0),
        ("passerby_matches_by_interest_total", 0.0),
        ("passerby_descriptions_relayed_total", 1.0),
        ("passerby_candidates_relayed_total", 2.0),
        ("passerby_refusals_total{limit=\"nonsense\"}", 1.0),
        ("passerby_refusals_total{limit=\"full\"}", 0.0),
        ("passerby_wait_seconds_count", 2.0),
        ("passerby_wait_seconds_bucket{le=\"+Inf\"}", 2.0),
        (
            concat!(
                "passerby_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"}"
            ),
            1.0,
        ),
    ] {
        assert_eq!(after.get(name), Some(&value), "{name}");
    }
    assert!(after["passerby_bytes_received_total"] > 100.0);
    #[cfg(target_os = "linux")]
    assert!(after["process_resident_memory_bytes"] > 100_000.0);
    // What is not there before anything has happened comes as a surprise to a collector.
    assert!(before.keys().eq(after.keys()));
    assert!(
        after.len() < 150,
        "{} samples, however many people",
        after.len()
    );
    assert!(
        !after.contains_key("passerby_relay_allocations"),
        "there is no relay"
    );
}

#[tokio::test]
async fn programs_get_json_and_people_a_page() {
    let (server, admin) = start_admin(brief()).await;
    let pair = Pair::meet(&server).await;

    let answer = request(admin, "GET /admin", &[BEARER], "").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let report: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(report["state"], "ready");
    assert_eq!(
        (&report["connections"], &report["rooms"]),
        (&2.into(), &1.into())
    );
    assert_eq!(report["totals"]["matches_open"], 1);
    assert_eq!(report["waits"]["count"], 2);
    assert!(report["relay"].is_null() && report["drain_seconds_left"].is_null());

    let page = request(admin, "GET /admin", &[BEARER, BROWSER], "").await;
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.body.contains("takes newcomers"), "{}", page.body);
    drop(pair);
}

#[tokio::test]
async fn a_browser_looks_in_with_the_token_and_leaves_again() {
    let (_server, admin) = start_admin(brief()).await;
    let page = request(admin, "GET /admin", &[BROWSER], "").await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("type=\"password\""), "{}", page.body);
    let wrong = request(admin, "POST /admin/login", &[BROWSER], "token=guess").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert!(wrong.body.contains("not the token"), "{}", wrong.body);

    let cookie = log_in(admin).await;
    let page = request(admin, "GET /admin", &[BROWSER, &cookie], "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("takes newcomers"), "{}", page.body);
    // Another page's form has the cookie too, but not what is in ours.
    let foreign = request(admin, "POST /admin/logout", &[&cookie], "form=guess").await;
    assert_eq!(foreign.status, 401);
    let form = format!("form={}", form_of(&page));
    let left = request(admin, "POST /admin/logout", &[&cookie], &form).await;
    assert_eq!(left.status, 303);
    let page = request(admin, "GET /admin", &[BROWSER, &cookie], "").await;
    assert_eq!(page.status, 401);
}

#[tokio::test]
async fn pages_load_and_run_nothing_foreign() {
    let (_server, admin) = start_admin(brief()).await;
    let cookie = log_in(admin).await;
    for path in ["/admin", "/admin/drain"] {
        let page = request(admin, &format!("GET {path}"), &[BROWSER, &cookie], "").await;
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; img-src data:;"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        // The policy would forbid all of these anyway.
        for never in ["<script", " style=", " onclick", "http://", "https://"] {
            assert!(!page.body.contains(never), "{path}: {never}");
        }
    }
    let style = request(admin, "GET /admin/style.css", &[], "").await;
    assert_eq!(
        (style.status, style.header("content-type")),
        (200, Some("text/css"))
    );
}

#[tokio::test]
async fn a_full_server_lives_and_is_not_ready() {
    let (server, admin) = start_admin(Settings {
        max_connections: 1,
        ..brief()
    })
    .await;
    for addr in [server.addr(), admin] {
        let answer = request(addr, "GET /readyz", &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    }
    let _client = Client::greeted(&server).await;
    for addr in [server.addr(), admin] {
        let answer = request(addr, "GET /readyz", &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "full\n"));
        assert_eq!(request(addr, "GET /healthz", &[], "").await.status, 200);
    }
}

/// Checks that a client is told to come back, once, and that the connection ends then.
async fn is_sent_away(client: &mut Client) {
    let (messages, close) = client.hears_to_the_end().await;
    match &messages[..] {
        [ServerMessage::Shutdown { reconnect_in_ms }] => {
            assert!(
                (1_000..10_000).contains(reconnect_in_ms),
                "{reconnect_in_ms}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(close, Some(CloseCode::Restart));
}

#[tokio::test]
async fn a_drain_empties_the_server_and_rooms_go_on_until_they_end() {
    let (server, admin) = start_admin(brief()).await;
    let mut pair = Pair::meet(&server).await;
    let mut waiter = Client::waiting(&server).await;
    let mut idle = Client::greeted(&server).await;

    let answer = request(admin, "POST /admin/drain?seconds=3600", &[BEARER], "").await;

    assert_eq!(answer.status, 202);
    let report: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(report["state"], "draining");
    assert!(report["drain_seconds_left"].as_u64() > Some(3500));
    is_sent_away(&mut waiter).await;
    is_sent_away(&mut idle).await;
    let ready = request(server.addr(), "GET /readyz", &[], "").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    // Who comes now is told when to come back, instead of being welcomed.
    let mut late = Client::connect(&server).await;
    late.say(&ClientMessage::Hello {
        version: 1,
        capabilities: vec![],
        resume: None,
    })
    .await;
    is_sent_away(&mut late).await;
    pair.goes_on().await;
    assert!(!server.has_ended());

    let room = Some(pair.room);
    pair.offerer
        .say(&ClientMessage::Next { room, offer: None })
        .await;
    is_sent_away(&mut pair.offerer).await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Next)
        .await;
    is_sent_away(&mut pair.answerer).await;
    ends(&server).await;
}

#[tokio::test]
async fn the_time_for_rooms_can_be_shortened_and_ends_them() {
    let (server, admin) = start_admin(brief()).await;
    let mut pair = Pair::meet(&server).await;
    server.drain().begin(Duration::from_hours(1));
    pair.goes_on().await;

    let answer = request(admin, "POST /admin/drain", &[BEARER], "seconds=0").await;

    assert_eq!(answer.status, 202);
    is_sent_away(&mut pair.offerer).await;
    is_sent_away(&mut pair.answerer).await;
    ends(&server).await;
}

#[tokio::test]
async fn a_person_empties_the_server_from_the_page_and_no_other_page_does() {
    let (server, admin) = start_admin(brief()).await;
    let _pair = Pair::meet(&server).await;
    let cookie = log_in(admin).await;
    let page = request(admin, "GET /admin/drain", &[BROWSER, &cookie], "").await;
    let form = form_of(&page);

    let foreign = request(admin, "POST /admin/drain", &[&cookie], "form=x&seconds=60").await;
    assert_eq!(foreign.status, 403);
    for wrong in ["-1", "soon", "86401"] {
        let body = format!("form={form}&seconds={wrong}");
        let answer = request(admin, "POST /admin/drain", &[&cookie], &body).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.body.contains("0 to 86400"), "{}", answer.body);
    }
    assert!(server.drain().left(std::time::Instant::now()).is_none());
    let body = format!("form={form}&seconds=60");
    let answer = request(admin, "POST /admin/drain", &[&cookie], &body).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/admin"))
    );
    let page = request(admin, "GET /admin", &[BROWSER, &cookie], "").await;
    assert!(page.body.contains("empties itself"), "{}", page.body);
}

#[tokio::test]
async fn one_who_was_lost_in_a_room_comes_back_while_the_server_empties_itself() {
    let (server, _) = start_admin(patient()).await;
    let mut pair = ReturningPair::meet(&server).await;
    server.drain().begin(Duration::from_hours(1));
    pair.offerer.loses_connection();
    let missed = ClientMessage::Candidate {
        room: pair.room,
        candidate: None,
    };
    pair.answerer.say(missed).await;

    assert!(pair.offerer.returns(&server).await);

    let heard = pair.offerer.hears().await;
    assert!(
        matches!(heard, ServerMessage::Candidate { .. }),
        "{heard:?}"
    );
    pair.offerer.has_heard_all().await;
}

#[tokio::test]
async fn nobody_who_floods_the_operators_listener_makes_it_grow() {
    let (server, admin) = start_admin(brief()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(
            tokio::net::TcpStream::connect(admin)
                .await
                .expect("it is taken"),
        );
    }
    // All but a few were closed at once, and people do not notice.
    let mut closed = 0;
    for stream in &silent {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(20), stream.peek(&mut byte)).await;
        closed += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(closed >= 200 - 32, "{closed}");
    let mut client = Client::greeted(&server).await;
    client.say(&join()).await;
    client.hears_waiting().await;
}

async fn ends(server: &Running) {
    let ended = timeout(Duration::from_secs(20), async {
        while !server.has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    ended.await.expect("it ends by itself");
}
