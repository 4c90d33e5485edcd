//! Random names that cannot be guessed.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// One pairing of two clients: a random name that cannot be guessed (128 bits, 32 lower-case hex digits).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId([u8; 16]);

/// A secret that stands for one client's session with the server: 128 random bits, 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResumeToken([u8; 16]);

/// A room's name is 32 lower-case hex digits, and this was something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room id is 32 lower-case hex digits")]
pub struct InvalidRoomId;

/// A session's token is 32 lower-case hex digits, and this was something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a resume token is 32 lower-case hex digits")]
pub struct InvalidResumeToken;

impl RoomId {
    /// Makes a room's name of 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl ResumeToken {
    /// Makes a token of 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for RoomId {
    type Error = InvalidRoomId;

    fn try_from(text: String) -> Result<Self, InvalidRoomId> {
        from_hex(&text).map(Self).ok_or(InvalidRoomId)
    }
}

impl TryFrom<String> for ResumeToken {
    type Error = InvalidResumeToken;

    fn try_from(text: String) -> Result<Self, InvalidResumeToken> {
        from_hex(&text).map(Self).ok_or(InvalidResumeToken)
    }
}

impl From<RoomId> for String {
    fn from(room: RoomId) -> Self {
        room.to_string()
    }
}

impl From<ResumeToken> for String {
    fn from(token: ResumeToken) -> Self {
        Hex(&token.0).to_string()
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({self})")
    }
}

impl fmt::Debug for ResumeToken {
    /// Leaves the secret out, so that no log ever holds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken")
    }
}

// By hand, and so without a string of its own: there is one in nearly each message.
impl Serialize for RoomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for RoomId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_str(HexVisitor)?;
        bytes
            .map(Self)
            .ok_or_else(|| D::Error::custom(InvalidRoomId))
    }
}

impl Serialize for ResumeToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for ResumeToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserializer.deserialize_str(HexVisitor)?;
        bytes
            .map(Self)
            .ok_or_else(|| D::Error::custom(InvalidResumeToken))
    }
}

/// Reads 32 lower-case hex digits; `None` if it is some other text.
struct HexVisitor;

impl Visitor<'_> for HexVisitor {
    type Value = Option<[u8; 16]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(from_hex(text))
    }
}

pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0.chunks(32).try_for_each(|bytes| {
            let mut text = [0; 64];
            for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
                pair[0] = DIGITS[usize::from(byte >> 4)];
                pair[1] = DIGITS[usize::from(byte & 15)];
            }
            let text = std::str::from_utf8(&text[..2 * bytes.len()]);
            f.write_str(text.map_err(|_| fmt::Error)?)
        })
    }
}

pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
