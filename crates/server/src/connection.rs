//! One client's WebSocket, from its first frame to its end.
//!
//! Turns frames into messages for the hub, the hub's messages into frames, and bad behaviour into refusals. Whatever it
//! waits for has a limit.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use matchmaker::PeerId;
use protocol::{ClientMessage, DecodeError, ErrorCode, ServerMessage};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Bytes, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    Settings,
    hub::HubInput,
    outbox::{Frames, outbox},
    rate_limit::{RateLimit, Verdict},
    server::Counters,
};

/// How many messages in a row a client may send that cannot be understood.
const MAX_STRIKES: u32 = 3;

/// How long the end of a connection may take: the last words, and reading what is still under way, without which the
/// system would throw the last words away.
const FAREWELL: Duration = Duration::from_secs(2);

/// The limits of a WebSocket. The read buffer's default of 128 KiB would be most of the memory of a connection.
pub(crate) fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * protocol::limits::FRAME_BYTES)
        .max_message_size(Some(protocol::limits::FRAME_BYTES))
        .max_frame_size(Some(protocol::limits::FRAME_BYTES))
}

/// What connections share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) settings: Arc<Settings>,
    pub(crate) hub: mpsc::Sender<HubInput>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) shutdown: CancellationToken,
}

/// Why a connection ends.
#[derive(Debug)]
enum Ending {
    /// The socket is closed, broken or silent, or the hub has cut it off: there is nobody to say anything to.
    Gone,
    /// The client closed the WebSocket and waits for the answer.
    ClosedByClient,
    /// The server stops.
    Restart,
    /// The client is not wanted any longer.
    Refused(CloseCode, ErrorCode, &'static str),
}

/// Tells a client that the server is full.
pub(crate) async fn refuse_as_full<S: AsyncRead + AsyncWrite + Unpin>(socket: WebSocketStream<S>) {
    let full = Ending::Refused(CloseCode::Again, ErrorCode::Full, "the server is full");
    say_farewell(socket, full).await;
}

/// Serves one client until it is gone. `host` is the name by which it found the server.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    host: Box<str>,
    surroundings: &Surroundings,
) {
    surroundings.counters.connections.fetch_add(1, Relaxed);
    let deadline = surroundings.settings.hello_deadline;
    let greeted = tokio::select! {
        () = surroundings.shutdown.cancelled() => Err(Ending::Restart),
        greeted = timeout(deadline, await_hello(&mut socket)) => greeted.unwrap_or(Err(
            Ending::Refused(CloseCode::Policy, ErrorCode::HelloExpected, "hello did not come in time"),
        )),
    };
    let ending = match greeted {
        Ok(()) => converse(&mut socket, host, surroundings).await,
        Err(ending) => ending,
    };
    debug!(?ending, "connection ends");
    surroundings.counters.connections.fetch_sub(1, Relaxed);
    say_farewell(socket, ending).await;
}

/// Waits for a `hello` in a version that the server speaks.
async fn await_hello<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Result<(), Ending> {
    loop {
        let text = match received(socket.next().await)? {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => continue,
            _ => {
                return Err(Ending::Refused(
                    CloseCode::Unsupported,
                    ErrorCode::Malformed,
                    BINARY,
                ));
            }
        };
        return match protocol::decode(&text) {
            Ok(ClientMessage::Hello {
                version: protocol::VERSION,
                ..
            }) => Ok(()),
            Ok(ClientMessage::Hello { .. }) => Err(Ending::Refused(
                CloseCode::Policy,
                ErrorCode::UnsupportedVersion,
                "the server speaks version 1",
            )),
            Ok(_) | Err(_) => Err(Ending::Refused(
                CloseCode::Policy,
                ErrorCode::HelloExpected,
                "the first message must be hello",
            )),
        };
    }
}

const BINARY: &str = "messages are text frames";
const TOO_FAST: &str = "too many messages in too short a time: they are dropped";

/// Sorts what a read brought: a frame, or the end.
fn received(read: Option<Result<Message, tungstenite::Error>>) -> Result<Message, Ending> {
    match read {
        Some(Ok(Message::Close(_))) => Err(Ending::ClosedByClient),
        Some(Ok(message)) => Ok(message),
        Some(Err(tungstenite::Error::Capacity(_))) => Err(Ending::Refused(
            CloseCode::Size,
            ErrorCode::TooLarge,
            "a frame may have at most 65536 bytes",
        )),
        Some(Err(tungstenite::Error::Utf8(_))) => Err(Ending::Refused(
            CloseCode::Invalid,
            ErrorCode::Malformed,
            "text must be UTF-8",
        )),
        Some(Err(tungstenite::Error::Protocol(_))) => Err(Ending::Refused(
            CloseCode::Protocol,
            ErrorCode::Malformed,
            "not a WebSocket frame",
        )),
        None | Some(Err(_)) => Err(Ending::Gone),
    }
}

/// Serves a greeted client.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    host: Box<str>,
    surroundings: &Surroundings,
) -> Ending {
    let peer = surroundings.counters.next_peer();
    let (outbox, mut frames) = outbox();
    if surroundings
        .hub
        .send(HubInput::Greeted { peer, outbox, host })
        .await
        .is_err()
    {
        return Ending::Restart;
    }
    let conversation = Conversation {
        socket,
        surroundings,
        peer,
        cut: frames.cut(),
        rate_limit: RateLimit::new(Instant::now()),
        strikes: 0,
        heard_at: Instant::now(),
    };
    let ending = conversation.run(&mut frames).await;
    if surroundings
        .hub
        .send(HubInput::Gone { peer })
        .await
        .is_err()
    {
        debug!("the hub has stopped before the connection");
    }
    ending
}

struct Conversation<'a, S> {
    socket: &'a mut WebSocketStream<S>,
    surroundings: &'a Surroundings,
    peer: PeerId,
    /// Fires when the hub does not want to hear from this client again.
    cut: CancellationToken,
    rate_limit: RateLimit,
    /// How many messages in a row could not be understood.
    strikes: u32,
    heard_at: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<'_, S> {
    async fn run(mut self, frames: &mut Frames) -> Ending {
        let mut heartbeat = interval(self.surroundings.settings.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                () = self.cut.cancelled() => Err(Ending::Gone),
                frame = frames.next() => match frame {
                    Some(text) => self.write(Message::Text(text)).await,
                    None => Err(Ending::Restart),
                },
                read = self.socket.next() => match received(read) {
                    Ok(message) => self.on_frame(message).await,
                    Err(ending) => Err(ending),
                },
                _ = heartbeat.tick() => self.on_heartbeat(frames.is_waiting()).await,
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    async fn on_heartbeat(&mut self, is_waiting: bool) -> Result<(), Ending> {
        let settings = &self.surroundings.settings;
        let silence = if is_waiting {
            settings.waiting_silence()
        } else {
            settings.silence()
        };
        if self.heard_at.elapsed() > silence {
            return Err(Ending::Gone);
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn on_frame(&mut self, frame: Message) -> Result<(), Ending> {
        let now = Instant::now();
        self.heard_at = now;
        match self.rate_limit.judge(now) {
            Verdict::Take => {}
            Verdict::Drop => return Ok(()),
            Verdict::DropAloud => {
                return self.refuse(ErrorCode::TooFast, TOO_FAST.to_owned()).await;
            }
            Verdict::Close => {
                return Err(Ending::Refused(
                    CloseCode::Policy,
                    ErrorCode::TooFast,
                    TOO_FAST,
                ));
            }
        }
        match frame {
            Message::Text(text) => match protocol::decode(&text) {
                Ok(message) => {
                    self.strikes = 0;
                    self.on_message(message).await
                }
                Err(error) => {
                    let code = match error {
                        DecodeError::Malformed(_) => ErrorCode::Malformed,
                        DecodeError::UnknownType(_) => ErrorCode::UnknownType,
                        DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
                    };
                    self.on_nonsense(code, error.to_string()).await
                }
            },
            Message::Binary(_) => {
                self.on_nonsense(ErrorCode::Malformed, BINARY.to_owned())
                    .await
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn on_message(&mut self, message: ClientMessage) -> Result<(), Ending> {
        if matches!(message, ClientMessage::Hello { .. }) {
            let words = "hello is said once".to_owned();
            return self.refuse(ErrorCode::AlreadyGreeted, words).await;
        }
        let said = HubInput::Said {
            peer: self.peer,
            message,
        };
        self.surroundings
            .hub
            .send(said)
            .await
            .map_err(|_| Ending::Restart)
    }

    async fn on_nonsense(&mut self, code: ErrorCode, words: String) -> Result<(), Ending> {
        self.strikes += 1;
        self.refuse(code, words).await?;
        if self.strikes < MAX_STRIKES {
            return Ok(());
        }
        let words = "three messages in a row could not be understood";
        Err(Ending::Refused(CloseCode::Policy, code, words))
    }

    async fn refuse(&mut self, code: ErrorCode, message: String) -> Result<(), Ending> {
        let refusal = ServerMessage::Error {
            code,
            message,
            room: None,
        };
        self.write(Message::text(protocol::encode(&refusal))).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        let deadline = self.surroundings.settings.write_deadline;
        tokio::select! {
            () = self.cut.cancelled() => Err(Ending::Gone),
            sent = timeout(deadline, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(Ending::Gone),
            },
        }
    }
}

/// Says why, closes, and gives the client time to read it. Never takes longer than [`FAREWELL`].
async fn say_farewell<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    ending: Ending,
) {
    let last_words = async {
        match ending {
            Ending::Gone => return Ok(()),
            // The answer to the client's close frame is in the write buffer already.
            Ending::ClosedByClient => socket.flush().await?,
            Ending::Restart => {
                let reason = "the server restarts".into();
                socket
                    .close(Some(CloseFrame {
                        code: CloseCode::Restart,
                        reason,
                    }))
                    .await?;
            }
            Ending::Refused(close, code, words) => {
                let error = ServerMessage::Error {
                    code,
                    message: words.to_owned(),
                    room: None,
                };
                socket.send(Message::text(protocol::encode(&error))).await?;
                socket
                    .close(Some(CloseFrame {
                        code: close,
                        reason: words.into(),
                    }))
                    .await?;
            }
        }
        let stream = socket.get_mut();
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<(), tungstenite::Error>(())
    };
    if !matches!(timeout(FAREWELL, last_words).await, Ok(Ok(()))) {
        debug!("a client did not stay for the farewell");
    }
}
