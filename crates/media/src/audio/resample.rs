//! From one sample rate to another: devices run at their own.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// Enough taps for a clean 20 kHz at 44.1 kHz; they delay the sound by half as many samples, 1.5 ms.
const SINC_TAPS: usize = 128;
/// Input is worked off in pieces of 5 ms: smaller costs more, larger delays more.
const PIECES_PER_SECOND: u32 = 200;

/// Changes the sample rate of mono sound.
pub struct Resampler {
    /// `None` if there is nothing to change.
    inner: Option<Inner>,
}

struct Inner {
    resampler: Async<f32>,
    /// Input that does not fill a piece yet.
    pending: Vec<f32>,
    piece: Vec<f32>,
}

/// A sample rate that no sound card has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot convert {from_hz} Hz to {to_hz} Hz")]
pub struct UnsupportedRate {
    /// The rate of the input.
    pub from_hz: u32,
    /// The rate that was wanted.
    pub to_hz: u32,
}

impl Resampler {
    /// The lowest and highest rate, in hertz.
    pub const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

    /// Prepares a conversion. Equal rates pass the samples on as they are, without delay.
    ///
    /// # Errors
    /// [`UnsupportedRate`] for rates outside [`Self::RATES_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, UnsupportedRate> {
        let unsupported = UnsupportedRate { from_hz, to_hz };
        if !Self::RATES_HZ.contains(&from_hz) || !Self::RATES_HZ.contains(&to_hz) {
            return Err(unsupported);
        }
        if from_hz == to_hz {
            return Ok(Self { inner: None });
        }
        let parameters = SincInterpolationParameters::new(SINC_TAPS, WindowFunction::Blackman2)
            .interpolation(SincInterpolationType::Linear)
            .oversampling_factor(256);
        let resampler = Async::new_sinc(
            f64::from(to_hz) / f64::from(from_hz),
            1.0,
            &parameters,
            (from_hz / PIECES_PER_SECOND) as usize,
            1,
            FixedAsync::Input,
        )
        .map_err(|_| unsupported)?;
        let piece = vec![0.0; resampler.output_frames_max()];
        Ok(Self {
            inner: Some(Inner {
                resampler,
                pending: Vec::new(),
                piece,
            }),
        })
    }

    /// Takes in `samples` and appends what is ready to `out`. Up to 5 ms stay inside until the next call.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.inner {
            None => out.extend_from_slice(samples),
            Some(inner) => inner.push(samples, out),
        }
    }
}

impl Inner {
    fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.pending.extend_from_slice(samples);
        let mut used = 0;
        while self.pending.len() - used >= self.resampler.input_frames_next() {
            let (consumed, produced) = self.process(used);
            out.extend_from_slice(&self.piece[..produced]);
            used += consumed;
        }
        self.pending.drain(..used);
    }

    /// Works off one piece that begins at `from`; says how many samples went in and came out.
    fn process(&mut self, from: usize) -> (usize, usize) {
        const FITS: &str =
            "the buffers have one channel and the lengths that the resampler asked for";
        let input = &self.pending[from..];
        let capacity = self.piece.len();
        let input = InterleavedSlice::new(input, 1, input.len()).expect(FITS);
        let mut output = InterleavedSlice::new_mut(&mut self.piece, 1, capacity).expect(FITS);
        self.resampler
            .process_into_buffer(&input, &mut output, None)
            .expect(FITS)
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.inner.is_some() {
            "Resampler"
        } else {
            "Resampler(identity)"
        })
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;
    use crate::audio::fundamental_hz;

    fn sine(hz: f32, rate: u32) -> Vec<f32> {
        (0..rate)
            .map(|index| 0.5 * (TAU * hz * index as f32 / rate as f32).sin())
            .collect()
    }

    fn convert(from_hz: u32, to_hz: u32, samples: &[f32], chunk: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let mut out = Vec::new();
        for chunk in samples.chunks(chunk) {
            resampler.push(chunk, &mut out);
        }
        out
    }

    #[test]
    fn the_pitch_stays_and_a_second_stays_a_second() {
        for (from, to) in [
            (44_100, 48_000),
            (48_000, 44_100),
            (8_000, 48_000),
            (192_000, 48_000),
            (11_025, 48_000),
        ] {
            let out = convert(from, to, &sine(440.0, from), 441);
            let missing = to as usize - out.len();
            assert!(
                missing <= to as usize / 100,
                "{from} to {to}: {missing} samples are missing"
            );
            let pitch = fundamental_hz(&out[out.len() / 2..], to).unwrap();
            assert!((pitch - 440.0).abs() < 2.0, "{from} to {to}: {pitch}");
            let loudest = out[out.len() / 2..].iter().copied().fold(0.0, f32::max);
            assert!((loudest - 0.5).abs() < 0.01, "{from} to {to}: {loudest}");
        }
    }

    #[test]
    fn the_size_of_the_chunks_does_not_matter() {
        let samples = sine(300.0, 44_100);
        let at_once = convert(44_100, 48_000, &samples, samples.len());
        assert_eq!(at_once, convert(44_100, 48_000, &samples, 97));
    }

    #[test]
    fn what_the_target_cannot_hold_is_filtered_out() {
        let out = convert(48_000, 16_000, &sine(12_000.0, 48_000), 480);
        let loudest = out[1000..].iter().copied().fold(0.0, f32::max);
        assert!(
            loudest < 0.005,
            "12 kHz came through as an alias of {loudest}"
        );
    }

    #[test]
    fn equal_rates_change_nothing() {
        let samples = sine(440.0, 48_000);
        assert_eq!(convert(48_000, 48_000, &samples, 100), samples);
    }

    #[test]
    fn rates_of_no_sound_card_are_refused() {
        for rate in [0, 7_999, 192_001, u32::MAX] {
            assert_eq!(
                Resampler::new(rate, 48_000).unwrap_err(),
                UnsupportedRate {
                    from_hz: rate,
                    to_hz: 48_000
                }
            );
            assert!(Resampler::new(48_000, rate).is_err());
        }
    }
}
