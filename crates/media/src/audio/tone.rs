//! A steady tone, for people without a microphone and for measuring.

use std::f64::consts::TAU;

use super::SAMPLE_RATE_HZ;

/// Loud enough to be heard and measured, quiet enough to be borne: -15 dBFS.
const AMPLITUDE: f64 = 0.25;

/// A sine at 48 kHz that goes on without a click from one buffer to the next.
#[derive(Debug, Clone)]
pub struct Tone {
    phase: f64,
    step: f64,
}

impl Tone {
    /// Makes a tone of `hz`.
    pub fn new(hz: f64) -> Self {
        Self {
            phase: 0.0,
            step: TAU * hz / f64::from(SAMPLE_RATE_HZ),
        }
    }

    /// Overwrites `samples` with the next piece.
    pub fn fill(&mut self, samples: &mut [f32]) {
        for sample in samples {
            *sample = (self.phase.sin() * AMPLITUDE) as f32;
            self.phase = (self.phase + self.step) % TAU;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "both are computed in the same way")]
mod tests {
    use super::*;
    use crate::audio::fundamental_hz;

    #[test]
    fn two_pieces_make_one_tone() {
        let mut whole = [0.0; 1000];
        Tone::new(440.0).fill(&mut whole);
        let mut tone = Tone::new(440.0);
        let mut pieces = [0.0; 1000];
        let (first, second) = pieces.split_at_mut(333);
        tone.fill(first);
        tone.fill(second);
        assert_eq!(whole, pieces);
    }

    #[test]
    fn it_has_the_pitch_that_was_asked_for() {
        let mut samples = vec![0.0; 4800];
        Tone::new(440.0).fill(&mut samples);
        let pitch = fundamental_hz(&samples, SAMPLE_RATE_HZ).unwrap();
        assert!((pitch - 440.0).abs() < 1.0, "{pitch}");
    }
}
