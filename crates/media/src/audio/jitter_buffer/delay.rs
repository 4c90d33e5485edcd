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
/// A packet out of order that is up to so many times as late as nearly all the others was overtaken; one that is later was lost and
/// sent again.
const REORDERED: i64 = 2;

#[derive(Debug)]
pub(super) struct DelayEstimator {
    /// Local time is counted from here.
    origin: Option<Instant>,
    transits: VecDeque<(Instant, i64)>,
    recurring: RecurringDelay,
    sent_again: SentAgain,
    fastest_us: i64,
    /// Of the window alone.
    present: Duration,
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
            present: Duration::ZERO,
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
        } else if late_us > REORDERED * self.present.as_micros() as i64 {
            self.sent_again.push(late_us, arrived_at);
            return self.update();
        }
        self.transits.push_back((arrived_at, transit_us));
        while self.transits.len() > MAX_SAMPLES
            || self
                .transits
                .front()
                .is_some_and(|(at, _)| *at + WINDOW < arrived_at)
        {
            self.transits.pop_front();
        }
        self.update();
    }

    fn update(&mut self) {
        let mut transits: Vec<i64> = self.transits.iter().map(|(_, transit)| *transit).collect();
        if !transits.is_empty() {
            let nearly_all = ((transits.len() - 1) as f64 * QUANTILE).ceil() as usize;
            let (faster, &mut slow, _) = transits.select_nth_unstable(nearly_all);
            self.fastest_us = faster.iter().copied().min().unwrap_or(slow);
            self.present = Duration::from_micros(slow.abs_diff(self.fastest_us));
        }
        self.spread = self
            .present
            .max(self.recurring.spread())
            .max(self.sent_again.late());
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

#[cfg(test)]
mod tests {
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
}
