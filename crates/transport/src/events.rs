//! What a peer connection tells its owner, and how that stays bounded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::video::Pictures;
use protocol::Candidate;
use tokio::sync::mpsc;

use crate::PathStats;

/// What is sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Opus, 48 kHz RTP clock.
    Audio,
    /// Pictures of the camera: H.264 or AV1, 90 kHz RTP clock.
    Video,
    /// Pictures of a screen, beside those of the camera: the same codecs and clock.
    Screen,
}

impl From<Pictures> for MediaKind {
    fn from(pictures: Pictures) -> Self {
        match pictures {
            Pictures::Camera => Self::Video,
            Pictures::Screen => Self::Screen,
        }
    }
}

/// Something that happened to a peer connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// An ICE candidate of this side, for the partner; `None` says that there are no more (RFC 8838 section 14).
    LocalCandidate(Option<Candidate>),
    /// This is the path from now on. Comes before each [`Connected`](Self::Connected).
    PathSelected(PathStats),
    /// Media and messages flow, for the first time or again. The next video frame should be a keyframe.
    Connected,
    /// Nothing has arrived for a second. It may come back by itself, or after an ICE restart.
    Disconnected,
    /// The connection is lost for good, or its inner machinery died. Nothing follows; close the peer.
    Failed,
    /// What was agreed no longer fits what this side wants: an offer is due.
    NegotiationNeeded,
    /// The partner cannot go on decoding these: the next one must be a keyframe.
    KeyframeRequested(Pictures),
    /// The message channel is open in both directions.
    MessageChannelOpen,
    /// A text from the partner, at most [`protocol::limits::PEER_MESSAGE_BYTES`] long.
    Message(String),
    /// Ties a media stream's clock to the partner's wall clock (RFC 3550 section 6.4.1).
    SenderReport {
        /// Which stream.
        kind: MediaKind,
        /// The partner's wall clock: seconds since 1900 in the upper 32 bits, fractions in the lower.
        ntp: u64,
        /// The same instant on the stream's RTP clock.
        rtp_timestamp: u32,
    },
}

/// How many events wait for the owner at most.
const CAPACITY: usize = 256;

/// How many of these places only events that happen once may take. The partner decides how often the others come.
const RESERVED: usize = 128;

/// How often a message looks whether there is room for it.
const RETRY: Duration = Duration::from_millis(10);

/// Where events go in. Cheap to clone; never blocks the connection's own task.
#[derive(Debug, Clone)]
pub(crate) struct EventSink {
    /// Empty once the peer is closed, whoever still holds a clone.
    sender: Arc<Mutex<Option<mpsc::Sender<PeerEvent>>>>,
}

impl EventSink {
    pub(crate) fn new() -> (Self, mpsc::Receiver<PeerEvent>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (
            Self {
                sender: Arc::new(Mutex::new(Some(sender))),
            },
            receiver,
        )
    }

    /// Lets no further event in, so that the owner reads the end of them.
    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<PeerEvent>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over an event that comes only once.
    pub(crate) fn post(&self, event: PeerEvent) {
        if let Some(sender) = self.lock().as_ref()
            && let Err(mpsc::error::TrySendError::Full(event)) = sender.try_send(event)
        {
            tracing::error!(?event, "an event is lost: nobody reads a peer's events");
        }
    }

    /// Hands over an event that the partner repeats if it gets no answer; drops it if the owner is behind.
    pub(crate) fn offer(&self, event: PeerEvent) {
        if self.has_room() {
            self.post(event);
        }
    }

    /// Hands over an event that must not be lost, once there is room. False if the owner is gone.
    ///
    /// The wait holds back the message channel, and its flow control holds back the partner.
    pub(crate) async fn deliver(&self, event: PeerEvent) -> bool {
        while !self.has_room() {
            if self.is_closed() {
                return false;
            }
            tokio::time::sleep(RETRY).await;
        }
        self.post(event);
        !self.is_closed()
    }

    fn has_room(&self) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|sender| sender.capacity() > RESERVED)
    }

    fn is_closed(&self) -> bool {
        self.lock().as_ref().is_none_or(mpsc::Sender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_keyframe_requests_leaves_room_for_what_comes_once() {
        let (sink, mut events) = EventSink::new();
        for _ in 0..10 * CAPACITY {
            sink.offer(PeerEvent::KeyframeRequested(Pictures::Camera));
        }
        sink.post(PeerEvent::Failed);
        sink.end();
        sink.post(PeerEvent::Connected);

        let mut received = Vec::new();
        while let Ok(event) = events.try_recv() {
            received.push(event);
        }
        assert_eq!(received.len(), CAPACITY - RESERVED + 1);
        assert_eq!(received.last(), Some(&PeerEvent::Failed));
        assert!(events.is_closed());
    }

    #[tokio::test]
    async fn messages_wait_for_a_slow_owner_and_none_is_lost() {
        let (sink, mut events) = EventSink::new();
        let count = 3 * CAPACITY;
        let writer = tokio::spawn(async move {
            for number in 0..count {
                assert!(sink.deliver(PeerEvent::Message(number.to_string())).await);
            }
        });
        for number in 0..count {
            if number % 100 == 0 {
                tokio::time::sleep(2 * RETRY).await;
            }
            assert_eq!(
                events.recv().await,
                Some(PeerEvent::Message(number.to_string()))
            );
        }
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_waiting_message_gives_up_when_the_owner_is_gone() {
        let (sink, events) = EventSink::new();
        for _ in 0..CAPACITY {
            sink.offer(PeerEvent::KeyframeRequested(Pictures::Camera));
        }
        drop(events);
        assert!(!sink.deliver(PeerEvent::Message(String::new())).await);
    }
}
