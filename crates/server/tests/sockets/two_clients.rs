//! The whole story of two people, and what frames it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use protocol::{ClientMessage, Description, DescriptionKind, LeaveReason, Role, ServerMessage};
use server::{BindError, Census, Server, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    client::{Client, Pair, brief, candidate, join, start, until},
    http::request,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_strangers_meet_talk_and_part() {
    let server = start(brief()).await;

    let mut alice = Client::connect(&server).await;
    alice
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec!["future".into()],
            resume: None,
        })
        .await;
    let welcome = alice.hears().await;
    let ServerMessage::Welcome {
        session: Some(session),
        challenge,
        ..
    } = &welcome
    else {
        panic!("expected a welcome with a session, got {welcome:?}");
    };
    assert_eq!(session.grace_ms, 50);
    assert_eq!(
        welcome,
        ServerMessage::Welcome {
            version: 1,
            online: 1,
            session: Some(session.clone()),
            resumed: None,
            challenge: *challenge,
            capabilities: vec!["chat_key".to_owned()],
        }
    );
    let tea = ClientMessage::Join {
        interests: vec![" Tea".into()],
        language: Some("en".into()),
        offer: None,
    };
    alice.say(&tea).await;
    assert_eq!(alice.hears().await, ServerMessage::Waiting { online: 1 });

    let mut bob = Client::greeted(&server).await;
    bob.say(&ClientMessage::Join {
        interests: vec!["tea".into()],
        language: None,
        offer: None,
    })
    .await;
    let ServerMessage::Matched {
        room,
        role,
        interests,
        ice_servers,
        path_policy,
        offer: None,
        handed_over: None,
        partner: None,
    } = bob.hears().await
    else {
        panic!("Bob is matched");
    };
    assert_eq!((role, interests), (Role::Offerer, vec!["tea".to_owned()]));
    let (role, interests) = (Role::Answerer, vec!["tea".to_owned()]);
    assert_eq!(
        alice.hears().await,
        ServerMessage::Matched {
            room,
            role,
            interests,
            ice_servers,
            path_policy,
            offer: None,
            handed_over: None,
            partner: None,
        }
    );

    let offer = Description {
        kind: DescriptionKind::Offer,
        sdp: "v=0\r\no=- ü\r\n".into(),
        number: 0,
    };
    bob.say(&ClientMessage::Description {
        room,
        description: offer.clone(),
    })
    .await;
    assert_eq!(
        alice.hears().await,
        ServerMessage::Description {
            room,
            description: offer
        }
    );
    let answer = Description {
        kind: DescriptionKind::Answer,
        sdp: "v=0\r\n".into(),
        number: 0,
    };
    alice
        .say(&ClientMessage::Description {
            room,
            description: answer.clone(),
        })
        .await;
    assert_eq!(
        bob.hears().await,
        ServerMessage::Description {
            room,
            description: answer
        }
    );

    alice.say(&ClientMessage::Leave { room: Some(room) }).await;
    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Left,
    };
    assert_eq!(bob.hears().await, left);
    until(
        &server,
        Census {
            connections: 2,
            waiting: 0,
            rooms: 0,
            ..Census::default()
        },
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn next_brings_another_room_on_the_same_connection() {
    let server = start(brief()).await;
    let Pair {
        mut offerer,
        mut answerer,
        room: first,
    } = Pair::meet(&server).await;

    offerer
        .say(&ClientMessage::Next {
            room: Some(first),
            offer: None,
        })
        .await;
    let left = ServerMessage::PartnerLeft {
        room: first,
        reason: LeaveReason::Next,
    };
    assert_eq!(answerer.hears().await, left);
    offerer.hears_waiting().await;
    answerer
        .say(&ClientMessage::Next {
            room: Some(first),
            offer: None,
        })
        .await;
    let (second, role) = answerer.hears_matched().await;

    assert_eq!(offerer.hears_matched().await, (second, Role::Answerer));
    assert_eq!(role, Role::Offerer);
    assert_ne!(second, first);
    Pair {
        offerer: answerer,
        answerer: offerer,
        room: second,
    }
    .goes_on()
    .await;
}

#[tokio::test]
async fn what_is_late_for_a_room_does_not_reach_the_next_one() {
    let server = start(brief()).await;
    let Pair {
        mut offerer,
        answerer,
        room: first,
    } = Pair::meet(&server).await;
    drop(answerer);
    let left = ServerMessage::PartnerLeft {
        room: first,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(offerer.hears().await, left);
    let carol = Client::waiting(&server).await;
    let mut second = Pair::of(carol, offerer).await;

    second
        .offerer
        .say(&ClientMessage::Candidate {
            room: first,
            candidate: None,
        })
        .await;
    second
        .offerer
        .hears_error(protocol::ErrorCode::WrongRoom)
        .await;
    second
        .offerer
        .say(&ClientMessage::Leave { room: Some(first) })
        .await;
    second
        .offerer
        .hears_error(protocol::ErrorCode::WrongRoom)
        .await;

    second.goes_on().await;
}

#[tokio::test]
async fn candidates_arrive_complete_and_in_order_even_before_any_description() {
    let server = start(brief()).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;

    let sent: Vec<_> = (0..20)
        .map(|number| Some(candidate(&format!("candidate {number}"))))
        .chain([None])
        .collect();
    for candidate in sent.clone() {
        offerer
            .say(&ClientMessage::Candidate { room, candidate })
            .await;
    }

    for candidate in sent {
        assert_eq!(
            answerer.hears().await,
            ServerMessage::Candidate { room, candidate }
        );
    }
}

#[tokio::test]
async fn a_shutdown_is_announced_and_every_connection_closed() {
    let server = start(brief()).await;
    let pair = Pair::meet(&server).await;
    let silent = Client::connect(&server).await;

    let stopping = tokio::spawn(server.stop());

    for mut client in [pair.offerer, pair.answerer] {
        let (messages, code) = client.hears_to_the_end().await;
        let [ServerMessage::Shutdown { reconnect_in_ms }] = messages[..] else {
            panic!("expected an announcement, got {messages:?}");
        };
        assert!(
            (1_000..10_000).contains(&reconnect_in_ms),
            "{reconnect_in_ms}"
        );
        assert_eq!(code, Some(CloseCode::Restart));
    }
    let mut silent = silent;
    assert_eq!(
        silent.hears_to_the_end().await,
        (vec![], Some(CloseCode::Restart))
    );
    stopping.await.expect("the server ends well");
}

#[tokio::test]
async fn one_more_than_allowed_is_told_that_the_server_is_full() {
    let server = start(Settings {
        max_connections: 2,
        ..brief()
    })
    .await;
    let mut pair = Pair::meet(&server).await;

    let (messages, code) = Client::connect(&server).await.hears_to_the_end().await;

    let [ServerMessage::Error { code: error, .. }] = &messages[..] else {
        panic!("expected an error, got {messages:?}");
    };
    assert_eq!(
        (*error, code),
        (protocol::ErrorCode::Full, Some(CloseCode::Again))
    );
    pair.goes_on().await;
    drop(pair.offerer);
    until(
        &server,
        Census {
            connections: 1,
            waiting: 0,
            rooms: 0,
            ..Census::default()
        },
    )
    .await;
    Client::greeted(&server).await;
}

#[tokio::test]
async fn a_client_that_waits_and_answers_pings_goes_on_waiting() {
    let heartbeat = std::time::Duration::from_millis(500);
    let server = start(Settings {
        heartbeat,
        ..brief()
    })
    .await;
    let mut client = Client::waiting(&server).await;

    let wait = tokio::time::timeout(heartbeat * 6, client.hears()).await;

    assert!(wait.is_err(), "heard {wait:?}");
    client.has_heard_all().await;
    assert_eq!(
        server.census(),
        Census {
            connections: 1,
            waiting: 1,
            rooms: 0,
            ..Census::default()
        }
    );
}

#[tokio::test]
async fn http_requests_are_answered_on_the_same_port() {
    let server = start(brief()).await;
    for (request, status) in [
        ("GET / HTTP/1.1", "200"),
        ("GET /v1/signalling HTTP/1.1", "200"),
        ("GET /healthz HTTP/1.1", "200"),
        ("GET /elsewhere HTTP/1.1", "404"),
        ("POST / HTTP/1.1", "405"),
        ("GET / HTTP/1.1\r\nUpgrade: websocket", "400"),
        ("nonsense", "400"),
    ] {
        let mut socket = TcpStream::connect(server.addr()).await.unwrap();
        let request = format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).await.unwrap();
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {response}"
        );
    }
}

#[tokio::test]
async fn the_root_path_leads_to_the_same_place() {
    let server = start(brief()).await;
    let waiter = Client::waiting(&server).await;

    let url = format!("ws://{}/", server.addr());
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut visitor = Client { socket };
    visitor
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;
    visitor.hears().await;

    Pair::of(waiter, visitor).await.goes_on().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let server = start(brief()).await;

    let settings = Settings {
        listen: vec![server.addr()],
        ..brief()
    };
    let error = Server::bind(settings).await.expect_err("in use");

    assert!(
        matches!(error, BindError::InUse(addr) if addr == server.addr()),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&server.addr().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_person_who_joins_again_is_not_matched_with_himself() {
    let server = start(brief()).await;
    let mut alice = Client::waiting(&server).await;

    alice.say(&join()).await;

    alice.hears_waiting().await;
    alice.has_heard_all().await;
    assert_eq!(server.census().waiting, 1);
}

#[tokio::test]
async fn it_listens_for_ipv4_and_ipv6_at_the_same_port() {
    let Ok(probe) = std::net::TcpListener::bind("[::]:0") else {
        // This machine has no IPv6.
        return;
    };
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let listen = vec![
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv6Addr::UNSPECIFIED, port).into(),
    ];
    let server = Server::bind(Settings { listen, ..brief() });
    let _server = server.await.expect("both").start();

    for addr in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ] {
        let answer = request(addr, "GET /readyz", &[], "").await;
        assert_eq!(answer.status, 200, "{addr}");
    }
}
