//! Clients that mean ill, or do not know better: each is refused, and a pair that talks meanwhile does not notice.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{
    ClientMessage, Description, DescriptionKind, ErrorCode, LeaveReason, ServerMessage, limits,
};
use server::{Census, Running, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, client_async,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use crate::client::{Client, Pair, brief, join, patient, start, until};

/// What a client heard last: the error's code and the close code.
async fn refusal(client: &mut Client) -> (ErrorCode, Option<CloseCode>) {
    let (messages, close) = client.hears_to_the_end().await;
    match messages.last() {
        Some(ServerMessage::Error { code, .. }) => (*code, close),
        other => panic!("expected an error, got {other:?}"),
    }
}

#[tokio::test]
async fn garbage_is_refused_and_the_third_in_a_row_closes() {
    let server = start(brief()).await;
    let mut bystanders = Pair::meet(&server).await;
    for (garbage, code) in [
        (Message::text("garbage"), ErrorCode::Malformed),
        (Message::text(r#"{"type":"hack"}"#), ErrorCode::UnknownType),
        (
            Message::text(format!(
                r#"{{"type":"join","language":"{}"}}"#,
                "x".repeat(99)
            )),
            ErrorCode::TooLarge,
        ),
        (Message::binary(vec![0; 100]), ErrorCode::Malformed),
    ] {
        let mut client = Client::greeted(&server).await;
        client.send(garbage.clone()).await;
        client.hears_error(code).await;
        client.send(garbage.clone()).await;
        client.hears_error(code).await;
        client.has_heard_all().await;
        // A message that can be understood forgives those before it.
        client.send(garbage.clone()).await;
        client.hears_error(code).await;
        client.send(garbage.clone()).await;
        client.hears_error(code).await;
        client.send(garbage).await;

        assert_eq!(refusal(&mut client).await, (code, Some(CloseCode::Policy)));
    }
    bystanders.goes_on().await;
}

#[tokio::test]
async fn an_address_has_so_many_websockets_and_is_told_when_it_has_them() {
    let server = start(Settings {
        max_per_ip: 2,
        limits_private_ips: true,
        ..brief()
    })
    .await;
    let mut pair = Pair::meet(&server).await;
    let stream = TcpStream::connect(server.addr()).await.unwrap();

    let refused = client_async(server.url(), stream).await;

    let Err(tungstenite::Error::Http(response)) = refused else {
        panic!("expected a refusal, got {refused:?}");
    };
    assert_eq!(response.status(), 429);
    assert_eq!(server.refused_by_ip(), 1);
    pair.goes_on().await;
    drop(pair);
    until(&server, Census::default()).await;
    Client::greeted(&server).await;
}

#[tokio::test]
async fn private_addresses_are_not_limited_as_a_proxy_may_stand_there() {
    let server = start(Settings {
        max_per_ip: 1,
        ..brief()
    })
    .await;
    Pair::meet(&server).await.goes_on().await;
    assert_eq!(server.refused_by_ip(), 0);
}

#[tokio::test]
async fn an_oversize_frame_is_refused_and_closes() {
    let server = start(brief()).await;
    let mut bystanders = Pair::meet(&server).await;
    for size in [limits::FRAME_BYTES + 1, 20 * limits::FRAME_BYTES] {
        for mut client in [
            Client::greeted(&server).await,
            Client::connect(&server).await,
        ] {
            client.send(Message::text("x".repeat(size))).await;

            assert_eq!(
                refusal(&mut client).await,
                (ErrorCode::TooLarge, Some(CloseCode::Size))
            );
        }
    }
    bystanders.goes_on().await;
}

#[tokio::test]
async fn who_does_not_start_with_hello_is_closed() {
    let server = start(brief()).await;
    for first in [
        "{\"type\":\"join\"}",
        "{\"type\":\"next\"}",
        "garbage",
        "{\"type\":\"hack\"}",
    ] {
        let mut client = Client::connect(&server).await;
        client.send(Message::text(first)).await;

        let expected = (ErrorCode::HelloExpected, Some(CloseCode::Policy));
        assert_eq!(refusal(&mut client).await, expected);
    }
    until(&server, Census::default()).await;
}

#[tokio::test]
async fn another_version_is_refused() {
    let server = start(brief()).await;
    let mut client = Client::connect(&server).await;
    client
        .say(&ClientMessage::Hello {
            version: 2,
            capabilities: vec![],
            resume: None,
        })
        .await;

    let expected = (ErrorCode::UnsupportedVersion, Some(CloseCode::Policy));
    assert_eq!(refusal(&mut client).await, expected);
}

#[tokio::test]
async fn who_says_nothing_is_closed() {
    let hello_deadline = Duration::from_millis(50);
    let server = start(Settings {
        hello_deadline,
        ..brief()
    })
    .await;
    let mut client = Client::connect(&server).await;

    let expected = (ErrorCode::HelloExpected, Some(CloseCode::Policy));
    assert_eq!(refusal(&mut client).await, expected);
    until(&server, Census::default()).await;
}

#[tokio::test]
async fn hello_is_said_once() {
    let server = start(brief()).await;
    let mut client = Client::waiting(&server).await;

    client
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;

    client.hears_error(ErrorCode::AlreadyGreeted).await;
    let newcomer = Client::greeted(&server).await;
    Pair::of(client, newcomer).await.goes_on().await;
}

#[tokio::test]
async fn a_flood_is_dropped_and_then_closed() {
    let server = start(brief()).await;
    let mut bystanders = Pair::meet(&server).await;
    let mut flooder = Client::greeted(&server).await;

    // It is closed in the middle of it, so that the rest may fail to be sent.
    for _ in 0..2000 {
        let message = Message::text(protocol::encode(&ClientMessage::Leave { room: None }));
        if flooder.socket.send(message).await.is_err() {
            break;
        }
    }

    let (messages, close) = flooder.hears_to_the_end().await;
    let too_fast = messages.iter().filter(|message| {
        matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::TooFast,
                ..
            }
        )
    });
    assert_eq!(
        too_fast.count(),
        2,
        "one warning and one farewell: {messages:?}"
    );
    assert_eq!(close, Some(CloseCode::Policy));
    bystanders.goes_on().await;
}

#[tokio::test]
async fn one_who_does_not_read_is_cut_off_and_his_partner_told() {
    // Far beyond the test's patience, so that it is the full outbox that cuts.
    let write_deadline = Duration::from_hours(1);
    let server = start(Settings {
        write_deadline,
        ..brief()
    })
    .await;
    let mut bystanders = Pair::meet(&server).await;
    let mut sleeper = with_small_window(server.addr()).await;
    sleeper
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;
    sleeper.hears().await;
    sleeper.say(&join()).await;
    sleeper.hears_waiting().await;
    let talker = Client::greeted(&server).await;
    let Pair {
        offerer: mut talker,
        answerer: _sleeper,
        room,
    } = Pair::of(sleeper, talker).await;

    let sdp = "x".repeat(limits::SDP_BYTES);
    let description = Description {
        kind: DescriptionKind::Offer,
        sdp,
        number: 0,
    };
    let long = ClientMessage::Description { room, description };
    let started = Instant::now();
    let mut sent = 0;
    let heard = loop {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "not cut off after {sent} messages"
        );
        talker.say(&long).await;
        sent += 1;
        // As many as a client may send at once, then as many as it may send on average.
        let pause = Duration::from_millis(if sent < 100 { 1 } else { 40 });
        if let Ok(heard) = timeout(pause, talker.hears()).await {
            break heard;
        }
    };

    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(heard, left);
    until(
        &server,
        Census {
            connections: 3,
            waiting: 0,
            rooms: 1,
            ..Census::default()
        },
    )
    .await;
    bystanders.goes_on().await;
}

/// Connects with a receive window of a few kilobytes, so that what is not read piles up in the server soon.
async fn with_small_window(addr: SocketAddr) -> Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("any size will do");
    let stream = socket
        .connect(addr)
        .await
        .expect("the server takes connections");
    let url = format!("ws://{addr}/");
    let (socket, _) = client_async(url, MaybeTlsStream::Plain(stream))
        .await
        .expect("a good handshake");
    Client { socket }
}

#[tokio::test]
async fn one_who_waits_and_falls_silent_is_forgotten_before_anybody_meets_him() {
    let heartbeat = Duration::from_millis(300);
    let server = start(Settings {
        heartbeat,
        ..brief()
    })
    .await;
    // Their sockets stay open, but nobody reads them, so that no ping is answered. Nobody can meet the first.
    let _idle = Client::greeted(&server).await;
    let _ghost = Client::waiting(&server).await;

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

    let mut newcomer = Client::greeted(&server).await;
    newcomer.say(&join()).await;
    newcomer.hears_waiting().await;
}

#[tokio::test]
async fn one_who_falls_silent_in_a_room_is_given_longer() {
    let heartbeat = Duration::from_millis(200);
    let server = start(Settings {
        heartbeat,
        ..brief()
    })
    .await;
    let Pair {
        mut offerer,
        answerer: _silent,
        room,
    } = Pair::meet(&server).await;
    let matched_at = Instant::now();

    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(offerer.hears().await, left);
    assert!(
        matched_at.elapsed() > heartbeat * 4,
        "{:?}",
        matched_at.elapsed()
    );
}

#[tokio::test]
async fn nonsense_below_the_websocket_harms_nobody() {
    let server = start(brief()).await;
    let mut bystanders = Pair::meet(&server).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET",
        b"\r\n\r\n\r\n",
        b"",
    ] {
        let mut socket = TcpStream::connect(server.addr()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Whether the end is polite or not: it comes.
        let end = timeout(Duration::from_secs(15), socket.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "the server ends the connection");
    }
    let mut broken = Client::greeted(&server).await;
    // A frame with reserved bits set, not masked.
    broken
        .socket
        .get_mut()
        .write_all(&[0xff, 0x00, 0xff, 0x00])
        .await
        .unwrap();
    let (_, close) = broken.hears_to_the_end().await;
    assert_eq!(close, Some(CloseCode::Protocol));
    bystanders.goes_on().await;
    until(
        &server,
        Census {
            connections: 2,
            waiting: 0,
            rooms: 1,
            ..Census::default()
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_closes_well_is_answered_well() {
    // It has said that it goes: nobody waits for it to come back.
    let server = start(patient()).await;
    let Pair {
        mut offerer,
        mut answerer,
        room,
    } = Pair::meet(&server).await;

    offerer.socket.close(None).await.unwrap();

    let left = ServerMessage::PartnerLeft {
        room,
        reason: LeaveReason::Disconnected,
    };
    assert_eq!(answerer.hears().await, left);
    // A ping may have been on its way.
    let end = async {
        loop {
            match offerer.socket.next().await {
                Some(Ok(Message::Ping(_))) => {}
                end => return end,
            }
        }
    };
    let end = timeout(Duration::from_secs(15), end)
        .await
        .expect("in time");
    assert!(matches!(end, Some(Ok(Message::Close(_))) | None), "{end:?}");
    connections(&server, 1).await;
}

async fn connections(server: &Running, count: usize) {
    until(
        server,
        Census {
            connections: count,
            waiting: 0,
            rooms: 0,
            ..Census::default()
        },
    )
    .await;
}
