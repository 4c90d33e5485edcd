//! How often people may report and block.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    time::Instant,
};

use ::relay::{Bucket, Rate};
use matchmaker::PeerId;

use super::Person;

/// How many buckets of each kind there are. Two who share one share its rate; nobody can choose with whom, since the hash has
/// a random key.
const BUCKETS: usize = 4096;

/// One person: ten at once, three a minute.
const OF_PERSON: Rate = Rate {
    per_second: 1,
    burst: 200,
};
const PERSON_COST: u64 = 20;
/// One address: sixty at once, thirty a minute.
const OF_PLACE: Rate = Rate {
    per_second: 1,
    burst: 120,
};
const PLACE_COST: u64 = 2;

/// See the module. Of a fixed size; the time is an argument.
#[derive(Debug)]
pub(crate) struct ReportLimits {
    people: Box<[Bucket]>,
    places: Box<[Bucket]>,
    hasher: RandomState,
}

impl ReportLimits {
    pub(crate) fn new(now: Instant) -> Self {
        let buckets = || vec![Bucket::new(now); BUCKETS].into();
        Self {
            people: buckets(),
            places: buckets(),
            hasher: RandomState::new(),
        }
    }

    /// Whether one may report or block somebody now. Counts for the key, for the address if it says who it is, and otherwise for the
    /// session.
    pub(crate) fn take(&mut self, person: &Person, peer: PeerId, now: Instant) -> bool {
        let own = match person.who() {
            Some(who) => self.at(who),
            None => self.at(peer),
        };
        let place = (!person.is_shared).then(|| self.at(person.place));
        if !self.people[own].take(PERSON_COST, OF_PERSON, now) {
            return false;
        }
        place.is_none_or(|place| self.places[place].take(PLACE_COST, OF_PLACE, now))
    }

    fn at(&self, of: impl Hash) -> usize {
        self.hasher.hash_one(of) as usize % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::safety::KeyHash;

    fn person(key: u8, place: u8) -> Person {
        Person {
            key: Some(KeyHash([key; 16])),
            ..Person::at([192, 0, 2, place].into(), false)
        }
    }

    #[test]
    fn one_may_report_some_people_and_then_has_to_wait() {
        let now = Instant::now();
        let mut limits = ReportLimits::new(now);
        let mut taken = |now| {
            (0..100)
                .filter(|session| limits.take(&person(1, 1), PeerId(*session), now))
                .count()
        };
        assert_eq!(taken(now), 10, "whatever the session");
        assert_eq!(taken(now + Duration::from_mins(1)), 3);
    }

    #[test]
    fn new_keys_do_not_help_at_one_address() {
        let now = Instant::now();
        let mut limits = ReportLimits::new(now);
        let taken = (0..200).filter(|key| limits.take(&person(*key, 1), PeerId(1), now));
        assert!(taken.count() <= 60);
        let shared = Person {
            is_shared: true,
            ..person(201, 1)
        };
        assert!(
            limits.take(&shared, PeerId(1), now),
            "a proxy is not an address of one"
        );
    }
}
