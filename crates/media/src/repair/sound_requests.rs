//! Whether lost sound is worth asking for.
//!
//! In-band FEC bridges a lost packet when the next one is there. What is sent again sounds better and comes a round trip later, so
//! that all sound, and pictures with it, must wait that long. Over a short path that is worth it.

use std::time::{Duration, Instant};

/// Over a path longer than this it is not asked for any more …
const LONGEST: Duration = Duration::from_millis(50);
/// … until it is shorter than this: to ask now and then would be the worst of both, a long wait and gaps.
const SHORT: Duration = Duration::from_millis(35);
/// The path is as long as it was on average over about this time: single round trips vary with what waits on the line.
const MEMORY: Duration = Duration::from_secs(2);

/// Decides it by the round trip.
#[derive(Debug, Default)]
pub struct SoundRequests {
    /// The average round trip in seconds, and when it was brought up to date.
    usual: Option<(f64, Instant)>,
    is_too_far: bool,
}

impl SoundRequests {
    /// Whether lost sound is to be asked for, with the round trip as it was measured last.
    pub fn is_worth_it(&mut self, round_trip: Duration, now: Instant) -> bool {
        let measured_s = round_trip.as_secs_f64();
        let usual_s = match self.usual {
            None => measured_s,
            Some((usual_s, updated_at)) => {
                let elapsed = now.saturating_duration_since(updated_at);
                let share = 1.0 - (-elapsed.div_duration_f64(MEMORY)).exp();
                usual_s + share * (measured_s - usual_s)
            }
        };
        self.usual = Some((usual_s, now));
        let longest = if self.is_too_far { SHORT } else { LONGEST };
        self.is_too_far = usual_s > longest.as_secs_f64();
        !self.is_too_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn a_long_path_is_known_by_its_first_round_trip() {
        let start = simulation::start();
        assert!(SoundRequests::default().is_worth_it(ms(40), start));
        assert!(!SoundRequests::default().is_worth_it(ms(200), start));
    }

    #[test]
    fn a_queue_that_comes_and_goes_does_not_change_it_each_time() {
        let start = simulation::start();
        for (short_ms, long_ms, is_asked) in [(20, 70, true), (40, 110, false)] {
            let mut requests = SoundRequests::default();
            let mut answers = (0..60_000_u64).step_by(10).map(|at| {
                let round_trip = if at / 500 % 2 == 0 { short_ms } else { long_ms };
                requests.is_worth_it(ms(round_trip), start + ms(at))
            });
            assert!(
                answers.by_ref().skip(500).all(|answer| answer == is_asked),
                "{short_ms} to {long_ms} ms"
            );
        }
    }

    #[test]
    fn it_follows_another_path() {
        let start = simulation::start();
        let mut requests = SoundRequests::default();
        let mut after = |from_s: u64, round_trip_ms| {
            let mut answers = (from_s * 1000..(from_s + 10) * 1000).step_by(20);
            answers.all(|at| requests.is_worth_it(ms(round_trip_ms), start + ms(at)));
            requests.is_worth_it(ms(round_trip_ms), start + ms((from_s + 10) * 1000))
        };
        assert!(after(0, 20));
        assert!(!after(10, 150));
        assert!(after(20, 20));
    }
}
