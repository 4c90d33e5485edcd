//! A partner without an engine, who says what a test wants.

use std::time::Instant;

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{ClientMessage, Description, RoomId, ServerMessage, TAKES_OFFER_AHEAD};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use transport::{Opened, Peer, PeerConfig, PeerEvent};

use super::{SOON, TestServer};

/// A person who knows the protocol, and needs no engine.
pub struct Partner {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Partner {
    pub async fn greeted(server: &TestServer) -> Self {
        let (socket, _) = connect_async(server.url()).await.unwrap();
        let mut partner = Self { socket };
        let hello = ClientMessage::Hello {
            version: 1,
            capabilities: vec![TAKES_OFFER_AHEAD.to_owned()],
            resume: None,
        };
        partner.say(&hello).await;
        partner.hears().await;
        partner
    }

    pub async fn say(&mut self, message: &ClientMessage) {
        let text = Message::text(protocol::encode(message));
        self.socket.send(text).await.unwrap();
    }

    pub async fn join(&mut self, offer: Option<Description>) {
        let join = ClientMessage::Join {
            interests: Vec::new(),
            language: None,
            offer,
        };
        self.say(&join).await;
    }

    pub async fn describe(&mut self, room: RoomId, description: Description) {
        self.say(&ClientMessage::Description { room, description })
            .await;
    }

    pub async fn hears(&mut self) -> ServerMessage {
        loop {
            let frame = timeout(SOON, self.socket.next()).await.unwrap();
            if let Message::Text(text) = frame.unwrap().unwrap() {
                return protocol::decode(&text).unwrap();
            }
        }
    }

    pub async fn hears_description(&mut self) -> Description {
        loop {
            if let ServerMessage::Description { description, .. } = self.hears().await {
                return description;
            }
        }
    }

    /// Adds the candidates that come until `peer` is connected. Returns everything that came.
    pub async fn hears_until_connected(&mut self, peer: &mut ReadyPeer) -> Vec<ServerMessage> {
        let mut heard = Vec::new();
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            tokio::select! {
                message = self.hears() => {
                    if let ServerMessage::Candidate { candidate, .. } = &message {
                        // Of another generation, perhaps.
                        drop(peer.peer.add_candidate(candidate.clone()).await);
                    }
                    heard.push(message);
                }
                event = peer.opened.events.recv() => {
                    if event.unwrap() == PeerEvent::Connected {
                        return heard;
                    }
                }
            }
        }
        panic!("the two are not connected");
    }
}

/// A connection that has gathered.
pub struct ReadyPeer {
    pub peer: Peer,
    pub opened: Opened,
}

impl ReadyPeer {
    pub async fn open() -> Self {
        let config = PeerConfig {
            bind: vec!["127.0.0.1:0".parse().unwrap()],
            ..PeerConfig::default()
        };
        let mut opened = Peer::open_without_role(config).await.unwrap();
        let peer = opened.peer.clone();
        peer.gather_ahead().await.unwrap();
        let end = PeerEvent::LocalCandidate(None);
        while timeout(SOON, opened.events.recv()).await.unwrap() != Some(end.clone()) {}
        Self { peer, opened }
    }

    pub async fn answer(&mut self, offer: Description) -> Description {
        let number = offer.number;
        self.peer.take_role(false).await.unwrap();
        self.peer.apply_remote(offer).await.unwrap();
        numbered(number, self.peer.create_answer().await.unwrap())
    }
}

pub const fn numbered(number: u32, mut description: Description) -> Description {
    description.number = number;
    description
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
