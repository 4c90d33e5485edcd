//! What the hub has for a client and its connection has not sent yet, and what it may have to send again.
//!
//! Bounded in frames and in bytes. The hub never waits for room in it: a client that does not read is cut off. Both ends
//! outlive a connection that is lost: the connection's end waits at the hub until the client is back.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use protocol::{Ledger, LedgerLimits, ServerMessage};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The most frames in an outbox: about twice what one call's set-up sends at once.
const MAX_FRAMES: usize = 64;
/// The most bytes in an outbox: room for some descriptions of the largest size.
const MAX_BYTES: usize = 256 * 1024;

/// How much of what is sent is kept until the client has said that it is there: as much as may wait to be sent.
pub(crate) const KEPT: LedgerLimits = LedgerLimits {
    frames: MAX_FRAMES,
    bytes: MAX_BYTES,
};

/// The hub's end. When it is dropped the connection sends what is left and closes.
#[derive(Debug)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    pushed: u64,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Frames {
    shared: Arc<Shared>,
    /// What was sent and received already.
    pub(crate) session: Ledger<Utf8Bytes>,
}

/// A channel of tokio's would do, but takes one and a half kilobytes of each connection while it is empty.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Whenever there is something, or nothing more will come.
    news: Notify,
    is_waiting: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    /// One of the two ends is gone.
    is_closed: bool,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.queue().is_closed = true;
        self.news.notify_one();
    }
}

/// The client does not read what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Makes an empty outbox that keeps as much as `limits` say of what is sent.
pub(crate) fn outbox(limits: LedgerLimits) -> (Outbox, Frames) {
    let shared = Arc::new(Shared::default());
    let frames = Frames {
        shared: Arc::clone(&shared),
        session: Ledger::new(limits),
    };
    (Outbox { shared, pushed: 0 }, frames)
}

impl Outbox {
    /// Adds a message. A connection that has ended takes everything.
    pub(crate) fn push(&mut self, message: &ServerMessage) -> Result<(), Full> {
        self.pushed += 1;
        let text = Utf8Bytes::from(protocol::encode(message));
        let mut queue = self.shared.queue();
        if queue.is_closed {
            return Ok(());
        }
        if queue.bytes + text.len() > MAX_BYTES || queue.frames.len() >= MAX_FRAMES {
            return Err(Full);
        }
        queue.bytes += text.len();
        queue.frames.push_back(text);
        drop(queue);
        self.shared.news.notify_one();
        Ok(())
    }

    /// How many messages were added.
    pub(crate) const fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Notes whether the client waits for a partner: then its silence is taken for absence earlier.
    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        self.shared.is_waiting.store(is_waiting, Relaxed);
    }

    /// Whether the client waits for a partner.
    pub(crate) fn is_waiting(&self) -> bool {
        self.shared.is_waiting.load(Relaxed)
    }
}

impl Frames {
    /// The next frame to send; `None` when the hub has dropped its end and everything is sent. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            if let Some(text) = self.next_waiting() {
                return Some(text);
            }
            // Nothing can come between the two looks: who adds or closes leaves a note, which is found here.
            if self.is_over() {
                return None;
            }
            self.shared.news.notified().await;
        }
    }

    /// The next frame to send, if there is one now.
    pub(crate) fn next_waiting(&mut self) -> Option<Utf8Bytes> {
        if let Some(text) = self.session.next() {
            return Some(text);
        }
        let mut queue = self.shared.queue();
        let text = queue.frames.pop_front()?;
        queue.bytes -= text.len();
        if queue.frames.is_empty() {
            // A queue keeps the memory of its busiest time, and most connections are idle.
            queue.frames = VecDeque::new();
        }
        drop(queue);
        self.session.push(text);
        self.session.next()
    }

    fn is_over(&self) -> bool {
        let queue = self.shared.queue();
        queue.is_closed && queue.frames.is_empty()
    }

    /// Whether the client waits for a partner.
    pub(crate) fn is_waiting(&self) -> bool {
        self.shared.is_waiting.load(Relaxed)
    }

    /// How many frames are there that [`next`](Self::next) would bring.
    pub(crate) fn len(&self) -> usize {
        self.session.unwritten() + self.shared.queue().frames.len()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.shared.close();
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
        let (mut outbox, mut frames) = outbox(KEPT);
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
        let (mut outbox, _frames) = outbox(KEPT);
        for _ in 0..MAX_FRAMES {
            outbox.push(&message(1)).unwrap();
        }

        assert_eq!(outbox.push(&message(1)), Err(Full));
    }

    #[test]
    fn it_holds_no_more_bytes_than_allowed() {
        let (mut outbox, _frames) = outbox(KEPT);
        outbox.push(&message(MAX_BYTES - 1000)).unwrap();

        assert_eq!(outbox.push(&message(2000)), Err(Full));
    }

    #[tokio::test]
    async fn what_is_left_is_sent_after_the_hub_is_gone() {
        let (mut outbox, mut frames) = outbox(KEPT);
        outbox.push(&message(1)).unwrap();
        drop(outbox);

        assert!(frames.next().await.is_some());
        assert!(frames.next().await.is_none());
    }

    #[tokio::test]
    async fn one_who_waits_for_a_frame_is_woken_by_it_and_by_the_end() {
        let (mut outbox, mut frames) = outbox(KEPT);
        let waits = tokio::spawn(async move { (frames.next().await, frames.next().await) });
        tokio::task::yield_now().await;

        outbox.push(&message(1)).unwrap();
        tokio::task::yield_now().await;
        drop(outbox);

        let (first, second) = waits.await.unwrap();
        assert!(first.is_some() && second.is_none());
    }

    #[test]
    fn a_connection_that_has_ended_takes_everything() {
        let (mut outbox, frames) = outbox(KEPT);
        drop(frames);

        for _ in 0..2 * MAX_FRAMES {
            outbox.push(&message(MAX_BYTES / 2)).unwrap();
        }
    }

    #[tokio::test]
    async fn what_the_client_lacks_comes_again_before_what_waits() {
        let (mut outbox, mut frames) = outbox(KEPT);
        for bytes in [1, 2, 3] {
            outbox.push(&message(bytes)).unwrap();
        }
        let first = frames.next().await.unwrap();
        let second = frames.next().await.unwrap();

        frames.session.resume(1).unwrap();

        assert_eq!(frames.next().await, Some(second.clone()));
        let third = frames.next().await.unwrap();
        assert!(first.len() < second.len() && second.len() < third.len());
    }
}
