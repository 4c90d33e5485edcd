//! Several servers that are one by a real Redis server: people of one meet people of another, whatever becomes of Redis and of
//! the servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use protocol::{
    ClientMessage, Description, DescriptionKind, LeaveReason, NotTaken, Role, RoomId, ServerMessage,
};
use server::{ClusterSettings, Running, Settings};
use tokio::time::{sleep, timeout};

use crate::{
    admin::{metrics, start_admin},
    chat::{Writer, report_with},
    client::{Client, Pair, brief, candidate, join, patient, start},
    http::request,
    program::Program,
    redis_server::RedisServer,
};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn of_cluster(redis: &RedisServer, settings: Settings) -> Settings {
    let cluster = ClusterSettings {
        redis: redis.url().parse().expect("an address"),
        prefix: "test".to_owned(),
        name: Some("one of several".to_owned()),
    };
    Settings {
        cluster: Some(cluster),
        ..settings
    }
}

/// Starts a server, and waits until it is one with the others.
pub(crate) async fn joined(redis: &RedisServer, settings: Settings) -> Running {
    let server = start(of_cluster(redis, settings)).await;
    is_ready(&server, "ready\n").await;
    server
}

/// Waits until the server says so of itself.
pub(crate) async fn is_ready(server: &Running, expected: &str) {
    let asked = timeout(PATIENCE, async {
        loop {
            let answer = request(server.addr(), "GET /readyz", &[], "").await;
            assert_eq!(answer.status, 200, "newcomers are better here than nowhere");
            if answer.body == expected {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(asked.await.is_ok(), "expected {expected:?}");
}

async fn two(settings: Settings) -> (RedisServer, Running, Running) {
    let redis = RedisServer::start();
    let one = joined(&redis, settings.clone()).await;
    let other = joined(&redis, settings).await;
    (redis, one, other)
}

/// Whose partner was on a server that is gone hears so, and meets somebody at a new one.
async fn finds_somebody_else(mut survivor: Client, redis: &RedisServer) {
    survivor
        .has_no_partner_because(LeaveReason::Disconnected)
        .await;
    survivor.say(&next(None)).await;
    survivor.hears_waiting().await;
    let third = joined(redis, patient()).await;
    matched(survivor, Client::waiting(&third).await).await;
}

/// What two are told of their match, whichever of them offers: the offerer first.
async fn matched(mut one: Client, mut other: Client) -> Pair {
    let (room, role) = one.hears_matched().await;
    let (other_room, other_role) = other.hears_matched().await;
    assert_eq!(room, other_room);
    assert_ne!(role, other_role, "one of the two offers");
    let (offerer, answerer) = match role {
        Role::Offerer => (one, other),
        Role::Answerer => (other, one),
    };
    Pair {
        offerer,
        answerer,
        room,
    }
}

async fn pair(one: &Running, other: &Running) -> Pair {
    let waiter = Client::waiting(one).await;
    let newcomer = Client::waiting(other).await;
    matched(waiter, newcomer).await
}

fn next(room: Option<RoomId>) -> ClientMessage {
    ClientMessage::Next { room, offer: None }
}

#[tokio::test]
async fn people_of_two_servers_meet_and_all_that_passes_between_them_passes() {
    let (_redis, one, other) = two(patient()).await;
    let mut pair = pair(&one, &other).await;
    pair.goes_on().await;
    pair.is_answered().await;
    for number in 0..50 {
        let room = pair.room;
        let candidate = Some(candidate(&format!("candidate {number}")));
        let said = ClientMessage::Candidate {
            room,
            candidate: candidate.clone(),
        };
        pair.answerer.say(&said).await;
        let heard = ServerMessage::Candidate { room, candidate };
        assert_eq!(pair.offerer.hears().await, heard, "in order");
    }
    let room = Some(pair.room);
    pair.offerer.say(&ClientMessage::Leave { room }).await;
    pair.answerer
        .has_no_partner_because(LeaveReason::Left)
        .await;
    pair.answerer.has_heard_all().await;
    pair.offerer.has_heard_all().await;
}

#[tokio::test]
async fn how_many_people_there_are_is_counted_on_all_servers_together() {
    let (_redis, one, other) = two(patient()).await;
    let _here = Client::greeted(&one).await;
    let seen = timeout(PATIENCE, async {
        loop {
            let mut client = Client::connect(&other).await;
            client
                .say(&ClientMessage::Hello {
                    version: 1,
                    capabilities: vec![],
                    resume: None,
                })
                .await;
            if matches!(
                client.hears().await,
                ServerMessage::Welcome { online: 2.., .. }
            ) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(seen.await.is_ok(), "one here, and one there");
}

#[tokio::test]
async fn interests_and_their_words_are_told_to_both() {
    let (_redis, one, other) = two(patient()).await;
    let mut clients = [Client::greeted(&one).await, Client::greeted(&other).await];
    for (client, interests) in clients.iter_mut().zip([["Tea", "chess"], ["jazz", "tea "]]) {
        let interests = interests.map(str::to_owned).to_vec();
        let language = Some("fr".to_owned());
        client
            .say(&ClientMessage::Join {
                interests,
                language,
                offer: None,
            })
            .await;
        client.hears_waiting().await;
    }
    for client in &mut clients {
        match client.hears().await {
            ServerMessage::Matched { interests, .. } => assert_eq!(interests, ["tea"]),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_comes_back_after_a_loss_finds_the_room_and_what_was_said_meanwhile() {
    let (_redis, one, other) = two(patient()).await;
    let mut waiter = Client::connect(&one).await;
    let hello = |resume| ClientMessage::Hello {
        version: 1,
        capabilities: vec![],
        resume,
    };
    waiter.say(&hello(None)).await;
    let ServerMessage::Welcome { session, .. } = waiter.hears().await else {
        panic!("a welcome comes first");
    };
    let token = session.expect("sessions are kept").token;
    let waiter = waiter.waits().await;
    let newcomer = Client::waiting(&other).await;
    let pair = matched(waiter, newcomer).await;
    let room = pair.room;
    // Which of the two it is, its next message tells.
    let (mut lost, mut left) = (pair.offerer, pair.answerer);
    let is_waiter = lost.socket_is_at(one.addr());
    if !is_waiter {
        (lost, left) = (left, lost);
    }
    drop(lost);
    sleep(Duration::from_millis(200)).await;
    let candidate = Some(candidate("while away"));
    left.say(&ClientMessage::Candidate {
        room,
        candidate: candidate.clone(),
    })
    .await;
    let mut back = Client::connect(&one).await;
    let received = 2;
    back.say(&hello(Some(protocol::Resume { token, received })))
        .await;
    let welcome = back.hears().await;
    assert!(
        matches!(
            welcome,
            ServerMessage::Welcome {
                resumed: Some(_),
                ..
            }
        ),
        "{welcome:?}"
    );
    assert_eq!(
        back.hears().await,
        ServerMessage::Candidate { room, candidate }
    );
}

#[tokio::test]
async fn who_has_blocked_somebody_does_not_meet_him_again_on_whichever_server() {
    let (_redis, one, other) = two(brief()).await;
    let blocker = Client::known(&one.url(), 1).await.waits().await;
    let blocked = Client::known(&other.url(), 2).await.waits().await;
    let (mut blocker, mut blocked) = (blocker, blocked);
    let (room, _) = blocker.hears_matched().await;
    blocked.hears_matched().await;

    blocker.say(&ClientMessage::Block { room }).await;
    let answer = blocker.hears().await;
    let taken = ServerMessage::Blocked {
        room,
        refused: None,
    };
    assert_eq!(answer, taken);
    blocker.say(&next(Some(room))).await;
    blocker.hears_waiting().await;
    blocked.has_no_partner_because(LeaveReason::Next).await;
    blocked.say(&next(None)).await;
    blocked.hears_waiting().await;

    let third = Client::known(&other.url(), 3).await;
    let mut third = third;
    third.say(&join()).await;
    // He meets the one at home, and the blocker goes on waiting; or he was offered first.
    let (third_room, _) = third.hears_matched().await;
    assert_eq!(blocked.hears_matched().await.0, third_room);
    sleep(Duration::from_secs(1)).await;
    blocker.has_heard_all().await;
}

#[tokio::test]
async fn a_report_about_somebody_of_another_server_is_kept() {
    let (_redis, one, other) = two(brief()).await;
    let mut pair = pair(&one, &other).await;
    let room = pair.room;
    pair.answerer
        .say(&ClientMessage::Report {
            room,
            reason: protocol::ReportReason::Spam,
            note: String::new(),
            block: true,
            lines: Vec::new(),
        })
        .await;
    let taken = ServerMessage::Reported {
        room,
        refused: None,
    };
    assert_eq!(pair.answerer.hears().await, taken);
    // Without keys, too, the two do not meet again.
    pair.answerer.say(&next(Some(room))).await;
    pair.answerer.hears_waiting().await;
    pair.offerer.has_no_partner_because(LeaveReason::Next).await;
    pair.offerer.say(&next(None)).await;
    pair.offerer.hears_waiting().await;
    sleep(Duration::from_secs(1)).await;
    pair.answerer.has_heard_all().await;
    pair.offerer.has_heard_all().await;
}

#[tokio::test]
async fn lines_of_chat_of_somebody_of_another_server_are_checked_too() {
    let (_redis, one, other) = two(brief()).await;
    let mut pair = pair(&one, &other).await;
    let room = pair.room;
    let mut writer = Writer::new(room, 1);
    pair.answerer.say(&writer.key()).await;
    pair.offerer.hears_chat_key(&writer.key()).await;
    let line = writer.line("hush");
    let mut changed = line.clone();
    changed.text.push('!');
    for (line, refused) in [(changed, Some(NotTaken::BadLines)), (line, None)] {
        pair.offerer.say(&report_with(room, vec![line])).await;
        let answer = ServerMessage::Reported { room, refused };
        assert_eq!(pair.offerer.hears().await, answer);
    }
}

#[tokio::test]
async fn an_offer_that_is_told_ahead_is_handed_over_to_the_other_server() {
    let (_redis, one, other) = two(brief()).await;
    let mut clients = Vec::new();
    for (server, number) in [(&one, 1), (&other, 2)] {
        let mut client = Client::connect(server).await;
        client
            .say(&ClientMessage::Hello {
                version: 1,
                capabilities: vec![protocol::TAKES_OFFER_AHEAD.to_owned()],
                resume: None,
            })
            .await;
        client.hears().await;
        let offer = Description {
            kind: DescriptionKind::Offer,
            sdp: "v=0".into(),
            number,
        };
        client
            .say(&ClientMessage::Join {
                interests: Vec::new(),
                language: None,
                offer: Some(offer),
            })
            .await;
        client.hears_waiting().await;
        clients.push(client);
    }
    let mut told = Vec::new();
    for (client, number) in clients.iter_mut().zip([1, 2]) {
        match client.hears().await {
            ServerMessage::Matched {
                role,
                offer,
                handed_over,
                ..
            } => told.push((role, offer.map(|offer| offer.number), handed_over, number)),
            other => panic!("{other:?}"),
        }
    }
    told.sort_by_key(|(role, ..)| *role == Role::Answerer);
    let [
        (Role::Offerer, None, Some(handed_over), own),
        (Role::Answerer, Some(given), None, _),
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((handed_over, given), (own, own));
}

#[tokio::test]
async fn without_redis_people_meet_those_of_their_own_server_and_with_it_all_again() {
    let (mut redis, one, other) = two(patient()).await;
    let rooms_before = pair(&one, &other).await;
    redis.stop();
    is_ready(&one, "degraded\n").await;
    is_ready(&other, "degraded\n").await;

    let mut at_home = Pair::meet(&one).await;
    at_home.goes_on().await;
    let waiter = Client::waiting(&one).await;
    let stranger = Client::waiting(&other).await;

    redis.start_again();
    let mut pair = matched(waiter, stranger).await;
    pair.goes_on().await;
    at_home.goes_on().await;
    let mut rooms_before = rooms_before;
    rooms_before.goes_on().await;
    is_ready(&one, "ready\n").await;
}

#[tokio::test]
async fn while_redis_hangs_people_go_on_and_what_was_said_across_arrives_later() {
    let (redis, one, other) = two(patient()).await;
    let mut across = pair(&one, &other).await;
    redis.freeze();
    let room = across.room;
    let candidate = Some(candidate("into the cold"));
    let said = ClientMessage::Candidate {
        room,
        candidate: candidate.clone(),
    };
    across.offerer.say(&said).await;
    let waiter = Client::waiting(&one).await;
    let stranger = Client::waiting(&other).await;
    is_ready(&one, "degraded\n").await;
    let mut at_home = Pair::of(waiter, Client::greeted(&one).await).await;
    at_home.goes_on().await;

    redis.thaw();
    let heard = ServerMessage::Candidate { room, candidate };
    assert_eq!(across.answerer.hears().await, heard);
    across.goes_on().await;
    let mut pair = matched(stranger, Client::waiting(&one).await).await;
    pair.goes_on().await;
    at_home.offerer.has_heard_all().await;
    across.offerer.has_heard_all().await;
}

#[tokio::test]
async fn when_a_server_is_killed_its_people_are_gone_for_the_others_and_for_nobody_else() {
    let redis = RedisServer::start();
    let one = joined(&redis, patient()).await;
    let mut doomed = Program::start(&["--redis", &redis.url(), "--redis-prefix", "test"]);
    let at_doomed = |url: String| async move { Client::greeted_at(&url).await.waits().await };
    let waiter = Client::waiting(&one).await;
    let in_call = at_doomed(doomed.url()).await;
    let pair = matched(waiter, in_call).await;
    let (mut survivor, other) = (pair.offerer, pair.answerer);
    let mut lost = other;
    if !survivor.socket_is_at(one.addr()) {
        (survivor, lost) = (lost, survivor);
    }
    // One more waits there when it happens.
    let waits_there = at_doomed(doomed.url()).await;

    doomed.kill();
    finds_somebody_else(survivor, &redis).await;
    drop((lost, waits_there));
}

#[tokio::test]
async fn a_server_that_ends_in_good_order_tells_the_others_before_it_is_gone() {
    let (redis, one, other) = two(patient()).await;
    let pair = pair(&one, &other).await;
    let (mut survivor, mut leaver) = (pair.offerer, pair.answerer);
    if survivor.socket_is_at(one.addr()) {
        (survivor, leaver) = (leaver, survivor);
    }
    // One more waits there, and is for nobody from then on.
    let mut waits_there = Client::waiting(&one).await;
    assert_eq!(redis.does("ZCARD {test}:nodes"), ":2");
    one.stop().await;
    assert_eq!(redis.does("ZCARD {test}:nodes"), ":1");
    for client in [&mut leaver, &mut waits_there] {
        let shutdown = client.hears().await;
        assert!(
            matches!(shutdown, ServerMessage::Shutdown { .. }),
            "{shutdown:?}"
        );
    }
    finds_somebody_else(survivor, &redis).await;
}

#[tokio::test]
async fn the_room_of_two_servers_outlasts_that_one_of_them_empties_itself() {
    let (_redis, one, other) = two(patient()).await;
    let mut pair = pair(&one, &other).await;
    one.drain().begin(Duration::from_mins(1));
    pair.goes_on().await;
    let (mut survivor, mut leaver) = (pair.offerer, pair.answerer);
    if survivor.socket_is_at(one.addr()) {
        (survivor, leaver) = (leaver, survivor);
    }
    // Who is at the one that goes on leaves; the other one is sent away.
    let room = Some(pair.room);
    survivor.say(&next(room)).await;
    survivor.hears_waiting().await;
    leaver.has_no_partner_because(LeaveReason::Next).await;
    let shutdown = leaver.hears().await;
    assert!(
        matches!(shutdown, ServerMessage::Shutdown { .. }),
        "{shutdown:?}"
    );
    survivor.has_heard_all().await;
}

fn port_of(redis: &RedisServer) -> u16 {
    let url = redis.url();
    let (_, port) = url.rsplit_once(':').expect("it ends with the port");
    port.parse().expect("a port")
}

/// Takes connections for one Redis or another, as what stands before a pair of them does.
struct Forwarder {
    port: u16,
    goes_to: tokio::sync::watch::Sender<u16>,
}

impl Forwarder {
    async fn start(goes_to: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (goes_to, watch) = tokio::sync::watch::channel(goes_to);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut watch = watch.clone();
                tokio::spawn(async move {
                    let port = *watch.borrow_and_update();
                    let Ok(mut redis) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await
                    else {
                        return;
                    };
                    // Ends with either side, or when it goes to another one.
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut redis) => {}
                        _ = watch.changed() => {}
                    }
                });
            }
        });
        Self { port, goes_to }
    }

    fn settings(&self) -> Settings {
        let cluster = ClusterSettings {
            redis: format!("redis://127.0.0.1:{}", self.port)
                .parse()
                .expect("an address"),
            prefix: "test".to_owned(),
            name: None,
        };
        Settings {
            cluster: Some(cluster),
            ..patient()
        }
    }
}

#[tokio::test]
async fn when_a_replica_takes_the_place_of_redis_rooms_go_on_and_people_meet_across_again() {
    let mut primary = RedisServer::start();
    let replica = RedisServer::start();
    primary.does("CONFIG SET repl-diskless-sync-delay 0");
    replica.does(&format!("REPLICAOF 127.0.0.1 {}", port_of(&primary)));
    let forwarder = Forwarder::start(port_of(&primary)).await;
    let one = start(forwarder.settings()).await;
    let other = start(forwarder.settings()).await;
    for server in [&one, &other] {
        is_ready(server, "ready\n").await;
    }
    let mut across = pair(&one, &other).await;
    let waits = Client::waiting(&one).await;
    // It has copied the ticket of the one who waits, and all else.
    let copied = timeout(PATIENCE, async {
        while replica.does("DBSIZE") != primary.does("DBSIZE")
            || primary.does("WAIT 1 1000") != ":1"
        {
            sleep(Duration::from_millis(20)).await;
        }
    });
    copied.await.expect("in time");

    primary.stop();
    for server in [&one, &other] {
        is_ready(server, "degraded\n").await;
    }
    replica.does("REPLICAOF NO ONE");
    forwarder.goes_to.send_replace(port_of(&replica));
    for server in [&one, &other] {
        is_ready(server, "ready\n").await;
    }
    across.goes_on().await;
    let mut pair = matched(waits, Client::waiting(&other).await).await;
    pair.goes_on().await;
}

#[tokio::test]
async fn the_operator_sees_all_servers_and_whether_redis_is_there() {
    let mut redis = RedisServer::start();
    let (one, admin) = start_admin(of_cluster(&redis, patient())).await;
    let other = joined(&redis, patient()).await;
    let _pair = pair(&one, &other).await;
    let counted = timeout(PATIENCE, async {
        loop {
            let seen = metrics(admin).await;
            let gauge = |name: &str| seen.get(name).copied();
            if gauge("passerby_servers") == Some(2.0) && gauge("passerby_redis_up") == Some(1.0) {
                return (
                    gauge("passerby_rooms_across"),
                    gauge("passerby_matches_across_total"),
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert_eq!(counted.await.expect("in time"), (Some(1.0), Some(1.0)));
    redis.stop();
    is_ready(&one, "degraded\n").await;
    let seen = metrics(admin).await;
    assert_eq!(seen.get("passerby_redis_up"), Some(&0.0));
    assert_eq!(seen.get("passerby_ready"), Some(&1.0));
}

/// Everybody joins, meets somebody, and goes on to the next, while Redis restarts. At the end all rooms have two people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_crowd_on_two_servers_nobody_is_in_a_room_alone_whatever_redis_does() {
    let rate = relay::Rate {
        per_second: 1000,
        burst: 10_000,
    };
    let limits = server::Limits {
        frames: rate,
        nexts: rate,
        ..server::Limits::default()
    };
    let settings = Settings {
        limits,
        ..patient()
    };
    let (mut redis, one, other) = two(settings).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let mut people = Vec::new();
    for number in 0..40 {
        // An odd number at each: all can be in a room only if some are across.
        let server = if is_at_one(number) { &one } else { &other };
        let client = Client::greeted(server).await;
        people.push(tokio::spawn(wanders(client, stop.clone())));
    }
    for _ in 0..2 {
        sleep(Duration::from_millis(700)).await;
        redis.stop();
        sleep(Duration::from_millis(300)).await;
        redis.start_again();
    }
    sleep(Duration::from_secs(1)).await;
    stop.cancel();
    let mut rooms: BTreeMap<RoomId, BTreeSet<usize>> = BTreeMap::new();
    let (mut met, mut alone) = (0, 0);
    for (number, person) in people.into_iter().enumerate() {
        let (count, room) = person.await.expect("no person panics");
        met += count;
        match room {
            Some(room) => {
                rooms.entry(room).or_default().insert(number);
            }
            None => alone += 1,
        }
    }
    assert!(met > 200, "{met}");
    let across = rooms.values().filter(|people| {
        let sides: BTreeSet<bool> = people.iter().map(|number| is_at_one(*number)).collect();
        sides.len() == 2
    });
    let across = across.count();
    assert!(rooms.values().all(|people| people.len() == 2), "{rooms:?}");
    assert_eq!(alone, 0, "some wait beside each other: {rooms:?}");
    assert!(across > 0, "some are in rooms across: {rooms:?}");
}

const fn is_at_one(number: usize) -> bool {
    number < 21
}

/// One who stays for a moment with each partner. Returns how many there were, and the room at the end, a while after `stop`.
async fn wanders(
    mut client: Client,
    stop: tokio_util::sync::CancellationToken,
) -> (usize, Option<RoomId>) {
    client.say(&join()).await;
    let (mut met, mut room) = (0, None);
    let mut ends = None;
    loop {
        if stop.is_cancelled() && ends.is_none() {
            // Long enough for everything that was said to arrive, and for all who wait to meet.
            ends = Some(tokio::time::Instant::now() + Duration::from_secs(8));
        }
        if ends.is_some_and(|ends| tokio::time::Instant::now() >= ends) {
            return (met, room);
        }
        match timeout(Duration::from_millis(20), client.hears()).await {
            Ok(ServerMessage::Matched { room: entered, .. }) => {
                assert_eq!(room, None, "nobody is in two rooms");
                (met, room) = (met + 1, Some(entered));
            }
            Ok(ServerMessage::PartnerLeft { room: left, .. }) => {
                if room == Some(left) {
                    room = None;
                    client.say(&next(None)).await;
                }
            }
            Ok(ServerMessage::Waiting { .. } | ServerMessage::Error { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            // A moment with nothing new.
            Err(_) if ends.is_none() && room.is_some() => {
                let left = room.take();
                client.say(&next(left)).await;
            }
            Err(_) => {}
        }
    }
}
