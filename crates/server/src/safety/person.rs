//! By what a person is known to a server.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use protocol::PublicKey;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::Network;

/// What is kept of a key: the first half of its SHA-256. Keys have no fewer bits than that, so that it needs no salt; and
/// whoever gets hold of the store can prove nobody's identity with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct KeyHash(pub(crate) [u8; 16]);

/// The text is no hash of a key.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a key is 32 hexadecimal digits")]
pub(crate) struct InvalidKeyHash;

impl KeyHash {
    pub(crate) fn of(key: &PublicKey) -> Self {
        let whole = digest(&SHA256, key.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&whole.as_ref()[..16]);
        Self(half)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl From<KeyHash> for String {
    fn from(key: KeyHash) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for KeyHash {
    type Error = InvalidKeyHash;

    fn try_from(text: String) -> Result<Self, InvalidKeyHash> {
        let is_hex = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| is_hex);
        number
            .map(|number| Self(number.to_be_bytes()))
            .ok_or(InvalidKeyHash)
    }
}

/// One who is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Person {
    /// The key, once it is proved.
    pub(crate) key: Option<KeyHash>,
    /// An IPv4 address, or an IPv6 /64.
    pub(crate) place: Network,
    /// Whether all kinds of people come from there: nothing follows from the address then.
    pub(crate) is_shared: bool,
}

/// What reports count for, and from: a key or, without one, an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    Key(KeyHash),
    Place(Network),
}

impl Default for Person {
    /// Nobody who could be told from others.
    fn default() -> Self {
        Self::at(Ipv4Addr::UNSPECIFIED.into(), true)
    }
}

impl Person {
    pub(crate) fn at(ip: IpAddr, is_shared: bool) -> Self {
        Self {
            key: None,
            place: Network::place_of(ip),
            is_shared,
        }
    }

    /// `None` for one who cannot be told from others.
    pub(crate) fn who(&self) -> Option<Who> {
        match self.key {
            Some(key) => Some(Who::Key(key)),
            None if self.is_shared => None,
            None => Some(Who::Place(self.place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_it_is_read() {
        let hash = KeyHash::of(&PublicKey::from_bytes([7; 32]));
        let text = hash.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(KeyHash::try_from(text).ok(), Some(hash));
        for wrong in ["", "7", &"g".repeat(32), &format!("+{}", "0".repeat(31))] {
            assert!(KeyHash::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_has_no_key_is_known_by_the_address_unless_everybody_has_it() {
        let ip = "2001:db8:1:2:3::4".parse().expect("an address");
        let alone = Person::at(ip, false);
        assert_eq!(
            alone.who(),
            Some(Who::Place("2001:db8:1:2::/64".parse().expect("a network")))
        );
        assert_eq!(Person::at(ip, true).who(), None);
        let key = KeyHash([1; 16]);
        let known = Person {
            key: Some(key),
            ..Person::at(ip, true)
        };
        assert_eq!(known.who(), Some(Who::Key(key)));
    }
}
