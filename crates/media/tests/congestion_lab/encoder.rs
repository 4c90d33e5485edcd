//! An encoder that exists only in tests: pictures whose sizes scatter around the target.

use std::time::Duration;

use simulation::Random;

/// Makes frame sizes.
#[derive(Debug)]
pub struct Encoder {
    random: Random,
    is_first: bool,
    /// What it can use at most, in bits per second.
    pub most_bps: u64,
}

impl Encoder {
    pub const FRAME_INTERVAL: Duration = Duration::from_nanos(33_333_333);
    /// A keyframe is so many times as large as the frames that follow.
    const KEYFRAME_FACTOR: f64 = 5.0;
    /// Every so often a frame is this much larger: something moved.
    const BUSY_FACTOR: f64 = 2.0;

    pub const fn new(seed: u64, most_bps: u64) -> Self {
        Self {
            random: Random::new(seed),
            is_first: true,
            most_bps,
        }
    }

    /// The size in bytes of the next frame.
    pub fn next_frame(&mut self, target_bps: u64, needs_keyframe: bool) -> usize {
        let target_bps = target_bps.min(self.most_bps).max(10_000);
        let mean = target_bps as f64 / 8.0 * Self::FRAME_INTERVAL.as_secs_f64();
        let scatter = 0.75 + 0.5 * self.random.unit();
        let factor = if std::mem::take(&mut self.is_first) || needs_keyframe {
            Self::KEYFRAME_FACTOR
        } else if self.random.chance(0.02) {
            Self::BUSY_FACTOR
        } else {
            1.0
        };
        (mean * scatter * factor) as usize
    }
}
