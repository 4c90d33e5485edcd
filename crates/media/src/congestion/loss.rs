//! Whether packets are lost by chance or because too many are sent.
//!
//! Loss by chance takes the same share at any rate; a full queue or a policer takes what is above its capacity. So what is kept is
//! the share lost *by rate*: how many were sent and lost while so much was being sent, older ones weighing less. Two explanations are weighed by their
//! likelihood: chance alone, and chance plus a capacity that takes the rest. The idea that a rate and an inherent loss are estimated together is
//! that of libwebrtc's second loss-based estimator; the table by rate is our own.
//!
//! At a single rate both explain a loss equally well, and chance has the benefit of the doubt. The rate is never still, and what was
//! seen at others settles it.

use super::loss_window::LossWindow;

/// Rates are told apart in steps of this factor.
const STEP: f64 = 1.08;
/// The lowest rate that is told apart, in bits per second.
const LOWEST_BPS: f64 = 30_000.0;
/// Steps up to 60 Mbit/s; what is above is not told apart.
const STEPS: usize = 100;
/// After this many seconds what was seen weighs half.
const HALF_LIFE_S: f64 = 8.0;
/// Shares lost by chance that are tried.
const CHANCES: [f64; 16] = [
    0.0005, 0.003, 0.006, 0.01, 0.015, 0.022, 0.032, 0.045, 0.06, 0.08, 0.105, 0.135, 0.17, 0.215,
    0.27, 0.35,
];
/// Capacities that are tried, as shares of the highest rate in the table.
const CAPACITIES: usize = 26;
/// Each capacity tried is lower than the one before by this factor; 26 of them go down to a fifth.
const CAPACITY_STEP: f64 = 0.94;
/// How much likelier (natural logarithm) a capacity must make what was seen: one chance in 150 to be wrong.
const EVIDENCE: f64 = 5.0;
/// Below this share lost there is nothing to explain.
const NEGLIGIBLE: f64 = 0.01;

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    received: f64,
    lost: f64,
    /// Sum of rate times packets: gives the mean rate of the row.
    rate_weight: f64,
}

/// What the losses say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct LossSignal {
    /// The share lost lately, whatever the cause.
    pub(super) loss_ratio: f64,
    /// The share that is lost at any rate.
    pub(super) chance_ratio: f64,
    /// What gets through at most, in bits per second; none if losses do not speak of a limit.
    pub(super) capacity_bps: Option<f64>,
}

/// Weighs losses by the rate at which they happened.
#[derive(Debug)]
pub(super) struct LossModel {
    rows: Box<[Row; STEPS]>,
    loss_ratio: f64,
    /// How many packets are lost in a row, on average. Losses in bursts are fewer accidents than packets.
    run_length: f64,
    signal: LossSignal,
}

impl LossModel {
    pub(super) fn new() -> Self {
        Self {
            rows: Box::new([Row::default(); STEPS]),
            loss_ratio: 0.0,
            run_length: 1.0,
            signal: LossSignal::default(),
        }
    }

    /// What became of packets that were sent at this rate.
    pub(super) fn on_window(&mut self, rate_bps: f64, window: &LossWindow) {
        let LossWindow {
            received,
            lost,
            runs,
            ..
        } = *window;
        let seconds = window.length_us as f64 / 1e6;
        let packets = f64::from(received) + f64::from(lost);
        if packets < 1.0 || !rate_bps.is_finite() {
            return;
        }
        let keep = 0.5_f64.powf(seconds.clamp(0.0, 60.0) / HALF_LIFE_S);
        for row in &mut *self.rows {
            row.received *= keep;
            row.lost *= keep;
            row.rate_weight *= keep;
        }
        let step = (rate_bps.max(LOWEST_BPS) / LOWEST_BPS).ln() / STEP.ln();
        let row = &mut self.rows[(step as usize).min(STEPS - 1)];
        row.received += f64::from(received);
        row.lost += f64::from(lost);
        row.rate_weight += rate_bps * packets;

        self.loss_ratio += 0.3 * (f64::from(lost) / packets - self.loss_ratio);
        if runs > 0 {
            let length = f64::from(lost) / f64::from(runs);
            self.run_length += 0.1 * (length.clamp(1.0, 20.0) - self.run_length);
        }
        self.explain();
    }

    pub(super) const fn signal(&self) -> LossSignal {
        self.signal
    }

    fn explain(&mut self) {
        self.signal = LossSignal {
            loss_ratio: self.loss_ratio,
            ..LossSignal::default()
        };
        let highest = self
            .rows
            .iter()
            .filter(|row| row.received + row.lost > 2.0)
            .map(|row| row.rate_weight / (row.received + row.lost))
            .fold(0.0, f64::max);
        let (by_chance, chance) = self.best_chance(f64::INFINITY);
        self.signal.chance_ratio = if chance <= CHANCES[0] { 0.0 } else { chance };
        if highest <= 0.0 || self.loss_ratio.max(chance) < NEGLIGIBLE {
            return;
        }
        let mut best = (by_chance + EVIDENCE, None, chance);
        let mut capacity = highest;
        for _ in 0..CAPACITIES {
            capacity *= CAPACITY_STEP;
            let (likelihood, chance) = self.best_chance(capacity);
            if likelihood > best.0 {
                best = (likelihood, Some(capacity), chance);
            }
        }
        self.signal.capacity_bps = best.1;
        self.signal.chance_ratio = if best.2 <= CHANCES[0] { 0.0 } else { best.2 };
    }

    /// The share lost by chance that explains the table best if there is this capacity, and how well (log-likelihood).
    fn best_chance(&self, capacity_bps: f64) -> (f64, f64) {
        let mut best = (f64::NEG_INFINITY, 0.0);
        for chance in CHANCES {
            let likelihood = self
                .rows
                .iter()
                .filter(|row| row.received + row.lost > 0.5)
                .map(|row| {
                    let rate = row.rate_weight / (row.received + row.lost);
                    let excess = (1.0 - capacity_bps / rate).max(0.0);
                    let lost = (chance + (1.0 - chance) * excess).clamp(1e-4, 0.999);
                    row.lost * lost.ln() + row.received * (1.0 - lost).ln()
                })
                .sum::<f64>()
                / self.run_length;
            if likelihood > best.0 {
                best = (likelihood, chance);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use simulation::Random;

    use super::*;

    /// Sends at each rate for a second, in windows of 300 ms, over a path that loses by chance and above its capacity.
    fn run(rates: impl IntoIterator<Item = f64>, chance: f64, capacity_bps: f64) -> LossSignal {
        let mut model = LossModel::new();
        let mut random = Random::new(1);
        for rate in rates {
            for _ in 0..3 {
                let packets = (rate * 0.3 / 8.0 / 1_000.0) as u32 + 15;
                let share = chance + (1.0 - chance) * (1.0 - capacity_bps / rate).max(0.0);
                let lost = (0..packets).filter(|_| random.chance(share)).count() as u32;
                model.on_window(rate, &LossWindow::full(packets - lost, lost, 0.3));
            }
        }
        model.signal()
    }

    fn ramp(from: f64, to: f64) -> impl Iterator<Item = f64> {
        (0..=10).map(move |step| from + (to - from) * f64::from(step) / 10.0)
    }

    #[test]
    fn loss_that_is_the_same_at_any_rate_is_chance() {
        for chance in [0.02, 0.05, 0.1, 0.2] {
            let signal = run(ramp(300e3, 2e6), chance, f64::INFINITY);
            assert_eq!(signal.capacity_bps, None, "{chance}");
            assert!(
                (signal.chance_ratio / chance - 1.0).abs() < 0.4,
                "{chance}: {signal:?}"
            );
        }
    }

    #[test]
    fn loss_that_begins_at_a_rate_speaks_of_a_capacity() {
        for chance in [0.0, 0.05] {
            let signal = run(ramp(300e3, 1.5e6), chance, 1e6);
            let capacity = signal.capacity_bps.expect("a capacity");
            assert!((0.85e6..1.1e6).contains(&capacity), "{chance}: {signal:?}");
        }
    }

    #[test]
    fn at_a_single_rate_chance_is_given_the_benefit_of_the_doubt() {
        assert_eq!(run([1e6; 10], 0.0, 0.9e6).capacity_bps, None);
    }

    #[test]
    fn without_loss_there_is_nothing_to_say() {
        let signal = run(ramp(300e3, 2e6), 0.0, f64::INFINITY);
        assert_eq!(signal, LossSignal::default());
    }

    #[test]
    fn absurd_windows_do_no_harm() {
        let mut model = LossModel::new();
        model.on_window(f64::NAN, &LossWindow::full(1, 1, 1.0));
        model.on_window(f64::INFINITY, &LossWindow::full(1, 1, 1.0));
        model.on_window(1e300, &LossWindow::full(u32::MAX, u32::MAX, 1e300));
        model.on_window(-1.0, &LossWindow::full(0, u32::MAX, -1.0));
        let signal = model.signal();
        assert!(signal.loss_ratio.is_finite() && signal.chance_ratio.is_finite());
    }
}
