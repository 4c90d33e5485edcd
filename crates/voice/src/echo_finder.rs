//! Whether what is played comes back through the microphone.
//!
//! Loudness of both is compared in steps of 10 ms over the last four seconds, at every delay up to 500 ms. An echo rises
//! and falls with what is played, whatever the room and the loudspeaker do to it; two people's voices do not.

use std::collections::VecDeque;

/// Samples in 10 ms.
pub(crate) const STEP_SAMPLES: usize = 480;
/// The longest delay that is looked for: devices, the sound's way through the room, and threads that are late.
const MAX_DELAY_STEPS: usize = 50;
/// What is compared.
const WINDOW_STEPS: usize = 400;
/// How often.
const EVERY_STEPS: usize = 25;
/// Decibels relative to full scale; what is below is silence and compares as equal.
const FLOOR_DBFS: f32 = -70.0;
/// Something is being played: louder than this.
const ACTIVE_DBFS: f32 = -50.0;
/// Of the window, so much must be active for a verdict.
const ACTIVE_STEPS: usize = 100;
/// From this correlation on it is an echo. In the tests independent voices reach 0.7 by chance, rarely and briefly, and
/// echoes in a quiet room lie above 0.9.
const CERTAIN: f32 = 0.75;
/// From this one on it may be one under noise or under a voice.
const SUSPICIOUS: f32 = 0.5;
/// So many suspicious verdicts in a row are an echo, too: three seconds, longer than chance lasts.
const SUSPICIONS: u32 = 12;
/// So many verdicts without an echo in a row, and there is none: 15 s in which something was played.
const CALM_VERDICTS: u32 = 60;

/// Listens for an echo. In the beginning it takes one for granted.
#[derive(Debug)]
pub struct EchoFinder {
    /// Decibels, newest last.
    played: VecDeque<f32>,
    captured: VecDeque<f32>,
    steps: usize,
    suspicions: u32,
    verdicts_without: u32,
}

impl Default for EchoFinder {
    fn default() -> Self {
        Self::new()
    }
}

impl EchoFinder {
    /// Makes one that takes an echo for granted.
    pub const fn new() -> Self {
        Self {
            played: VecDeque::new(),
            captured: VecDeque::new(),
            steps: 0,
            suspicions: 0,
            verdicts_without: 0,
        }
    }

    /// Whether an echo has to be reckoned with.
    pub const fn has_echo(&self) -> bool {
        self.verdicts_without < CALM_VERDICTS
    }

    /// Takes in 10 ms that were handed to the speaker.
    pub fn on_played(&mut self, samples: &[f32]) {
        push(&mut self.played, samples, WINDOW_STEPS + MAX_DELAY_STEPS);
    }

    /// Takes in 10 ms that were captured, after all that was played until then.
    pub fn on_captured(&mut self, samples: &[f32]) {
        push(&mut self.captured, samples, WINDOW_STEPS);
        self.steps += 1;
        if self.steps.is_multiple_of(EVERY_STEPS)
            && self.played.len() == WINDOW_STEPS + MAX_DELAY_STEPS
            && self.captured.len() == WINDOW_STEPS
        {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let played = self.played.make_contiguous();
        let captured = self.captured.make_contiguous();
        let active = played[MAX_DELAY_STEPS..]
            .iter()
            .filter(|level| **level > ACTIVE_DBFS)
            .count();
        if active < ACTIVE_STEPS {
            return;
        }
        let best = played
            .windows(WINDOW_STEPS)
            .map(|played| correlation(played, captured))
            .fold(0.0, f32::max);
        if best < SUSPICIOUS {
            self.suspicions = 0;
            self.verdicts_without = self.verdicts_without.saturating_add(1);
            return;
        }
        self.suspicions = self.suspicions.saturating_add(1);
        if best >= CERTAIN || self.suspicions >= SUSPICIONS {
            self.verdicts_without = 0;
        }
    }
}

fn push(levels: &mut VecDeque<f32>, samples: &[f32], limit: usize) {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    let mean = sum / samples.len().max(1) as f32;
    // `max` makes silence of a NaN as well.
    levels.push_back((10.0 * mean.log10()).max(FLOOR_DBFS));
    if levels.len() > limit {
        levels.pop_front();
    }
}

/// Pearson's, from -1 to 1; 0 if either does not change.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}
