//! A queue that somebody else keeps full.
//!
//! Whoever sends less than a link carries empties its queue: at four fifths of what gets through, by a fifth of a second in each second. If
//! the queue stands longer than that would take, others fill what is left to them, as downloads do that go by losses and not by delay. Giving
//! way then gains nothing: the delay stays, and in the end nothing is left to give. So the call takes up to half of what it had, whatever
//! the delay, and goes by losses, until the queue is empty again. Copa (Arun and Balakrishnan, NSDI 2018) changes over in the same way when it finds no
//! empty queue for some round trips.

use std::time::{Duration, Instant};

/// So much longer than it would take to empty the queue it must have stood, in milliseconds: the queue is known late, and not exactly.
const DOUBT_MS: f64 = 300.0;
/// The share of the target before that is taken, for one call beside one download.
const FAIR_SHARE: f64 = 0.5;
/// How fast it is taken, per second.
const RISE: f64 = 1.0;
/// With more losses than this nobody gains from the same rate …
const SOME_LOSS: f64 = 0.03;
/// … and with more than this for longer than a fall takes to help, or where less than this share of the target arrives, it was an error.
const TOO_MUCH_LOSS: f64 = 0.12;
const LEAST_SHARE: f64 = 0.6;
/// How long what is delivered, and lost, takes to follow, beside the reaction.
const SETTLING: Duration = Duration::from_millis(700);
/// A delay that changes by less than this share and by less than so many milliseconds (in so long) is a longer way: what others send is never
/// so even.
const EVEN_SHARE: f64 = 0.12;
const EVEN_MS: f64 = 5.0;
const EVEN_TIME: Duration = Duration::from_secs(3);

/// Watches a queue from the moment when the target fell for it until it is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct StandingQueue {
    /// The target before it was found.
    before_bps: f64,
    /// What was delivered at the last fall: what the link carries if nobody else uses it.
    carried_bps: f64,
    longest_ms: f64,
    /// What would have gone by now if the link were ours alone.
    gone_ms: f64,
    /// Since the last fall.
    range: QueueRange,
}

impl StandingQueue {
    pub(super) const fn new(before_bps: f64) -> Self {
        Self {
            before_bps,
            carried_bps: before_bps,
            longest_ms: 0.0,
            gone_ms: 0.0,
            range: QueueRange::NONE,
        }
    }

    pub(super) const fn on_fall(&mut self, delivered_bps: f64) {
        self.carried_bps = delivered_bps;
        self.range = QueueRange::NONE;
    }

    /// The queue is still there, and for so many seconds this was sent.
    pub(super) fn on_feedback(&mut self, queue_ms: f64, target_bps: f64, elapsed: f64) {
        self.longest_ms = self.longest_ms.max(queue_ms);
        self.range.add(queue_ms);
        self.gone_ms += 1e3 * elapsed * (1.0 - target_bps / self.carried_bps.max(1.0)).max(0.0);
    }

    /// It should be empty by now, and is no longer way.
    pub(super) fn is_kept_by_others(&self) -> bool {
        self.gone_ms > self.longest_ms + DOUBT_MS && !self.range.is_even()
    }
}

/// Between what a queue has changed.
#[derive(Debug, Clone, Copy)]
struct QueueRange {
    least_ms: f64,
    most_ms: f64,
}

impl QueueRange {
    const NONE: Self = Self {
        least_ms: f64::INFINITY,
        most_ms: 0.0,
    };

    fn add(&mut self, queue_ms: f64) {
        self.least_ms = self.least_ms.min(queue_ms);
        self.most_ms = self.most_ms.max(queue_ms);
    }

    fn is_even(&self) -> bool {
        self.most_ms - self.least_ms < EVEN_MS.max(EVEN_SHARE * self.most_ms)
    }
}

/// What became of a contest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Contest {
    GoesOn {
        target_bps: f64,
    },
    /// The queue is empty.
    Over,
    /// It does not change, whatever anybody sends.
    LongerWay,
    /// There was nobody, or there is no room.
    Lost,
}

/// Somebody who fills the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rival {
    most_bps: f64,
    since: Instant,
    fell_at: Option<Instant>,
    /// Too much is lost.
    bad_since: Option<Instant>,
    /// Since `range_since`.
    range: QueueRange,
    range_since: Instant,
}

/// What is seen of it with a feedback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) now: Instant,
    /// Since the last one, in seconds.
    pub(super) elapsed: f64,
    pub(super) queue_ms: f64,
    pub(super) is_empty: bool,
    pub(super) delivered_bps: f64,
    pub(super) is_application_limited: bool,
    /// The share that is lost beyond what is lost at any rate.
    pub(super) excess_loss: f64,
    pub(super) reaction: Duration,
}

impl Rival {
    pub(super) fn new(queue: &StandingQueue, now: Instant) -> Self {
        Self {
            most_bps: FAIR_SHARE * queue.before_bps,
            since: now,
            fell_at: None,
            bad_since: None,
            range: QueueRange::NONE,
            range_since: now,
        }
    }

    /// The target for what was `target_bps` so far.
    pub(super) fn on_feedback(&mut self, target_bps: f64, seen: &Sight) -> Contest {
        if seen.is_empty {
            return Contest::Over;
        }
        if self.is_even(seen) {
            return Contest::LongerWay;
        }
        let patience = seen.reaction + SETTLING;
        let has_settled = seen.now.saturating_duration_since(self.since) >= patience;
        let arrives = seen.is_application_limited || seen.delivered_bps >= LEAST_SHARE * target_bps;
        if has_settled && (seen.excess_loss > TOO_MUCH_LOSS || !arrives) {
            let since = *self.bad_since.get_or_insert(seen.now);
            if seen.now.saturating_duration_since(since) >= patience {
                return Contest::Lost;
            }
        } else {
            self.bad_since = None;
        }
        if seen.excess_loss > SOME_LOSS {
            let may_fall = self
                .fell_at
                .is_none_or(|at| seen.now.saturating_duration_since(at) >= patience);
            if !may_fall {
                return Contest::GoesOn { target_bps };
            }
            self.fell_at = Some(seen.now);
            return Contest::GoesOn {
                target_bps: target_bps * (1.0 - seen.excess_loss),
            };
        }
        let risen_bps = target_bps * (1.0 + RISE * seen.elapsed);
        Contest::GoesOn {
            target_bps: risen_bps
                .min(self.most_bps)
                .max(target_bps.min(self.most_bps)),
        }
    }

    fn is_even(&mut self, seen: &Sight) -> bool {
        self.range.add(seen.queue_ms);
        if seen.now.saturating_duration_since(self.range_since) < EVEN_TIME {
            return false;
        }
        self.range_since = seen.now;
        std::mem::replace(&mut self.range, QueueRange::NONE).is_even()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: f64 = 0.1;

    /// A queue of 250 to 300 ms while `target_bps` is sent and `before_bps` was carried, for so many tenths of a second.
    fn stands(before_bps: f64, target_bps: f64, tenths: u32) -> StandingQueue {
        let mut queue = StandingQueue::new(before_bps);
        queue.on_fall(before_bps);
        for tenth in 0..tenths {
            queue.on_feedback(250.0 + f64::from(tenth % 2) * 50.0, target_bps, TENTH);
        }
        queue
    }

    #[test]
    fn a_queue_that_should_be_empty_and_is_not_is_kept_by_others() {
        assert!(!stands(2e6, 1.6e6, 29).is_kept_by_others());
        assert!(stands(2e6, 1.6e6, 31).is_kept_by_others());
    }

    #[test]
    fn a_delay_that_is_always_the_same_is_kept_by_nobody() {
        let mut queue = StandingQueue::new(2e6);
        for _ in 0..100 {
            queue.on_feedback(300.0, 1e6, TENTH);
        }
        assert!(!queue.is_kept_by_others());
    }

    #[test]
    fn a_queue_for_which_nobody_gave_way_says_nothing() {
        assert!(!stands(2e6, 2e6, 1_000).is_kept_by_others());
    }

    fn sight(tenth: u32, queue_ms: f64) -> Sight {
        Sight {
            now: simulation::start() + Duration::from_millis(100) * tenth,
            elapsed: TENTH,
            queue_ms,
            is_empty: false,
            delivered_bps: 1e6,
            is_application_limited: false,
            excess_loss: 0.0,
            reaction: Duration::from_millis(100),
        }
    }

    fn rival() -> Rival {
        Rival::new(&stands(2e6, 1e6, 40), simulation::start())
    }

    /// A queue as downloads make it.
    fn sawtooth(tenth: u32) -> f64 {
        200.0 + f64::from(tenth % 20) * 5.0
    }

    #[test]
    fn half_of_what_was_is_taken_and_no_more() {
        let mut rival = rival();
        let mut target = 200e3;
        for tenth in 0..100 {
            match rival.on_feedback(target, &sight(tenth, sawtooth(tenth))) {
                Contest::GoesOn { target_bps } => target = target_bps,
                other => panic!("{other:?}"),
            }
        }
        assert!((target - 1e6).abs() < 1.0, "{target}");
    }

    #[test]
    fn losses_lower_the_target_and_many_losses_end_it() {
        let mut rival = rival();
        let lossy = |tenth, excess_loss| Sight {
            excess_loss,
            ..sight(tenth, sawtooth(tenth))
        };
        let fallen = rival.on_feedback(1e6, &lossy(10, 0.06));
        assert_eq!(fallen, Contest::GoesOn { target_bps: 0.94e6 });
        let waits = rival.on_feedback(0.94e6, &lossy(11, 0.06));
        assert_eq!(waits, Contest::GoesOn { target_bps: 0.94e6 });
        let ends: Vec<_> = (12..22)
            .map(|tenth| rival.on_feedback(0.9e6, &lossy(tenth, 0.2)))
            .collect();
        let lost = ends.iter().position(|end| *end == Contest::Lost);
        assert_eq!(lost, Some(8), "after 0.8 s, and not for a moment: {ends:?}");
    }

    #[test]
    fn what_does_not_arrive_ends_it_too() {
        let mut rival = rival();
        let ends = (10..20).map(|tenth| {
            let seen = Sight {
                delivered_bps: 300e3,
                ..sight(tenth, sawtooth(tenth))
            };
            rival.on_feedback(1e6, &seen)
        });
        assert!(ends.collect::<Vec<_>>().contains(&Contest::Lost));
    }

    #[test]
    fn a_delay_that_never_changes_is_a_longer_way() {
        let mut rival = rival();
        let ends = (0..40).map(|tenth| rival.on_feedback(1e6, &sight(tenth, 150.0)));
        assert!(ends.collect::<Vec<_>>().contains(&Contest::LongerWay));
    }

    #[test]
    fn an_empty_queue_ends_it() {
        let seen = Sight {
            is_empty: true,
            ..sight(5, 2.0)
        };
        assert_eq!(rival().on_feedback(1e6, &seen), Contest::Over);
    }
}
