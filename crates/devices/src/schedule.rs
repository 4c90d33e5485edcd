//! When synthetic and file devices deliver: an absolute schedule, so that small delays never add up to drift.

use std::time::{Duration, Instant};

/// Longest backlog that is caught up with. A longer one (the machine slept) is skipped.
const LONGEST_BACKLOG: Duration = Duration::from_millis(200);

/// Due times at exactly `units / seconds` a second.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    start: Instant,
    units: u32,
    seconds: u32,
    next: u64,
}

impl Schedule {
    /// `units` in `seconds` seconds, the first one due at `start`. Both must be over zero.
    pub(crate) const fn new(start: Instant, units: u32, seconds: u32) -> Self {
        Self {
            start,
            units,
            seconds,
            next: 0,
        }
    }

    /// The number of the next unit and when it is due. If `now` is far beyond that, the units in between are left out.
    pub(crate) fn next(&mut self, now: Instant) -> (u64, Instant) {
        if now.saturating_duration_since(self.due(self.next)) > LONGEST_BACKLOG {
            let elapsed_us = now.duration_since(self.start).as_micros();
            let current =
                elapsed_us * u128::from(self.units) / (u128::from(self.seconds) * 1_000_000);
            self.next = u64::try_from(current).unwrap_or(u64::MAX / 2);
        }
        let number = self.next;
        self.next += 1;
        (number, self.due(number))
    }

    fn due(&self, number: u64) -> Instant {
        let nanoseconds =
            u128::from(number) * u128::from(self.seconds) * 1_000_000_000 / u128::from(self.units);
        self.start + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_a_second_stays_exact_for_hours() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 30, 1);
        let mut last = start;
        for number in 0..30 * 3600 {
            let (given, due) = schedule.next(last);
            assert_eq!(given, number);
            last = due;
        }
        assert_eq!(schedule.next(last).1, start + Duration::from_hours(1));
    }

    #[test]
    fn broken_rates_are_exact_too() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 30_000, 1001);
        for _ in 0..30_000 {
            schedule.next(start);
        }
        assert_eq!(schedule.next(start).1, start + Duration::from_secs(1001));
    }

    #[test]
    fn a_short_delay_is_caught_up_with_and_a_long_one_is_skipped() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 50, 1);
        assert_eq!(schedule.next(start + Duration::from_millis(150)).0, 0);
        assert_eq!(schedule.next(start + Duration::from_millis(150)).0, 1);
        let (number, due) = schedule.next(start + Duration::from_millis(10_010));
        assert_eq!((number, due), (500, start + Duration::from_secs(10)));
    }
}
