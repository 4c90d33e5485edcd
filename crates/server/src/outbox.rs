//! What the hub has for a client and its connection has not sent yet.
//!
//! Bounded in frames and in bytes. The hub never waits for room in it: a client that does not read is cut off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use protocol::ServerMessage;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

/// The most frames in an outbox: about twice what one call's set-up sends at once.
const MAX_FRAMES: usize = 64;
/// The most bytes in an outbox: room for some descriptions of the largest size.
const MAX_BYTES: usize = 256 * 1024;

/// The hub's end. When it is dropped the connection sends what is left and closes.
#[derive(Debug)]
pub(crate) struct Outbox {
    frames: mpsc::Sender<Utf8Bytes>,
    shared: Arc<Shared>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Frames {
    frames: mpsc::Receiver<Utf8Bytes>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    is_waiting: AtomicBool,
    cut: CancellationToken,
}

/// The client does not read what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Makes an empty outbox.
pub(crate) fn outbox() -> (Outbox, Frames) {
    let (sender, receiver) = mpsc::channel(MAX_FRAMES);
    let shared = Arc::new(Shared::default());
    let frames = Frames {
        frames: receiver,
        shared: Arc::clone(&shared),
    };
    (
        Outbox {
            frames: sender,
            shared,
        },
        frames,
    )
}

impl Outbox {
    /// Adds a message. A connection that has ended takes everything.
    pub(crate) fn push(&self, message: &ServerMessage) -> Result<(), Full> {
        let text = Utf8Bytes::from(protocol::encode(message));
        let len = text.len();
        // Only the hub adds, so that nobody comes between the look and the addition.
        if self.shared.bytes.load(Relaxed) + len > MAX_BYTES {
            return Err(Full);
        }
        self.shared.bytes.fetch_add(len, Relaxed);
        match self.frames.try_send(text) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full),
        }
    }

    /// Notes whether the client waits for a partner: then its silence is taken for absence earlier.
    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        self.shared.is_waiting.store(is_waiting, Relaxed);
    }

    /// Ends the connection without sending what is left.
    pub(crate) fn cut(self) {
        self.shared.cut.cancel();
    }
}

impl Frames {
    /// The next frame to send; `None` when the hub has dropped its end and everything is sent.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.frames.recv().await?;
        self.shared.bytes.fetch_sub(text.len(), Relaxed);
        Some(text)
    }

    /// Whether the client waits for a partner.
    pub(crate) fn is_waiting(&self) -> bool {
        self.shared.is_waiting.load(Relaxed)
    }

    /// Fires when the hub has cut the connection off.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.shared.cut.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> ServerMessage {
        ServerMessage::Error {
            code: protocol::ErrorCode::Malformed,
            message: "x".repeat(bytes),
            room: None,
        }
    }

    #[tokio::test]
    async fn frames_come_out_in_order_and_make_room_for_more() {
        let (outbox, mut frames) = outbox();
        let mut bytes = 0;
        while bytes < 10 * MAX_BYTES {
            outbox.push(&message(MAX_BYTES / 3)).unwrap();
            outbox.push(&message(MAX_BYTES / 2)).unwrap();
            let first = frames.next().await.unwrap();
            let second = frames.next().await.unwrap();
            assert!(first.len() < second.len());
            bytes += first.len() + second.len();
        }
    }

    #[test]
    fn it_holds_no_more_frames_than_allowed() {
        let (outbox, _frames) = outbox();
        for _ in 0..MAX_FRAMES {
            outbox.push(&message(1)).unwrap();
        }

        assert_eq!(outbox.push(&message(1)), Err(Full));
    }

    #[test]
    fn it_holds_no_more_bytes_than_allowed() {
        let (outbox, _frames) = outbox();
        outbox.push(&message(MAX_BYTES - 1000)).unwrap();

        assert_eq!(outbox.push(&message(2000)), Err(Full));
    }

    #[tokio::test]
    async fn what_is_left_is_sent_after_the_hub_is_gone() {
        let (outbox, mut frames) = outbox();
        outbox.push(&message(1)).unwrap();
        drop(outbox);

        assert!(frames.next().await.is_some());
        assert!(frames.next().await.is_none());
    }
}
