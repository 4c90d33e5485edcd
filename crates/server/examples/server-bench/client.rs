//! A client that says what a person's program would, and listens.

use std::{net::Ipv4Addr, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{
    Candidate, ClientMessage, Description, DescriptionKind, Role, RoomId, ServerMessage,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::rustls::ClientConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use crate::certificate;

/// Longer than anything may take, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How many candidates each side of a call has.
pub(crate) const CANDIDATES: usize = 10;
/// Bytes of a session description.
const SDP: usize = 4096;

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One WebSocket that has said `hello` and was let in.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Where a client is after a match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Met {
    pub(crate) room: RoomId,
    pub(crate) role: Role,
}

impl Client {
    /// Connects as the `number`-th client: from one of many addresses of the loopback, so that ports suffice, and for one of many
    /// addresses of the internet.
    pub(crate) async fn connect(target: &Target, number: u32) -> anyhow::Result<Self> {
        timeout(PATIENCE, Self::open(target, number))
            .await
            .context("no welcome in time")?
    }

    async fn open(target: &Target, number: u32) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        let source = Ipv4Addr::new(127, 0, 1, 1 + (number % 200) as u8);
        socket.bind((source, 0).into())?;
        let stream = socket.connect(target.addr).await?;
        stream.set_nodelay(true)?;
        let (scheme, connector) = match &target.tls {
            Some(config) => ("wss", Connector::Rustls(Arc::clone(config))),
            None => ("ws", Connector::Plain),
        };
        let url = format!(
            "{scheme}://{}:{}/v1/signalling",
            certificate::NAME,
            target.addr.port()
        );
        let mut request = url.into_client_request()?;
        let [_, high, middle, low] = number.to_be_bytes();
        let public = Ipv4Addr::new(20, high, middle, low).to_string();
        request
            .headers_mut()
            .insert("x-forwarded-for", public.parse()?);
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (socket, _) =
            client_async_tls_with_config(request, stream, Some(config), Some(connector)).await?;
        let mut client = Self { socket };
        client
            .say(&ClientMessage::Hello {
                version: protocol::VERSION,
                capabilities: Vec::new(),
                resume: None,
            })
            .await?;
        match client.hear().await? {
            ServerMessage::Welcome { .. } => Ok(client),
            other => bail!("a welcome was expected: {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) -> anyhow::Result<()> {
        self.socket
            .send(Message::text(protocol::encode(message)))
            .await?;
        Ok(())
    }

    /// The next message; pings are answered meanwhile. Safe to cancel.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<ServerMessage> {
        loop {
            match self.socket.next().await.context("the server hung up")?? {
                Message::Text(text) => return Ok(protocol::decode(&text)?),
                Message::Close(_) => bail!("the server closed"),
                _ => {}
            }
        }
    }

    pub(crate) async fn join(&mut self) -> anyhow::Result<()> {
        self.say(&ClientMessage::Join {
            interests: Vec::new(),
            language: None,
            offer: None,
        })
        .await
    }

    pub(crate) async fn next(&mut self, room: Option<RoomId>) -> anyhow::Result<()> {
        self.say(&ClientMessage::Next { room, offer: None }).await
    }

    /// Waits until somebody is found, whatever comes of earlier rooms.
    pub(crate) async fn meet(&mut self) -> anyhow::Result<Met> {
        loop {
            match self.hear().await? {
                ServerMessage::Matched { room, role, .. } => return Ok(Met { room, role }),
                ServerMessage::Error { message, .. } => bail!("refused: {message}"),
                ServerMessage::Shutdown { .. } => bail!("the server ends"),
                _ => {}
            }
        }
    }

    /// Exchanges descriptions and candidates as a call does. `false` if the partner left before the end.
    pub(crate) async fn exchange(&mut self, met: Met) -> anyhow::Result<bool> {
        let (mut descriptions, mut candidates) = (0, 0);
        if met.role == Role::Offerer {
            self.tell_all(met.room, DescriptionKind::Offer).await?;
        }
        while descriptions < 1 || candidates < CANDIDATES {
            match self.hear().await? {
                ServerMessage::Description { room, .. } if room == met.room => {
                    descriptions += 1;
                    if met.role == Role::Answerer {
                        self.tell_all(room, DescriptionKind::Answer).await?;
                    }
                }
                ServerMessage::Candidate { room, .. } if room == met.room => candidates += 1,
                ServerMessage::PartnerLeft { room, .. } if room == met.room => return Ok(false),
                ServerMessage::Error { message, .. } => bail!("refused: {message}"),
                ServerMessage::Shutdown { .. } => bail!("the server ends"),
                _ => {}
            }
        }
        Ok(true)
    }

    async fn tell_all(&mut self, room: RoomId, kind: DescriptionKind) -> anyhow::Result<()> {
        let description = Description {
            kind,
            sdp: "v=0\r\na=x\r\n".repeat(SDP / 10),
            number: 0,
        };
        self.say(&ClientMessage::Description { room, description })
            .await?;
        for _ in 0..CANDIDATES {
            self.say(&candidate(room, 0)).await?;
        }
        Ok(())
    }

    /// Waits until the partner has left `room`.
    pub(crate) async fn until_left(&mut self, left: RoomId) -> anyhow::Result<()> {
        loop {
            match self.hear().await? {
                ServerMessage::PartnerLeft { room, .. } if room == left => return Ok(()),
                ServerMessage::Shutdown { .. } => bail!("the server ends"),
                _ => {}
            }
        }
    }

    /// Says good-bye and waits for the answer.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        self.socket.close(None).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }
}

/// A candidate of about 150 bytes that says `at`.
pub(crate) fn candidate(room: RoomId, at: u64) -> ClientMessage {
    let candidate = Candidate {
        candidate: format!(
            "candidate:{at} 1 udp 2122260223 192.0.2.1 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag abcd \
             network-id 1 network-cost 10"
        ),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("abcd".to_owned()),
    };
    ClientMessage::Candidate {
        room,
        candidate: Some(candidate),
    }
}

/// What [`candidate`] was told.
pub(crate) fn said_at(candidate: &Candidate) -> Option<u64> {
    let rest = candidate.candidate.strip_prefix("candidate:")?;
    rest.split(' ').next()?.parse().ok()
}
