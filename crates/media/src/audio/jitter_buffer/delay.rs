//! How much delay the network's jitter asks for.
//!
//! Each packet's transit time (arrival minus media time, so with an unknown constant) goes into a window of the last two
//! seconds. The fastest packet marks zero; the target is the delay that nearly all others stay below.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::recurring::RecurringDelay;
use super::sent_again::SentAgain;

/// The window: long enough to see jitter, short enough to forget a burst and to follow two clocks that drift apart.
const WINDOW: Duration = Duration::from_secs(2);
/// A sender of 2.5 ms packets makes 800 in that time; more tell nothing new.
const MAX_SAMPLES: usize = 1024;
/// This share of the packets must come in time; the rest is left to FEC and concealment.
const QUANTILE: f64 = 0.97;
/// A packet out of order that is up to so many times as late as nearly all of those in order was overtaken; one that is later was
/// lost and sent again.
const REORDERED: i64 = 2;

#[derive(Debug, Clone, Copy)]
struct Transit {
    arrived_at: Instant,
    us: i64,
    is_in_order: bool,
}

#[derive(Debug)]
pub(super) struct DelayEstimator {
    /// Local time is counted from here.
    origin: Option<Instant>,
    transits: VecDeque<Transit>,
    recurring: RecurringDelay,
    sent_again: SentAgain,
    fastest_us: i64,
    /// Of the packets in order in the window: what was sent again makes nothing else count as overtaken.
    in_order_us: i64,
    spread: Duration,
}

impl DelayEstimator {
    pub(super) const fn new() -> Self {
        Self {
            origin: None,
            transits: VecDeque::new(),
            recurring: RecurringDelay::new(),
            sent_again: SentAgain::new(),
            fastest_us: 0,
            in_order_us: 0,
            spread: Duration::ZERO,
        }
    }

    /// Takes in a packet: its media time and when it arrived. `is_in_order` is false if a later one was there before: then it was
    /// most likely sent again.
    pub(super) fn push(&mut self, media_time_us: i64, arrived_at: Instant, is_in_order: bool) {
        let transit_us = self.transit_us(media_time_us, arrived_at);
        let late_us = (transit_us - self.fastest_us).max(0);
        if is_in_order {
            self.recurring.push(transit_us, arrived_at);
            self.sent_again.count_in_order(arrived_at);
        } else {
            self.sent_again.push(late_us, arrived_at);
            if late_us > REORDERED * self.in_order_us {
                return self.update();
            }
        }
        self.transits.push_back(Transit {
            arrived_at,
            us: transit_us,
            is_in_order,
        });
        let is_old = |oldest: &Transit| oldest.arrived_at + WINDOW < arrived_at;
        while self.transits.len() > MAX_SAMPLES || self.transits.front().is_some_and(is_old) {
            self.transits.pop_front();
        }
        self.update();
    }

    fn update(&mut self) {
        let in_order = self.transits.iter().filter(|transit| transit.is_in_order);
        if let Some((fastest_us, slow_us)) = fastest_and_slow(in_order) {
            self.in_order_us = slow_us - fastest_us;
        }
        let mut present = Duration::ZERO;
        if let Some((fastest_us, slow_us)) = fastest_and_slow(self.transits.iter()) {
            self.fastest_us = fastest_us;
            present = Duration::from_micros(slow_us.abs_diff(fastest_us));
        }
        self.spread = present
            .max(self.recurring.spread())
            .max(self.sent_again.late(self.in_order_us));
    }

    /// How far nearly all packets stay behind the fastest.
    pub(super) const fn spread(&self) -> Duration {
        self.spread
    }

    /// How far behind the fastest packet of the window something is that happens `now` for this media time.
    pub(super) fn behind_fastest(&mut self, media_time_us: i64, now: Instant) -> Duration {
        let behind_us = self.transit_us(media_time_us, now) - self.fastest_us;
        Duration::from_micros(u64::try_from(behind_us).unwrap_or(0))
    }

    fn transit_us(&mut self, media_time_us: i64, at: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(at);
        let elapsed_us = match at.checked_duration_since(origin) {
            Some(after) => after.as_micros() as i64,
            None => -(origin.duration_since(at).as_micros() as i64),
        };
        elapsed_us - media_time_us
    }
}

/// The fastest, and what nearly all stay below.
fn fastest_and_slow<'a>(transits: impl Iterator<Item = &'a Transit>) -> Option<(i64, i64)> {
    let mut us: Vec<i64> = transits.map(|transit| transit.us).collect();
    let nearly_all = (us.len().checked_sub(1)? as f64 * QUANTILE).ceil() as usize;
    let (faster, &mut slow_us, _) = us.select_nth_unstable(nearly_all);
    let fastest_us = faster.iter().copied().min().unwrap_or(slow_us);
    Some((fastest_us, slow_us))
}

#[cfg(test)]
mod tests {
    use simulation::Random;

    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn push_all(
        estimator: &mut DelayEstimator,
        start: Instant,
        from: u64,
        delays_ms: impl IntoIterator<Item = u64>,
    ) {
        for (number, delay) in (from..).zip(delays_ms) {
            estimator.push(
                number as i64 * 20_000,
                start + ms(number * 20 + delay),
                true,
            );
        }
    }

    #[test]
    fn a_steady_stream_has_no_spread() {
        let mut estimator = DelayEstimator::new();
        push_all(&mut estimator, simulation::start(), 0, [30; 200]);
        assert_eq!(estimator.spread(), Duration::ZERO);
    }

    #[test]
    fn the_spread_covers_nearly_all_packets_but_not_the_rare_ones() {
        let mut estimator = DelayEstimator::new();
        let delays = (0..200).map(|number| match number {
            150 => 400,
            number if number % 10 == 0 => 80,
            _ => 10,
        });
        push_all(&mut estimator, simulation::start(), 0, delays);
        assert_eq!(estimator.spread(), ms(70));
    }

    #[test]
    fn a_burst_is_forgotten_after_the_window_and_one_that_came_twice_after_ten_seconds() {
        let mut estimator = DelayEstimator::new();
        let start = simulation::start();
        let bursts = |number: u32| if matches!(number, 100..110) { 100 } else { 0 };
        push_all(&mut estimator, start, 0, (0..120).map(bursts));
        assert_eq!(estimator.spread(), ms(100));
        push_all(&mut estimator, start, 120, [0; 102]);
        assert_eq!(estimator.spread(), Duration::ZERO);
        push_all(&mut estimator, start, 222, (80..180).map(bursts));
        push_all(&mut estimator, start, 322, [0; 200]);
        assert_eq!(estimator.spread(), ms(100));
        push_all(&mut estimator, start, 522, [0; 300]);
        assert_eq!(estimator.spread(), Duration::ZERO);
    }

    #[test]
    fn what_was_sent_again_is_no_jitter() {
        let start = simulation::start();
        let mut estimator = DelayEstimator::new();
        for number in 0..1000_u64 {
            let late_ms = if number % 290 == 0 { 90 } else { 10 };
            let arrived_at = start + ms(number * 10 + late_ms);
            estimator.push(number as i64 * 10_000, arrived_at, late_ms < 90);
        }
        assert_eq!(estimator.spread(), Duration::ZERO);
    }

    /// The longest spread after ten seconds of packets each 20 ms, on a line with a queue of up to `queue` that loses a tenth both
    /// ways: of the packets, of what is sent again, and of the requests.
    fn longest_spread(queue: Duration, seed: u64) -> Duration {
        let start = simulation::start();
        let mut random = Random::new(seed);
        let mut packets = Vec::new();
        for number in 0..3000_u64 {
            let mut late = random.duration(queue);
            let mut is_lost = random.chance(0.1);
            if is_lost {
                // The gap is seen.
                late += ms(25);
            }
            while is_lost {
                late += ms(30) + random.duration(queue);
                is_lost = random.chance(0.1) || random.chance(0.1 * 0.1);
            }
            packets.push((number, start + ms(number * 20 + 10) + late));
        }
        packets.sort_by_key(|(_, arrived_at)| *arrived_at);
        let mut estimator = DelayEstimator::new();
        let (mut newest, mut longest) = (0, Duration::ZERO);
        for (number, arrived_at) in packets {
            estimator.push(number as i64 * 20_000, arrived_at, number >= newest);
            newest = newest.max(number);
            if arrived_at > start + ms(10_000) {
                longest = longest.max(estimator.spread());
            }
        }
        longest
    }

    #[test]
    fn where_a_tenth_is_lost_beside_a_queue_what_is_waited_for_does_not_grow_without_end() {
        for (queue_ms, most_ms) in [(0, 60), (30, 110), (50, 130), (80, 160)] {
            for seed in 1..=5 {
                let longest = longest_spread(ms(queue_ms), seed);
                assert!(longest < ms(most_ms), "{queue_ms}, {seed}: {longest:?}");
            }
        }
    }

    #[test]
    fn what_is_waited_for_is_not_judged_by_the_latest_alone_where_most_seem_overtaken() {
        let start = simulation::start();
        let mut estimator = DelayEstimator::new();
        // Those in order vary by 70 ms. A tenth is lost and comes 100 ms late, two in five of them a second late.
        let mut packets = Vec::new();
        for number in 0..1500_u64 {
            let late_ms = match number % 50 {
                10 | 20 | 30 => 100,
                0 | 40 => 1000,
                other => other % 8 * 10,
            };
            packets.push((number, start + ms(number * 20 + late_ms)));
        }
        packets.sort_by_key(|(_, arrived_at)| *arrived_at);
        let mut newest = 0;
        for (number, arrived_at) in packets {
            estimator.push(number as i64 * 20_000, arrived_at, number >= newest);
            newest = newest.max(number);
        }
        assert!(estimator.spread() <= ms(170), "{:?}", estimator.spread());
    }
}
