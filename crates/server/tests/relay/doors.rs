//! One port for everything: the first bytes tell what comes in.

use std::time::Duration;

use futures_util::StreamExt as _;
use server::{Running, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::client::{Certificate, PATIENCE, Stream, TurnClient, relay_settings, start, start_with};

/// Says hello by WebSocket and is welcomed.
async fn signals(server: &Running, stream: impl Stream + 'static) {
    let (mut socket, _) = client_async("ws://localhost/v1/signalling", stream)
        .await
        .expect("a WebSocket");
    let hello = protocol::encode(&protocol::ClientMessage::Hello {
        version: protocol::VERSION,
        capabilities: vec![],
        resume: None,
    });
    futures_util::SinkExt::send(&mut socket, Message::text(hello))
        .await
        .unwrap();
    let heard = timeout(PATIENCE, socket.next()).await.expect("in time");
    let text = heard.unwrap().unwrap().into_text().unwrap();
    assert!(text.contains("welcome"), "{text}");
    assert_eq!(server.census().connections, 1);
    drop(socket);
    // It may come back to its session for a while, but not hold a place meanwhile.
    while server.census().connections > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn plain_signalling_and_turn_share_a_port() {
    let server = start(relay_settings()).await;
    let mut turn = TurnClient::tcp(server.addr(), 1).await;
    turn.allocate().await.unwrap();
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    signals(&server, stream).await;
    // And the other way around: the relay's own port takes signalling too.
    let stream = TcpStream::connect(server.relay_addr().unwrap())
        .await
        .unwrap();
    signals(&server, stream).await;

    assert_eq!(turn.refresh(600).await, Ok(600));
}

#[tokio::test]
async fn with_a_certificate_one_port_takes_all_four() {
    let certificate = Certificate::new();
    let settings = Settings {
        tls: Some(certificate.settings.clone().into()),
        ..Settings::default()
    };
    let server = start_with(relay_settings(), settings).await;
    let addr = server.addr();

    let stream = certificate.connect(addr, &[b"http/1.1"]).await.unwrap();
    signals(&server, stream).await;
    let stream = certificate.connect(addr, &[]).await.unwrap();
    signals(&server, stream).await;
    signals(&server, TcpStream::connect(addr).await.unwrap()).await;
    let stream = certificate.connect(addr, &[b"stun.turn"]).await.unwrap();
    TurnClient::over(stream, 1).allocate().await.unwrap();
    TurnClient::tcp(addr, 1).await.allocate().await.unwrap();
}

#[tokio::test]
async fn health_is_answered_by_tls_too() {
    let certificate = Certificate::new();
    let settings = Settings {
        tls: Some(certificate.settings.clone().into()),
        ..Settings::default()
    };
    let server = start_with(relay_settings(), settings).await;
    let mut stream = certificate.connect(server.addr(), &[]).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("in time")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"));
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let mut certificate = Certificate::new();
    let settings = Settings {
        tls: Some(certificate.settings.clone().into()),
        ..Settings::default()
    };
    let server = start_with(relay_settings(), settings).await;
    let old = certificate.connect(server.addr(), &[]).await.unwrap();
    let mut old = TurnClient::over(old, 1);
    old.allocate().await.unwrap();

    certificate.renew();
    assert!(certificate.connect(server.addr(), &[]).await.is_err());
    server.reload_certificate().unwrap();
    certificate.connect(server.addr(), &[]).await.unwrap();

    std::fs::write(&certificate.settings.key, "no key").unwrap();
    assert!(server.reload_certificate().is_err());
    certificate.connect(server.addr(), &[]).await.unwrap();
    assert_eq!(old.refresh(600).await, Ok(600));
    drop(certificate.directory);
}

#[tokio::test]
async fn without_a_certificate_tls_is_refused_at_once() {
    let certificate = Certificate::new();
    let server = start(relay_settings()).await;

    let connected = timeout(PATIENCE, certificate.connect(server.addr(), &[]));
    assert!(connected.await.expect("in time").is_err());
    assert_eq!(server.relay_tls_port(), None);
}

#[tokio::test]
async fn without_a_relay_turn_is_refused_and_signalling_works() {
    let settings = Settings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..Settings::default()
    };
    let server = server::Server::bind(settings).await.unwrap().start();
    let mut client = TurnClient::tcp(server.addr(), 1).await;
    let request = client.request(relay::stun::method::ALLOCATE, |request| request);
    client.write(&request).await;

    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // HTTP's answer to nonsense, if any.
    assert!(read.is_ok() && (answer.is_empty() || answer.starts_with(b"HTTP/1.1 400")));
    signals(&server, TcpStream::connect(server.addr()).await.unwrap()).await;
    assert!(server.relay_addr().is_none() && server.relay_counters().is_none());
}
