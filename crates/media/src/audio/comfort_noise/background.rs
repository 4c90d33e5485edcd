//! What the quiet passages of a voice are like.

use super::power;
use crate::audio::FRAME_SAMPLES;

/// How many samples back the predictor looks: enough for the slope of a spectrum and where the codec cuts it off.
pub(super) const ORDER: usize = 16;
/// The quietest piece is looked for in so many spans…
const SPANS: usize = 5;
/// … of a second: a sentence has a pause in it.
const SPAN_PIECES: u32 = 100;
/// A piece is background up to this many times the power of the quietest one: 5 dB. Noise scatters by less than that.
const QUIET: f32 = 3.0;
/// What a quiet piece changes in what is known, once that is settled: half a second is remembered.
const GAIN: f64 = 0.02;
/// As many pieces are averaged evenly before.
const SETTLED: u32 = 50;
/// Below -85 dBFS it is silence: rounding, or a microphone that is muted.
const SILENCE: f32 = 3e-9;
/// The most that is taken for background: -40 dBFS. Where nothing is quieter it is music or a crowd, of which no noise
/// could be the continuation.
const LOUDEST: f32 = 1e-4;
/// A little white noise on top, -50 dB: a predictor of it is stable however pure the sound.
const WHITE: f64 = 1e-5;

/// The power and the spectrum of the background.
#[derive(Debug, Clone)]
pub(super) struct Background {
    /// The least power of a piece in each of the last spans, the present one first.
    least: [f32; SPANS],
    pieces: u32,
    /// Autocorrelation of quiet pieces, averaged, for each sample.
    correlation: [f64; ORDER + 1],
    /// How many pieces that is of, up to [`SETTLED`].
    learned: u32,
    predictor: [f32; ORDER],
    /// What the predictor leaves, as a root mean square.
    residual: f32,
    power: f32,
}

impl Background {
    pub(super) const fn new() -> Self {
        Self {
            least: [f32::INFINITY; SPANS],
            pieces: 0,
            correlation: [0.0; ORDER + 1],
            learned: 0,
            predictor: [0.0; ORDER],
            residual: 0.0,
            power: 0.0,
        }
    }

    /// Takes in sound that was heard.
    pub(super) fn learn(&mut self, samples: &[f32]) {
        for piece in samples.chunks_exact(FRAME_SAMPLES) {
            self.learn_piece(piece);
        }
    }

    fn learn_piece(&mut self, piece: &[f32]) {
        if self.pieces == SPAN_PIECES {
            self.pieces = 0;
            self.least.rotate_right(1);
            self.least[0] = f32::INFINITY;
        }
        self.pieces += 1;
        let power = power(piece);
        self.least[0] = self.least[0].min(power);
        let floor = self.least.iter().copied().fold(f32::INFINITY, f32::min);
        if power > floor.max(SILENCE) * QUIET || power > LOUDEST {
            return;
        }
        // What was learned before there was a pause was no background.
        if self.power > QUIET * floor.max(SILENCE) {
            self.learned = 0;
        }
        self.learned = (self.learned + 1).min(SETTLED);
        let gain = GAIN.max(1.0 / f64::from(self.learned));
        for (lag, known) in self.correlation.iter_mut().enumerate() {
            let products = piece[lag..].iter().zip(piece);
            let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            *known += (sum / piece.len() as f64 - *known) * gain;
        }
        self.solve();
    }

    /// Levinson and Durbin's recursion: the predictor of what was averaged.
    fn solve(&mut self) {
        self.power = self.correlation[0] as f32;
        if self.power < SILENCE {
            (self.power, self.residual, self.predictor) = (0.0, 0.0, [0.0; ORDER]);
            return;
        }
        let mut weights = [0.0_f64; ORDER];
        let mut error = self.correlation[0] * (1.0 + WHITE);
        for order in 0..ORDER {
            let predicted: f64 = (0..order)
                .map(|lag| weights[lag] * self.correlation[order - lag])
                .sum();
            let reflection = (self.correlation[order + 1] - predicted) / error;
            let before = weights;
            for lag in 0..order {
                weights[lag] = before[lag] - reflection * before[order - 1 - lag];
            }
            weights[order] = reflection;
            error *= 1.0 - reflection * reflection;
        }
        // The power of what the predictor makes of white noise is that of the background, white noise on top included.
        self.predictor = weights.map(|weight| weight as f32);
        self.residual = (error / (1.0 + WHITE)).max(0.0).sqrt() as f32;
    }

    /// The mean square; 0 while nothing is known, and where there is none.
    pub(super) const fn power(&self) -> f32 {
        self.power
    }

    /// What each of the last samples, the newest first, tells about the next one.
    pub(super) const fn predictor(&self) -> &[f32; ORDER] {
        &self.predictor
    }

    /// The root mean square of what they do not tell.
    pub(super) const fn residual(&self) -> f32 {
        self.residual
    }

    /// No sample of the noise is beyond this: five times its root mean square.
    pub(super) fn peak(&self) -> f32 {
        5.0 * self.power.sqrt()
    }
}
