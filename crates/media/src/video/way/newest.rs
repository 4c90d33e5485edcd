//! What is remembered of the ways of pictures: the newest, and how long their stages took.

use std::collections::VecDeque;
use std::time::Duration;

/// How long one stage takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTime {
    /// Of half of the pictures, no longer.
    pub median: Duration,
    /// Of 95 of 100, no longer.
    pub p95: Duration,
}

impl StageTime {
    /// Of these times, which are sorted for it; `None` of nothing.
    pub fn of(times: &mut [Duration]) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        Some(Self {
            median: times[last / 2],
            p95: times[(last * 95).div_ceil(100)],
        })
    }
}

/// The ways of the newest pictures: ten seconds of them at 30 in a second.
///
/// Takes its memory once. So few are no sketch that errs, they are sorted when somebody asks.
#[derive(Debug)]
pub struct NewestWays<T> {
    ways: VecDeque<T>,
    /// How many there were.
    count: u64,
}

impl<T> Default for NewestWays<T> {
    fn default() -> Self {
        Self {
            ways: VecDeque::with_capacity(Self::MAX_WAYS),
            count: 0,
        }
    }
}

impl<T> NewestWays<T> {
    /// How many are remembered.
    pub const MAX_WAYS: usize = 300;

    /// Remembers one, and forgets the oldest when there are too many.
    pub fn push(&mut self, way: T) {
        if self.ways.len() == Self::MAX_WAYS {
            self.ways.pop_front();
        }
        self.ways.push_back(way);
        self.count += 1;
    }

    /// Forgets all, as at the beginning of a call. They count as seen.
    pub fn clear(&mut self) {
        self.ways.clear();
    }

    /// Those that came after the first `seen` of all, oldest first, as far as they are remembered. `seen` is brought up to date.
    pub fn since(&self, seen: &mut u64) -> impl Iterator<Item = &T> {
        let new = self.count.saturating_sub(*seen);
        *seen = self.count;
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        self.ways.iter().skip(self.ways.len().saturating_sub(new))
    }

    /// How long a stage took that has this length in each; `None` of nothing.
    pub fn stage(&self, length: impl FnMut(&T) -> Duration) -> Option<StageTime> {
        let mut times: Vec<Duration> = self.ways.iter().map(length).collect();
        StageTime::of(&mut times)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_newest_are_remembered_and_the_memory_is_taken_once() {
        let mut ways = NewestWays::default();
        let room = ways.ways.capacity();
        for number in 0..5_000_u64 {
            ways.push(number);
        }
        assert_eq!(ways.ways.capacity(), room);
        let median = ways.stage(|number| Duration::from_micros(*number));
        assert_eq!(median.unwrap().median, Duration::from_micros(4_849));
    }

    #[test]
    fn whoever_looks_again_sees_what_is_new_and_no_more() {
        let mut ways = NewestWays::default();
        let mut seen = 0;
        ways.push(1);
        ways.push(2);
        assert_eq!(ways.since(&mut seen).collect::<Vec<_>>(), [&1, &2]);
        ways.push(3);
        assert_eq!(ways.since(&mut seen).collect::<Vec<_>>(), [&3]);
        assert_eq!(ways.since(&mut seen).count(), 0);
        ways.push(4);
        ways.clear();
        ways.push(5);
        assert_eq!(ways.since(&mut seen).collect::<Vec<_>>(), [&5]);
        for number in 0..1_000 {
            ways.push(number);
        }
        assert_eq!(ways.since(&mut seen).count(), NewestWays::<i32>::MAX_WAYS);
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(StageTime::of(&mut []), None);
        assert_eq!(NewestWays::<u64>::default().stage(|_| Duration::ZERO), None);
    }

    proptest! {
        #[test]
        fn at_least_half_and_95_of_100_are_no_longer(us in prop::collection::vec(0_u64..100_000, 1..400)) {
            let mut times: Vec<Duration> = us.iter().copied().map(Duration::from_micros).collect();
            let stage = StageTime::of(&mut times).unwrap();
            let within = |limit: Duration| times.iter().filter(|time| **time <= limit).count();
            prop_assert!(within(stage.median) * 2 >= times.len());
            prop_assert!(within(stage.p95) * 100 >= times.len() * 95);
            prop_assert!(stage.median <= stage.p95);
        }
    }
}
