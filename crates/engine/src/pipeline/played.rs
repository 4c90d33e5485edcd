//! What was handed to the speaker, on its way to the echo canceller.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use media::audio::FRAME_SAMPLES;

use super::lock;

/// What the canceller has not taken yet is kept up to 200 ms; then the oldest goes. That happens only while no microphone
/// runs, and whoever comes back after a pause has to find the delay anew anyway.
const MAX_FRAMES: usize = 20;

/// A short queue from the speaker's thread to the microphone's. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Played {
    frames: Arc<Mutex<VecDeque<[f32; FRAME_SAMPLES]>>>,
}

impl Played {
    /// Takes in what is played next.
    pub(crate) fn push(&self, frame: &[f32; FRAME_SAMPLES]) {
        let mut frames = lock(&self.frames);
        if frames.len() >= MAX_FRAMES {
            frames.pop_front();
        }
        frames.push_back(*frame);
    }

    /// The oldest that is there.
    pub(crate) fn pop(&self) -> Option<[f32; FRAME_SAMPLES]> {
        lock(&self.frames).pop_front()
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "samples are copied, not computed")]
mod tests {
    use super::*;

    #[test]
    fn nobody_listening_keeps_the_newest_200_ms() {
        let played = Played::default();
        for number in 0..100 {
            played.push(&[number as f32; FRAME_SAMPLES]);
        }
        assert_eq!(played.pop().unwrap()[0], 80.0);
        assert_eq!(std::iter::from_fn(|| played.pop()).count(), 19);
    }
}
