//! Where the sound path and the picture path of one call meet: what is heard says when its picture is seen.
//!
//! A lock around [`media::sync`], which decides; held for a few comparisons by whoever comes, a hundred times a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use media::sync::{CaptureClock, Stream, Synchronizer};
use transport::MediaKind;

use crate::pipeline::lock;

#[derive(Debug, Default)]
pub(crate) struct LipSync {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clock: CaptureClock,
    synchronizer: Synchronizer,
}

impl LipSync {
    /// A sender report came: `rtp_timestamp` of the stream was taken at `ntp` by the sender's clock.
    pub(crate) fn on_sender_report(&self, kind: MediaKind, ntp: u64, rtp_timestamp: u32) {
        let stream = match kind {
            MediaKind::Audio => Stream::Audio,
            MediaKind::Video => Stream::Video,
            MediaKind::Screen => return,
        };
        lock(&self.state)
            .clock
            .on_sender_report(stream, ntp, rtp_timestamp);
    }

    /// Sound with this timestamp is heard at `audible_at`. Returns how much longer sound should wait for its pictures.
    pub(crate) fn on_sound(&self, rtp_timestamp: u32, audible_at: Instant) -> Duration {
        let mut state = lock(&self.state);
        if let Some(captured) = state.clock.capture_time(Stream::Audio, rtp_timestamp) {
            state.synchronizer.sound_audible(captured, audible_at);
        }
        state.synchronizer.sound_delay()
    }

    /// When the picture with this timestamp, decoded `now`, is to be seen; `None` means at once.
    pub(crate) fn picture_play_at(&self, rtp_timestamp: u32, now: Instant) -> Option<Instant> {
        let mut state = lock(&self.state);
        let captured = state.clock.capture_time(Stream::Video, rtp_timestamp)?;
        state.synchronizer.picture_decoded(captured, now)
    }
}
