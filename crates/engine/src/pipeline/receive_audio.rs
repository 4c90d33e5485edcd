//! The way of sound in: packets → jitter buffer → decoder → speaker.
//!
//! A task fills the jitter buffer, the speaker's thread empties it, 10 ms at a time. Between calls the speaker plays silence.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecs::OpusPlayer;
use media::RtpPacket;
use media::audio::{Config, FRAME_SAMPLES};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::volume::Volume;
use super::{Played, lock};
use crate::lip_sync::LipSync;
use crate::statistics::AudioFigures;

/// Twice as loud as it was sent.
const MAX_VOLUME_PERCENT: u32 = 200;

/// What the speaker plays from. Outlives calls.
#[derive(Clone, Default)]
pub(crate) struct Playback {
    shared: Arc<Shared>,
}

struct Shared {
    receiver: Mutex<Option<Receiver>>,
    /// Hears all that the speaker is given.
    played: Played,
    /// From being asked for a frame to its being audible, in microseconds.
    output_latency_us: AtomicU64,
    is_partner_muted: AtomicBool,
    /// How loud the partner is played, in per cent.
    volume_percent: AtomicU32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            receiver: Mutex::default(),
            played: Played::default(),
            output_latency_us: AtomicU64::default(),
            is_partner_muted: AtomicBool::default(),
            volume_percent: AtomicU32::new(100),
        }
    }
}

/// What one partner's sound needs.
struct Receiver {
    player: OpusPlayer,
    lip_sync: Arc<LipSync>,
    volume: Volume,
}

/// The receiving half of the sound path, for one call. Dropping it ends it.
pub(crate) struct ReceiveAudio {
    shared: Arc<Shared>,
    intake: JoinHandle<()>,
}

impl Playback {
    /// Begins to play what comes in `packets`.
    pub(crate) fn receive(
        &self,
        mut packets: mpsc::Receiver<RtpPacket>,
        lip_sync: Arc<LipSync>,
    ) -> ReceiveAudio {
        match OpusPlayer::new(Config::default()) {
            Ok(player) => {
                *lock(&self.shared.receiver) = Some(Receiver {
                    player,
                    lip_sync,
                    volume: Volume::default(),
                });
            }
            Err(error) => tracing::error!(%error, "no decoder: the partner stays unheard"),
        }
        let shared = Arc::clone(&self.shared);
        let intake = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Some(packet) = packets.recv().await {
                    if let Some(receiver) = &mut *lock(&shared.receiver) {
                        receiver.player.insert(packet);
                    }
                }
            }
        });
        ReceiveAudio { shared, intake }
    }

    /// What a speaker calls for each 10 ms.
    pub(crate) fn outlet(&self) -> impl FnMut(&mut [f32; FRAME_SAMPLES]) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |samples| {
            let latency = Duration::from_micros(shared.output_latency_us.load(Ordering::Relaxed));
            match &mut *lock(&shared.receiver) {
                Some(receiver) => {
                    let is_muted = shared.is_partner_muted.load(Ordering::Relaxed);
                    receiver.player.set_muted(is_muted);
                    receiver.fill(samples, latency);
                    let percent = shared.volume_percent.load(Ordering::Relaxed);
                    receiver.volume.apply(percent, samples);
                }
                None => samples.fill(0.0),
            }
            shared.played.push(samples);
        }
    }

    /// What is handed to the speaker, for the echo canceller.
    pub(crate) fn played(&self) -> Played {
        self.shared.played.clone()
    }

    /// Tells whether the partner has no microphone, or a muted one: then silence is silence. Holds until receiving ends.
    pub(crate) fn set_partner_muted(&self, is_so: bool) {
        (self.shared.is_partner_muted).store(is_so, Ordering::Relaxed);
    }

    /// Plays the partner so loud, in per cent of what was sent; at most twice as loud. Holds until receiving ends.
    pub(crate) fn set_volume(&self, percent: u16) {
        let percent = u32::from(percent).min(MAX_VOLUME_PERCENT);
        (self.shared.volume_percent).store(percent, Ordering::Relaxed);
    }

    /// Tells how long sound takes from here to the ear.
    pub(crate) fn set_output_latency(&self, latency: Duration) {
        self.shared
            .output_latency_us
            .store(latency.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Receiver {
    fn fill(&mut self, samples: &mut [f32; FRAME_SAMPLES], output_latency: Duration) {
        let lip_sync = &self.lip_sync;
        (self.player).fill(&mut samples[..], Instant::now(), |timestamp, at| {
            lip_sync.on_sound(timestamp, at + output_latency)
        });
    }
}

impl ReceiveAudio {
    /// What was counted so far.
    pub(crate) fn figures(&self) -> AudioFigures {
        lock(&self.shared.receiver).as_ref().map_or_else(
            AudioFigures::default,
            |Receiver { player, .. }| {
                let counters = player.counters();
                let frames = |samples: u64| samples / FRAME_SAMPLES as u64;
                AudioFigures {
                    concealed: frames(counters.samples_concealed),
                    recovered: frames(counters.samples_recovered),
                    reconstructed: frames(counters.samples_reconstructed),
                    wants_dred: player.wants_deep_redundancy(),
                    delay: Some(player.delay()),
                }
            },
        )
    }
}

impl Drop for ReceiveAudio {
    fn drop(&mut self) {
        self.intake.abort();
        lock(&self.shared.receiver).take();
        (self.shared.is_partner_muted).store(false, Ordering::Relaxed);
        // The next partner may speak far louder.
        (self.shared.volume_percent).store(100, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canceller_hears_all_that_the_speaker_is_given() {
        let playback = Playback::default();
        let mut outlet = playback.outlet();
        let mut samples = [1.0; FRAME_SAMPLES];
        outlet(&mut samples);
        assert!(playback.played().pop() == Some([0.0; FRAME_SAMPLES]));
        assert!(playback.played().pop().is_none());
    }
}
