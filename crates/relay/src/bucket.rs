//! How much of something may pass in a time.

use std::time::{Duration, Instant};

/// An average, and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Units a second; at least 1.
    pub per_second: u64,
    /// Units at once, after a pause.
    pub burst: u64,
}

/// A token bucket. What holds for all buckets of a kind is in their [`Rate`].
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// When it will be full, if nothing more is taken.
    full_at: Instant,
}

impl Rate {
    /// `per_second` units a second, and as many at once.
    pub const fn of(per_second: u64) -> Self {
        Self {
            per_second,
            burst: per_second,
        }
    }

    /// In how much time so many units come in.
    fn time_for(self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }
}

impl Bucket {
    /// A full one.
    pub const fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes `units` out if they are there.
    pub fn take(&mut self, units: u64, rate: Rate, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + rate.time_for(units);
        let fits = full_at - now <= rate.time_for(rate.burst);
        if fits {
            self.full_at = full_at;
        }
        fits
    }

    /// Whether as much is there as may be taken at once.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 1000,
        burst: 50,
    };

    fn taken(bucket: &mut Bucket, now: Instant) -> u64 {
        (0..10_000).filter(|_| bucket.take(1, RATE, now)).count() as u64
    }

    #[test]
    fn a_burst_passes_and_the_rest_does_not() {
        let now = Instant::now();
        assert_eq!(taken(&mut Bucket::new(now), now), 50);
    }

    #[test]
    fn a_pause_gives_back_as_much_as_it_is_long_and_no_more_than_a_burst() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        taken(&mut bucket, now);

        assert_eq!(taken(&mut bucket, now + Duration::from_millis(7)), 7);
        assert_eq!(taken(&mut bucket, now + Duration::from_hours(7)), 50);
    }

    #[test]
    fn over_a_long_time_the_average_passes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let passed: u64 = (0..10_000)
            .map(|ms| taken(&mut bucket, start + Duration::from_millis(ms)))
            .sum();

        assert!((9_999..=10_050).contains(&passed), "{passed}");
    }

    #[test]
    fn the_largest_figures_do_not_overflow() {
        let now = Instant::now();
        let mut bucket = Bucket::new(now);
        let rate = Rate {
            per_second: 0,
            burst: u64::MAX,
        };

        assert!(bucket.take(1, rate, now));
        assert!(!bucket.take(u64::MAX, rate, now));
    }
}
