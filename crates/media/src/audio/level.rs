//! How loud it is, for the meters in the window.

use super::SAMPLE_RATE_HZ;

/// What a meter shows as nothing.
const FLOOR_DBFS: f32 = -60.0;
/// How fast the meter falls: from full to empty in one and a half seconds, slow enough to read.
const DECAY_PER_SECOND: f32 = 1.0 / 1.5;

/// The root mean square of `samples` as the share of a meter: 0 for -60 dBFS and below, 1 for 0 dBFS, linear in decibels.
pub fn level(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = sum / samples.len().max(1) as f32;
    // A NaN from a broken driver fails the comparison and counts as silence.
    if mean > 0.0 {
        (1.0 - 10.0 * mean.log10() / FLOOR_DBFS).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// A level that rises at once and falls slowly.
#[derive(Debug, Clone, Default)]
pub struct LevelMeter {
    shown: f32,
}

impl LevelMeter {
    /// Makes a meter that shows silence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in samples at 48 kHz and gives the new reading, from 0 to 1. Time passes by their number.
    pub fn push(&mut self, samples: &[f32]) -> f32 {
        let seconds = samples.len() as f32 / SAMPLE_RATE_HZ as f32;
        self.shown = level(samples).max(self.shown - DECAY_PER_SECOND * seconds);
        self.shown
    }

    /// The reading, from 0 to 1.
    pub const fn shown(&self) -> f32 {
        self.shown
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the ends of the scale are exact")]
mod tests {
    use super::*;
    use crate::audio::{FRAME_SAMPLES, Tone};

    #[test]
    fn the_scale_is_in_decibels() {
        assert!((level(&[1.0; 960]) - 1.0).abs() < 1e-6);
        assert!(
            (level(&[0.031_622_776; 960]) - 0.5).abs() < 1e-4,
            "-30 dBFS"
        );
        assert_eq!(level(&[0.000_5; 960]), 0.0, "-66 dBFS");
        assert_eq!(level(&[4.0; 960]), 1.0);
    }

    #[test]
    fn silence_nothing_and_nonsense_are_zero() {
        assert_eq!(level(&[0.0; 960]), 0.0);
        assert_eq!(level(&[]), 0.0);
        assert_eq!(level(&[f32::NAN; 960]), 0.0);
    }

    #[test]
    fn the_meter_jumps_up_and_sinks_slowly() {
        let mut samples = [0.0; FRAME_SAMPLES];
        Tone::new(440.0).fill(&mut samples);
        let mut meter = LevelMeter::new();
        let loud = meter.push(&samples);
        assert!(loud > 0.7, "{loud}");
        let after_one_frame = meter.push(&[0.0; FRAME_SAMPLES]);
        assert!((0.001..0.05).contains(&(loud - after_one_frame)));
        for _ in 0..150 {
            meter.push(&[0.0; FRAME_SAMPLES]);
        }
        assert_eq!(meter.shown(), 0.0);
    }
}
