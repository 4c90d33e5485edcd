//! How well speech survives a call: PESQ (ITU-T P.862, wide band) against the source.

use std::path::Path;

use anyhow::{Context as _, ensure};

/// The rate at which speech is compared; P.862.2 knows 16 kHz.
const RATE_HZ: u32 = 16_000;
/// How much speech is compared at a time. PESQ is made for 8 to 12 seconds.
const PIECE_SECONDS: usize = 8;

/// Mono samples at 16 kHz.
#[derive(Debug)]
pub struct Speech {
    samples: Vec<f32>,
}

impl Speech {
    /// Reads a `.wav` file of any rate and channel count.
    ///
    /// # Errors
    /// When the file is missing, broken or empty.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut reader = hound::WavReader::open(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let spec = reader.spec();
        let samples: Vec<f32> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
            hound::SampleFormat::Int => {
                let full_scale = (1_u64 << (spec.bits_per_sample - 1)) as f32;
                let samples = reader
                    .samples::<i32>()
                    .map(|s| s.map(|s| s as f32 / full_scale));
                samples.collect::<Result<_, _>>()?
            }
        };
        let channels = usize::from(spec.channels.max(1));
        let mono: Vec<f32> = samples
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        ensure!(!mono.is_empty(), "{} is empty", path.display());
        let mut resampler = media::audio::Resampler::new(spec.sample_rate, RATE_HZ)?;
        let mut samples = Vec::new();
        resampler.push(&mono, &mut samples);
        Ok(Self { samples })
    }

    /// The same speech three times over: what a perfect recording of the loop would hold.
    #[must_use]
    pub fn repeated(&self) -> Self {
        Self {
            samples: self.samples.repeat(3),
        }
    }
}

/// The mean opinion score (1 bad to about 4.6 perfect) of a recording of `source`, which was played over and over.
///
/// The recording's first second is left out: there the jitter buffer is still finding its size.
///
/// # Errors
/// When the recording is too short to compare.
pub fn opinion_score(source: &Speech, recording: &Speech) -> anyhow::Result<f32> {
    let second = RATE_HZ as usize;
    let piece_len = (PIECE_SECONDS * second).min(source.samples.len());
    let heard = recording.samples.get(second..).unwrap_or_default();
    ensure!(
        heard.len() >= piece_len,
        "the recording is too short to compare"
    );
    let heard = &heard[..piece_len];
    // The source is a loop: compare with the stretch of it that the recording holds.
    let shift = best_shift(&source.samples, heard).context("there is nothing to align")?;
    let said: Vec<f32> = source
        .samples
        .iter()
        .copied()
        .cycle()
        .skip(shift)
        .take(piece_len)
        .collect();
    aligned_opinion_score(&said, heard)
}

/// The mean opinion score (1 bad to about 4.6 perfect) of speech that was heard against what was said then: mono at 16 kHz, best
/// 8 to 12 seconds. Small shifts, and delays that change, are found by PESQ itself.
///
/// # Errors
/// When there is no speech in it, or too little.
pub fn aligned_opinion_score(said: &[f32], heard: &[f32]) -> anyhow::Result<f32> {
    pesq::pesq_wb(&to_pcm(said), &to_pcm(heard))
        .map_err(|error| anyhow::anyhow!("the speech cannot be compared: {error:?}"))
}

fn to_pcm(samples: &[f32]) -> Vec<i16> {
    samples
        .iter()
        .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
        .collect()
}

/// By how many samples the loop `source` has to be advanced to fit `heard` best. Compares loudness in steps of 4 ms first, then
/// samples.
fn best_shift(source: &[f32], heard: &[f32]) -> Option<usize> {
    const STEP: usize = 64;
    let envelope = |samples: &[f32]| -> Vec<f32> {
        samples
            .chunks_exact(STEP)
            .map(|c| c.iter().map(|s| s.abs()).sum::<f32>())
            .collect()
    };
    let (said, loud) = (envelope(source), envelope(heard));
    let coarse = (0..said.len())
        .max_by(|a, b| correlation(&said, &loud, *a).total_cmp(&correlation(&said, &loud, *b)))?
        * STEP;
    let fine =
        (0..4 * STEP).map(|offset| (coarse + source.len() + offset - 2 * STEP) % source.len());
    let heard = &heard[..heard.len().min(RATE_HZ as usize * 2)];
    fine.max_by(|a, b| correlation(source, heard, *a).total_cmp(&correlation(source, heard, *b)))
}

fn correlation(looped: &[f32], heard: &[f32], shift: usize) -> f32 {
    let shifted = looped[shift..].iter().chain(looped.iter().cycle());
    shifted.zip(heard).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something with the rhythm and the spectrum of speech: bursts of a gliding, noisy buzz.
    fn babble(seconds: usize) -> Vec<f32> {
        let mut seed = 7_u32;
        let mut phase = 0.0_f32;
        (0..seconds * RATE_HZ as usize)
            .map(|i| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let t = i as f32 / RATE_HZ as f32;
                phase += (120.0 + 40.0 * (t * 5.0).sin() + (seed % 7) as f32) / RATE_HZ as f32;
                let buzz = (phase.fract() - 0.5) * 0.6;
                let syllable = (t * 11.0).sin().max(0.0) * (t * 1.7).sin().max(0.1);
                syllable * buzz + 0.002 * ((seed >> 16) as f32 / 32768.0 - 1.0)
            })
            .collect()
    }

    #[test]
    fn the_same_speech_shifted_is_found_and_scores_high() {
        let source = Speech { samples: babble(9) };
        let recording: Vec<f32> = source
            .samples
            .iter()
            .copied()
            .cycle()
            .skip(31_234)
            .take(11 * 16_000)
            .collect();
        let score = opinion_score(&source, &Speech { samples: recording }).unwrap();
        assert!(score > 4.0, "{score}");
    }

    #[test]
    fn speech_with_holes_scores_lower() {
        let source = Speech { samples: babble(9) };
        let mut recording: Vec<f32> = source
            .samples
            .iter()
            .copied()
            .cycle()
            .take(11 * 16_000)
            .collect();
        for (i, sample) in recording.iter_mut().enumerate() {
            if (i / 800) % 3 == 0 {
                *sample = 0.0;
            }
        }
        let score = opinion_score(&source, &Speech { samples: recording }).unwrap();
        assert!(score < 3.5, "{score}");
    }
}
