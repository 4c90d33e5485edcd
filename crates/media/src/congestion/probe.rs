//! Finding out at once whether more gets through: a few packets sent faster than the target.
//!
//! A path that takes five packets at twice the rate without spreading them out has room for twice the rate. That is known after one
//! round trip, where creeping up takes many seconds; and if there is no room, five packets do little harm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

mod measurement;

pub(super) use measurement::ProbeResult;
use measurement::Running;

/// Some packets to be sent at a given rate, as an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeCluster {
    /// To be given back in [`PacketReport::probe`](super::PacketReport::probe).
    pub id: u32,
    /// The rate to send at while it lasts, in bits per second.
    pub rate_bps: u64,
    /// It lasts until so many packets …
    pub min_packets: u32,
    /// … and so many bytes have been sent.
    pub min_bytes: usize,
}

impl ProbeCluster {
    /// Fewer packets say little about a rate.
    pub const MIN_PACKETS: u32 = 5;
    /// Shorter clusters are drowned in the granularity of timers and of feedback (250 µs).
    pub const MIN_DURATION: Duration = Duration::from_millis(15);
}

/// A probe whose answers do not come within this time has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Waiting for the next probe: doubled by one that finds no room, up to the longest.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MAX_INTERVAL: Duration = Duration::from_secs(5);
/// Waiting for the next one after a probe whose packets were lost: it said nothing.
const RETRY_INTERVAL: Duration = Duration::from_millis(300);
/// The first probe asks for this much more than the start rate.
const FIRST_FACTOR: f64 = 3.0;
/// One that follows a success, or when no limit is known.
const NEXT_FACTOR: f64 = 2.0;
/// One that asks whether a known limit is still there.
const CAREFUL_FACTOR: f64 = 1.5;
/// Longest cluster, for paths with much jitter.
const MAX_DURATION: Duration = Duration::from_millis(100);

/// What a decision to probe is based on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeSituation {
    pub(super) target_bps: f64,
    /// There is no use for more, or losses speak against it.
    pub(super) ceiling_bps: f64,
    /// Nothing waits in the network.
    pub(super) is_calm: bool,
    pub(super) is_limit_known: bool,
    pub(super) jitter_ms: f64,
}

/// Decides when to probe and reads the answers.
#[derive(Debug)]
pub(super) struct Prober {
    next_id: u32,
    ordered: Option<ProbeCluster>,
    running: VecDeque<Running>,
    interval: Duration,
    next_at: Option<Instant>,
    /// Ask again at once: the last one succeeded.
    go_on: bool,
}

impl Prober {
    /// How many probes may be under way.
    const MAX_RUNNING: usize = 2;

    /// The first probe is ordered at once.
    pub(super) fn new(now: Instant, start_bps: f64, ceiling_bps: f64) -> Self {
        let mut prober = Self {
            next_id: 1,
            ordered: None,
            running: VecDeque::new(),
            interval: MIN_INTERVAL,
            next_at: None,
            go_on: false,
        };
        prober.restart(now, start_bps, ceiling_bps);
        prober
    }

    /// What is under way says nothing of the path that there is now: a first probe is ordered, as at the start.
    pub(super) fn restart(&mut self, now: Instant, start_bps: f64, ceiling_bps: f64) {
        self.ordered = None;
        self.running.clear();
        self.interval = MIN_INTERVAL;
        self.next_at = None;
        self.go_on = false;
        if start_bps < ceiling_bps {
            self.order(now, (start_bps * FIRST_FACTOR).min(ceiling_bps), 0.0);
        }
    }

    /// The cluster to send next.
    pub(super) fn poll(&mut self) -> Option<ProbeCluster> {
        self.ordered.take()
    }

    /// A limit has been found or has changed: look again soon.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.interval = MIN_INTERVAL;
        self.next_at = Some(now + MIN_INTERVAL);
        self.go_on = false;
    }

    /// Orders the next probe if it is time.
    pub(super) fn plan(&mut self, now: Instant, situation: &ProbeSituation) {
        if self.ordered.is_some() || !self.running.is_empty() {
            return;
        }
        let is_due = self.go_on || self.next_at.is_none_or(|at| now >= at);
        // Within a tenth of the ceiling there is nothing to be found.
        if !is_due || !situation.is_calm || situation.target_bps > 0.9 * situation.ceiling_bps {
            return;
        }
        self.go_on = false;
        let factor = if situation.is_limit_known {
            CAREFUL_FACTOR
        } else {
            NEXT_FACTOR
        };
        let rate_bps = (situation.target_bps * factor).min(situation.ceiling_bps);
        self.order(now, rate_bps, situation.jitter_ms);
    }

    fn order(&mut self, now: Instant, rate_bps: f64, jitter_ms: f64) {
        let duration = Duration::from_secs_f64(jitter_ms.clamp(0.0, 1e3) * 4e-3)
            .clamp(ProbeCluster::MIN_DURATION, MAX_DURATION);
        let cluster = ProbeCluster {
            id: self.next_id,
            rate_bps: rate_bps as u64,
            min_packets: ProbeCluster::MIN_PACKETS,
            min_bytes: (rate_bps * duration.as_secs_f64() / 8.0) as usize,
        };
        self.next_id = self.next_id.wrapping_add(1);
        self.next_at = Some(now + self.interval);
        self.ordered = Some(cluster);
        if self.running.len() == Self::MAX_RUNNING {
            self.running.pop_front();
        }
        self.running.push_back(Running::new(cluster, now));
    }

    /// A packet of a cluster was reported.
    pub(super) fn on_packet(
        &mut self,
        id: u32,
        sent_us: i64,
        arrived_us: Option<i64>,
        size_bytes: usize,
    ) {
        let Some(probe) = self
            .running
            .iter_mut()
            .find(|running| running.cluster.id == id)
        else {
            return;
        };
        probe.on_packet(sent_us, arrived_us, size_bytes);
    }

    /// The result of a probe that is complete, to be asked for after each feedback. `chance_ratio` is the share that is lost at any rate, and a
    /// packet may come late by `jitter_ms` for no reason.
    pub(super) fn poll_result(
        &mut self,
        now: Instant,
        chance_ratio: f64,
        jitter_ms: f64,
    ) -> Option<ProbeResult> {
        let index = self.running.iter().position(|probe| {
            probe.is_complete() || now.saturating_duration_since(probe.begun_at) > ANSWER_TIMEOUT
        })?;
        let mut probe = self.running.remove(index)?;
        let result = probe.result(chance_ratio, jitter_ms);
        let is_success = result.is_some_and(|result| !result.is_limit);
        if is_success {
            self.interval = MIN_INTERVAL;
        } else if result.is_some() {
            self.interval = (self.interval * 2).min(MAX_INTERVAL);
        }
        let wait = if result.is_some() {
            self.interval
        } else {
            RETRY_INTERVAL
        };
        self.next_at = Some(now + wait);
        self.go_on = is_success;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_BPS: f64 = 300e3;
    const CEILING_BPS: f64 = 10e6;

    /// Sends a cluster over a path with this capacity and gives the result.
    fn answer(prober: &mut Prober, now: Instant, capacity_bps: f64) -> Option<ProbeResult> {
        let cluster = prober.poll().expect("a probe is ordered");
        let count = cluster
            .min_packets
            .max((cluster.min_bytes / 1_000) as u32 + 1);
        let mut free_at_us = 0.0_f64;
        for number in 0..count {
            let sent_us = f64::from(number) * 8_000.0 * 1e6 / cluster.rate_bps as f64;
            free_at_us = free_at_us.max(sent_us) + 8_000.0 * 1e6 / capacity_bps;
            prober.on_packet(cluster.id, sent_us as i64, Some(free_at_us as i64), 1_000);
        }
        prober.poll_result(now, 0.0, 0.0)
    }

    fn situation(target_bps: f64) -> ProbeSituation {
        ProbeSituation {
            target_bps,
            ceiling_bps: CEILING_BPS,
            is_calm: true,
            is_limit_known: false,
            jitter_ms: 0.0,
        }
    }

    #[test]
    fn success_leads_to_the_next_probe_at_once_up_to_the_ceiling() {
        let now = simulation::start();
        let mut prober = Prober::new(now, START_BPS, CEILING_BPS);
        let mut target = START_BPS;
        let mut probes = 0;
        while target < 0.9 * CEILING_BPS {
            let result = answer(&mut prober, now, 1e9).unwrap();
            assert!(
                !result.is_limit && result.rate_bps > 1.05 * target,
                "{result:?}"
            );
            target = result.rate_bps;
            prober.plan(now, &situation(target));
            probes += 1;
            assert!(probes < 10);
        }
        assert_eq!(prober.poll(), None, "there is nothing more to be found");
    }

    #[test]
    fn a_limit_is_found_from_above() {
        let now = simulation::start();
        let mut prober = Prober::new(now, START_BPS, CEILING_BPS);
        let result = answer(&mut prober, now, 500e3).unwrap();
        assert!(result.is_limit);
        assert!((400e3..500e3).contains(&result.rate_bps), "{result:?}");
        prober.plan(now, &situation(result.rate_bps));
        assert_eq!(prober.poll(), None, "not so soon");
        prober.plan(now + MAX_INTERVAL, &situation(result.rate_bps));
        assert!(prober.poll().is_some());
    }

    #[test]
    fn a_large_packet_in_front_of_small_ones_does_not_mislead() {
        for (capacity_bps, is_limit) in [(600e3, true), (3e6, false)] {
            let now = simulation::start();
            let mut prober = Prober::new(now, START_BPS, CEILING_BPS);
            let cluster = prober.poll().unwrap();
            let (mut sent_us, mut free_at_us) = (0.0, 0.0_f64);
            for size_bytes in [1_200, 350, 350, 350, 350] {
                let bits = size_bytes as f64 * 8.0;
                free_at_us = free_at_us.max(sent_us) + bits * 1e6 / capacity_bps;
                prober.on_packet(
                    cluster.id,
                    sent_us as i64,
                    Some(free_at_us as i64),
                    size_bytes,
                );
                sent_us += bits * 1e6 / cluster.rate_bps as f64;
            }
            let result = prober.poll_result(now, 0.0, 0.0).unwrap();
            assert_eq!(result.is_limit, is_limit, "{capacity_bps}: {result:?}");
        }
    }

    #[test]
    fn packets_that_jitter_squeezed_together_prove_no_more_than_was_sent() {
        let now = simulation::start();
        let mut prober = Prober::new(now, START_BPS, CEILING_BPS);
        let cluster = prober.poll().unwrap();
        for number in 0..5 {
            prober.on_packet(cluster.id, number * 9_000, Some(50_000), 1_000);
        }
        let result = prober.poll_result(now, 0.0, 0.0).unwrap();
        assert!(result.rate_bps <= cluster.rate_bps as f64);
    }

    #[test]
    fn a_probe_that_is_not_answered_does_not_block_the_next() {
        let now = simulation::start();
        let mut prober = Prober::new(now, START_BPS, CEILING_BPS);
        prober.poll().unwrap();
        assert_eq!(
            prober.poll_result(now + Duration::from_secs(3), 0.0, 0.0),
            None
        );
        prober.plan(now + Duration::from_secs(20), &situation(START_BPS));
        assert!(prober.poll().is_some());
    }
}
