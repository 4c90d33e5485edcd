//! When a certificate is ordered: at two thirds of the life of the one that there is, and after a failure later each time, since
//! authorities count (Let's Encrypt takes five failed proofs of a name in an hour, and gives five certificates for the same names in a week).

use std::time::{Duration, Instant, SystemTime};

use crate::certificate::Life;

/// How long to wait after the first failure; after each that follows four times as long.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// How long at most, if the authority does not ask for more.
const LONGEST_WAIT: Duration = Duration::from_hours(4);
/// How much of a wait that the authority asks for is believed.
const LONGEST_ASKED: Duration = Duration::from_hours(24 * 7);
/// How long nobody looks at the clock, which may be set, or may have stood still while the machine slept.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Order a certificate.
    Order,
    /// Nothing for so long; then ask again.
    Wait(Duration),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// One after the other.
    failures: u32,
    /// Until then nothing is ordered.
    pause: Option<Instant>,
}

impl Schedule {
    /// What to do at `now`, when the clock on the wall says `wall`, with the certificate that is `held`.
    pub(super) fn next(&self, now: Instant, wall: SystemTime, held: Option<&Life>) -> Step {
        let pause = self.pause.map(|until| until.saturating_duration_since(now));
        let life = held.map(|life| life.two_thirds().duration_since(wall).unwrap_or_default());
        match pause.unwrap_or_default().max(life.unwrap_or_default()) {
            Duration::ZERO => Step::Order,
            left => Step::Wait(left.min(LOOK_AGAIN)),
        }
    }

    /// There is a new certificate.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// There is none, and the authority may have `asked` to be left alone for so long. `random` is any number, so that not all servers come
    /// back at once. Returns how long it will be left alone.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        asked: Option<Duration>,
        random: u64,
    ) -> Duration {
        let factor = 4_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT);
        // Up to a quarter more.
        let wait = wait + wait / 4 * (random % 256) as u32 / 255;
        let wait = wait.max(asked.unwrap_or_default().min(LONGEST_ASKED));
        self.pause = Some(now + wait);
        wait
    }

    /// Somebody has mended what was wrong: the pause is over.
    pub(super) fn hurry(&mut self) {
        self.pause = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::{prop_assert, proptest};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn life(from: SystemTime, days: u32) -> Life {
        let until = from + DAY * days;
        Life { from, until }
    }

    /// The clock on the wall after `since` the start.
    fn wall(since: Duration) -> SystemTime {
        UNIX_EPOCH + DAY * 20_000 + since
    }

    /// After how long something is ordered, if nothing fails meanwhile and nobody hurries.
    fn waited(
        schedule: &Schedule,
        from: Instant,
        since: Duration,
        held: Option<&Life>,
    ) -> Duration {
        let mut passed = Duration::ZERO;
        while let Step::Wait(wait) = schedule.next(from + passed, wall(since + passed), held) {
            assert!(Duration::ZERO < wait && wait <= LOOK_AGAIN);
            passed += wait;
        }
        passed
    }

    #[test]
    fn without_a_certificate_one_is_ordered_at_once_and_with_one_at_two_thirds_of_its_life() {
        let (now, schedule) = (simulation::start(), Schedule::default());
        let fresh = life(wall(Duration::ZERO), 90);
        let old = life(wall(Duration::ZERO) - DAY * 61, 90);

        assert_eq!(waited(&schedule, now, Duration::ZERO, None), Duration::ZERO);
        assert_eq!(
            waited(&schedule, now, Duration::ZERO, Some(&fresh)),
            DAY * 60
        );
        assert_eq!(
            waited(&schedule, now, Duration::ZERO, Some(&old)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_within_the_hour() {
        let (now, schedule) = (simulation::start(), Schedule::default());
        let fresh = life(wall(Duration::ZERO), 90);
        let Step::Wait(wait) = schedule.next(now, wall(Duration::ZERO), Some(&fresh)) else {
            panic!("it is fresh");
        };

        assert!(wait <= LOOK_AGAIN);
        let later = schedule.next(now + wait, wall(DAY * 70), Some(&fresh));
        assert_eq!(later, Step::Order);
    }

    #[test]
    fn each_failure_makes_the_wait_longer_until_one_succeeds_or_somebody_hurries() {
        let now = simulation::start();
        let mut schedule = Schedule::default();
        let waits: Vec<u64> = (0..6)
            .map(|_| schedule.failed(now, None, 0).as_secs())
            .collect();
        assert_eq!(waits, [60, 240, 960, 3840, 14_400, 14_400]);
        assert_eq!(
            waited(&schedule, now, Duration::ZERO, None).as_secs(),
            14_400
        );

        schedule.hurry();
        assert_eq!(schedule.next(now, wall(Duration::ZERO), None), Step::Order);
        assert_eq!(schedule.failed(now, None, 0).as_secs(), 14_400);
        schedule.succeeded();
        assert_eq!(schedule.failed(now, None, 255).as_secs(), 75);
    }

    #[test]
    fn the_authority_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
        let now = simulation::start();
        let mut schedule = Schedule::default();
        let day = schedule.failed(now, Some(DAY), 0);
        assert_eq!(day, DAY);
        let year = schedule.failed(now, Some(DAY * 365), 0);
        assert_eq!(year, LONGEST_ASKED);
    }

    proptest! {
        #[test]
        fn whatever_fails_no_hour_has_more_than_five_attempts(randoms: [u64; 40]) {
            let now = simulation::start();
            let mut schedule = Schedule::default();
            let (mut at, mut attempts) = (Duration::ZERO, vec![]);
            for random in randoms {
                at += waited(&schedule, now + at, at, None);
                attempts.push(at);
                schedule.failed(now + at, None, random);
            }
            for six in attempts.windows(6) {
                prop_assert!(six[0] + Duration::from_hours(1) < six[5]);
            }
            prop_assert!(attempts[39] < DAY * 8, "it is tried several times a day");
        }

        #[test]
        fn a_certificate_that_can_be_renewed_is_renewed_before_it_ends(days in 1_u32..400, failures in 0_u32..5, random: u64) {
            let now = simulation::start();
            let mut schedule = Schedule::default();
            let held = life(wall(Duration::ZERO), days);
            let mut at = waited(&schedule, now, Duration::ZERO, Some(&held));
            for _ in 0..failures {
                schedule.failed(now + at, None, random);
                at += waited(&schedule, now + at, at, Some(&held));
            }
            prop_assert!(wall(at) < held.until, "{at:?}");
        }
    }
}
