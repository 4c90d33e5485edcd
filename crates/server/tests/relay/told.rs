//! What clients are told of the relay, and that it is true.

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{ClientMessage, IceServer, ServerMessage};
use server::{RelaySettings, Running, Settings, Turn, TurnCredentials};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::client::{Certificate, PATIENCE, TurnClient, relay_settings, start, start_with};

type Socket = WebSocketStream<TcpStream>;

async fn say(socket: &mut Socket, message: &ClientMessage) {
    let text = protocol::encode(message);
    socket.send(Message::text(text)).await.unwrap();
}

async fn hear(socket: &mut Socket) -> ServerMessage {
    loop {
        let heard = timeout(PATIENCE, socket.next()).await.expect("in time");
        if let Message::Text(text) = heard.unwrap().unwrap() {
            return protocol::decode(&text).unwrap();
        }
    }
}

/// A client that asked for the server by a name, and waits for a partner.
async fn joined(server: &Running, host: &str) -> Socket {
    let mut request = server.url().into_client_request().unwrap();
    request.headers_mut().insert("host", host.parse().unwrap());
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    let hello = ClientMessage::Hello {
        version: protocol::VERSION,
        capabilities: vec![],
        resume: None,
    };
    say(&mut socket, &hello).await;
    hear(&mut socket).await;
    let join = ClientMessage::Join {
        interests: Vec::new(),
        language: None,
        offer: None,
    };
    say(&mut socket, &join).await;
    socket
}

/// What both sides of a match are told.
async fn told(server: &Running, hosts: [&str; 2]) -> [Vec<IceServer>; 2] {
    let mut lists = Vec::new();
    let mut sockets = Vec::new();
    for host in hosts {
        sockets.push(joined(server, host).await);
    }
    for socket in &mut sockets {
        loop {
            if let ServerMessage::Matched { ice_servers, .. } = hear(socket).await {
                lists.push(ice_servers);
                break;
            }
        }
    }
    lists.try_into().unwrap()
}

fn urls(servers: &[IceServer]) -> Vec<&str> {
    servers
        .iter()
        .flat_map(|server| &server.urls)
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn each_is_told_by_the_name_that_he_used_with_credentials_of_his_own_that_work() {
    let certificate = Certificate::new();
    let settings = Settings {
        tls: Some(certificate.settings.clone().into()),
        ..Settings::default()
    };
    // Without a secret the server makes one up.
    let relay = RelaySettings {
        secrets: None,
        ..relay_settings()
    };
    let server = start_with(relay, settings).await;
    let [one, two] = told(&server, ["localhost:9", "127.0.0.1:443"]).await;

    let relay = server.relay_addr().unwrap();
    let (listen, port) = (server.addr().port(), relay.port());
    let tls = server.relay_tls_port().unwrap();
    assert_eq!(
        urls(&one),
        [
            format!("stun:localhost:{port}"),
            format!("turn:localhost:{port}?transport=udp"),
            format!("turn:localhost:{port}?transport=tcp"),
            format!("turn:localhost:{listen}?transport=tcp"),
            format!("turns:localhost:{tls}?transport=tcp"),
            format!("turns:localhost:{listen}?transport=tcp"),
        ]
    );
    assert_eq!(urls(&two)[0], format!("stun:127.0.0.1:{port}"));
    assert_ne!(one[1].username, two[1].username);
    for list in [one, two] {
        let IceServer {
            username,
            credential,
            ..
        } = &list[1];
        let mut client = TurnClient::udp(relay, 1).await;
        assert_eq!(client.allocate().await, Err(401), "not with a made-up one");
        client.log_in(username.as_deref().unwrap(), credential.as_deref().unwrap());
        client.allocate().await.unwrap();
    }
}

#[tokio::test]
async fn a_relay_that_a_client_cannot_reach_is_not_told_of() {
    let server = start(relay_settings()).await;
    // Through a proxy, to a server that only listens on its own machine.
    let [one, two] = told(&server, ["people.example", "people.example"]).await;
    assert!(one.is_empty() && two.is_empty());
}

#[tokio::test]
async fn a_public_host_takes_the_place_of_the_name_and_other_servers_come_first() {
    let relay = RelaySettings {
        public_host: Some("relay.example".to_owned()),
        ..relay_settings()
    };
    let settings = Settings {
        stun: vec!["stun:stun.example".parse().unwrap()],
        turn: Some(Turn {
            urls: vec!["turn:turn.example".parse().unwrap()],
            credentials: TurnCredentials::Fixed {
                username: "u".to_owned(),
                credential: "p".to_owned(),
            },
        }),
        ..Settings::default()
    };
    let server = start_with(relay, settings).await;
    let [one, _] = told(&server, ["people.example", "localhost"]).await;
    let port = server.relay_addr().unwrap().port();

    assert_eq!(
        urls(&one)[..4],
        [
            "stun:stun.example".to_owned(),
            "turn:turn.example".to_owned(),
            format!("stun:relay.example:{port}"),
            format!("turn:relay.example:{port}?transport=udp"),
        ]
    );
    assert_eq!(one[1].username.as_deref(), Some("u"));
}
