//! How often a place may ask without proving who it is.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    time::Instant,
};

use crate::{Bucket, Rate};

/// How many buckets there are. Two places that share one share its rate; nobody can choose whom to share with, since
/// the hash has a random key.
const BUCKETS: usize = 16_384;

/// Where something comes from: an IPv4 address, or an IPv6 /64, which is what one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(u64);

impl From<IpAddr> for Place {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            // No IPv6 /64 of the internet begins with 32 zeros.
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits())),
            IpAddr::V6(ip) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Buckets for all places there are, of a fixed size.
#[derive(Debug)]
pub(crate) struct Sources {
    buckets: Box<[Bucket]>,
    hasher: RandomState,
    rate: Rate,
}

impl Sources {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            buckets: vec![Bucket::new(now); BUCKETS].into(),
            hasher: RandomState::new(),
            rate,
        }
    }

    /// Whether one more request from there is to be answered.
    pub(crate) fn admit(&mut self, ip: IpAddr, now: Instant) -> bool {
        let at = self.hasher.hash_one(Place::from(ip)) as usize % BUCKETS;
        self.buckets[at].take(1, self.rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_asks_too_often_is_not_answered_and_others_are() {
        let now = Instant::now();
        let rate = Rate {
            per_second: 20,
            burst: 100,
        };
        let mut sources = Sources::new(rate, now);
        // One /64, many addresses.
        let loud = |i: u64| IpAddr::from(((0x2001_0db8_u128) << 96 | u128::from(i)).to_be_bytes());
        let answered = (0..1000).filter(|&i| sources.admit(loud(i), now)).count();

        assert_eq!(answered, 100);
        let others = (0..50_u8).filter(|&i| sources.admit([192, 0, 2, i].into(), now));
        assert!(others.count() >= 49, "at most one shares the bucket");
    }

    #[test]
    fn an_ipv4_address_is_the_same_place_in_both_its_forms() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Place::from(v4), Place::from(mapped));
    }
}
