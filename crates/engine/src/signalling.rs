//! The WebSocket to the signalling server: connects, greets, carries messages and connects again.
//!
//! It decides nothing about the call. What it knows of the world it tells the session as [`SignallingEvent`]s.

mod prepare;

use std::time::{Duration, Instant};

use call::Backoff;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::{ClientMessage, DecodeError, ErrorCode, ServerMessage, limits};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::SignallingProblem;

pub(crate) use prepare::prepare;

/// How long a server may take for the TCP, TLS and WebSocket handshakes. Beyond this a person takes it for dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to answer `hello`.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// How often we show the server that we are alive, and make it show the same.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long nothing may arrive before the connection counts as dead: three pings.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How many messages may wait to be sent. A whole negotiation has about thirty.
const OUTGOING_LIMIT: usize = 128;
/// A connection that lived this long was a good one: the next attempt comes soon again.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the session hears of the server.
#[derive(Debug)]
pub(crate) enum SignallingEvent {
    /// An attempt to connect began.
    Connecting,
    /// The server has greeted us.
    Up { online: u32 },
    /// The server said something.
    Message(ServerMessage),
    /// The connection is gone, or was not to be had.
    Down {
        problem: SignallingProblem,
        retry_at: Instant,
    },
}

/// A connection that renews itself until it is dropped.
#[derive(Debug)]
pub(crate) struct Signalling {
    outgoing: mpsc::Sender<ClientMessage>,
    task: JoinHandle<()>,
}

impl Signalling {
    /// Begins to connect to `url`. `events` gets at most a few messages a second; the task waits when it is full.
    pub(crate) fn connect(url: String, events: mpsc::Sender<SignallingEvent>) -> Self {
        let (outgoing, queue) = mpsc::channel(OUTGOING_LIMIT);
        let task = tokio::spawn(run(url, queue, events));
        Self { outgoing, task }
    }

    /// Queues a message. One that finds the queue full is lost, as on a connection that has just broken.
    pub(crate) fn send(&self, message: ClientMessage) {
        if self.outgoing.try_send(message).is_err() {
            tracing::warn!("a signalling message was lost: the connection does not keep up");
        }
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    url: String,
    mut outgoing: mpsc::Receiver<ClientMessage>,
    events: mpsc::Sender<SignallingEvent>,
) {
    let mut backoff = Backoff::default();
    loop {
        if events.send(SignallingEvent::Connecting).await.is_err() {
            return;
        }
        let began = Instant::now();
        let end = match greet(&url).await {
            Ok((socket, online)) => {
                // What was queued for the last connection means nothing to this one.
                while outgoing.try_recv().is_ok() {}
                if events.send(SignallingEvent::Up { online }).await.is_err() {
                    return;
                }
                carry(socket, &mut outgoing, &events).await
            }
            Err(problem) => End {
                problem,
                wait: None,
            },
        };
        if began.elapsed() >= GOOD_CONNECTION {
            backoff.reset();
        }
        let wait = end
            .wait
            .unwrap_or_else(|| backoff.next_delay(random_fraction()));
        tracing::info!(problem = ?end.problem, wait_ms = wait.as_millis(), "signalling is away");
        let down = SignallingEvent::Down {
            problem: end.problem,
            retry_at: Instant::now() + wait,
        };
        if events.send(down).await.is_err() {
            return;
        }
        sleep(wait).await;
    }
}

/// How a connection ended, and how long the server wants us to stay away, if it said so.
struct End {
    problem: SignallingProblem,
    wait: Option<Duration>,
}

impl From<SignallingProblem> for End {
    fn from(problem: SignallingProblem) -> Self {
        Self {
            problem,
            wait: None,
        }
    }
}

async fn greet(url: &str) -> Result<(Socket, u32), SignallingProblem> {
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES));
    let attempt = connect_async_with_config(url, Some(config), true);
    let (mut socket, _) = timeout(CONNECT_TIMEOUT, attempt)
        .await
        .map_err(|_| SignallingProblem::Unreachable("it does not answer in time".to_owned()))?
        .map_err(connect_problem)?;
    let hello = ClientMessage::Hello {
        version: protocol::VERSION,
        capabilities: Vec::new(),
        resume: None,
    };
    socket
        .send(Message::text(protocol::encode(&hello)))
        .await
        .map_err(lost)?;
    match timeout(WELCOME_TIMEOUT, next_message(&mut socket)).await {
        Ok(Ok(ServerMessage::Welcome { online, .. })) => Ok((socket, online)),
        Ok(Ok(ServerMessage::Error {
            code: ErrorCode::UnsupportedVersion,
            ..
        })) => Err(SignallingProblem::WrongVersion),
        Ok(Ok(ServerMessage::Error {
            code: ErrorCode::Full,
            ..
        })) => Err(SignallingProblem::Full),
        Ok(Ok(other)) => {
            tracing::debug!(?other, "the server did not greet us");
            Err(SignallingProblem::NotAServer(
                "it did not greet us".to_owned(),
            ))
        }
        Ok(Err(end)) => Err(end.problem),
        Err(_) => Err(SignallingProblem::NotAServer("it said nothing".to_owned())),
    }
}

/// Carries messages both ways until the connection ends.
async fn carry(
    mut socket: Socket,
    outgoing: &mut mpsc::Receiver<ClientMessage>,
    events: &mpsc::Sender<SignallingEvent>,
) -> End {
    let mut pings = tokio::time::interval(PING_EVERY);
    let mut heard_at = Instant::now();
    loop {
        let message = tokio::select! {
            message = outgoing.recv() => match message {
                Some(message) => Message::text(protocol::encode(&message)),
                None => return SignallingProblem::Lost("closed by us".to_owned()).into(),
            },
            frame = socket.next() => {
                heard_at = Instant::now();
                match read(frame) {
                    Ok(Some(ServerMessage::Shutdown { reconnect_in_ms })) => {
                        let wait = Duration::from_millis(reconnect_in_ms.min(60_000));
                        return End { problem: SignallingProblem::ShutDown, wait: Some(wait) };
                    }
                    Ok(Some(message)) => {
                        if events.send(SignallingEvent::Message(message)).await.is_err() {
                            return SignallingProblem::Lost("closed by us".to_owned()).into();
                        }
                        continue;
                    }
                    Ok(None) => continue,
                    Err(end) => return end,
                }
            }
            _ = pings.tick() => {
                if heard_at.elapsed() > SILENCE_LIMIT {
                    return SignallingProblem::Lost("the server fell silent".to_owned()).into();
                }
                Message::Ping(Vec::new().into())
            }
        };
        match timeout(CONNECT_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return lost(error).into(),
            Err(_) => {
                return SignallingProblem::Lost("the server takes nothing in".to_owned()).into();
            }
        }
    }
}

async fn next_message(socket: &mut Socket) -> Result<ServerMessage, End> {
    loop {
        if let Some(message) = read(socket.next().await)? {
            return Ok(message);
        }
    }
}

/// One frame as a message; `None` for a frame that carries none, or none that this version understands.
fn read(frame: Option<Result<Message, WebSocketError>>) -> Result<Option<ServerMessage>, End> {
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

/// A number from 0 to 1, so that many clients do not come back in the same moment.
fn random_fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}
