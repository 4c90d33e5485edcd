//! For how long one holds out for what, and what that follows from.

use std::time::{Duration, Instant};

/// One holds out until a partner would have come in this share of all cases. Giving up much earlier would gain little: where
/// partners come at random, one who has waited is as far from the next as one who begins. But where nobody has come by then, something
/// is not as expected.
const FOUND_BY_THEN: f64 = 0.99;

/// Until when a person refuses what. From all three on, anybody will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Until then, a partner must share an interest.
    pub(crate) interest: Instant,
    /// Until then, a partner must not have named another language.
    pub(crate) language: Instant,
    /// Until then, a partner must not be one of the last.
    pub(crate) new: Instant,
}

impl Patience {
    /// Everything up to which something is refused.
    pub(crate) const fn ends(&self) -> [Instant; 3] {
        [self.interest, self.language, self.new]
    }

    /// Refuses nothing from `now` on that it would have taken later.
    pub(crate) fn end(&mut self, now: Instant) {
        self.interest = self.interest.min(now);
        self.language = self.language.min(now);
        self.new = self.new.min(now);
    }
}

/// How a good partner can be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hope {
    /// How many come, per second.
    pub(crate) per_second: f64,
    /// Whether one is there already who will do as soon as one of the two asks for less.
    pub(crate) is_there: bool,
}

impl Hope {
    /// For how long to hold out: as long as nearly all would need, at most `limit`; not at all if one comes within `limit`
    /// less often than in `least` of all cases.
    pub(crate) fn hold(self, limit: Duration, least: f64) -> Duration {
        if self.is_there {
            return limit;
        }
        let chance = 1.0 - (-self.per_second * limit.as_secs_f64()).exp();
        if self.per_second <= 0.0 || chance < least {
            return Duration::ZERO;
        }
        let enough_s = -(1.0 - FOUND_BY_THEN).ln() / self.per_second;
        limit.min(Duration::try_from_secs_f64(enough_s).unwrap_or(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    fn hold(per_second: f64) -> Duration {
        let hope = Hope {
            per_second,
            is_there: false,
        };
        hope.hold(LIMIT, 0.5)
    }

    #[test]
    fn nobody_holds_out_for_what_hardly_comes() {
        assert_eq!(hold(0.0), Duration::ZERO);
        assert_eq!(hold(0.1), Duration::ZERO, "a chance of a third");
    }

    #[test]
    fn what_comes_soon_is_waited_for_as_long_as_nearly_all_of_it_takes() {
        assert_eq!(hold(0.2), LIMIT, "a chance of more than half");
        assert_eq!(
            hold(4.605).as_millis(),
            1000,
            "4.6 times as long as on average"
        );
        assert!(hold(1e9) < Duration::from_millis(1));
    }

    #[test]
    fn one_who_is_there_already_is_waited_for() {
        let hope = Hope {
            per_second: 0.0,
            is_there: true,
        };

        assert_eq!(hope.hold(LIMIT, 0.5), LIMIT);
    }
}
