//! How often a place may ask without proving who it is.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    time::Instant,
};

use crate::{Bucket, Client, Rate};

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

    /// Whether one more request of a client is to be answered. By UDP anybody can write a place's address on what he
    /// sends: that must not keep those out who come from there by TCP.
    pub(crate) fn admit(&mut self, client: Client, now: Instant) -> bool {
        let is_stream = matches!(client, Client::Stream { .. });
        let key = (Place::from(client.addr().ip()), is_stream);
        let at = self.hasher.hash_one(key) as usize % BUCKETS;
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
        let answered = (0..1000).filter(|&i| sources.admit(udp(loud(i)), now));

        assert_eq!(answered.count(), 100);
        let others = (0..50_u8).filter(|&i| sources.admit(udp([192, 0, 2, i].into()), now));
        assert!(others.count() >= 49, "at most one shares the bucket");
    }

    #[test]
    fn a_flood_by_udp_does_not_keep_those_out_who_come_by_tcp() {
        let now = Instant::now();
        let mut sources = Sources::new(Rate::of(10), now);
        let tcp = |ip| Client::Stream {
            id: 1,
            addr: (ip, 9).into(),
        };
        let mut answered = 0;
        for i in 0..50_u8 {
            let ip = IpAddr::from([192, 0, 2, i]);
            while sources.admit(udp(ip), now) {}
            answered += u32::from(sources.admit(tcp(ip), now));
        }
        assert!(answered >= 45, "few share a bucket: {answered}");
    }

    fn udp(ip: IpAddr) -> Client {
        Client::Datagram {
            listener: 0,
            addr: (ip, 9).into(),
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_place_in_both_its_forms() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Place::from(v4), Place::from(mapped));
    }
}
