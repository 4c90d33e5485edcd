//! How much newcomers work before they meet anybody: nothing, unless many come at once.
//!
//! ```text
//! newcomers a minute:  0 ········ budget ········ 2 budgets ········ 4 budgets ···
//! bits of work:           none       │ FIRST_BITS     │  one more        │  one more, up to most_bits
//! ```
//!
//! Each bit doubles the work, so that work grows as the crowd does. The rate is that of a count which halves every minute: a
//! crowd that has gone costs one bit less with each minute. It is counted for the server and for each address, and the greater work
//! counts. Who has come counts, whether or not he works: a program that only knocks makes it dearer for others, by
//! [`NewcomerPolicy::most_bits`] at most.
//!
//! Pure: times are arguments. Of a fixed size.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use crate::Network;

/// When newcomers work, and how much at most. A newcomer is one whose key is known for less than a day, or who has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewcomerPolicy {
    /// How many may come to this server in a minute without work; 0 for any number. Small: people work where a post somewhere has
    /// brought some more than usual. Large: whoever makes up keys has them for nothing.
    pub per_minute: u32,
    /// How many may come from one address (IPv6: one /64), unless all kinds of people have it; 0 for any number.
    pub per_minute_per_ip: u32,
    /// The most that one works, in bits: 2 to the power of so many hashes on average. A browser's scripts and slow machines make a
    /// million a second.
    pub most_bits: u32,
}

impl NewcomerPolicy {
    /// Nobody ever works.
    pub const OFF: Self = Self {
        per_minute: 0,
        per_minute_per_ip: 0,
        most_bits: 20,
    };
}

impl Default for NewcomerPolicy {
    /// [`NewcomerPolicy::OFF`]; the program's default is another one.
    fn default() -> Self {
        Self::OFF
    }
}

/// The work of the first ones beyond the budget: less than a tenth of a second for slow machines.
const FIRST_BITS: u32 = 16;
/// After which time what has come counts half.
const HALF_LIFE: Duration = Duration::from_mins(1);
/// How many counts of addresses there are. Two who share one share its budget; nobody can choose with whom, since the hash has
/// a random key.
const PLACES: usize = 4096;
/// How many times faster those come in who work than those who cannot.
const LANE_SHARE: u32 = 4;
/// The longest pause between two who cannot work.
const LANE_PAUSE: Duration = Duration::from_secs(30);

/// A count that halves every [`HALF_LIFE`].
#[derive(Debug, Clone, Copy)]
struct Tide {
    level: f64,
    at: Instant,
}

impl Tide {
    /// How many come in a minute, if it goes on as it did.
    fn per_minute(&self, now: Instant) -> f64 {
        self.level_at(now) * std::f64::consts::LN_2
    }

    fn level_at(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        self.level * 0.5_f64.powf(age.as_secs_f64() / HALF_LIFE.as_secs_f64())
    }

    fn rise(&mut self, most: f64, now: Instant) {
        self.level = (self.level_at(now) + 1.0).min(most);
        self.at = self.at.max(now);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Newcomers {
    policy: NewcomerPolicy,
    all: Tide,
    places: Box<[Tide]>,
    hasher: RandomState,
}

impl Newcomers {
    pub(crate) fn new(policy: NewcomerPolicy, now: Instant) -> Self {
        let tide = Tide {
            level: 0.0,
            at: now,
        };
        Self {
            policy,
            all: tide,
            places: vec![tide; PLACES].into(),
            hasher: RandomState::new(),
        }
    }

    /// Whether anybody ever works.
    pub(crate) const fn is_on(&self) -> bool {
        self.policy.per_minute > 0 || self.policy.per_minute_per_ip > 0
    }

    /// A newcomer has come, from a place that is not everybody's if that is known. Says how much he is to work, in bits, for
    /// those who came before.
    pub(crate) fn arrive(&mut self, place: Option<Network>, now: Instant) -> u32 {
        let policy = self.policy;
        let bits = self.bits(place, now);
        self.all.rise(policy.flood(policy.per_minute), now);
        if let Some(place) = place {
            let place = self.index(place);
            self.places[place].rise(policy.flood(policy.per_minute_per_ip), now);
        }
        bits
    }

    /// How much one from this place is to work at the moment.
    pub(crate) fn bits(&self, place: Option<Network>, now: Instant) -> u32 {
        let of_place = place.map_or(0, |place| {
            let rate = self.places[self.index(place)].per_minute(now);
            self.policy.bits(rate, self.policy.per_minute_per_ip)
        });
        of_place.max(self.bits_of_all(now))
    }

    /// How much anybody is to work, wherever he comes from.
    pub(crate) fn bits_of_all(&self, now: Instant) -> u32 {
        let rate = self.all.per_minute(now);
        self.policy.bits(rate, self.policy.per_minute)
    }

    /// How long after one who cannot work the next one is let in.
    pub(crate) fn lane_pause(&self, now: Instant) -> Duration {
        let budget = match self.policy {
            NewcomerPolicy {
                per_minute: 0,
                per_minute_per_ip,
                ..
            } => per_minute_per_ip,
            NewcomerPolicy { per_minute, .. } => per_minute,
        };
        let share = if self.bits_of_all(now) > 0 {
            LANE_SHARE
        } else {
            1
        };
        (Duration::from_mins(1) * share / budget.max(1)).min(LANE_PAUSE)
    }

    fn index(&self, place: Network) -> usize {
        self.hasher.hash_one(place) as usize % PLACES
    }
}

impl NewcomerPolicy {
    /// The work at a rate of so many a minute.
    fn bits(&self, rate: f64, budget: u32) -> u32 {
        let budget = f64::from(budget);
        if budget <= 0.0 || rate <= budget {
            return 0;
        }
        let doublings = (rate / budget).log2() as u32;
        FIRST_BITS.saturating_add(doublings).min(self.most_bits)
    }

    /// The count beyond which nothing changes: more would only last longer.
    fn flood(&self, budget: u32) -> f64 {
        let steps = self.most_bits.saturating_sub(FIRST_BITS) + 1;
        f64::from(budget) * f64::from(steps).exp2() / std::f64::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: NewcomerPolicy = NewcomerPolicy {
        per_minute: 60,
        per_minute_per_ip: 10,
        most_bits: 20,
    };
    const SECOND: Duration = Duration::from_secs(1);

    fn place(number: u8) -> Network {
        Network::place_of([192, 0, 2, number].into())
    }

    /// Lets so many come in each second, for so long, from anywhere. Says the last one's work.
    fn crowd(newcomers: &mut Newcomers, per_second: u32, seconds: u32, start: Instant) -> u32 {
        let mut bits = 0;
        for number in 0..per_second * seconds {
            bits = newcomers.arrive(None, start + SECOND * number / per_second);
        }
        bits
    }

    #[test]
    fn up_to_the_budget_nobody_works_however_long_it_goes_on() {
        let start = Instant::now();
        let mut newcomers = Newcomers::new(POLICY, start);
        for number in 0..3600 {
            let bits = newcomers.arrive(None, start + SECOND * number * 21 / 20);
            assert_eq!(bits, 0, "after {number}");
        }
    }

    #[test]
    fn twice_as_many_work_twice_as_much_up_to_a_limit() {
        let start = Instant::now();
        let works = [3, 6, 12, 24, 48, 96].map(|per_second| {
            let mut newcomers = Newcomers::new(POLICY, start);
            crowd(&mut newcomers, per_second, 600, start)
        });
        assert_eq!(works, [17, 18, 19, 20, 20, 20]);
    }

    #[test]
    fn when_the_crowd_is_gone_it_is_a_bit_less_each_minute_and_then_nothing() {
        let start = Instant::now();
        let mut newcomers = Newcomers::new(POLICY, start);
        let mut now = start + SECOND * 60;
        assert_eq!(crowd(&mut newcomers, 1000, 60, start), 20);
        let mut seen = Vec::new();
        for _ in 0..8 {
            seen.push(newcomers.bits_of_all(now));
            now += Duration::from_mins(1);
        }
        assert_eq!(seen, [20, 19, 18, 17, 16, 0, 0, 0]);
    }

    #[test]
    fn from_where_many_come_is_worked_while_others_are_spared() {
        let now = Instant::now();
        let mut newcomers = Newcomers::new(POLICY, now);
        let works: Vec<u32> = (0..30)
            .map(|_| newcomers.arrive(Some(place(1)), now))
            .collect();
        assert_eq!((works[0], works[14]), (0, 0));
        assert_eq!((works[15], works[28], works[29]), (16, 16, 17));
        assert_eq!(newcomers.bits(Some(place(2)), now), 0);
        assert_eq!(newcomers.bits(None, now), 0);
    }

    #[test]
    fn what_is_off_asks_nobody() {
        let start = Instant::now();
        let mut newcomers = Newcomers::new(NewcomerPolicy::OFF, start);
        assert!(!newcomers.is_on());
        for _ in 0..1000 {
            assert_eq!(newcomers.arrive(Some(place(1)), start), 0);
        }
        let only_places = NewcomerPolicy {
            per_minute: 0,
            ..POLICY
        };
        let mut newcomers = Newcomers::new(only_places, start);
        assert!(newcomers.is_on());
        assert_eq!(crowd(&mut newcomers, 1000, 10, start), 0);
    }

    #[test]
    fn those_who_cannot_work_come_in_at_a_fourth_of_the_pace_while_others_work() {
        let now = Instant::now();
        let mut newcomers = Newcomers::new(POLICY, now);
        assert_eq!(newcomers.lane_pause(now), SECOND);
        crowd(&mut newcomers, 100, 2, now);
        assert_eq!(newcomers.lane_pause(now), SECOND * 4);
        let few = NewcomerPolicy {
            per_minute: 1,
            ..POLICY
        };
        let mut newcomers = Newcomers::new(few, now);
        crowd(&mut newcomers, 100, 2, now);
        assert_eq!(newcomers.lane_pause(now), LANE_PAUSE);
    }

    fn any_policy() -> impl Strategy<Value = NewcomerPolicy> {
        let budget = prop_oneof![Just(0), 1_u32..100, Just(u32::MAX)];
        (budget.clone(), budget, 10_u32..=22).prop_map(
            |(per_minute, per_minute_per_ip, most_bits)| NewcomerPolicy {
                per_minute,
                per_minute_per_ip,
                most_bits,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn work_is_bounded_grows_only_with_newcomers_and_ends_after_them(
            policy in any_policy(),
            steps in proptest::collection::vec((0_u64..5_000, 1_u8..4), 0..300),
        ) {
            let mut now = Instant::now();
            let mut newcomers = Newcomers::new(policy, now);
            for (pause_ms, from) in steps {
                let before = newcomers.bits(Some(place(from)), now);
                now += Duration::from_millis(pause_ms);
                let rested = newcomers.bits(Some(place(from)), now);
                prop_assert!(rested <= before, "time only helps");
                prop_assert_eq!(newcomers.arrive(Some(place(from)), now), rested);
                let next = newcomers.bits(Some(place(from)), now);
                prop_assert!((rested..=rested.max(FIRST_BITS) + 1).contains(&next), "by doubling, not by leaps");
                prop_assert!(next <= policy.most_bits);
                prop_assert!(next >= newcomers.bits_of_all(now));
                prop_assert!(newcomers.lane_pause(now) <= LANE_PAUSE);
            }
            let minutes = policy.most_bits.saturating_sub(FIRST_BITS) + 2;
            for from in 1..4 {
                prop_assert_eq!(newcomers.bits(Some(place(from)), now + HALF_LIFE * minutes), 0);
            }
        }

        #[test]
        fn nobody_works_where_no_more_come_than_may(budget in 1_u32..2000, from in 0_u8..9) {
            let policy = NewcomerPolicy { per_minute: budget, per_minute_per_ip: budget, most_bits: 20 };
            let mut now = Instant::now();
            let mut newcomers = Newcomers::new(policy, now);
            for _ in 0..3 * budget {
                prop_assert_eq!(newcomers.arrive(Some(place(from)), now), 0);
                now += Duration::from_mins(1) / budget + Duration::from_micros(20);
            }
        }
    }
}
