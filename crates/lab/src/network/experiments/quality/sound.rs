//! From mouth to ear: how much later one side hears what the other side said, and how well. Pure.
//!
//! Both are recordings that know when they began. Pieces of what was heard are looked for in what was said.

use headless::measure::quantile;
use headless::measure::speech::aligned_opinion_score;

use super::figures::mean;
use crate::browser::Talk;

/// Delays are looked for at half the rate: an eighth of a millisecond is enough.
const COARSE_HZ: u32 = Talk::RATE_HZ / 2;
/// The length of a piece, and from one to the next: half a second.
const PIECE: usize = COARSE_HZ as usize / 2;
/// The longest delay that is looked for: 1.5 s.
const LONGEST: usize = COARSE_HZ as usize * 3 / 2;
/// Below this correlation a piece was not found: it was made up, or silent on both sides.
const FOUND: f32 = 0.5;
/// Quieter pieces are silence.
const SILENT: f32 = 0.003;
const SAMPLES_PER_MS: f64 = COARSE_HZ as f64 / 1e3;
/// So much speech is judged at a time, in samples: 7 s. PESQ is made for little more.
const JUDGED: usize = Talk::RATE_HZ as usize * 7;

/// Sound that began at a known moment, at [`Talk::RATE_HZ`].
#[derive(Debug, Clone, Default)]
pub(super) struct Recording {
    /// In milliseconds since the Unix epoch.
    pub(super) began_ms: f64,
    pub(super) samples: Vec<f32>,
    /// Whether it is played over and over.
    pub(super) is_loop: bool,
}

/// Median and 95th percentile of the delay in a stretch of time, in milliseconds; none if nothing was found.
pub(super) fn mouth_to_ear_ms(
    said: &Recording,
    heard: &Recording,
    within_ms: &std::ops::Range<f64>,
) -> Option<[f64; 2]> {
    let (said, heard) = (&said.coarse(), &heard.coarse());
    let delays: Vec<f64> = heard
        .pieces(within_ms, SAMPLES_PER_MS, PIECE)
        .filter_map(|(at_ms, piece)| delay_ms(said, piece, at_ms))
        .collect();
    Some([quantile(&delays, 0.5)?, quantile(&delays, 0.95)?])
}

/// The mean opinion score of what was heard in a stretch of time, which was said so much earlier (PESQ, ITU-T P.862.2): from 1,
/// bad, to about 4.6. None where too little was heard.
pub(super) fn speech_score(
    said: &Recording,
    heard: &Recording,
    within_ms: &std::ops::Range<f64>,
    delay_ms: f64,
) -> Option<f64> {
    let samples_per_ms = f64::from(Talk::RATE_HZ) / 1e3;
    let scores: Vec<f64> = heard
        .pieces(within_ms, samples_per_ms, JUDGED)
        .filter_map(|(at_ms, piece)| {
            let begin = ((at_ms - delay_ms - said.began_ms) * samples_per_ms).round() as i64;
            let source = said.window(begin, begin + piece.len() as i64)?;
            aligned_opinion_score(&source, piece).ok().map(f64::from)
        })
        .collect();
    mean(&scores)
}

/// How much earlier a piece was said that was heard from `at_ms` on.
fn delay_ms(said: &Recording, piece: &[f32], at_ms: f64) -> Option<f64> {
    if energy(piece) < SILENT * SILENT * piece.len() as f32 {
        return None;
    }
    // What was said from the longest delay before until the end of the piece.
    let end = ((at_ms - said.began_ms) * SAMPLES_PER_MS).round() as i64 + piece.len() as i64;
    let begin = end - (piece.len() + LONGEST) as i64;
    let window = said.window(begin, end)?;
    let mut sum: f32 = energy(&window[..piece.len()]);
    let mut best = (FOUND, None);
    for place in 0..=LONGEST {
        let stretch = &window[place..place + piece.len()];
        let product: f32 = stretch.iter().zip(piece).map(|(a, b)| a * b).sum();
        let correlation = product / (sum.max(1e-9) * energy(piece)).sqrt();
        if correlation > best.0 {
            best = (correlation, Some(LONGEST - place));
        }
        if let Some(next) = window.get(place + piece.len()) {
            sum += next * next - window[place] * window[place];
        }
    }
    best.1.map(|delay| delay as f64 / SAMPLES_PER_MS)
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

impl Recording {
    /// At half the rate.
    fn coarse(&self) -> Self {
        let pairs = self.samples.chunks_exact(2);
        Self {
            samples: pairs.map(|pair| f32::midpoint(pair[0], pair[1])).collect(),
            ..self.clone()
        }
    }

    /// Pieces of `len` samples of a stretch of time, and when each of them begins, in milliseconds.
    fn pieces(
        &self,
        within_ms: &std::ops::Range<f64>,
        samples_per_ms: f64,
        len: usize,
    ) -> impl Iterator<Item = (f64, &[f32])> {
        let place = |at_ms: f64| ((at_ms - self.began_ms).max(0.0) * samples_per_ms) as usize;
        let from = place(within_ms.start);
        let to = place(within_ms.end).min(self.samples.len());
        let began_ms = self.began_ms;
        let pieces = self.samples.get(from..to).unwrap_or_default();
        pieces
            .chunks_exact(len)
            .enumerate()
            .map(move |(index, piece)| {
                let at_ms = began_ms + (from + index * len) as f64 / samples_per_ms;
                (at_ms, piece)
            })
    }

    /// Samples from one place to another; silence before the beginning. None beyond its end.
    fn window(&self, begin: i64, end: i64) -> Option<Vec<f32>> {
        let len = i64::try_from(self.samples.len())
            .ok()
            .filter(|len| *len > 0)?;
        if end > len && !self.is_loop {
            return None;
        }
        let at = |place: i64| match place {
            ..0 => 0.0,
            place => self.samples[(place % len) as usize],
        };
        Some((begin..end).map(at).collect())
    }
}

/// 16 kHz of 48: means of three.
pub(super) fn thin_out(samples: &[f32]) -> Vec<f32> {
    let three = samples.chunks_exact(3);
    three.map(|three| three.iter().sum::<f32>() / 3.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = Talk::RATE_HZ as f64;

    fn noise(len: usize) -> Vec<f32> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 65_536.0 - 0.5
        };
        (0..len).map(|_| next()).collect()
    }

    fn said() -> Recording {
        Recording {
            began_ms: 1000.0,
            samples: noise(160_000),
            is_loop: true,
        }
    }

    /// What is heard from 5 s on of what was said, that much later.
    fn heard(said: &Recording, delay_ms: f64) -> Recording {
        let first = (4000.0 - delay_ms) / 1e3 * RATE;
        let place = |index: usize| (first as usize + index) % said.samples.len();
        Recording {
            began_ms: 5000.0,
            samples: (0..240_000).map(|i| 0.3 * said.samples[place(i)]).collect(),
            is_loop: false,
        }
    }

    #[test]
    fn speech_that_is_heard_whole_is_judged_better_than_with_holes_in_it() {
        // Syllables of a gliding buzz.
        let syllable = |i: usize| {
            let t = i as f64 / RATE;
            let phase = 120.0 * t + 8.0 * (t * 4.0).sin();
            (((t * 11.0).sin().max(0.0) * (t * 1.7).sin().max(0.1)) * (phase.fract() - 0.5)) as f32
        };
        let said = Recording {
            began_ms: 1000.0,
            samples: (0..160_000).map(syllable).collect(),
            is_loop: true,
        };
        let score =
            |heard: &Recording| speech_score(&said, heard, &(6000.0..19_000.0), 80.0).unwrap();
        let mut heard = heard(&said, 80.0);
        let whole = score(&heard);
        assert!(whole > 4.2, "{whole}");
        for hole in heard.samples.chunks_mut(3200) {
            hole[..640].fill(0.0);
        }
        let holes = score(&heard);
        assert!(holes < whole - 1.0, "{holes}");
        assert_eq!(speech_score(&said, &heard, &(6000.0..8000.0), 80.0), None);
        let nothing = Recording::default();
        assert_eq!(speech_score(&said, &nothing, &(0.0..9000.0), 80.0), None);
    }

    #[test]
    fn what_is_heard_later_and_more_quietly_is_found_over_the_end_of_the_loop() {
        let said = said();
        let heard = heard(&said, 123.5);
        let found = mouth_to_ear_ms(&said, &heard, &(6000.0..19_000.0));
        assert_eq!(found, Some([123.5, 123.5]));
    }

    #[test]
    fn silence_and_what_nobody_said_are_left_out() {
        let said = said();
        let mut heard = heard(&said, 80.0);
        heard.samples[..120_000].fill(0.0);
        let found = mouth_to_ear_ms(&said, &heard, &(5000.0..19_000.0));
        assert_eq!(found, Some([80.0, 80.0]));
        heard.samples.reverse();
        assert_eq!(mouth_to_ear_ms(&said, &heard, &(5000.0..19_000.0)), None);
        let nothing = Recording::default();
        assert_eq!(mouth_to_ear_ms(&said, &nothing, &(0.0..1.0)), None);
        assert_eq!(mouth_to_ear_ms(&nothing, &heard, &(5000.0..6000.0)), None);
    }

    #[test]
    fn a_recording_that_ends_is_not_asked_beyond_its_end() {
        let mut said = said();
        let heard = heard(&said, 50.0);
        said.is_loop = false;
        assert!(mouth_to_ear_ms(&said, &heard, &(6000.0..10_000.0)).is_some());
        assert_eq!(mouth_to_ear_ms(&said, &heard, &(15_000.0..19_000.0)), None);
    }

    #[test]
    fn three_samples_become_one() {
        assert_eq!(thin_out(&[1.0, 2.0, 3.0, 4.0]), [2.0]);
    }
}
