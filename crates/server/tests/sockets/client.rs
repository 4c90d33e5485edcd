//! A client for tests: it says what it is told to say, and whatever it waits for has a deadline.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{
    Candidate, Challenge, ClientMessage, Description, DescriptionKind, ErrorCode, LeaveReason,
    PublicKey, Resume, Role, RoomId, ServerMessage, Signature,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use server::{Census, Running, Server, Settings};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

/// Longer than anything takes here, even on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Two clients in a room.
pub(crate) struct Pair {
    pub(crate) offerer: Client,
    pub(crate) answerer: Client,
    pub(crate) room: RoomId,
}

/// Settings under which one whose connection is lost is gone soon.
pub(crate) fn brief() -> Settings {
    Settings {
        grace: Duration::from_millis(50),
        answer_deadline: 6 * PATIENCE,
        ..Settings::default()
    }
}

/// Settings under which nobody is gone for good while a test waits for anything.
pub(crate) fn patient() -> Settings {
    Settings {
        grace: 6 * PATIENCE,
        answer_deadline: 6 * PATIENCE,
        ..Settings::default()
    }
}

/// Starts a server on a free port.
pub(crate) async fn start(settings: Settings) -> Running {
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    Server::bind(Settings { listen, ..settings })
        .await
        .expect("a free port")
        .start()
}

/// Waits until the census is as expected.
pub(crate) async fn until(server: &Running, expected: Census) {
    let counted = timeout(PATIENCE, async {
        while server.census() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(
        counted.await.is_ok(),
        "expected {expected:?}, counted {:?}",
        server.census()
    );
}

/// Proves the key that is made of `seed`.
pub(crate) fn proof(seed: u8, challenge: &Challenge) -> ClientMessage {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is a key");
    let key = pair.public_key().as_ref().try_into().expect("32 bytes");
    let signature = pair.sign(&challenge.statement());
    let signature = signature.as_ref().try_into().expect("64 bytes");
    ClientMessage::Identify {
        key: PublicKey::from_bytes(key),
        signature: Signature::from_bytes(signature),
    }
}

pub(crate) const fn join() -> ClientMessage {
    ClientMessage::Join {
        interests: Vec::new(),
        language: None,
        offer: None,
    }
}

pub(crate) fn candidate(text: &str) -> Candidate {
    Candidate {
        candidate: text.to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: None,
        username_fragment: None,
    }
}

impl Client {
    /// Connects without a `hello`.
    pub(crate) async fn connect(server: &Running) -> Self {
        Self::connect_at(&server.url()).await
    }

    pub(crate) async fn connect_at(url: &str) -> Self {
        let connected = timeout(PATIENCE, connect_async(url)).await;
        let (socket, _) = connected
            .expect("in time")
            .expect("the server takes connections");
        Self { socket }
    }

    /// Connects and says `hello`.
    pub(crate) async fn greeted(server: &Running) -> Self {
        Self::greeted_at(&server.url()).await
    }

    /// Does so at a URL.
    pub(crate) async fn greeted_at(url: &str) -> Self {
        Self::connect_at(url).await.greets().await
    }

    /// Says `hello`.
    pub(crate) async fn greets(mut self) -> Self {
        self.say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume: None,
        })
        .await;
        let welcome = self.hears().await;
        assert!(
            matches!(welcome, ServerMessage::Welcome { version: 1, .. }),
            "{welcome:?}"
        );
        self
    }

    /// Connects and waits for a partner.
    pub(crate) async fn waiting(server: &Running) -> Self {
        Self::greeted(server).await.waits().await
    }

    /// Connects, says `hello` and proves the key that is made of `seed`.
    pub(crate) async fn known(url: &str, seed: u8) -> Self {
        let mut client = Self::connect_at(url).await;
        let challenge = client.hears_challenge(None).await.expect("a challenge");
        client.say(&proof(seed, &challenge)).await;
        client
    }

    /// Says `hello`, and returns the challenge in the `welcome`.
    pub(crate) async fn hears_challenge(&mut self, resume: Option<Resume>) -> Option<Challenge> {
        self.say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume,
        })
        .await;
        match self.hears().await {
            ServerMessage::Welcome { challenge, .. } => challenge,
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    /// Waits for a partner.
    pub(crate) async fn waits(mut self) -> Self {
        self.say(&join()).await;
        self.hears_waiting().await;
        self
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.send(Message::text(protocol::encode(message))).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket
            .send(message)
            .await
            .expect("the connection is open");
    }

    /// The next message. Panics at a close.
    pub(crate) async fn hears(&mut self) -> ServerMessage {
        match self.next().await {
            Some(Message::Text(text)) => protocol::decode(&text).expect("the server speaks well"),
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// All messages up to the close, and its code.
    pub(crate) async fn hears_to_the_end(&mut self) -> (Vec<ServerMessage>, Option<CloseCode>) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Some(Message::Text(text)) => {
                    messages.push(protocol::decode(&text).expect("the server speaks well"));
                }
                Some(Message::Close(close)) => return (messages, close.map(|close| close.code)),
                Some(other) => panic!("unexpected {other:?}"),
                None => return (messages, None),
            }
        }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            let read = timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time");
            match read?.ok()? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }

    pub(crate) async fn hears_waiting(&mut self) {
        let message = self.hears().await;
        assert!(
            matches!(message, ServerMessage::Waiting { .. }),
            "{message:?}"
        );
    }

    pub(crate) async fn hears_matched(&mut self) -> (RoomId, Role) {
        match self.hears().await {
            ServerMessage::Matched { room, role, .. } => (room, role),
            other => panic!("expected a match, got {other:?}"),
        }
    }

    pub(crate) async fn has_no_partner_because(&mut self, expected: LeaveReason) {
        match self.hears().await {
            ServerMessage::PartnerLeft { reason, .. } => assert_eq!(reason, expected),
            other => panic!("expected to be left, got {other:?}"),
        }
    }

    pub(crate) async fn hears_error(&mut self, code: ErrorCode) {
        match self.hears().await {
            ServerMessage::Error { code: heard, .. } => assert_eq!(heard, code),
            other => panic!("expected {code:?}, got {other:?}"),
        }
    }

    /// Whether it is connected to this address.
    pub(crate) fn socket_is_at(&self, addr: SocketAddr) -> bool {
        match self.socket.get_ref() {
            MaybeTlsStream::Plain(stream) => stream.peer_addr().is_ok_and(|it| it == addr),
            _ => false,
        }
    }

    /// Checks that the server has sent nothing but what was heard already: its answer to a question comes next.
    pub(crate) async fn has_heard_all(&mut self) {
        let room = RoomId::from_bytes([0xee; 16]);
        self.say(&ClientMessage::Candidate {
            room,
            candidate: None,
        })
        .await;
        self.hears_error(ErrorCode::WrongRoom).await;
    }
}

impl Pair {
    pub(crate) async fn meet(server: &Running) -> Self {
        let answerer = Client::waiting(server).await;
        let offerer = Client::greeted(server).await;
        Self::of(answerer, offerer).await
    }

    /// Lets `newcomer` join while `waiter` waits.
    pub(crate) async fn of(mut waiter: Client, mut newcomer: Client) -> Self {
        newcomer.say(&join()).await;
        let (room, role) = waiter.hears_matched().await;
        assert_eq!(role, Role::Answerer);
        assert_eq!(newcomer.hears_matched().await, (room, Role::Offerer));
        Self {
            offerer: newcomer,
            answerer: waiter,
            room,
        }
    }

    /// Lets the answerer answer: from then on the call may be up.
    pub(crate) async fn is_answered(&mut self) {
        let room = self.room;
        let description = Description {
            kind: DescriptionKind::Answer,
            sdp: "v=0".into(),
            number: 1,
        };
        let heard = ServerMessage::Description {
            room,
            description: description.clone(),
        };
        self.answerer
            .say(&ClientMessage::Description { room, description })
            .await;
        assert_eq!(self.offerer.hears().await, heard);
    }

    /// Checks that the call's signalling works in both directions, and that nothing else has come.
    pub(crate) async fn goes_on(&mut self) {
        let room = self.room;
        let (mut from, mut to) = (&mut self.offerer, &mut self.answerer);
        for _ in 0..2 {
            from.say(&ClientMessage::Candidate {
                room,
                candidate: Some(candidate("c")),
            })
            .await;
            let expected = ServerMessage::Candidate {
                room,
                candidate: Some(candidate("c")),
            };
            assert_eq!(to.hears().await, expected);
            (from, to) = (to, from);
        }
    }
}
