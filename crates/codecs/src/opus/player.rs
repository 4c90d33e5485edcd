//! Packets in, a steady stream of samples out: jitter buffer, decoder, change of length, comfort noise.

use std::time::{Duration, Instant};

use media::RtpPacket;
use media::audio::{
    ComfortNoise, Config, Counters, FRAME_SAMPLES, JitterBuffer, PACKET_SAMPLES, Pull,
    SAMPLE_RATE_HZ, Stretch, stretch,
};

use super::OpusDecoder;
use crate::CodecError;

/// How many packets may be taken for one call: the shortest hold 2.5 ms (RFC 6716 section 2.1.4).
const MAX_PULLS: usize = 16;
/// What is remembered of what was played, so that a period of it can be put in once more: the longest there is.
const REMEMBERED: usize = 480;

/// Plays one Opus stream. Time is an argument.
#[derive(Debug)]
pub struct OpusPlayer {
    buffer: JitterBuffer,
    decoder: OpusDecoder,
    noise: ComfortNoise,
    /// What has been played, and after it what is decoded and not played yet.
    samples: Vec<f32>,
    /// How much of that has been played.
    played: usize,
}

impl OpusPlayer {
    /// Starts one.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library does not start, which would be for want of memory.
    pub fn new(config: Config) -> Result<Self, CodecError> {
        Ok(Self {
            buffer: JitterBuffer::new(config),
            decoder: OpusDecoder::new()?,
            noise: ComfortNoise::new(),
            samples: Vec::new(),
            played: 0,
        })
    }

    /// Takes in a packet. What is no Opus packet is ignored.
    pub fn insert(&mut self, packet: RtpPacket) {
        self.buffer.insert(packet);
    }

    /// Whether the partner's microphone is muted: then no noise is made up.
    pub const fn set_muted(&mut self, is_muted: bool) {
        self.noise.set_muted(is_muted);
    }

    /// Fills `samples` with what is to be played from `now` on.
    ///
    /// For each packet `on_sound` is told the RTP timestamp of its first sample and when that is played, and says how much
    /// the buffer is to wait at least, for instance for the pictures.
    pub fn fill(
        &mut self,
        samples: &mut [f32],
        now: Instant,
        mut on_sound: impl FnMut(u32, Instant) -> Duration,
    ) {
        for _ in 0..MAX_PULLS {
            if self.ready() >= samples.len() {
                break;
            }
            self.pull(now, &mut on_sound);
        }
        let available = self.ready().min(samples.len());
        let begin = self.played;
        samples[..available].copy_from_slice(&self.samples[begin..begin + available]);
        samples[available..].fill(0.0);
        self.played += available;
        let forgotten = self.played.saturating_sub(REMEMBERED);
        self.samples.drain(..forgotten);
        self.played -= forgotten;
    }

    /// How many samples are decoded and not played.
    const fn ready(&self) -> usize {
        self.samples.len() - self.played
    }

    fn pull(&mut self, now: Instant, on_sound: &mut impl FnMut(u32, Instant) -> Duration) {
        // What is decoded now follows what is left.
        let at = now + duration(self.ready());
        match self.buffer.pull(at) {
            Pull::Decode {
                packet,
                stretch: how,
            } => {
                let mut decoded = self.decode(&packet, at, on_sound);
                // The period of a deep voice is as long as a short packet, and two are needed.
                if how.is_some_and(Stretch::is_shorter) && decoded.len() < PACKET_SAMPLES {
                    let next_at = at + duration(decoded.len());
                    if let Some(packet) = self.buffer.pull_next(next_at) {
                        decoded.extend(self.decode(&packet, next_at, on_sound));
                    }
                }
                if let Some(how) = how {
                    let is_pause = self.noise.is_background(&decoded);
                    let changed = stretch(&self.samples, &mut decoded, how, is_pause);
                    self.buffer.on_stretched(how, changed);
                }
                self.noise.heard(&mut decoded);
                self.samples.extend(decoded);
            }
            Pull::Recover { packet, samples } => {
                let recovered = self.decoder.decode_fec(&packet, samples);
                let mut recovered = self.or_concealed(recovered, samples);
                self.noise.heard(&mut recovered);
                self.samples.extend(recovered);
            }
            Pull::Reconstruct {
                packet,
                samples_before,
                samples,
            } => {
                let before = samples_before as usize;
                let reconstructed = self.decoder.reconstruct(&packet, before, samples);
                if let Ok(Some(mut reconstructed)) = reconstructed {
                    self.noise.heard(&mut reconstructed);
                    self.samples.extend(reconstructed);
                } else {
                    self.buffer.on_out_of_reach(samples);
                    self.conceal(samples);
                }
            }
            Pull::Conceal { samples } => self.conceal(samples),
            Pull::Silence { samples } => {
                let mut silence = vec![0.0; samples];
                self.noise.made_up(&mut silence);
                self.samples.extend(silence);
            }
        }
    }

    fn decode(
        &mut self,
        packet: &[u8],
        at: Instant,
        on_sound: &mut impl FnMut(u32, Instant) -> Duration,
    ) -> Vec<f32> {
        if let Some(timestamp) = self.buffer.last_timestamp() {
            let wanted_delay = on_sound(timestamp, at);
            self.buffer.set_wanted_delay(wanted_delay);
        }
        let decoded = self.decoder.decode(packet);
        self.or_concealed(decoded, FRAME_SAMPLES)
    }

    fn conceal(&mut self, samples: usize) {
        let mut concealed = self.decoder.conceal(samples).unwrap_or_default();
        self.noise.made_up(&mut concealed);
        self.samples.extend(concealed);
    }

    /// A packet that is no Opus sounds like a lost one.
    fn or_concealed(&mut self, decoded: Result<Vec<f32>, CodecError>, samples: usize) -> Vec<f32> {
        decoded.unwrap_or_else(|_| self.decoder.conceal(samples).unwrap_or_default())
    }

    /// What has happened so far.
    pub const fn counters(&self) -> Counters {
        self.buffer.counters()
    }

    /// How much sound waits, gaps included.
    pub fn delay(&self) -> Duration {
        self.buffer.delay() + duration(self.ready())
    }

    /// Whether the sender should send deep redundancy, because losses come in bursts.
    pub const fn wants_deep_redundancy(&self) -> bool {
        self.buffer.wants_deep_redundancy()
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(SAMPLE_RATE_HZ))
}
