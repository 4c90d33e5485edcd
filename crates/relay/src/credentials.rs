//! Credentials that need no list of users (draft-uberti-behave-turn-rest-00): the name says until when it is good, the
//! password proves that somebody who knows the secret made it.

use std::{fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;

/// What signalling server and relay share. The first secret makes credentials, all are taken: a secret is changed by
/// putting the new one in front, and removing the old one when the last credentials made with it have expired.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

/// Why credentials are no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// No secret made them.
    #[error("the credentials were not made here")]
    Wrong,
    /// They were good once.
    #[error("the credentials have expired")]
    Expired,
}

impl fmt::Debug for Secrets {
    /// Leaves the secrets out, so that no log ever holds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// `None` if there is no secret or an empty one: HMAC with an empty key protects nothing.
    pub fn new(secrets: Vec<String>) -> Option<Self> {
        let is_good = !secrets.is_empty() && secrets.iter().all(|secret| !secret.is_empty());
        is_good.then_some(Self(secrets))
    }

    /// User name and password, good for `ttl`. `unix_time` is the time since 1970, `id` what tells this user from all
    /// others.
    pub fn mint(&self, unix_time: Duration, ttl: Duration, id: u64) -> (String, String) {
        let expiry = unix_time.saturating_add(ttl).as_secs();
        let username = format!("{expiry}:{id:016x}");
        let password = password(&self.0[0], &username);
        (username, password)
    }

    /// The long-term key of `username` in `realm`, if `is_key` recognises the one that one of the secrets gives.
    pub(crate) fn authenticate(
        &self,
        username: &str,
        realm: &str,
        is_key: impl Fn(&[u8; 16]) -> bool,
    ) -> Result<[u8; 16], CredentialError> {
        self.0
            .iter()
            .map(|secret| long_term_key(username, realm, &password(secret, username)))
            .find(is_key)
            .ok_or(CredentialError::Wrong)
    }
}

/// Whether a name is still good at `unix_time`, and whose it is.
pub(crate) fn user_of(username: &str, unix_time: Duration) -> Result<&str, CredentialError> {
    let (expiry, user) = username.split_once(':').ok_or(CredentialError::Wrong)?;
    let expiry: u64 = expiry.parse().map_err(|_| CredentialError::Wrong)?;
    if unix_time.as_secs() < expiry {
        Ok(user)
    } else {
        Err(CredentialError::Expired)
    }
}

fn password(secret: &str, username: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(username.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The key of long-term credentials: MD5 of `username:realm:password` (RFC 8489 §9.2.2). STUN prescribes it; what
/// protects is the HMAC that it keys.
pub fn long_term_key(username: &str, realm: &str, password: &str) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in [username, ":", realm, ":", password] {
        md5.update(part.as_bytes());
    }
    md5.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(secrets: &[&str]) -> Secrets {
        Secrets::new(secrets.iter().map(ToString::to_string).collect()).unwrap()
    }

    const NOW: Duration = Duration::from_secs(1_400_000_000);

    fn is_taken(by: &Secrets, username: &str, password: &str) -> bool {
        let key = long_term_key(username, "realm", password);
        by.authenticate(username, "realm", |candidate| *candidate == key) == Ok(key)
    }

    #[test]
    fn minted_credentials_are_what_coturn_computes() {
        let (username, password) = secrets(&["north"]).mint(NOW, Duration::from_hours(1), 0xab);

        assert_eq!(username, "1400003600:00000000000000ab");
        // printf 1400003600:00000000000000ab | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(password, "VCW/QYNqhyGS/dAhHZoPUXBGSIE=");
    }

    #[test]
    fn the_key_is_that_of_the_standard() {
        // RFC 5389 §15.4.
        let key = long_term_key("user", "realm", "pass");

        assert_eq!(
            u128::from_be_bytes(key),
            0x8493_fbc5_3ba5_82fb_4c04_4c45_6bdc_40eb
        );
    }

    #[test]
    fn a_secret_can_be_changed_without_refusing_anybody() {
        let old = secrets(&["north"]);
        let both = secrets(&["south", "north"]);
        let (username, password) = old.mint(NOW, Duration::from_hours(1), 1);
        let (new_username, new_password) = both.mint(NOW, Duration::from_hours(1), 2);

        assert!(is_taken(&both, &username, &password));
        assert!(is_taken(&both, &new_username, &new_password));
        assert!(!is_taken(&old, &new_username, &new_password));
        assert!(!is_taken(&secrets(&["south"]), &username, &password));
    }

    #[test]
    fn a_name_is_good_until_it_expires() {
        let second = Duration::from_secs(1);
        assert_eq!(user_of("1400000001:me", NOW), Ok("me"));
        assert_eq!(
            user_of("1400000001:me", NOW + second),
            Err(CredentialError::Expired)
        );
        for wrong in [
            "me",
            "",
            ":",
            "me:1400000001",
            "-1:me",
            "99999999999999999999999:me",
        ] {
            assert_eq!(user_of(wrong, NOW), Err(CredentialError::Wrong), "{wrong}");
        }
    }

    #[test]
    fn there_is_no_empty_secret_and_none_in_debug_output() {
        assert_eq!(Secrets::new(vec![]), None);
        assert_eq!(Secrets::new(vec![String::new()]), None);
        assert!(!format!("{:?}", secrets(&["north"])).contains("north"));
    }
}
