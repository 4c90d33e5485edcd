//! How long one has to wait who asks too often: longer each time, until there was a pause.
//!
//! A door that is shut hits people who share an address, or press a key too often, and costs an attacker nothing. A delay
//! that grows costs him his time and leaves everybody else's request whole.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ::relay::{Bucket, Place, Rate};

/// How much longer each one waits than the one before.
const STEP: Duration = Duration::from_millis(250);
/// The longest delay: less than it takes until one who says nothing is taken for gone, or a handshake is given up.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// How often one has asked.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    bucket: Bucket,
    /// How many were too many since there was a pause.
    over: u32,
}

impl Pace {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            bucket: Bucket::new(now),
            over: 0,
        }
    }

    /// How long what costs so many `units` must wait; zero within the rate.
    pub(crate) fn delay(&mut self, units: u64, rate: Rate, now: Instant) -> Duration {
        if self.bucket.is_full(now) {
            self.over = 0;
        }
        if self.bucket.take(units, rate, now) {
            return Duration::ZERO;
        }
        self.over = self.over.saturating_add(1);
        (STEP * self.over).min(LONGEST)
    }
}

/// How many paces there are. Two places that share one share its rate; nobody can choose whom to share with, since the hash
/// has a random key.
const PACES: usize = 4096;

/// The paces of all addresses (IPv6: of each /64), in a memory of fixed size.
#[derive(Debug)]
pub(crate) struct PlacePaces {
    paces: Mutex<Box<[Pace]>>,
    hasher: RandomState,
    rate: Rate,
}

impl PlacePaces {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            paces: Mutex::new(vec![Pace::new(now); PACES].into()),
            hasher: RandomState::new(),
            rate,
        }
    }

    /// How long the next one from there must wait.
    pub(crate) fn delay(&self, ip: IpAddr, now: Instant) -> Duration {
        let at = self.hasher.hash_one(Place::from(ip)) as usize % PACES;
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces[at].delay(1, self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 1,
        burst: 20,
    };

    #[test]
    fn who_asks_too_often_waits_longer_each_time_and_never_for_long() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let delays: Vec<Duration> = (0..60).map(|_| pace.delay(1, RATE, now)).collect();

        assert!(delays[..20].iter().all(Duration::is_zero));
        assert_eq!(delays[20..23], [STEP, STEP * 2, STEP * 3]);
        assert_eq!(delays.last(), Some(&LONGEST));
    }

    #[test]
    fn who_waits_as_told_gets_through_and_a_pause_forgives() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut now = start;
        // A robot that asks again at once, whenever it has waited.
        for _ in 0..200 {
            now += pace.delay(1, RATE, now);
        }
        let took = now - start;
        assert!(took >= Duration::from_mins(2), "{took:?}");
        let later = now + Duration::from_secs(21);
        assert_eq!(pace.delay(1, RATE, later), Duration::ZERO);
        let delays: Vec<Duration> = (0..20).map(|_| pace.delay(1, RATE, later)).collect();
        assert_eq!(delays.last(), Some(&STEP));
    }

    #[test]
    fn one_who_asks_at_the_rate_never_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for second in 0..1000 {
            let now = start + Duration::from_secs(second);
            assert_eq!(pace.delay(1, RATE, now), Duration::ZERO);
        }
    }

    #[test]
    fn an_address_that_asks_too_often_does_not_slow_others_down() {
        let now = Instant::now();
        let paces = PlacePaces::new(RATE, now);
        let loud: IpAddr = [192, 0, 2, 1].into();
        assert!((0..100).any(|_| paces.delay(loud, now) == LONGEST));
        let others = (2..=250_u8).map(|last| IpAddr::from([192, 0, 2, last]));
        let undisturbed = others.filter(|&ip| paces.delay(ip, now).is_zero()).count();
        assert!(undisturbed >= 247, "few share a pace: {undisturbed}");
    }
}
