//! How soon a server that is away is tried again. Owns no clock.

use std::time::{Duration, Instant};

use call::Backoff;

/// A connection that lived this long was a good one: the next attempt comes soon again. A server that greets and breaks is one
/// that is away.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// A server that is away may be back soon, and somebody may be in the middle of a call: for this long it is tried at the
/// shorter intervals.
const HOPEFUL: Duration = Duration::from_mins(1);
const HOPEFUL_INTERVALS: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// See the module.
pub(super) struct Pace {
    hopeful: Backoff,
    patient: Backoff,
    hopeful_since: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        let [first, longest] = HOPEFUL_INTERVALS;
        Self {
            hopeful: Backoff::new(first, longest),
            patient: Backoff::default(),
            hopeful_since: now,
        }
    }

    /// A connection on which the server greeted us at `greeted_at` is gone.
    pub(super) fn on_lost(&mut self, greeted_at: Instant, now: Instant) {
        if now.saturating_duration_since(greeted_at) >= GOOD_CONNECTION {
            *self = Self::new(now);
        }
    }

    /// How long to wait before the next attempt. `random` is from 0 to 1.
    pub(super) fn next_delay(&mut self, now: Instant, random: f64) -> Duration {
        let is_hopeful = now.saturating_duration_since(self.hopeful_since) < HOPEFUL;
        let backoff = if is_hopeful {
            &mut self.hopeful
        } else {
            &mut self.patient
        };
        backoff.next_delay(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// How long the server is left alone before each attempt, when connections live for `life`.
    fn delays(life: Duration) -> Vec<Duration> {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let once = |_| {
            let greeted_at = now;
            now += life;
            pace.on_lost(greeted_at, now);
            let delay = pace.next_delay(now, 1.0);
            now += delay;
            delay
        };
        (0..200).map(once).collect()
    }

    #[test]
    fn a_good_connection_that_is_lost_is_looked_for_at_once() {
        let delays = delays(GOOD_CONNECTION);
        assert!(delays.iter().all(|delay| *delay <= HOPEFUL_INTERVALS[0]));
    }

    #[test]
    fn a_server_that_greets_and_breaks_is_left_in_peace_before_long() {
        let delays = delays(secs(1));
        assert!(delays[0] <= HOPEFUL_INTERVALS[0]);
        assert!(delays[199] > secs(10), "{:?}", delays[199]);
    }

    #[test]
    fn a_server_that_is_away_is_tried_often_for_a_minute() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        while now < start + HOPEFUL {
            let delay = pace.next_delay(now, 1.0);
            assert!(delay <= HOPEFUL_INTERVALS[1]);
            now += delay;
        }
        let later: Vec<_> = (0..10).map(|_| pace.next_delay(now, 1.0)).collect();
        assert!(later[9] > secs(10), "{later:?}");
    }
}
