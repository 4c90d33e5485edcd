//! Nonces that need no memory: each carries its expiry and proves by an HMAC that it was made here, for this client.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// Bytes of a nonce before they are written as text.
const LEN: usize = 15;

/// Characters of a nonce.
pub(crate) const TEXT_LEN: usize = 20;

/// Makes nonces and knows its own.
#[derive(Clone)]
pub(crate) struct Nonces {
    mac: Hmac<Sha1>,
    start: Instant,
    lifetime: Duration,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

impl Nonces {
    /// `key` is random; with it anybody could make nonces.
    pub(crate) fn new(key: &[u8; 32], lifetime: Duration, start: Instant) -> Self {
        let mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self {
            mac,
            start,
            lifetime,
        }
    }

    /// A nonce for a client.
    pub(crate) fn make(&self, client: SocketAddr, now: Instant) -> String {
        let expiry = self.seconds(now) + self.lifetime.as_secs();
        BASE64_STANDARD_NO_PAD.encode(self.nonce(client, expiry as u32))
    }

    /// Whether a nonce was made for this client and has not expired.
    pub(crate) fn is_good(&self, nonce: &[u8], client: SocketAddr, now: Instant) -> bool {
        let mut bytes = [0; LEN];
        if nonce.len() != TEXT_LEN
            || BASE64_STANDARD_NO_PAD.decode_slice(nonce, &mut bytes) != Ok(LEN)
        {
            return false;
        }
        let expiry = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        // Not in constant time: a guess that is right by the byte gains only a nonce, which everybody is given.
        self.seconds(now) < u64::from(expiry) && bytes == self.nonce(client, expiry)
    }

    fn seconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }

    fn nonce(&self, client: SocketAddr, expiry: u32) -> [u8; LEN] {
        let mut mac = self.mac.clone();
        mac.update(&expiry.to_be_bytes());
        match client.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&client.port().to_be_bytes());
        let proof = mac.finalize().into_bytes();
        let mut nonce = [0; LEN];
        nonce[..4].copy_from_slice(&expiry.to_be_bytes());
        nonce[4..].copy_from_slice(&proof[..LEN - 4]);
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_nonce_is_good_for_its_client_until_it_expires() {
        let start = Instant::now();
        let nonces = Nonces::new(&[7; 32], HOUR, start);
        let client: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let nonce = nonces.make(client, start + HOUR);

        assert_eq!(nonce.len(), TEXT_LEN);
        assert!(nonces.is_good(nonce.as_bytes(), client, start + HOUR));
        assert!(nonces.is_good(nonce.as_bytes(), client, start + Duration::from_secs(7199)));
        assert!(!nonces.is_good(nonce.as_bytes(), client, start + HOUR * 2));
        let other = "192.0.2.1:5001".parse().unwrap();
        assert!(!nonces.is_good(nonce.as_bytes(), other, start + HOUR));
    }

    #[test]
    fn what_was_not_made_here_is_no_good() {
        let now = Instant::now();
        let nonces = Nonces::new(&[7; 32], HOUR, now);
        let client: SocketAddr = "[2001:db8::1]:5000".parse().unwrap();
        let nonce = nonces.make(client, now).into_bytes();

        for at in 0..nonce.len() {
            let mut changed = nonce.clone();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(!nonces.is_good(&changed, client, now), "{at}");
        }
        assert!(!nonces.is_good(&nonce[..19], client, now));
        assert!(!nonces.is_good(b"", client, now));
        assert!(!Nonces::new(&[8; 32], HOUR, now).is_good(&nonce, client, now));
    }
}
