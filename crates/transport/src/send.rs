//! Frames in, RTP packets out.
//!
//! The encoder's thread puts a whole frame into a short queue and goes on; a task cuts it into packets. What does not
//! fit is refused as a whole, so that a frame is never sent in part.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::Codec;
use media::video::{EncodedFrame, VideoCodec};
use tokio::sync::{Notify, mpsc};
use webrtc::media_stream::track_local::TrackLocal as _;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use crate::{MediaKind, setup};

/// Why something was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// There is no connection, or the partner does not take media of this kind.
    #[error("not connected")]
    NotConnected,
    /// The network takes less than we make.
    #[error("the queue is full")]
    QueueFull,
    /// A message is over [`protocol::limits::PEER_MESSAGE_BYTES`].
    #[error("the message is too long")]
    TooLong,
}

impl<T> From<mpsc::error::TrySendError<T>> for Dropped {
    fn from(error: mpsc::error::TrySendError<T>) -> Self {
        match error {
            mpsc::error::TrySendError::Full(_) => Self::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Self::NotConnected,
        }
    }
}

/// Frames that wait to be cut into packets: at 30 pictures a second 330 ms, as long as an ICE restart may take that
/// nobody notices. Else they hardly wait at all.
pub(crate) const VIDEO_QUEUE_FRAMES: usize = 10;
/// Audio packets that wait to be sent: 320 ms of the shortest that we make, and twice as much of others.
pub(crate) const AUDIO_QUEUE_PACKETS: usize = 32;

/// How long media waits at most for an ICE restart. Then it is lost as on a broken path, and what waits stays recent.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The longest RTP payload, in bytes. With everything around it a packet fits into the 1280 bytes that IPv6 guarantees:
/// IPv6 40, UDP 8, TURN channel 4, RTP 12, extension 8, retransmission 2, SRTP tag 16 leave 1190.
const MAX_PAYLOAD_BYTES: usize = 1160;

/// One encoded audio packet.
#[derive(Debug)]
pub(crate) struct AudioPacket {
    pub(crate) payload: Bytes,
    pub(crate) timestamp: u32,
}

/// Lets media out while the connection is up, under the payload types that were agreed.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    audio: Mutex<Vec<Agreed>>,
    video: Mutex<Vec<Agreed>>,
    screen: Mutex<Vec<Agreed>>,
    /// Fires when offer and answer have met.
    agreement: Notify,
    /// Until when media waits, because the stack would drop it: it has no pair selected.
    paused_until: Mutex<Option<Instant>>,
    resumed: Notify,
    /// Whether the path leads over a relay.
    is_relayed: AtomicBool,
    /// Whether the sockets are others than those of the path that was taken last.
    is_rebound: AtomicBool,
    /// How many paths were taken after the first.
    changes: AtomicU64,
}

/// A codec that the partner takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// The payload type of packets that are sent again (RFC 4588).
    pub(crate) repair: Option<u8>,
}

impl Gate {
    /// Lets what was agreed through; nothing, if that is nothing.
    pub(crate) fn open(&self, kind: MediaKind, agreed: Vec<Agreed>) {
        *self.of(kind) = agreed;
    }

    pub(crate) fn shut(&self) {
        for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Screen] {
            self.of(kind).clear();
        }
    }

    /// As what packets of this codec leave; `None` if the partner does not take it.
    pub(crate) fn payload_type(&self, kind: MediaKind, codec: Codec) -> Option<u8> {
        let agreed = self.of(kind);
        let agreed = agreed.iter().find(|agreed| agreed.codec == codec)?;
        Some(agreed.payload_type)
    }

    /// As what a packet of pictures is sent again.
    pub(crate) fn repair_of(&self, payload_type: u8) -> Option<u8> {
        let repair = |kind| {
            let agreed = self.of(kind);
            let mut agreed = agreed.iter();
            agreed
                .find(|agreed| agreed.payload_type == payload_type)?
                .repair
        };
        repair(MediaKind::Video).or_else(|| repair(MediaKind::Screen))
    }

    /// Offer and answer have met: what was agreed may be something else.
    pub(crate) fn on_agreement(&self) {
        self.agreement.notify_one();
    }

    pub(crate) async fn agreement(&self) {
        self.agreement.notified().await;
    }

    pub(crate) fn set_relayed(&self, is_relayed: bool) {
        self.is_relayed.store(is_relayed, Ordering::Relaxed);
    }

    /// The sockets were bound anew: the next path is another one, whatever its addresses are called.
    pub(crate) fn on_rebound(&self) {
        self.is_rebound.store(true, Ordering::Relaxed);
    }

    /// A path was taken: the first one, or after another, which `is_same` as this one.
    pub(crate) fn on_path(&self, is_first: bool, is_same: bool) {
        let is_rebound = self.is_rebound.swap(false, Ordering::Relaxed);
        if !is_first && (is_rebound || !is_same) {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often the path has changed.
    pub(crate) fn path_changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Lets nothing more through for a while, or until [`resume`](Self::resume).
    pub(crate) fn pause(&self) {
        *self.lock() = Some(Instant::now() + LONGEST_PAUSE);
    }

    pub(crate) fn resume(&self) {
        *self.lock() = None;
        self.resumed.notify_waiters();
    }

    /// Until when nothing may leave, if that is so at present.
    pub(crate) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.lock().filter(|until| now < *until)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for_path(&self) {
        loop {
            let resumed = self.resumed.notified();
            let mut resumed = std::pin::pin!(resumed);
            // Registered before it looks, so that no call is missed.
            resumed.as_mut().enable();
            let Some(until) = self.paused_until(Instant::now()) else {
                return;
            };
            tokio::select! {
                () = resumed => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn of(&self, kind: MediaKind) -> MutexGuard<'_, Vec<Agreed>> {
        let agreed = match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
            MediaKind::Screen => &self.screen,
        };
        agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our end of one RTP stream.
pub(crate) struct OutboundStream {
    pub(crate) kind: MediaKind,
    pub(crate) track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    sequence_number: u16,
    gate: Arc<Gate>,
}

impl OutboundStream {
    pub(crate) fn new(kind: MediaKind, ssrc: u32, rtx_ssrc: Option<u32>, gate: Arc<Gate>) -> Self {
        let track = Arc::new(setup::track(kind, ssrc, rtx_ssrc));
        // A random start makes attacks on the encryption harder (RFC 3550 section 5.1); the SSRC is random already.
        // The upper half is left out: SRTP may misjudge a stream that wraps before its first packet has arrived.
        let sequence_number = (ssrc as u16) >> 1;
        Self {
            kind,
            track,
            ssrc,
            sequence_number,
            gate,
        }
    }

    /// Sends frames until their queue or the connection ends.
    pub(crate) async fn send_frames(mut self, mut frames: mpsc::Receiver<EncodedFrame>) {
        let mut is_known = false;
        while let Some(frame) = frames.recv().await {
            let codec = Codec::Video(frame.codec);
            // Through a relay the partner's stack loses the first packet (`runtime/introductions.rs`), so that is an empty one.
            if !std::mem::replace(&mut is_known, true)
                && self.gate.is_relayed.load(Ordering::Relaxed)
                && !self.send(codec, Bytes::new(), frame.timestamp, false).await
            {
                return;
            }
            let payloads = VideoCodec::packetize(&frame, MAX_PAYLOAD_BYTES);
            let last = payloads.len().saturating_sub(1);
            for (index, payload) in payloads.into_iter().enumerate() {
                let is_last = index == last;
                if !self.send(codec, payload, frame.timestamp, is_last).await {
                    return;
                }
            }
        }
    }

    /// Sends audio until its queue or the connection ends.
    pub(crate) async fn send_audio(mut self, mut packets: mpsc::Receiver<AudioPacket>) {
        while let Some(packet) = packets.recv().await {
            let (payload, timestamp) = (packet.payload, packet.timestamp);
            if !self.send(Codec::Opus, payload, timestamp, false).await {
                return;
            }
        }
    }

    /// False if the connection is gone.
    async fn send(&mut self, codec: Codec, payload: Bytes, timestamp: u32, marker: bool) -> bool {
        self.gate.wait_for_path().await;
        let Some(payload_type) = self.gate.payload_type(self.kind, codec) else {
            return true;
        };
        let header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: self.sequence_number,
            timestamp,
            ssrc: self.ssrc,
            ..rtc::rtp::Header::default()
        };
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.track
            .write_rtp(rtc::rtp::Packet { header, payload })
            .await
            .is_ok()
    }
}
