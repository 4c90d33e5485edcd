//! The target: how it rises, falls and comes back.
//!
//! ```text
//!             congested: a little below what is delivered
//!   ┌────────┐ ───────────────────────────────────────▶ ┌──────────┐ congested again, after
//!   │ Rising │                                           │ Draining │ ⟲ a time of reaction
//!   └────────┘ ◀─────────────────────────────────────── └──────────┘
//!             queue empty: back to just below the capacity
//! ```
//!
//! While the queue was filling, exactly the capacity was delivered; so the fall measures it, and once the queue is empty the rate returns
//! to 92 % of it at once. From there the rate rises by 2 % a second, and by a third of that close to the capacity: single pictures are larger
//! than the mean, and wait for each other all the longer the less room is left. Where no capacity is known, or it was found to have
//! grown, it rises by up to 20 %, and by probes. A queue that does not become empty although the rate has fallen is somebody else's: see [`super::rival`].

use std::time::{Duration, Instant};

use super::delay::DelaySignal;
use super::probe::ProbeResult;
use super::rival::{Contest, Rival, Sight, StandingQueue};

/// The share of the capacity that is returned to.
const RETURN_SHARE: f64 = 0.92;
/// The share of what is delivered that a fall goes to, when the queue is short. Lower when it is long, so that it is empty within some tenths of a second.
const FALL_SHARE: f64 = 0.92;
const LOWEST_FALL_SHARE: f64 = 0.70;
const DRAIN_MS: f64 = 700.0;
/// The queue that needs no lower share, in milliseconds.
const SHORT_QUEUE_MS: f64 = 20.0;
/// If the queue grows by more than this (seconds per second), only the last moments say what gets through.
const STEEP_SLOPE: f64 = 0.15;
/// The queue is judged by the least of the last 200 ms, so that long it seems as it was before a fall. Not waited for when it grows steeply.
const SETTLING: Duration = Duration::from_millis(200);
/// Rise near a known capacity, in shares of it per second, and at least in bits per second per second.
const CAREFUL_RISE: f64 = 0.02;
const MIN_RISE_BPS: f64 = 4_000.0;
/// Above this share of the capacity the rise is so much slower.
const CLOSE_SHARE: f64 = 0.97;
const CLOSE_RISE: f64 = 0.3;
/// Rise where none is known, per second.
const FREE_RISE: f64 = 0.2;
/// A target this far above the known capacity disproves it.
const DISPROVED: f64 = 1.12;
/// The target does not rise beyond this multiple of what is delivered, plus something for the start.
const MAX_LEAD: f64 = 1.5;
const LEAD_BPS: f64 = 20_000.0;
/// With more jitter than this, in milliseconds, a probe may err: the target follows it in steps of this factor, and it alone makes no limit.
const DOUBTFUL_JITTER_MS: f64 = 6.0;
const DOUBTFUL_RISE: f64 = 1.25;
/// The share that is sent of the rate at which losses begin: single pictures are above the mean.
const LOSS_SHARE: f64 = 0.96;
/// After so many falls that did not shorten the queue, it is not ours and not a queue, but a longer way.
const VAIN_FALLS: u32 = 3;
/// A longer way takes no packets: where this share more is lost than by chance, a full queue does, however little it changes.
const FULL_QUEUE_LOSS: f64 = 0.05;
/// A queue that changes by less than this share, or by less than so many milliseconds, has not changed.
const UNCHANGED_SHARE: f64 = 0.12;
const UNCHANGED_MS: f64 = 5.0;
/// What is returned to after a fall turned out to be in vain.
const VAIN_RETURN_SHARE: f64 = 0.9;
/// How long the queue may take to become empty before the rate rises again from where it is.
const MAX_DRAIN: Duration = Duration::from_secs(2);
/// How long no rival is looked for after one that was none.
const NO_RIVAL: Duration = Duration::from_secs(10);
/// The share of what is delivered that is gone on with then.
const LOST_SHARE: f64 = 0.85;

/// What is known when a feedback has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    pub(super) now: Instant,
    pub(super) delay: DelaySignal,
    /// What is delivered, as if nothing was lost by chance: over half a second, and over the last moments.
    pub(super) delivered_bps: Option<f64>,
    pub(super) delivered_lately_bps: Option<f64>,
    /// The application sends less than it may.
    pub(super) is_application_limited: bool,
    /// How long until what is done shows in the feedback.
    pub(super) reaction: Duration,
    /// The limit that losses speak of.
    pub(super) loss_capacity_bps: Option<f64>,
    /// The share lost lately beyond what is lost at any rate.
    pub(super) excess_loss: f64,
}

/// What follows for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// The target fell; or a known capacity was disproved: look for the new one.
    CapacityChanged,
    /// What seemed a queue is a longer way.
    LongerWay,
}

#[derive(Debug, Clone, Copy)]
struct Episode {
    before_bps: f64,
    vain_falls: u32,
    queue_ms: f64,
    fell_at: Instant,
}

/// Holds the target.
#[derive(Debug)]
pub(super) struct RateControl {
    floor_bps: f64,
    ceiling_bps: f64,
    target_bps: f64,
    capacity_bps: Option<f64>,
    /// Some while draining.
    episode: Option<Episode>,
    fell_at: Option<Instant>,
    updated_at: Option<Instant>,
    /// Some while there is a queue for which the target fell.
    standing: Option<StandingQueue>,
    /// Some while somebody else keeps it full.
    rival: Option<Rival>,
    no_rival_until: Option<Instant>,
}

impl RateControl {
    pub(super) const fn new(floor_bps: f64, ceiling_bps: f64, start_bps: f64) -> Self {
        Self {
            floor_bps,
            ceiling_bps,
            target_bps: start_bps.clamp(floor_bps, ceiling_bps),
            capacity_bps: None,
            episode: None,
            fell_at: None,
            updated_at: None,
            standing: None,
            rival: None,
            no_rival_until: None,
        }
    }

    pub(super) const fn target_bps(&self) -> f64 {
        self.target_bps
    }

    /// The target, or what it was before the fall that is under way.
    pub(super) fn undisturbed_bps(&self) -> f64 {
        self.episode
            .map_or(self.target_bps, |episode| episode.before_bps)
    }

    pub(super) const fn capacity_bps(&self) -> Option<f64> {
        self.capacity_bps
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.episode.is_some()
    }

    pub(super) const fn set_ceiling(&mut self, ceiling_bps: f64) {
        self.ceiling_bps = ceiling_bps.max(self.floor_bps);
        self.set_target(self.target_bps);
    }

    pub(super) fn on_feedback(&mut self, seen: &Observation) -> Verdict {
        let elapsed = self
            .updated_at
            .map_or(0.0, |at| {
                seen.now.saturating_duration_since(at).as_secs_f64()
            })
            .min(0.5);
        self.updated_at = Some(seen.now);

        self.look_for_rival(seen, elapsed);
        let mut verdict = if self.rival.is_some() {
            self.contend(seen, elapsed)
        } else if seen.delay.is_congested {
            self.on_congestion(seen)
        } else if self.episode.is_some() {
            self.on_drain(seen);
            Verdict::Nothing
        } else {
            self.rise(seen, elapsed)
        };
        if let Some(limit_bps) = seen.loss_capacity_bps {
            // What is delivered gets through, whatever the losses make of it.
            let limit_bps =
                (LOSS_SHARE * limit_bps).max(seen.delivered_bps.unwrap_or(0.0) * RETURN_SHARE);
            if self.target_bps > limit_bps {
                if self.target_bps > 1.1 * limit_bps {
                    verdict = Verdict::CapacityChanged;
                }
                self.set_target(limit_bps);
            }
        }
        verdict
    }

    /// A probe found room, or the lack of it.
    pub(super) fn on_probe(&mut self, result: ProbeResult, seen: &Observation) {
        if seen.delay.is_congested || self.rival.is_some() {
            return;
        }
        let rate_bps = if seen.delay.jitter_ms > DOUBTFUL_JITTER_MS {
            result.rate_bps.min(DOUBTFUL_RISE * self.target_bps)
        } else {
            result.rate_bps
        };
        if rate_bps > self.target_bps {
            if self
                .capacity_bps
                .is_some_and(|capacity| rate_bps > DISPROVED * capacity)
            {
                self.capacity_bps = None;
            }
            let is_doubtful = seen.delay.jitter_ms > DOUBTFUL_JITTER_MS;
            if result.is_limit && (self.capacity_bps.is_some() || !is_doubtful) {
                self.capacity_bps = Some(result.rate_bps / RETURN_SHARE);
            }
            self.episode = None;
            self.set_target(rate_bps);
        } else if result.is_limit && seen.is_application_limited && seen.delivered_bps.is_some() {
            // Nobody has tried the target for a while, and it is no longer true.
            self.set_target(result.rate_bps.max(seen.delivered_bps.unwrap_or(0.0)));
        }
    }

    /// No feedback comes although something was sent.
    pub(super) fn on_silence(&mut self, now: Instant) {
        let before_bps = self.undisturbed_bps();
        let capacity = self
            .capacity_bps
            .map_or(before_bps, |capacity| capacity.min(before_bps));
        if self.episode.is_none() {
            self.capacity_bps = Some(0.8 * capacity);
        }
        self.episode = Some(Episode {
            before_bps,
            vain_falls: 0,
            queue_ms: f64::INFINITY,
            fell_at: now,
        });
        self.fell_at = Some(now);
        self.rival = None;
        self.standing = None;
        self.set_target(self.target_bps / 2.0);
    }

    fn look_for_rival(&mut self, seen: &Observation, elapsed: f64) {
        if seen.delay.is_empty {
            self.standing = None;
            return;
        }
        let Some(standing) = &mut self.standing else {
            return;
        };
        standing.on_feedback(seen.delay.queue_ms, self.target_bps, elapsed);
        let is_barred = self.no_rival_until.is_some_and(|until| seen.now < until);
        if self.rival.is_none() && !is_barred && standing.is_kept_by_others() {
            self.rival = Some(Rival::new(standing, seen.now));
            self.episode = None;
        }
    }

    fn contend(&mut self, seen: &Observation, elapsed: f64) -> Verdict {
        let delivered_bps = seen.delivered_bps.unwrap_or(self.target_bps);
        let sight = Sight {
            now: seen.now,
            elapsed,
            queue_ms: seen.delay.queue_ms,
            is_empty: seen.delay.is_empty,
            delivered_bps,
            is_application_limited: seen.is_application_limited,
            excess_loss: seen.excess_loss,
            reaction: seen.reaction,
        };
        let target_bps = self.target_bps;
        let contest = self
            .rival
            .as_mut()
            .map_or(Contest::Over, |rival| rival.on_feedback(target_bps, &sight));
        if let Contest::GoesOn { target_bps } = contest {
            self.set_target(target_bps);
            return Verdict::Nothing;
        }
        self.rival = None;
        self.standing = None;
        self.capacity_bps = None;
        match contest {
            Contest::LongerWay => return Verdict::LongerWay,
            Contest::Lost => {
                self.no_rival_until = Some(seen.now + NO_RIVAL);
                self.set_target(LOST_SHARE * delivered_bps.min(target_bps));
            }
            Contest::GoesOn { .. } | Contest::Over => {}
        }
        Verdict::CapacityChanged
    }

    fn on_congestion(&mut self, seen: &Observation) -> Verdict {
        let is_steep = seen.delay.slope > STEEP_SLOPE;
        let patience = seen.reaction + if is_steep { Duration::ZERO } else { SETTLING };
        if self
            .fell_at
            .is_some_and(|at| seen.now.saturating_duration_since(at) < patience)
        {
            return Verdict::Nothing;
        }
        let queue_ms = seen.delay.queue_ms;
        let vain_falls = self.episode.map_or(0, |episode| {
            let change_ms = (queue_ms - episode.queue_ms).abs();
            let is_unchanged = change_ms < UNCHANGED_MS.max(UNCHANGED_SHARE * queue_ms);
            if is_unchanged && seen.excess_loss < FULL_QUEUE_LOSS {
                episode.vain_falls + 1
            } else {
                0
            }
        });
        let before_bps = self.undisturbed_bps();
        let known_bps = self.capacity_bps;
        if vain_falls >= VAIN_FALLS {
            self.episode = None;
            self.standing = None;
            self.capacity_bps = None;
            self.set_target(VAIN_RETURN_SHARE * before_bps);
            return Verdict::LongerWay;
        }

        let delivered_bps = if is_steep {
            seen.delivered_lately_bps.or(seen.delivered_bps)
        } else {
            seen.delivered_bps
        };
        let measured_bps = delivered_bps.unwrap_or(0.8 * self.target_bps);
        self.capacity_bps = Some(match self.capacity_bps {
            Some(known) if (measured_bps / known - 1.0).abs() < 0.25 => {
                known + 0.4 * (measured_bps - known)
            }
            _ => measured_bps,
        });
        self.standing
            .get_or_insert(StandingQueue::new(
                known_bps.unwrap_or(before_bps).min(before_bps),
            ))
            .on_fall(measured_bps);
        let too_long_ms = (queue_ms - SHORT_QUEUE_MS).max(0.0);
        let share = (FALL_SHARE - too_long_ms / DRAIN_MS).max(LOWEST_FALL_SHARE);
        self.set_target(measured_bps.min(self.target_bps) * share);
        self.episode = Some(Episode {
            before_bps,
            vain_falls,
            queue_ms,
            fell_at: seen.now,
        });
        self.fell_at = Some(seen.now);
        Verdict::CapacityChanged
    }

    fn on_drain(&mut self, seen: &Observation) {
        let Some(episode) = self.episode else { return };
        if seen.delay.is_empty {
            self.episode = None;
            if let Some(capacity) = self.capacity_bps {
                let back_bps = RETURN_SHARE * capacity.min(episode.before_bps);
                self.set_target(self.target_bps.max(back_bps));
            }
        } else if seen.now.saturating_duration_since(episode.fell_at) > MAX_DRAIN + seen.reaction {
            self.episode = None;
        }
    }

    fn rise(&mut self, seen: &Observation, elapsed: f64) -> Verdict {
        let delivered_bps = seen.delivered_bps.unwrap_or(self.target_bps);
        let has_led_too_far = self.target_bps > MAX_LEAD * delivered_bps + LEAD_BPS;
        if seen.is_application_limited || has_led_too_far || !seen.delay.is_empty {
            return Verdict::Nothing;
        }
        let Some(capacity) = self.capacity_bps else {
            // The longer the way, the later an excess is noticed.
            let rise = FREE_RISE / (1.0 + 2.0 * seen.reaction.as_secs_f64());
            self.set_target(self.target_bps * (1.0 + rise * elapsed));
            return Verdict::Nothing;
        };
        let slower = if self.target_bps > CLOSE_SHARE * capacity {
            CLOSE_RISE
        } else {
            1.0
        };
        let rise_bps = slower * (CAREFUL_RISE * capacity).max(MIN_RISE_BPS);
        self.set_target(self.target_bps + rise_bps * elapsed);
        if self.target_bps > DISPROVED * capacity {
            self.capacity_bps = None;
            return Verdict::CapacityChanged;
        }
        Verdict::Nothing
    }

    const fn set_target(&mut self, target_bps: f64) {
        // A number that is none does not get in: comparing it with anything is false.
        if target_bps >= 0.0 {
            self.target_bps = target_bps.clamp(self.floor_bps, self.ceiling_bps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a queue that stays as it is, whatever the rate.
    fn standing(excess_loss: f64) -> (RateControl, Vec<Verdict>) {
        let start = simulation::start();
        let mut control = RateControl::new(50e3, 4e6, 2e6);
        let verdicts = (0..40).map(|tenth| {
            control.on_feedback(&Observation {
                now: start + Duration::from_millis(100) * tenth,
                delay: DelaySignal {
                    queue_ms: 297.0,
                    is_congested: true,
                    ..DelaySignal::default()
                },
                delivered_bps: Some(700e3),
                delivered_lately_bps: Some(700e3),
                is_application_limited: false,
                reaction: Duration::from_millis(220),
                loss_capacity_bps: None,
                excess_loss,
            })
        });
        let verdicts = verdicts.collect();
        (control, verdicts)
    }

    #[test]
    fn a_delay_that_nothing_changes_is_a_longer_way() {
        let (_, verdicts) = standing(0.0);
        assert!(verdicts.contains(&Verdict::LongerWay), "{verdicts:?}");
    }

    #[test]
    fn what_seems_a_limit_because_packets_come_unevenly_is_not_remembered() {
        let found = |jitter_ms| {
            let mut control = RateControl::new(50e3, 4e6, 300e3);
            let seen = Observation {
                now: simulation::start(),
                delay: DelaySignal {
                    jitter_ms,
                    is_empty: true,
                    ..DelaySignal::default()
                },
                delivered_bps: Some(300e3),
                delivered_lately_bps: Some(300e3),
                is_application_limited: false,
                reaction: Duration::from_millis(100),
                loss_capacity_bps: None,
                excess_loss: 0.0,
            };
            let limit = ProbeResult {
                rate_bps: 500e3,
                is_limit: true,
            };
            control.on_probe(limit, &seen);
            control.capacity_bps()
        };
        assert_eq!(found(25.0), None);
        assert!(found(1.0).is_some());
    }

    #[test]
    fn a_full_queue_is_no_longer_way_however_long_it_stays_full() {
        let (control, verdicts) = standing(0.2);
        assert!(!verdicts.contains(&Verdict::LongerWay), "{verdicts:?}");
        assert!(control.target_bps() < 700e3, "{}", control.target_bps());
    }
}
