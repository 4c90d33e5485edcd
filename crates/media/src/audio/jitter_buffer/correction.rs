//! When the delay is corrected, and by how much.
//!
//! A correction within a word is heard a little, between words it is not. So a delay that is too long, which costs nothing but
//! time, waits for a pause, and so does one that only pictures want to be longer. One that is too short for the network is
//! mended at once: what is missing is heard more.

use std::time::{Duration, Instant};

use crate::audio::Stretch;

/// Tolerance around the target: no correction, which is of 10 ms at most, may take the delay from one side of it to the other.
const TOLERANCE: Duration = Duration::from_millis(6);
/// The most that is left where the target is long.
const LARGEST_SURPLUS: Duration = Duration::from_millis(20);
/// An error above this is corrected at once and whatever it sounds like.
const LARGE_ERROR: Duration = Duration::from_millis(100);
/// So long a correction waits for a pause.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// What delay there ought to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// So much, for whatever reason.
    pub(super) delay: Duration,
    /// So much for the network's jitter: below it sound will be missing.
    pub(super) for_network: Duration,
}

/// Watches the delay of one stream.
#[derive(Debug, Default)]
pub(super) struct Correction {
    watch: Watch,
    wanted: Option<Wanted>,
}

/// The delay since the last judgement.
#[derive(Debug, Clone, Copy, Default)]
struct Watch {
    since: Option<Instant>,
    /// The least: a device that asks for several frames at once needs the last of them, too, and one that asked late for one
    /// does not do so the next time.
    least: Duration,
}

/// What is wrong.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    is_shorter: bool,
    /// By so much.
    left: Duration,
    /// Whether sound will be missing if nothing is done.
    is_urgent: bool,
    /// Since when the delay has been wrong in this direction.
    since: Instant,
}

impl Correction {
    /// Forgets all: playing begins anew.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// What is to be done to a packet that is played `now`, with this delay. `patience` is how long a delay is watched before
    /// it is judged.
    pub(super) fn next(
        &mut self,
        delay: Duration,
        target: Target,
        patience: Duration,
        now: Instant,
    ) -> Option<Stretch> {
        if delay > target.delay + LARGE_ERROR {
            self.restart();
            return Some(Stretch::ShortenAnyhow);
        }
        let is_judged = self.judge(delay, target, patience, now);
        // What was wrong when it was judged may be right by now.
        let is_still_so = |wanted: &Wanted| {
            if wanted.is_shorter {
                delay > target.delay + TOLERANCE
            } else {
                delay < target.delay + TOLERANCE
            }
        };
        let wanted = self
            .wanted
            .filter(|wanted| is_judged || is_still_so(wanted))?;
        let waited = now.saturating_duration_since(wanted.since);
        let may_wait = !wanted.is_urgent && waited < LONGEST_WAIT;
        let is_in_words = is_judged && !may_wait;
        Some(match (wanted.is_shorter, is_in_words) {
            (true, true) => Stretch::Shorten,
            (true, false) => Stretch::ShortenInPause,
            (false, true) => Stretch::Lengthen,
            (false, false) => Stretch::LengthenInPause,
        })
    }

    /// The length of a packet was changed by so much.
    pub(super) fn done(&mut self, changed: Duration) {
        if changed.is_zero() {
            return;
        }
        // What was seen before tells nothing about what is left.
        self.watch = Watch::default();
        self.wanted = self.wanted.take().and_then(|wanted| {
            let left = wanted.left.checked_sub(changed)?;
            (left > TOLERANCE).then_some(Wanted { left, ..wanted })
        });
    }

    /// Judges the delay once it has been watched for long enough; whether it has.
    fn judge(&mut self, delay: Duration, target: Target, patience: Duration, now: Instant) -> bool {
        let least = match self.watch.since {
            None => delay,
            Some(_) => delay.min(self.watch.least),
        };
        let since = *self.watch.since.get_or_insert(now);
        self.watch.least = least;
        if now < since + patience {
            return false;
        }
        self.watch = Watch::default();
        // Less than what it has to be is heard at once, more only by who waits for an answer: where the need comes and goes, the
        // voice is not shortened and lengthened all the time.
        let surplus = (target.delay / 4).clamp(TOLERANCE, LARGEST_SURPLUS);
        let is_too_long = least > target.delay + surplus;
        let is_too_short = least + TOLERANCE < target.delay;
        self.wanted = (is_too_long || is_too_short).then(|| {
            let is_shorter = is_too_long;
            let before = self.wanted.filter(|before| before.is_shorter == is_shorter);
            Wanted {
                is_shorter,
                left: least.abs_diff(target.delay),
                is_urgent: !is_shorter && least + TOLERANCE < target.for_network,
                since: before.map_or(now, |before| before.since),
            }
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = ms(100);
    const TARGET: Target = Target {
        delay: ms(40),
        for_network: ms(40),
    };
    const FOR_PICTURES: Target = Target {
        delay: ms(40),
        for_network: ms(10),
    };
    const STEP: Duration = ms(10);

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// What is wanted of packets of 10 ms, and when, of a voice that is in a pause where `is_pause` says so: until the delay is right.
    fn corrected(
        mut delay: Duration,
        target: Target,
        is_pause: impl Fn(u64) -> bool,
    ) -> Vec<(u64, Stretch)> {
        let start = simulation::start();
        let mut correction = Correction::default();
        let mut done = Vec::new();
        for at in (0..10_000).step_by(10) {
            let Some(how) = correction.next(delay, target, PATIENCE, start + ms(at)) else {
                continue;
            };
            if how.waits_for_a_pause() && !is_pause(at) {
                continue;
            }
            delay = if how.is_shorter() {
                delay.saturating_sub(STEP)
            } else {
                delay + STEP
            };
            correction.done(STEP);
            done.push((at, how));
        }
        assert!(delay.abs_diff(target.delay) <= STEP, "{delay:?}");
        done
    }

    #[test]
    fn in_a_pause_all_that_is_wrong_is_put_right_at_once() {
        for (delay, how) in [
            (ms(70), Stretch::ShortenInPause),
            (ms(10), Stretch::LengthenInPause),
        ] {
            let done = corrected(delay, FOR_PICTURES, |at| at >= 300);
            assert_eq!(done, [(300, how), (310, how), (320, how)]);
        }
    }

    #[test]
    fn in_one_long_word_what_the_network_needs_is_done_at_once_and_all_else_waits() {
        let first = |delay, target| corrected(delay, target, |_| false)[0];
        assert_eq!(first(ms(10), TARGET), (100, Stretch::Lengthen));
        let latest_ms = LONGEST_WAIT.as_millis() as u64 + 220;
        for (delay, target, wanted) in [
            (ms(70), TARGET, Stretch::Shorten),
            (ms(10), FOR_PICTURES, Stretch::Lengthen),
        ] {
            let (at_ms, how) = first(delay, target);
            assert_eq!(how, wanted);
            assert!((3100..=latest_ms).contains(&at_ms), "{at_ms}");
        }
    }

    #[test]
    fn what_is_far_too_long_waits_for_nothing() {
        let mut correction = Correction::default();
        let how = correction.next(ms(141), TARGET, PATIENCE, simulation::start());
        assert_eq!(how, Some(Stretch::ShortenAnyhow));
    }

    #[test]
    fn a_delay_that_is_right_is_left_alone() {
        assert_eq!(corrected(ms(49), TARGET, |_| true), []);
        assert_eq!(corrected(ms(35), TARGET, |_| true), []);
    }

    proptest! {
        #[test]
        fn nothing_is_done_in_the_wrong_direction(
            delays_ms in prop::collection::vec(0_u64..200, 100),
            target_ms in 10_u64..100,
            done_ms in 0_u64..10,
        ) {
            let mut correction = Correction::default();
            let start = simulation::start();
            let target = Target {
                delay: ms(target_ms),
                for_network: ms(target_ms),
            };
            let watched = PATIENCE.as_millis() as usize / 10 + 1;
            for (number, delay) in delays_ms.iter().enumerate() {
                let (delay, at) = (ms(*delay), ms(10 * number as u64));
                let Some(how) = correction.next(delay, target, PATIENCE, start + at) else {
                    continue;
                };
                // The least of what was watched counts, also where the present delay is longer for a moment.
                let seen = &delays_ms[(number + 1).saturating_sub(watched)..=number];
                let least = ms(seen.iter().copied().min().unwrap_or_default());
                if how.is_shorter() {
                    prop_assert!(delay > target.delay + TOLERANCE);
                } else {
                    prop_assert!(least.min(delay) < target.delay + TOLERANCE);
                }
                correction.done(ms(done_ms));
            }
        }
    }
}
