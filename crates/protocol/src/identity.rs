//! Who somebody is, as far as a server may know: a key, proved by a signature over what the server made up for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Hex, from_hex};

/// What stands before the challenge in what is signed, so that no signature made for this can be taken for another one, or
/// the other way round.
const DOMAIN: &[u8] = b"passerby identity v1\0";

/// A number of bytes that travel as twice as many lower-case hex digits, and this was something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} lower-case hex digits are wanted")]
pub struct InvalidHex(usize);

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Of these bytes.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidHex;

            fn try_from(text: String) -> Result<Self, InvalidHex> {
                from_hex(&text).map(Self).ok_or(InvalidHex(2 * $bytes))
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> Self {
                it.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Hex(&self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            /// Leaves the digits out: a log must not tell one person from another.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

hex_bytes! {
    /// What a server made up for one session, to be signed: 128 random bits, 32 digits.
    Challenge, 16
}
hex_bytes! {
    /// An Ed25519 public key (RFC 8032): 64 digits.
    PublicKey, 32
}
hex_bytes! {
    /// An Ed25519 signature (RFC 8032): 128 digits.
    Signature, 64
}
hex_bytes! {
    /// The SHA-256 of a line of chat as it was signed: 64 digits.
    LineHash, 32
}
hex_bytes! {
    /// The number that is found by work: 64 bits, the most significant first, 16 digits.
    Nonce, 8
}
hex_bytes! {
    /// What a server calls one person towards another one, always the same towards the same: 32 digits. Nobody else can tell
    /// whom it means, and two people who compare what they have cannot tell whether they have met the same one.
    Handle, 16
}

impl Challenge {
    /// What is signed to prove a key: a fixed text, and the challenge.
    pub fn statement(&self) -> Vec<u8> {
        [DOMAIN, &self.0].concat()
    }
}
