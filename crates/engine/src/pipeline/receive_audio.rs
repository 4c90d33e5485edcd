//! The way of sound in: packets → jitter buffer → decoder → speaker.
//!
//! A task fills the jitter buffer, the speaker's thread empties it, 20 ms at a time. Between calls the speaker plays silence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecs::{CodecError, OpusDecoder};
use media::RtpPacket;
use media::audio::{self, FRAME_SAMPLES, JitterBuffer, Pull, SAMPLE_RATE_HZ};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Played, lock};
use crate::lip_sync::LipSync;
use crate::statistics::AudioFigures;

/// How many packets a frame for the speaker may take: the shortest hold 2.5 ms (RFC 6716 section 2.1.4).
const MAX_PULLS: usize = 8;

/// What the speaker plays from. Outlives calls.
#[derive(Clone, Default)]
pub(crate) struct Playback {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    receiver: Mutex<Option<Receiver>>,
    /// Hears all that the speaker is given.
    played: Played,
    /// From being asked for a frame to its being audible, in microseconds.
    output_latency_us: AtomicU64,
}

/// What one partner's sound needs.
struct Receiver {
    buffer: JitterBuffer,
    decoder: OpusDecoder,
    lip_sync: Arc<LipSync>,
    /// Decoded samples that are not played yet.
    rest: Vec<f32>,
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
        match OpusDecoder::new() {
            Ok(decoder) => {
                let buffer = JitterBuffer::new(audio::Config::default());
                *lock(&self.shared.receiver) = Some(Receiver {
                    buffer,
                    decoder,
                    lip_sync,
                    rest: Vec::new(),
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
                        receiver.buffer.insert(packet);
                    }
                }
            }
        });
        ReceiveAudio { shared, intake }
    }

    /// What a speaker calls for each 20 ms.
    pub(crate) fn outlet(&self) -> impl FnMut(&mut [f32; FRAME_SAMPLES]) + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move |samples| {
            let latency = Duration::from_micros(shared.output_latency_us.load(Ordering::Relaxed));
            match &mut *lock(&shared.receiver) {
                Some(receiver) => receiver.fill(samples, latency),
                None => samples.fill(0.0),
            }
            shared.played.push(samples);
        }
    }

    /// What is handed to the speaker, for the echo canceller.
    pub(crate) fn played(&self) -> Played {
        self.shared.played.clone()
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
        for _ in 0..MAX_PULLS {
            if self.rest.len() >= FRAME_SAMPLES {
                break;
            }
            // What is decoded now follows what is left.
            let at = Instant::now() + duration(self.rest.len());
            match self.pull(at, output_latency) {
                Ok(decoded) => self.rest.extend(decoded),
                // A packet that is no Opus sounds like a lost one.
                Err(error) => {
                    tracing::debug!(%error, "sound could not be decoded");
                    self.rest.extend(self.decoder.conceal().unwrap_or_default());
                }
            }
        }
        let available = self.rest.len().min(FRAME_SAMPLES);
        samples[..available].copy_from_slice(&self.rest[..available]);
        samples[available..].fill(0.0);
        self.rest.drain(..available);
    }

    fn pull(&mut self, at: Instant, output_latency: Duration) -> Result<Vec<f32>, CodecError> {
        match self.buffer.pull(at) {
            Pull::Decode { packet, stretch } => {
                if let Some(timestamp) = self.buffer.last_timestamp() {
                    let audible_at = at + output_latency;
                    let wanted_delay = self.lip_sync.on_sound(timestamp, audible_at);
                    self.buffer.set_wanted_delay(wanted_delay);
                }
                let mut decoded = self.decoder.decode(&packet)?;
                if let Some(how) = stretch {
                    audio::stretch(&mut decoded, how);
                }
                Ok(decoded)
            }
            Pull::Recover(packet) => self.decoder.decode_fec(&packet),
            Pull::Reconstruct {
                packet,
                samples_before,
            } => {
                let samples = self.decoder.reconstruct(&packet, samples_before as usize)?;
                samples.map_or_else(
                    || {
                        self.buffer.on_out_of_reach();
                        self.decoder.conceal()
                    },
                    Ok,
                )
            }
            Pull::Conceal => self.decoder.conceal(),
            Pull::Silence => Ok(vec![0.0; FRAME_SAMPLES]),
        }
    }
}

impl ReceiveAudio {
    /// What was counted so far.
    pub(crate) fn figures(&self) -> AudioFigures {
        lock(&self.shared.receiver)
            .as_ref()
            .map_or_else(AudioFigures::default, |receiver| AudioFigures {
                concealed: receiver.buffer.counters().frames_concealed,
                recovered: receiver.buffer.counters().frames_recovered,
                reconstructed: receiver.buffer.counters().frames_reconstructed,
                wants_dred: receiver.buffer.wants_deep_redundancy(),
                delay: Some(receiver.buffer.delay()),
            })
    }
}

impl Drop for ReceiveAudio {
    fn drop(&mut self) {
        self.intake.abort();
        lock(&self.shared.receiver).take();
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(SAMPLE_RATE_HZ))
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
