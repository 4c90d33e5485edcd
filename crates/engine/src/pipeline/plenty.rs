//! Whether a path takes so much that the cheaper codec looks as good. Owns no clock and no connection.
//!
//! A codec that needs fewer bits earns its processor time where bits are scarce. Where there are three times as many as a fair
//! picture needs in H.264, both look nearly flawless, and H.264 costs both sides a third (`docs/decisions/0028-h264-where-there-is-plenty.md`).

use std::time::{Duration, Instant};

/// Follows what the path takes.
#[derive(Debug)]
pub(super) struct Plenty {
    has_much: bool,
    started_at: Option<Instant>,
    /// Since when it has been otherwise.
    otherwise_since: Option<Instant>,
    began_at: Option<Instant>,
    /// For how long there must be plenty before it counts.
    patience: Duration,
}

impl Default for Plenty {
    fn default() -> Self {
        Self {
            has_much: false,
            started_at: None,
            otherwise_since: None,
            began_at: None,
            patience: Self::MIN_PATIENCE,
        }
    }
}

impl Plenty {
    /// There is plenty from this share of what a fair picture needs in H.264 on …
    const MUCH: f64 = 3.0;
    /// … until there is less than this.
    const TOO_LITTLE: f64 = 2.2;
    /// While the first probes find the rate it counts at once: pictures become larger then, and one keyframe does for both.
    const START: Duration = Duration::from_secs(5);
    const MIN_PATIENCE: Duration = Duration::from_secs(2);
    const MAX_PATIENCE: Duration = Duration::from_mins(1);
    /// The other way it is quick: pictures would look worse.
    const SCARCE_TIME: Duration = Duration::from_millis(500);
    /// Who has changed and has to change back so soon waits longer the next time. Each change costs a keyframe.
    const TAKEN_BACK_WITHIN: Duration = Duration::from_secs(30);

    /// Takes in what the path leaves to pictures, as a share of what a fair picture needs in H.264 at the size that is of use. Whether
    /// there is plenty.
    pub(super) fn update(&mut self, share: f64, now: Instant) -> bool {
        let started_at = *self.started_at.get_or_insert(now);
        let is_starting = now.saturating_duration_since(started_at) < Self::START;
        let is_otherwise = if self.has_much {
            share < Self::TOO_LITTLE
        } else {
            share >= Self::MUCH
        };
        if !is_otherwise {
            self.otherwise_since = None;
            return self.has_much;
        }
        let since = *self.otherwise_since.get_or_insert(now);
        let patience = if self.has_much {
            Self::SCARCE_TIME
        } else if is_starting && self.began_at.is_none() {
            Duration::ZERO
        } else {
            self.patience
        };
        if now.saturating_duration_since(since) < patience {
            return self.has_much;
        }
        self.otherwise_since = None;
        self.has_much = !self.has_much;
        if self.has_much {
            self.began_at = Some(now);
        } else {
            let is_taken_back = self
                .began_at
                .is_some_and(|at| now.saturating_duration_since(at) < Self::TAKEN_BACK_WITHIN);
            self.patience = if is_taken_back {
                (self.patience * 2).min(Self::MAX_PATIENCE)
            } else {
                Self::MIN_PATIENCE
            };
        }
        self.has_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it changes in so many seconds of ten pictures each, and what it says in the end.
    fn run(
        plenty: &mut Plenty,
        begin_s: u64,
        seconds: u64,
        share: impl Fn(u64) -> f64,
    ) -> (u32, bool) {
        let start = Instant::now();
        let mut changes = 0;
        for tenth in 10 * begin_s..10 * (begin_s + seconds) {
            let before = plenty.has_much;
            let now = start + Duration::from_millis(100 * tenth);
            changes += u32::from(plenty.update(share(tenth), now) != before);
        }
        (changes, plenty.has_much)
    }

    #[test]
    fn a_rate_that_is_plenty_counts_at_once_in_the_beginning_and_after_two_seconds_later() {
        let mut plenty = Plenty::default();
        assert_eq!(run(&mut plenty, 0, 1, |_| 3.0), (1, true));
        let mut plenty = Plenty::default();
        assert_eq!(run(&mut plenty, 0, 6, |_| 1.0), (0, false));
        assert_eq!(run(&mut plenty, 6, 2, |_| 3.0), (0, false));
        assert_eq!(run(&mut plenty, 8, 1, |_| 3.0), (1, true));
    }

    #[test]
    fn between_the_limits_all_stays_as_it_is() {
        let mut plenty = Plenty::default();
        assert_eq!(run(&mut plenty, 0, 60, |_| 2.9), (0, false));
        let mut plenty = Plenty::default();
        assert_eq!(
            run(&mut plenty, 0, 60, |tenth| if tenth < 30 {
                4.0
            } else {
                2.3
            }),
            (1, true)
        );
    }

    #[test]
    fn a_dip_of_the_estimate_changes_nothing_and_a_thin_path_does_soon() {
        let mut plenty = Plenty::default();
        let dips = |tenth: u64| if tenth % 50 < 4 { 1.0 } else { 5.0 };
        assert_eq!(run(&mut plenty, 0, 60, dips), (1, true));
        let mut plenty = Plenty::default();
        assert_eq!(
            run(&mut plenty, 0, 4, |tenth| if tenth < 30 {
                5.0
            } else {
                1.0
            }),
            (2, false)
        );
    }

    #[test]
    fn a_rate_that_comes_and_goes_changes_the_codec_ever_more_rarely() {
        let mut plenty = Plenty::default();
        let comes_and_goes = |tenth: u64| if tenth % 100 < 50 { 5.0 } else { 1.0 };
        let (first, _) = run(&mut plenty, 0, 60, comes_and_goes);
        let (later, _) = run(&mut plenty, 60, 60, comes_and_goes);
        assert!(first <= 4 && later == 0, "{first}, {later}");
    }
}
