//! Whether packets are lost one at a time, which in-band FEC repairs best, or in bursts, which takes deep redundancy.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What is looked at.
const WINDOW: Duration = Duration::from_secs(10);
/// Runs that are remembered: as many as the window can hold, one after every other packet of 10 ms.
const MAX_RUNS: usize = 500;
/// With fewer frames lost there is nothing to tell.
const MIN_LOST: u32 = 4;
/// Losses come in bursts when this share of the lost frames has a lost neighbour: at 20 % of independent loss it is 0.36.
const BURSTY: f32 = 0.6;
/// And they no longer do below this.
const CALM: f32 = 0.4;

/// Remembers the runs of lost frames.
#[derive(Debug, Default)]
pub(super) struct BurstWatch {
    runs: VecDeque<(Instant, u32)>,
    /// The run that goes on.
    current: u32,
    are_bursts: bool,
}

impl BurstWatch {
    /// So many packets are lost.
    pub(super) const fn on_lost(&mut self, packets: u32) {
        self.current = self.current.saturating_add(packets);
    }

    /// A packet was there: the run, if there was one, is over.
    pub(super) fn on_received(&mut self, now: Instant) {
        if self.current > 0 {
            self.runs
                .push_back((now, std::mem::take(&mut self.current)));
        }
        while self.runs.len() > MAX_RUNS
            || (self.runs.front()).is_some_and(|(at, _)| *at + WINDOW < now)
        {
            self.runs.pop_front();
        }
        let lost: u32 = self.runs.iter().map(|(_, len)| len).sum();
        let in_bursts: u32 = (self.runs.iter())
            .map(|(_, len)| if *len > 1 { *len } else { 0 })
            .sum();
        let limit = if self.are_bursts { CALM } else { BURSTY };
        self.are_bursts = lost >= MIN_LOST && in_bursts as f32 >= limit * lost as f32;
    }

    pub(super) const fn are_bursts(&self) -> bool {
        self.are_bursts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays frames of 20 ms; `lost` says which are.
    fn play(
        watch: &mut BurstWatch,
        start: Instant,
        frames: std::ops::Range<u32>,
        lost: impl Fn(u32) -> bool,
    ) {
        for frame in frames {
            if lost(frame) {
                watch.on_lost(1);
            } else {
                watch.on_received(start + Duration::from_millis(20) * frame);
            }
        }
    }

    #[test]
    fn bursts_are_told_from_many_single_losses() {
        let start = simulation::start();
        let mut watch = BurstWatch::default();
        play(&mut watch, start, 0..500, |frame| frame % 25 < 3);
        assert!(watch.are_bursts());
        let mut random = simulation::Random::new(4);
        let lost: Vec<bool> = (0..3000).map(|_| random.unit() < 0.2).collect();
        let mut watch = BurstWatch::default();
        play(&mut watch, start, 0..3000, |frame| lost[frame as usize]);
        assert!(!watch.are_bursts());
    }

    #[test]
    fn one_hiccup_is_no_pattern_and_a_pattern_is_forgotten() {
        let start = simulation::start();
        let mut watch = BurstWatch::default();
        play(&mut watch, start, 0..100, |frame| (50..53).contains(&frame));
        assert!(!watch.are_bursts());
        play(&mut watch, start, 100..500, |frame| frame % 25 < 3);
        assert!(watch.are_bursts());
        play(&mut watch, start, 500..1100, |_| false);
        assert!(!watch.are_bursts(), "ten seconds later");
        assert!(watch.runs.is_empty());
    }
}
