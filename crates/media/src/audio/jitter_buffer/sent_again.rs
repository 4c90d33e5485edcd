//! How late packets are that come out of order, most of which were lost and sent again.
//!
//! To wait for them is worth more than to bridge them with in-band FEC, where losses are frequent. What is lost once more comes
//! a round trip later, and again, and again: to wait for that would make the delay grow without end. It is left to FEC.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(10);
/// So many are remembered: 10 % of the packets of 10 ms.
const MAX_SAMPLES: usize = 100;
/// This share of all packets must have been sent again to be waited for.
const LEAST_SHARE: f64 = 0.03;
/// This share of them is waited for: those that were lost once, as long as less than a fifth is lost, …
const QUANTILE: f64 = 0.8;
/// … but no longer than for this share and what the queue adds to a packet: at least half of them were lost once.
const SURELY_ONCE: f64 = 0.5;
/// Packets in order are counted in so many pieces of [`WINDOW`].
const PIECES: usize = 10;

#[derive(Debug)]
pub(super) struct SentAgain {
    /// By how many microseconds each was later than the fastest in order.
    late: VecDeque<(Instant, i64)>,
    in_order: VecDeque<(Instant, u32)>,
}

impl SentAgain {
    pub(super) const fn new() -> Self {
        Self {
            late: VecDeque::new(),
            in_order: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, late_us: i64, arrived_at: Instant) {
        if self.late.len() == MAX_SAMPLES {
            self.late.pop_front();
        }
        self.late.push_back((arrived_at, late_us));
        self.forget(arrived_at);
    }

    /// A packet came in order.
    pub(super) fn count_in_order(&mut self, arrived_at: Instant) {
        match self.in_order.back_mut() {
            Some((begun_at, count)) if arrived_at < *begun_at + WINDOW / PIECES as u32 => {
                *count += 1;
            }
            _ => self.in_order.push_back((arrived_at, 1)),
        }
        self.forget(arrived_at);
    }

    /// How much longer than the fastest in order they take, if they are frequent. Those in order vary by so many microseconds.
    pub(super) fn late(&self, in_order_us: i64) -> Duration {
        let in_order: u32 = self.in_order.iter().map(|(_, count)| *count).sum();
        let all = f64::from(in_order) + self.late.len() as f64;
        if self.late.is_empty() || (self.late.len() as f64) < LEAST_SHARE * all {
            return Duration::ZERO;
        }
        let mut late: Vec<i64> = self.late.iter().map(|(_, late)| *late).collect();
        late.sort_unstable();
        let at = |quantile: f64| late[((late.len() - 1) as f64 * quantile) as usize];
        let late_us = at(QUANTILE).min(at(SURELY_ONCE) + in_order_us);
        Duration::from_micros(late_us.unsigned_abs())
    }

    fn forget(&mut self, now: Instant) {
        while self.late.front().is_some_and(|(at, _)| *at + WINDOW < now) {
            self.late.pop_front();
        }
        while self.in_order.len() > PIECES
            || self
                .in_order
                .front()
                .is_some_and(|(at, _)| *at + WINDOW < now)
        {
            self.in_order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use simulation::Random;

    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// How long is waited at the end of so many seconds of packets each 10 ms, of which this share is lost at each try, and sent again
    /// after 50 ms.
    fn waited(loss_ratio: f64, seconds: u64) -> Duration {
        let start = simulation::start();
        let mut random = Random::new(3);
        let mut sent_again = SentAgain::new();
        for at in (0..seconds * 1000).step_by(10) {
            let mut late_us = 0;
            while random.chance(loss_ratio) {
                late_us += 50_000;
            }
            if late_us == 0 {
                sent_again.count_in_order(start + ms(at));
            } else {
                sent_again.push(late_us, start + ms(at));
            }
        }
        sent_again.late(5000)
    }

    #[test]
    fn what_was_lost_once_is_waited_for_where_that_is_frequent_and_what_was_lost_twice_is_not() {
        assert_eq!(waited(0.01, 30), Duration::ZERO);
        for loss_ratio in [0.05, 0.1, 0.15] {
            assert_eq!(waited(loss_ratio, 30), ms(50), "{loss_ratio}");
        }
    }

    #[test]
    fn losses_that_are_over_are_forgotten() {
        let start = simulation::start();
        let mut sent_again = SentAgain::new();
        for at in (0..20_000).step_by(10) {
            if at < 5000 && at % 100 == 0 {
                sent_again.push(50_000, start + ms(at));
            } else {
                sent_again.count_in_order(start + ms(at));
            }
        }
        assert_eq!(sent_again.late(5000), Duration::ZERO);
        assert!(sent_again.in_order.len() <= PIECES && sent_again.late.is_empty());
    }
}
