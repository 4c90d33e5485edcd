//! Peak signal-to-noise ratio of recorded pictures, each against the source picture that it shows.
//!
//! Recordings are aligned by what is in the picture, never by counting: a picture that was shown twice or never must not move all
//! later ones.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Every how many pixels two pictures are compared when looking for the matching one.
const SEARCH_STEP: usize = 37;

/// The luma planes of a clip.
#[derive(Debug)]
pub struct Clip {
    width_px: usize,
    height_px: usize,
    frames: Vec<Vec<u8>>,
}

impl Clip {
    /// Reads at most `limit` pictures of a `.y4m` file.
    ///
    /// # Errors
    /// When the file is missing or broken.
    pub fn read(path: &Path, limit: usize) -> anyhow::Result<Self> {
        let file =
            File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut decoder = y4m::decode(BufReader::new(file)).context("no y4m file")?;
        let (width_px, height_px) = (decoder.get_width(), decoder.get_height());
        let mut frames = Vec::new();
        while frames.len() < limit
            && let Ok(frame) = decoder.read_frame()
        {
            frames.push(frame.get_y_plane().to_vec());
        }
        ensure!(!frames.is_empty(), "{} has no pictures", path.display());
        Ok(Self {
            width_px,
            height_px,
            frames,
        })
    }

    /// How many pictures the clip has.
    pub const fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether the clip has no pictures; never true of one that was read.
    pub const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// What a recording shows of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Mean over all recorded pictures, in dB; more is better, 99 means identical.
    pub psnr_db: f64,
    /// The worst hundredth of the pictures, in dB.
    pub worst_psnr_db: f64,
}

/// Compares a recording with the clip that was played over and over.
///
/// # Errors
/// When the sizes differ.
pub fn likeness(source: &Clip, recording: &Clip) -> anyhow::Result<Likeness> {
    ensure!(
        (source.width_px, source.height_px) == (recording.width_px, recording.height_px),
        "the recording has another size than the source"
    );
    let values: Vec<f64> = recording
        .frames
        .iter()
        .map(|frame| psnr_db(best_match(source, frame), frame))
        .collect();
    let psnr_db = values.iter().sum::<f64>() / values.len() as f64;
    let worst_psnr_db = super::quantile(&values, 0.01).context("the recording is empty")?;
    Ok(Likeness {
        psnr_db,
        worst_psnr_db,
    })
}

/// The source picture that `frame` shows: the one that it is most like.
fn best_match<'clip>(source: &'clip Clip, frame: &'clip [u8]) -> &'clip [u8] {
    let best = source
        .frames
        .iter()
        .min_by_key(|candidate| squared_error(candidate, frame, SEARCH_STEP));
    best.map_or(frame, Vec::as_slice)
}

fn squared_error(a: &[u8], b: &[u8], step: usize) -> u64 {
    let pairs = a.iter().step_by(step).zip(b.iter().step_by(step));
    pairs.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
}

fn psnr_db(a: &[u8], b: &[u8]) -> f64 {
    let mean = squared_error(a, b, 1) as f64 / a.len() as f64;
    if mean == 0.0 {
        99.0
    } else {
        10.0 * (255.0 * 255.0 / mean).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(values: &[u8]) -> Clip {
        let frame = |value: &u8| (0..64_u8).map(|i| value.wrapping_add(i)).collect();
        Clip {
            width_px: 8,
            height_px: 8,
            frames: values.iter().map(frame).collect(),
        }
    }

    #[test]
    fn an_identical_recording_is_perfect_wherever_it_begins_and_whatever_it_misses() {
        let likeness = likeness(&clip(&[0, 40, 80, 120]), &clip(&[80, 120, 40, 40])).unwrap();
        assert!((likeness.psnr_db - 99.0).abs() < 1e-9);
        assert!((likeness.worst_psnr_db - 99.0).abs() < 1e-9);
    }

    #[test]
    fn noise_costs_quality() {
        let likeness = likeness(&clip(&[0, 100]), &clip(&[2, 102])).unwrap();
        assert!((likeness.psnr_db - 42.1).abs() < 0.1, "{likeness:?}");
    }
}
