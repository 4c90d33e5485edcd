//! How long packets wait in the network's queues, and whether that grows.
//!
//! The clocks of the two ends differ by an unknown offset, so one delay says nothing; but the smallest of the last
//! 20 seconds was that of an empty queue, and what is above it is waiting (as in LEDBAT, RFC 6817, and NADA, RFC 8698). Jitter only ever
//! adds, hence minima: of each slot of 20 ms, and of the last few slots. A line through the slots' minima says
//! whether the queue grows (as the trendline filter does for GCC, draft-ietf-rmcat-gcc-02), and how far the minima scatter around that
//! line is the noise that every threshold allows for.

use std::collections::VecDeque;

/// Length of a slot, in microseconds.
const SLOT_US: i64 = 20_000;
/// Slots remembered. Twice what the line is fitted through, to have room for what arrives late.
const SLOTS: usize = 64;
/// The line is fitted through this many slots, if there was something in them: 600 ms, some 18 frames.
const TREND_SLOTS: i64 = 30;
/// A line through fewer points says nothing.
const MIN_TREND_POINTS: usize = 5;
/// The waiting is the least of this many slots: 200 ms, six frames at 30 a second, the burst of each of which drains before the next.
const WAIT_SLOTS: i64 = 10;
/// How long the smallest delay counts as that of an empty queue. Clocks that drift by 200 ppm part by 4 ms in that time.
const BASE_SECONDS: i64 = 20;
/// A delay that changes by this much from one packet to the next is another clock, not another queue.
const JUMP_US: i64 = 2_000_000;

/// A growing queue that is this long is congestion, in milliseconds; and the noise is added to it.
const GROWING_LIMIT_MS: f64 = 15.0;
/// A queue of this length is congestion even when it does not grow, in milliseconds; and the noise is added to it.
const STANDING_LIMIT_MS: f64 = 50.0;
/// A queue shorter than this is empty, in milliseconds; and the noise is added to it.
const EMPTY_LIMIT_MS: f64 = 8.0;
/// The line must rise by this much (seconds of queue per second), and clearly beyond its own uncertainty.
const MIN_SLOPE: f64 = 0.02;
/// What a line that falls by this much says: the queue is draining.
const DRAINING_SLOPE: f64 = -0.05;
/// How fast the measured noise follows, for each assessment.
const NOISE_GAIN: f64 = 0.05;
/// The same for leaps.
const JITTER_GAIN: f64 = 0.1;
/// Whatever the jitter, the thresholds grow by no more, in milliseconds.
const MAX_NOISE_MS: f64 = 35.0;

/// What the delays say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct DelaySignal {
    /// The waiting in the network's queues, jitter left out, in milliseconds.
    pub(super) queue_ms: f64,
    /// Seconds of queue that are added per second.
    pub(super) slope: f64,
    /// By how much packets come late for no reason, in milliseconds.
    pub(super) jitter_ms: f64,
    /// The queue is, or is about to become, too long.
    pub(super) is_congested: bool,
    /// Nothing waits.
    pub(super) is_empty: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: i64,
    /// Arrival minus departure, on two clocks.
    min_delay_us: i64,
}

/// Follows the delays of one path.
#[derive(Debug)]
pub(super) struct DelayDetector {
    /// By number modulo the length.
    slots: [Option<Slot>; SLOTS],
    newest: i64,
    /// The smallest wait in each second of arrivals, oldest first. At most [`BASE_SECONDS`].
    base: VecDeque<(i64, i64)>,
    last_delay_us: Option<i64>,
    noise_ms: f64,
    rate_bps: f64,
    /// By how much a packet came later than the one before, beyond its turn: the most since the last assessment.
    leap_us: i64,
    /// How many there were.
    assessments: u32,
    /// The mean leap. A queue makes packets wait one after the other, and never leaps.
    jitter_ms: f64,
}

impl DelayDetector {
    pub(super) fn new() -> Self {
        Self {
            slots: [None; SLOTS],
            newest: i64::MIN,
            base: VecDeque::with_capacity(BASE_SECONDS as usize + 1),
            last_delay_us: None,
            noise_ms: 0.0,
            rate_bps: 300_000.0,
            leap_us: 0,
            assessments: 0,
            jitter_ms: 0.0,
        }
    }

    /// A packet left at `sent_us` on our clock and arrived at `arrived_us` on theirs. The size is that of all that left since the last one
    /// that arrived, itself included.
    ///
    /// Both are below 2^61 in size, so that differences are numbers. True if the clock has jumped and everything so far is forgotten.
    pub(super) fn on_packet(&mut self, sent_us: i64, arrived_us: i64, size_bytes: usize) -> bool {
        let delay_us = arrived_us - sent_us;
        let has_jumped = self
            .last_delay_us
            .is_some_and(|last| (delay_us - last).abs() > JUMP_US);
        if has_jumped {
            self.forget();
        } else if let Some(last_us) = self.last_delay_us {
            // Its own turn at the bottleneck, and half of that for what others may send.
            let turn_us = 1.5 * size_bytes as f64 * 8e6 / self.rate_bps;
            self.leap_us = self.leap_us.max(delay_us - last_us - turn_us as i64);
        }
        self.last_delay_us = Some(delay_us);

        let number = arrived_us.div_euclid(SLOT_US);
        let slot = &mut self.slots[number.rem_euclid(SLOTS as i64) as usize];
        match slot {
            Some(slot) if slot.number == number => {
                slot.min_delay_us = slot.min_delay_us.min(delay_us);
            }
            Some(slot) if slot.number > number => return has_jumped,
            _ => {
                *slot = Some(Slot {
                    number,
                    min_delay_us: delay_us,
                });
            }
        }
        self.newest = self.newest.max(number);

        has_jumped
    }

    /// What the packets so far say. To be asked once for each feedback.
    pub(super) fn assess(&mut self) -> DelaySignal {
        let Some(waiting_us) = self.waiting_us() else {
            return DelaySignal::default();
        };
        self.remember(waiting_us);
        let base_us = self.base.iter().map(|(_, least)| *least).min();
        let queue_us = base_us.map_or(0, |base_us| waiting_us - base_us);
        let queue_ms = queue_us as f64 / 1e3;
        let line = self.fit(waiting_us);

        let slope = line.map_or(0.0, |line| line.slope);
        self.assessments = self.assessments.saturating_add(1);
        let gain = JITTER_GAIN.max(1.0 / f64::from(self.assessments));
        self.jitter_ms += gain * (self.leap_us as f64 / 1e3 - self.jitter_ms);
        self.leap_us = 0;
        // Twice the scatter: 95 of 100 minima are below that by chance.
        let allowance_ms = (2.0 * self.noise_ms).max(self.jitter_ms).min(MAX_NOISE_MS);
        let is_growing = line.is_some_and(|line| line.slope > MIN_SLOPE + 2.0 * line.uncertainty);
        let is_congested = (is_growing && queue_ms > GROWING_LIMIT_MS + allowance_ms)
            || (slope > DRAINING_SLOPE && queue_ms > STANDING_LIMIT_MS + allowance_ms);
        if let Some(line) = line
            && !is_congested
        {
            self.noise_ms += NOISE_GAIN * (line.scatter_ms - self.noise_ms);
        }
        DelaySignal {
            queue_ms,
            slope,
            jitter_ms: self.jitter_ms,
            is_congested,
            is_empty: queue_ms
                < EMPTY_LIMIT_MS + self.noise_ms.max(self.jitter_ms).min(MAX_NOISE_MS),
        }
    }

    /// The delay as it is counts as that of an empty queue: sending less did not make it smaller, so the way is longer.
    pub(super) fn rebase(&mut self) {
        if let Some(waiting_us) = self.waiting_us() {
            for (_, min) in &mut self.base {
                *min = waiting_us;
            }
        }
    }

    /// Packets of this rate, in bits per second, take their turn one after the other; that is no jitter.
    pub(super) const fn set_rate(&mut self, rate_bps: f64) {
        self.rate_bps = rate_bps.max(1_000.0);
    }

    /// The smallest delay of the last slots.
    fn waiting_us(&self) -> Option<i64> {
        self.recent(WAIT_SLOTS).map(|slot| slot.min_delay_us).min()
    }

    /// The smallest delay of the second that is, and those of the last 20.
    fn remember(&mut self, waiting_us: i64) {
        let second = self.newest.div_euclid(1_000_000 / SLOT_US);
        match self.base.back_mut() {
            Some((newest, least)) if second <= *newest => *least = waiting_us.min(*least),
            _ => self.base.push_back((second, waiting_us)),
        }
        while self
            .base
            .front()
            .is_some_and(|(oldest, _)| second.saturating_sub(*oldest) >= BASE_SECONDS)
        {
            self.base.pop_front();
        }
    }

    fn forget(&mut self) {
        self.slots = [None; SLOTS];
        self.newest = i64::MIN;
        self.base.clear();
    }

    fn recent(&self, count: i64) -> impl Iterator<Item = Slot> {
        let newest = self.newest;
        self.slots
            .iter()
            .flatten()
            .copied()
            .filter(move |slot| slot.number > newest.saturating_sub(count) && slot.number <= newest)
    }

    /// The straight line that is nearest to the last slots' minima.
    fn fit(&self, origin_us: i64) -> Option<Line> {
        let points = || {
            self.recent(TREND_SLOTS).map(|slot| {
                let seconds = ((slot.number - self.newest) * SLOT_US) as f64 / 1e6;
                (seconds, (slot.min_delay_us - origin_us) as f64 / 1e6)
            })
        };
        let count = points().count();
        if count < MIN_TREND_POINTS {
            return None;
        }
        let n = count as f64;
        let mean_x = points().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = points().map(|(_, y)| y).sum::<f64>() / n;
        let spread: f64 = points().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let together: f64 = points().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let slope = together / spread.max(f64::EPSILON);
        let squares: f64 = points()
            .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2))
            .sum();
        let scatter = (squares / (n - 2.0)).sqrt();
        Some(Line {
            slope,
            uncertainty: scatter / spread.max(f64::EPSILON).sqrt(),
            scatter_ms: scatter * 1e3,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    /// Standard error of the slope.
    uncertainty: f64,
    /// Standard deviation of the points from the line.
    scatter_ms: f64,
}

#[cfg(test)]
mod tests {
    use simulation::Random;

    use super::*;

    /// Sends a packet each 5 ms for `seconds`, with the delay in microseconds that `delay_us` gives for the time in seconds, and
    /// assesses each 100 ms. The clocks are an hour apart.
    fn run(
        detector: &mut DelayDetector,
        from_s: f64,
        seconds: f64,
        mut delay_us: impl FnMut(f64) -> i64,
    ) -> Vec<DelaySignal> {
        let mut signals = Vec::new();
        for number in 0..(seconds * 200.0) as i64 {
            let sent_us = (from_s * 1e6) as i64 + number * 5_000;
            let delay = delay_us(sent_us as f64 / 1e6 - from_s);
            detector.on_packet(sent_us, sent_us + 3_600_000_000 + delay, 200);
            if number % 20 == 19 {
                signals.push(detector.assess());
            }
        }
        signals
    }

    #[test]
    fn a_quiet_path_is_empty_and_not_congested() {
        let mut detector = DelayDetector::new();
        for signal in run(&mut detector, 0.0, 5.0, |_| 20_000) {
            assert!(signal.is_empty && !signal.is_congested, "{signal:?}");
        }
    }

    #[test]
    fn a_queue_that_grows_is_noticed_within_a_few_tens_of_milliseconds_of_it() {
        let mut detector = DelayDetector::new();
        run(&mut detector, 0.0, 2.0, |_| 20_000);
        // 10 % above the capacity: 100 ms of queue a second.
        let signals = run(&mut detector, 2.0, 1.0, |s| 20_000 + (s * 100_000.0) as i64);
        let noticed = signals
            .iter()
            .find(|signal| signal.is_congested)
            .expect("congestion is noticed");
        assert!(noticed.queue_ms < 40.0, "{noticed:?}");
    }

    #[test]
    fn clocks_that_drift_are_no_congestion() {
        for drift_us_per_s in [200.0, -200.0] {
            let mut detector = DelayDetector::new();
            for signal in run(&mut detector, 0.0, 120.0, |s| {
                20_000 + (s * drift_us_per_s) as i64
            }) {
                assert!(!signal.is_congested, "{signal:?}");
            }
        }
    }

    #[test]
    fn jitter_is_no_congestion() {
        let mut detector = DelayDetector::new();
        let mut random = Random::new(1);
        let signals = run(&mut detector, 0.0, 60.0, |_| {
            5_000 + random.below(50_000) as i64
        });
        let congested = signals.iter().filter(|signal| signal.is_congested).count();
        assert!(congested <= 3, "{congested} of {}", signals.len());
    }

    #[test]
    fn a_clock_that_jumps_is_another_clock() {
        let mut detector = DelayDetector::new();
        run(&mut detector, 0.0, 5.0, |_| 20_000);
        for signal in run(&mut detector, 5.0, 5.0, |_| 7_000_000) {
            assert!(!signal.is_congested, "{signal:?}");
        }
        for signal in run(&mut detector, 10.0, 5.0, |_| -7_000_000) {
            assert!(!signal.is_congested, "{signal:?}");
        }
    }

    #[test]
    fn a_longer_way_is_a_queue_until_it_is_told_otherwise() {
        let mut detector = DelayDetector::new();
        run(&mut detector, 0.0, 5.0, |_| 20_000);
        let signals = run(&mut detector, 5.0, 1.0, |_| 120_000);
        assert!(signals.last().unwrap().is_congested);
        detector.rebase();
        let signals = run(&mut detector, 6.0, 1.0, |_| 120_000);
        assert!(signals.last().unwrap().is_empty);
    }
}
