//! A client that comes back after a loss of its connection: it counts what it hears and keeps what it says, as section 6
//! of the protocol wants it.

use protocol::{ClientMessage, ErrorCode, Resume, ResumeToken, RoomId, ServerMessage};
use server::Running;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, join};

pub(crate) struct ReturningClient {
    connection: Option<Client>,
    token: ResumeToken,
    /// Everything said in this session, whether it arrived or not.
    said: Vec<ClientMessage>,
    /// Everything heard in this session.
    pub(crate) heard: Vec<ServerMessage>,
}

/// Two of them in a room.
pub(crate) struct ReturningPair {
    pub(crate) offerer: ReturningClient,
    pub(crate) answerer: ReturningClient,
    pub(crate) room: RoomId,
}

/// Connects and says `hello`. Returns what `welcome` says of sessions.
pub(crate) async fn greet(
    server: &Running,
    resume: Option<Resume>,
) -> (Client, Option<protocol::Session>, Option<u64>) {
    let mut client = Client::connect(server).await;
    client
        .say(&ClientMessage::Hello {
            version: 1,
            capabilities: vec![],
            resume,
        })
        .await;
    match client.hears().await {
        ServerMessage::Welcome {
            session, resumed, ..
        } => (client, session, resumed),
        other => panic!("expected a welcome, got {other:?}"),
    }
}

impl ReturningClient {
    pub(crate) async fn greeted(server: &Running) -> Self {
        let (client, session, resumed) = greet(server, None).await;
        assert_eq!(resumed, None);
        Self {
            connection: Some(client),
            token: session.expect("the server keeps sessions").token,
            said: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Greeted, and waits for a partner.
    pub(crate) async fn waiting(server: &Running) -> Self {
        let mut client = Self::greeted(server).await;
        client.say(join()).await;
        let message = client.hears().await;
        assert!(
            matches!(message, ServerMessage::Waiting { .. }),
            "{message:?}"
        );
        client
    }

    /// Says something, which is lost if there is no connection.
    pub(crate) async fn say(&mut self, message: ClientMessage) {
        if let Some(connection) = &mut self.connection {
            connection.say(&message).await;
        }
        self.said.push(message);
    }

    pub(crate) async fn hears(&mut self) -> ServerMessage {
        let connection = self.connection.as_mut().expect("a connection");
        let message = connection.hears().await;
        self.heard.push(message.clone());
        message
    }

    /// Hears until there are `count` messages of this session.
    pub(crate) async fn hears_up_to(&mut self, count: usize) {
        while self.heard.len() < count {
            self.hears().await;
        }
    }

    /// Checks that the server has sent nothing but what was heard already.
    pub(crate) async fn has_heard_all(&mut self) {
        let room = RoomId::from_bytes([0xee; 16]);
        let candidate = None;
        self.say(ClientMessage::Candidate { room, candidate }).await;
        let message = self.hears().await;
        let is_answer = matches!(
            message,
            ServerMessage::Error {
                code: ErrorCode::WrongRoom,
                room: Some(named),
                ..
            } if named == room
        );
        assert!(is_answer, "{message:?}");
    }

    /// The connection ends without a word, and with it all that is under way.
    pub(crate) fn loses_connection(&mut self) {
        self.connection = None;
    }

    /// Keeps the connection open, as one that is dead without anybody knowing.
    pub(crate) fn leaves_connection(&mut self) -> Client {
        self.connection.take().expect("a connection")
    }

    /// Closes the WebSocket as one does who does not want to come back.
    pub(crate) async fn closes(&mut self) {
        let mut connection = self.leaves_connection();
        connection.send(Message::Close(None)).await;
        connection.hears_to_the_end().await;
    }

    /// What `hello` says to take up the session.
    pub(crate) fn resume(&self) -> Resume {
        Resume {
            token: self.token,
            received: self.heard.len() as u64,
        }
    }

    /// Connects again. Says again what the server has not received; `false` if the session is over.
    pub(crate) async fn returns(&mut self, server: &Running) -> bool {
        let (mut connection, session, resumed) = greet(server, Some(self.resume())).await;
        let token = session.expect("the server keeps sessions").token;
        let Some(received) = resumed else {
            assert_ne!(token, self.token, "another session has another token");
            return false;
        };
        assert_eq!(token, self.token);
        for message in &self.said[received as usize..] {
            connection.say(message).await;
        }
        self.connection = Some(connection);
        true
    }
}

impl ReturningPair {
    pub(crate) async fn meet(server: &Running) -> Self {
        let answerer = ReturningClient::waiting(server).await;
        Self::of(answerer, server).await
    }

    /// Lets somebody join while `answerer` waits.
    pub(crate) async fn of(mut answerer: ReturningClient, server: &Running) -> Self {
        let mut offerer = ReturningClient::greeted(server).await;
        offerer.say(join()).await;
        let ServerMessage::Matched { room, .. } = offerer.hears().await else {
            panic!("matched");
        };
        let matched = answerer.hears().await;
        assert!(
            matches!(matched, ServerMessage::Matched { room: named, .. } if named == room),
            "{matched:?}"
        );
        Self {
            offerer,
            answerer,
            room,
        }
    }
}
