//! How long to wait before the next attempt to reach the signalling server.

use std::time::Duration;

/// Exponential back-off with jitter: each delay is drawn from the upper half of a range that doubles up to a cap.
///
/// The lower bound keeps one client from hammering a server that is down; the random part keeps all of its clients
/// from coming back in the same moment. The random number is an argument, so that nothing here is random by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Default for Backoff {
    /// At most 1 s at first, then 2, 4, 8, 16 and at last 30 s: a server that restarts is found again at once, and
    /// one that is away for an hour costs two attempts a minute.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(30))
    }
}

impl Backoff {
    /// Starts with delays of at most `first` and ends with delays of at most `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        let first = first.min(longest);
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The delay before the next attempt. `random` is a fresh random number from 0 to 1; anything else counts as the
    /// nearer of the two, and no number at all as 0.
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let range = self.next;
        self.next = range.saturating_mul(2).min(self.longest);
        let random = if random.is_nan() {
            0.0
        } else {
            random.clamp(0.0, 1.0)
        };
        range / 2 + (range / 2).mul_f64(random)
    }

    /// The server was reached: the next loss starts with short delays again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let mut backoff = Backoff::new(secs(1), secs(5));
        let delays: Vec<_> = (0..5).map(|_| backoff.next_delay(1.0)).collect();
        assert_eq!(delays, [secs(1), secs(2), secs(4), secs(5), secs(5)]);
    }

    #[test]
    fn a_random_half_spreads_the_clients() {
        let mut backoff = Backoff::new(secs(4), secs(4));
        assert_eq!(backoff.next_delay(0.0), secs(2));
        assert_eq!(backoff.next_delay(0.5), secs(3));
        assert_eq!(backoff.next_delay(1.0), secs(4));
    }

    #[test]
    fn numbers_out_of_range_count_as_the_nearer_end() {
        let mut backoff = Backoff::new(secs(4), secs(4));
        for (random, delay) in [(-7.0, 2), (f64::NAN, 2), (7.0, 4), (f64::INFINITY, 4)] {
            assert_eq!(backoff.next_delay(random), secs(delay), "{random}");
        }
    }

    #[test]
    fn a_reset_starts_with_short_delays_again() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            assert!(backoff.next_delay(0.3) <= secs(30));
        }
        backoff.reset();
        assert_eq!(backoff.next_delay(1.0), secs(1));
    }

    #[test]
    fn a_first_delay_over_the_longest_is_cut() {
        assert_eq!(Backoff::new(secs(9), secs(3)).next_delay(1.0), secs(3));
    }
}
