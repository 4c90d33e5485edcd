//! One connection to the server: its handshakes, and frames as messages.

use std::time::{Duration, SystemTime};

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{Challenge, ClientMessage, DecodeError, ErrorCode, Resume, ServerMessage, limits};
use tokio::net::TcpStream;
use tokio::time::{interval, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::Session;
use crate::{BanNotice, SignallingProblem, network};

/// How long a server may take for the TCP, TLS and WebSocket handshakes. Beyond this a person takes it for dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the TCP handshake of one attempt may take, and how soon another one is made beside it; sooner when a session is to
/// be taken up, for a call may be waiting for it.
const TCP_TIMEOUT: Duration = Duration::from_secs(4);
/// How many attempts may be under way at a time.
const MAX_ATTEMPTS: usize = 8;
const REDIAL_EVERY: Duration = Duration::from_secs(1);
const REDIAL_FOR_SESSION_EVERY: Duration = Duration::from_millis(500);
/// How often a server that does not want us is asked whether that is still so.
const ASK_WHEN_BANNED: Duration = Duration::from_mins(10);
/// How long a server may take to answer `hello`.
pub(super) const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How a connection ended.
pub(super) struct End {
    pub(super) problem: SignallingProblem,
    /// How long to stay away, where that is known: the server has said so, or the fault is not the server's.
    pub(super) wait: Option<Duration>,
    /// The server has ended the session too.
    pub(super) is_final: bool,
    /// Why the server does not want us, if that is so.
    pub(super) ban: Option<BanNotice>,
}

impl From<SignallingProblem> for End {
    fn from(problem: SignallingProblem) -> Self {
        Self {
            problem,
            wait: None,
            is_final: false,
            ban: None,
        }
    }
}

/// A connection on which the server has said `welcome`, and what it said with it.
pub(super) struct Greeting {
    pub(super) socket: Socket,
    pub(super) online: u32,
    pub(super) session: Option<protocol::Session>,
    pub(super) resumed: Option<u64>,
    /// What to sign to prove who we are.
    pub(super) challenge: Option<Challenge>,
    /// Whether the server passes on with what chat is signed.
    pub(super) takes_chat_keys: bool,
}

/// Connects. Where nothing answers, another attempt is made now and then beside those that are under way: the system repeats
/// a first packet that is lost after one second, then two, then four, and a network that was cut may be back in between.
async fn dial(url: &str, redial_every: Duration) -> Result<Socket, SignallingProblem> {
    let mut attempts = FuturesUnordered::new();
    let mut dials = interval(redial_every);
    let deadline = sleep(CONNECT_TIMEOUT);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            _ = dials.tick(), if attempts.len() < MAX_ATTEMPTS => attempts.push(attempt(url)),
            Some(result) = attempts.next() => match result {
                Ok(socket) => return Ok(socket),
                Err(problem) if attempts.is_empty() => return Err(problem),
                Err(_) => {}
            },
            () = &mut deadline => return Err(too_late()),
        }
    }
}

async fn attempt(url: &str) -> Result<Socket, SignallingProblem> {
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES));
    let request = url.into_client_request().map_err(connect_problem)?;
    let (host, port) = host_and_port(request.uri()).map_err(connect_problem)?;
    let stream = timeout(TCP_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .map_err(|_| too_late())?
        .map_err(|error| connect_problem(error.into()))?;
    stream
        .set_nodelay(true)
        .map_err(|error| connect_problem(error.into()))?;
    let (socket, _) = client_async_tls_with_config(request, stream, Some(config), None)
        .await
        .map_err(connect_problem)?;
    Ok(socket)
}

/// Whether the machine does not have the address any more that the connection was made from: nothing will ever come.
pub(super) fn is_stranded(socket: &Socket) -> bool {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream,
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
        _ => return false,
    };
    stream
        .local_addr()
        .is_ok_and(|address| network::is_gone(address.ip()))
}

fn too_late() -> SignallingProblem {
    SignallingProblem::Unreachable("it does not answer in time".to_owned())
}

fn host_and_port(uri: &Uri) -> Result<(&str, u16), WebSocketError> {
    let host = uri.host().ok_or(UrlError::NoHostName)?;
    let usual = match uri.scheme_str() {
        Some("ws") => 80,
        Some("wss") => 443,
        _ => return Err(UrlError::UnsupportedUrlScheme.into()),
    };
    // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, uri.port_u16().unwrap_or(usual)))
}

/// Connects and greets, and takes `session` up if there is one and the server still has it.
pub(super) async fn greet(url: &str, session: Option<&Session>) -> Result<Greeting, End> {
    let redial_every = match session {
        Some(_) => REDIAL_FOR_SESSION_EVERY,
        None => REDIAL_EVERY,
    };
    let mut socket = dial(url, redial_every).await?;
    let hello = ClientMessage::Hello {
        version: protocol::VERSION,
        capabilities: [protocol::TAKES_OFFER_AHEAD, protocol::TAKES_WORK]
            .map(str::to_owned)
            .to_vec(),
        resume: session.map(|session| Resume {
            token: session.token,
            received: session.ledger.received(),
        }),
    };
    socket
        .send(Message::text(protocol::encode(&hello)))
        .await
        .map_err(lost)?;
    let refused = |problem: SignallingProblem| Err(problem.into());
    match timeout(WELCOME_TIMEOUT, next_message(&mut socket)).await {
        Ok(Ok(ServerMessage::Welcome {
            online,
            session,
            resumed,
            challenge,
            capabilities,
            ..
        })) => Ok(Greeting {
            socket,
            online,
            session,
            resumed,
            challenge,
            takes_chat_keys: capabilities
                .iter()
                .any(|it| it == protocol::TAKES_CHAT_KEYS),
        }),
        Ok(Ok(ServerMessage::Banned {
            reason,
            until,
            appeal,
        })) => Err(banned(reason, until, appeal)),
        Ok(Ok(ServerMessage::Error {
            code: ErrorCode::UnsupportedVersion,
            ..
        })) => refused(SignallingProblem::WrongVersion),
        Ok(Ok(ServerMessage::Error {
            code: ErrorCode::Full,
            ..
        })) => refused(SignallingProblem::Full),
        Ok(Ok(other)) => {
            tracing::debug!(?other, "the server did not greet us");
            refused(SignallingProblem::NotAServer(
                "it did not greet us".to_owned(),
            ))
        }
        Ok(Err(end)) => Err(end),
        Err(_) => refused(SignallingProblem::NotAServer("it said nothing".to_owned())),
    }
}

/// The end of a connection with a server that does not want us. It is asked again now and then: it may have changed its mind.
pub(super) fn banned(reason: String, until: Option<u64>, appeal: Option<String>) -> End {
    let ban = BanNotice::new(reason, until, appeal);
    let left = ban
        .until
        .map(|until| until.duration_since(SystemTime::now()));
    let left = left.map(|left| left.unwrap_or_default() + Duration::from_secs(1));
    End {
        problem: SignallingProblem::Lost(format!("it does not want you: {}", ban.reason)),
        wait: Some(left.map_or(ASK_WHEN_BANNED, |left| left.min(ASK_WHEN_BANNED))),
        is_final: true,
        ban: Some(ban),
    }
}

/// Writes one frame, in a time that has a limit.
pub(super) async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(CONNECT_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(lost(error).into()),
        Err(_) => Err(SignallingProblem::Lost("the server takes nothing in".to_owned()).into()),
    }
}

pub(super) async fn next_message(socket: &mut Socket) -> Result<ServerMessage, End> {
    loop {
        if let Some(message) = read(socket.next().await)? {
            return Ok(message);
        }
    }
}

/// One frame as a message; `None` for a frame that carries none, or none that this version understands.
pub(super) fn read(
    frame: Option<Result<Message, WebSocketError>>,
) -> Result<Option<ServerMessage>, End> {
    match frame {
        Some(Ok(Message::Text(text))) => match protocol::decode::<ServerMessage>(&text) {
            Ok(message) => Ok(Some(message)),
            Err(DecodeError::UnknownType(_)) => Ok(None),
            Err(error) => {
                tracing::warn!(%error, "the server sent a message that cannot be read");
                Ok(None)
            }
        },
        Some(Ok(Message::Close(close))) => {
            let reason = close.map_or_else(String::new, |close| close.reason.to_string());
            Err(SignallingProblem::Lost(reason).into())
        }
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(lost(error).into()),
        None => Err(SignallingProblem::Lost("the connection ended".to_owned()).into()),
    }
}

fn connect_problem(error: WebSocketError) -> SignallingProblem {
    match error {
        WebSocketError::Url(error) => SignallingProblem::BadUrl(error.to_string()),
        WebSocketError::HttpFormat(error) => SignallingProblem::BadUrl(error.to_string()),
        WebSocketError::Http(response) if response.status().as_u16() == 503 => {
            SignallingProblem::Full
        }
        WebSocketError::Http(response) if response.status().as_u16() == 429 => {
            SignallingProblem::Crowded
        }
        WebSocketError::Http(response) => {
            SignallingProblem::NotAServer(format!("it answers {}", response.status()))
        }
        WebSocketError::Protocol(error) => SignallingProblem::NotAServer(error.to_string()),
        other => SignallingProblem::Unreachable(other.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn lost(error: WebSocketError) -> SignallingProblem {
    SignallingProblem::Lost(error.to_string())
}
