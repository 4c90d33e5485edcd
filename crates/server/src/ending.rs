//! Why a connection ends, and the last words.

use std::time::Duration;

use futures_util::SinkExt as _;
use protocol::{ErrorCode, ServerMessage};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use tracing::debug;

use crate::counters::Refusal;

/// How long the end of a connection may take: the last words, and reading what is still under way, without which the
/// system would throw the last words away.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The socket is broken or silent, or the hub has cut it off: there is nobody to say anything to.
    Gone,
    /// The client closed the WebSocket and waits for the answer.
    ClosedByClient,
    /// The server stops.
    Restart,
    /// The client is not wanted any longer.
    Refused(CloseCode, ErrorCode, &'static str),
    /// The person is not wanted; this says why.
    Banned(Box<ServerMessage>),
}

impl Ending {
    /// Which limit it stands for, if it is a refusal.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(_, code, _) => Some(match code {
                ErrorCode::TooFast => Refusal::Flood,
                ErrorCode::HelloExpected => Refusal::Hello,
                ErrorCode::UnsupportedVersion => Refusal::Version,
                ErrorCode::Full => Refusal::Full,
                ErrorCode::TooLarge => Refusal::FrameSize,
                ErrorCode::BadProof => Refusal::Proof,
                _ => Refusal::NonsenseClosed,
            }),
            // A ban is counted where it is found.
            Self::Gone | Self::ClosedByClient | Self::Restart | Self::Banned(_) => None,
        }
    }

    /// Whether it was not meant, so that the client may come back to where it was.
    pub(crate) const fn is_loss(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// Sorts what a read brought: a frame, or the end.
pub(crate) fn received(
    read: Option<Result<Message, tungstenite::Error>>,
) -> Result<Message, Ending> {
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
        // The end of the TCP connection without a close frame.
        Some(Err(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
            Err(Ending::Gone)
        }
        Some(Err(tungstenite::Error::Protocol(_))) => Err(Ending::Refused(
            CloseCode::Protocol,
            ErrorCode::Malformed,
            "not a WebSocket frame",
        )),
        None | Some(Err(_)) => Err(Ending::Gone),
    }
}

/// Says why, closes, and gives the client time to read it. Never takes longer than [`FAREWELL`].
pub(crate) async fn say_farewell<S: AsyncRead + AsyncWrite + Unpin>(
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
            Ending::Banned(notice) => {
                socket
                    .send(Message::text(protocol::encode(&*notice)))
                    .await?;
                socket
                    .close(Some(CloseFrame {
                        code: CloseCode::Policy,
                        reason: "banned".into(),
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
