//! Chunks of any size to frames.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{AudioFrame, FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Cuts a stream of 48 kHz mono samples into frames.
#[derive(Debug, Default)]
pub struct Framer {
    samples: VecDeque<f32>,
    /// When the first sample in the buffer was taken.
    starts_at: Option<Instant>,
}

impl Framer {
    /// What the buffer holds at most: a second. Who falls behind further loses the oldest sound.
    pub const MAX_SAMPLES: usize = SAMPLE_RATE_HZ as usize;

    /// Makes an empty framer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in samples, the first of which was taken at `captured_at` in local time.
    pub fn push(&mut self, samples: &[f32], captured_at: Instant) {
        // The newest chunk tells the time for all: so the frames follow the device's clock and do not drift off.
        self.starts_at = Some(
            captured_at
                .checked_sub(duration(self.samples.len()))
                .unwrap_or(captured_at),
        );
        self.samples.extend(samples);
        let excess = self.samples.len().saturating_sub(Self::MAX_SAMPLES);
        self.skip(excess);
    }

    /// The next whole frame.
    pub fn pop(&mut self) -> Option<AudioFrame> {
        if self.samples.len() < FRAME_SAMPLES {
            return None;
        }
        let mut frame = AudioFrame::silence(self.starts_at?);
        for (from, to) in self.samples.iter().zip(frame.samples.iter_mut()) {
            *to = *from;
        }
        self.skip(FRAME_SAMPLES);
        Some(frame)
    }

    fn skip(&mut self, count: usize) {
        self.samples.drain(..count);
        self.starts_at = self.starts_at.map(|at| at + duration(count));
    }
}

fn duration(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(SAMPLE_RATE_HZ))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "samples are copied, not computed")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_know_when_their_first_sample_was_taken() {
        let start = simulation::start();
        let mut framer = Framer::new();
        framer.push(&[0.0; 240], start);
        assert!(framer.pop().is_none());
        framer.push(&[0.0; 960], start + Duration::from_millis(5));
        assert_eq!(framer.pop().unwrap().captured_at, start);
        assert_eq!(
            framer.pop().unwrap().captured_at,
            start + Duration::from_millis(10)
        );
        assert!(framer.pop().is_none());
    }

    #[test]
    fn nobody_listening_does_not_fill_the_memory() {
        let start = simulation::start();
        let mut framer = Framer::new();
        for chunk in 0..300 {
            framer.push(
                &[chunk as f32; 480],
                start + Duration::from_millis(chunk * 10),
            );
        }
        let oldest = framer.pop().unwrap();
        assert_eq!(oldest.samples[0], 200.0);
        assert_eq!(oldest.captured_at, start + Duration::from_secs(2));
        assert_eq!(std::iter::from_fn(|| framer.pop()).count(), 99);
    }

    proptest! {
        #[test]
        fn no_sample_is_lost_or_swapped(chunks in prop::collection::vec(0_usize..3000, 0..12)) {
            let mut framer = Framer::new();
            let (mut pushed, mut popped) = (0, Vec::new());
            for len in chunks {
                let chunk: Vec<f32> = (pushed..pushed + len).map(|sample| sample as f32).collect();
                pushed += len;
                framer.push(&chunk, simulation::start());
                while let Some(frame) = framer.pop() {
                    popped.extend_from_slice(&frame.samples[..]);
                }
            }
            prop_assert_eq!(popped.len(), pushed / FRAME_SAMPLES * FRAME_SAMPLES);
            prop_assert!(popped.iter().enumerate().all(|(index, sample)| *sample == index as f32));
        }
    }
}
