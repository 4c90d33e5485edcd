//! A newcomer to a crowded server works, and then meets others as everybody does.

mod support;

use std::sync::mpsc;

use engine::{CallView, Command, Config, Identity, SignallingView};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{Challenge, ClientMessage, ServerMessage, Work, decode, encode, limits};
use server::{NewcomerPolicy, Settings};
use support::{SOON, Stranger, TestServer, synthetic};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

fn crowded_server(most_bits: u32) -> TestServer {
    TestServer::with(Settings {
        listen: vec![([127, 0, 0, 1], 0).into()],
        newcomers: NewcomerPolicy {
            per_minute: 1,
            per_minute_per_ip: 0,
            most_bits,
        },
        ..Settings::default()
    })
}

fn known(url: &str) -> Stranger {
    Stranger::with(Config {
        identity: Some(Identity::fleeting().expect("random numbers")),
        ..synthetic(url)
    })
}

/// Two who came before, for whom nobody had to work.
fn crowd(url: &str) -> [Stranger; 2] {
    let two = [known(url), known(url)];
    for stranger in &two {
        stranger.start_searching();
    }
    for stranger in &two {
        stranger.wait_connected();
    }
    two
}

#[test]
fn a_newcomer_in_a_crowd_works_and_then_meets_somebody() {
    let server = crowded_server(14);
    let _crowd = crowd(&server.url());
    assert_eq!(server.newcomers_who_worked(), 0);
    let [three, four] = [known(&server.url()), known(&server.url())];
    for stranger in [&three, &four] {
        stranger.start_searching();
    }
    for stranger in [&three, &four] {
        let seen = stranger.wait_connected();
        assert_eq!(seen.works_since, None);
    }
    assert_eq!(server.newcomers_who_worked(), 2);

    // Once for each session.
    three.engine.send(Command::Next);
    four.wait("the end", |it| matches!(it.call, CallView::Ended { .. }));
    four.engine.send(Command::Next);
    three.wait_connected();
    assert_eq!(server.newcomers_who_worked(), 2);
}

/// A server that greets, asks for as much work as it may, and brings what it is told.
fn demanding_server() -> (Runtime, String, mpsc::Receiver<ClientMessage>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("loopback works");
    let (teller, told) = mpsc::channel();
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a free port");
    let addr = listener.local_addr().expect("it has one");
    let welcome = r#"{"type":"welcome","version":1,"online":2}"#.to_owned();
    // For this challenge all of the first million numbers fail.
    let work = encode(&ServerMessage::Work(Work {
        challenge: Challenge::from_bytes([7; 16]),
        bits: limits::WORK_BITS,
    }));
    runtime.spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        let mut socket = accept_async(stream).await.expect("a WebSocket");
        while let Some(Ok(frame)) = socket.next().await {
            let Message::Text(text) = frame else { continue };
            let message = decode(&text).expect("the client speaks well");
            let answer = match &message {
                ClientMessage::Hello { capabilities, .. } => {
                    assert!(capabilities.iter().any(|it| it == protocol::TAKES_WORK));
                    Some(welcome.clone())
                }
                ClientMessage::Join { .. } => Some(work.clone()),
                _ => None,
            };
            if let Some(answer) = answer
                && socket.send(Message::text(answer)).await.is_err()
            {
                return;
            }
            if teller.send(message).is_err() {
                return;
            }
        }
    });
    (runtime, format!("ws://{addr}/"), told)
}

#[test]
fn that_it_works_is_told_and_who_stops_stops_that_too() {
    let (_runtime, url, told) = demanding_server();
    let newcomer = known(&url);
    newcomer.start_searching();
    newcomer.wait("work", |it| it.works_since.is_some());
    newcomer.engine.send(Command::Stop);
    let seen = newcomer.wait("the end of it", |it| it.works_since.is_none());
    assert!(matches!(seen.signalling, SignallingView::Connected { .. }));
    newcomer.wait("the lobby", |it| it.call == CallView::Idle);
    // Asked again, it begins again, and this time it comes to an end.
    newcomer.start_searching();
    newcomer.wait("work", |it| it.works_since.is_some());
    let mut heard = Vec::new();
    let nonce = loop {
        match told.recv_timeout(SOON).expect("something is found") {
            ClientMessage::Worked { nonce } => break nonce,
            other => heard.push(other),
        }
    };
    assert!(u64::from_be_bytes(*nonce.as_bytes()) > 1_000_000);
    let left = |it: &ClientMessage| matches!(it, ClientMessage::Leave { .. });
    let joined = |it: &ClientMessage| matches!(it, ClientMessage::Join { .. });
    assert_eq!(heard.iter().filter(|it| left(it)).count(), 1, "{heard:?}");
    assert!(
        heard.iter().filter(|it| joined(it)).count() >= 2,
        "{heard:?}"
    );
    newcomer.wait("the end of it", |it| it.works_since.is_none());
}
