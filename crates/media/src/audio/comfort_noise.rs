//! The noise of the partner's room, for when nothing of it comes.
//!
//! Digital silence between words sounds as if the line were dead, and the step into it is heard. So what is made up fades
//! into noise of the level and the colour of the background that was heard before, as RFC 3389 has it, but measured where it
//! is played: the spectrum of quiet passages as a linear predictor (Levinson and Durbin), through which white noise is sent.

mod background;

use background::{Background, ORDER};

use super::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Noise is made for so long after the last sound that came: a line that is dead becomes silent. While silence is left out
/// (DTX) something comes every 400 ms.
const LONGEST_SAMPLES: usize = 3 * SAMPLE_RATE_HZ as usize;
/// Then it fades, this much in each sample: over a second.
const FADE: f32 = 1.0 / SAMPLE_RATE_HZ as f32;

/// Up to this many times its power, 6 dB more, it is background: noise scatters by less.
const PAUSE: f32 = 4.0;
/// Below -70 dBFS nobody hears a difference.
const SILENCE: f32 = 1e-7;

/// Listens to what is played, and fills up what is missing with its background.
///
/// The noise only makes up for what is lacking: where a decoder makes a background of its own, nothing is added. Deterministic.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    background: Background,
    /// The last outputs of the predictor, newest first.
    past: [f32; ORDER],
    /// State of the generator of white noise.
    seed: u32,
    /// How much of the background is being added, from 0 to 1.
    gain: f32,
    /// Samples since the last sound that came.
    made: usize,
    is_muted: bool,
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self::new()
    }
}

impl ComfortNoise {
    /// Makes one that has heard nothing: it adds nothing.
    pub const fn new() -> Self {
        Self {
            background: Background::new(),
            past: [0.0; ORDER],
            seed: 1,
            gain: 0.0,
            made: 0,
            is_muted: false,
        }
    }

    /// Takes in sound that came, mono at 48 kHz. Noise that is still heard fades out in it.
    pub fn heard(&mut self, samples: &mut [f32]) {
        self.background.learn(samples);
        self.made = 0;
        self.add(samples, 0.0);
    }

    /// Whether there is nothing in these samples but the background that was heard before: a pause between words.
    pub fn is_background(&self, samples: &[f32]) -> bool {
        let most = (self.background.power() * PAUSE).max(SILENCE);
        !samples.is_empty()
            && samples
                .chunks(FRAME_SAMPLES)
                .all(|piece| power(piece) <= most)
    }

    /// Adds to what was made up, or to silence, what it lacks of the background.
    pub fn made_up(&mut self, samples: &mut [f32]) {
        self.made = self.made.saturating_add(samples.len());
        let beyond = self.made.saturating_sub(LONGEST_SAMPLES);
        let most = (1.0 - beyond as f32 * FADE).max(0.0);
        let background = self.background.power();
        let lacking = if background > 0.0 && !self.is_muted {
            (1.0 - power(samples) / background).max(0.0).sqrt()
        } else {
            0.0
        };
        self.add(samples, lacking.min(most));
    }

    /// Whether the partner's microphone is muted: then silence is silence.
    pub const fn set_muted(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
    }

    /// The root mean square of the background, as far as it is known: what is added is never louder.
    pub fn level(&self) -> f32 {
        self.background.power().sqrt()
    }

    /// Adds noise whose share of the background goes evenly from what it was to `gain`.
    fn add(&mut self, samples: &mut [f32], gain: f32) {
        let from = std::mem::replace(&mut self.gain, gain);
        if (from == 0.0 && gain == 0.0) || samples.is_empty() {
            return;
        }
        let step = (gain - from) / samples.len() as f32;
        for (number, sample) in samples.iter_mut().enumerate() {
            *sample += self.noise() * (from + step * number as f32);
        }
    }

    /// The next sample of the background.
    fn noise(&mut self) -> f32 {
        self.seed = self
            .seed
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        // Evenly distributed, with a mean square of 1.
        let white = ((self.seed >> 8) as f32 / 8_388_608.0 - 1.0) * 3.0_f32.sqrt();
        let predicted: f32 = (self.background.predictor().iter().zip(&self.past))
            .map(|(weight, past)| weight * past)
            .sum();
        let limit = self.background.peak();
        let noise = (white * self.background.residual() + predicted).clamp(-limit, limit);
        self.past.rotate_right(1);
        self.past[0] = noise;
        noise
    }
}

/// The mean square; nothing of what is no sound.
fn power(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = sum / samples.len().max(1) as f32;
    if mean.is_finite() { mean } else { f32::MAX }
}

#[cfg(test)]
mod tests;
