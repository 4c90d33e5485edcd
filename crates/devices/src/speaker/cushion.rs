//! How much sound lies ready for a speaker: as little as the machine's punctuality allows.

use std::time::{Duration, Instant};

/// Enough on a machine that is on time: the thread that refills looks every 5 ms.
const SMALLEST: Duration = Duration::from_millis(6);
/// A machine that needs more is overloaded, and more delay would not help the talk.
const LARGEST: Duration = Duration::from_millis(60);
/// How much is added after a gap.
const STEP_UP: Duration = Duration::from_millis(6);
/// How much is taken off again after [`CALM`].
const STEP_DOWN: Duration = Duration::from_millis(1);
const CALM: Duration = Duration::from_secs(5);

/// Grows with each gap in the sound and shrinks slowly while there is none.
#[derive(Debug, Clone)]
pub(super) struct Cushion {
    size: Duration,
    gaps: u64,
    calm_since: Instant,
}

impl Cushion {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            size: SMALLEST,
            gaps: 0,
            calm_since: now,
        }
    }

    /// Takes in how many gaps there were in all; returns how much sound shall lie ready beyond the device's next bite.
    pub(super) fn adapt(&mut self, gaps: u64, now: Instant) -> Duration {
        if gaps > self.gaps {
            // One bad moment causes several gaps; they are one reason to grow, not several.
            self.size = (self.size + STEP_UP).min(LARGEST);
            self.gaps = gaps;
            self.calm_since = now;
        } else if now.saturating_duration_since(self.calm_since) >= CALM {
            self.size = self.size.saturating_sub(STEP_DOWN).max(SMALLEST);
            self.calm_since = now;
        }
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_make_it_grow_up_to_a_limit_and_calm_makes_it_shrink_again() {
        let start = Instant::now();
        let mut cushion = Cushion::new(start);
        assert_eq!(cushion.adapt(0, start), SMALLEST);
        assert_eq!(cushion.adapt(3, start), SMALLEST + STEP_UP);
        assert_eq!(cushion.adapt(3, start), SMALLEST + STEP_UP);
        for gaps in 4..100 {
            cushion.adapt(gaps, start);
        }
        assert_eq!(cushion.adapt(100, start), LARGEST);
        assert_eq!(cushion.adapt(100, start + CALM) + STEP_DOWN, LARGEST);
        assert_eq!(
            cushion.adapt(100, start + CALM) + STEP_DOWN,
            LARGEST,
            "once for each calm while"
        );
        for minute in 1..=10 {
            for second in 0..60 {
                cushion.adapt(100, start + Duration::from_secs(minute * 60 + second));
            }
        }
        assert_eq!(
            cushion.adapt(100, start + Duration::from_mins(11)),
            SMALLEST
        );
    }
}
