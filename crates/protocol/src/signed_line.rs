//! Lines of chat that can be shown to a server which has never seen them (`docs/decisions/0026-signed-chat.md`).

use serde::{Deserialize, Serialize};

use crate::{LineHash, RoomId, Signature};

/// What stands before all else in what is signed, so that no signature made for this can be taken for another one.
const DOMAIN: &[u8] = b"passerby chat v1\0";

/// A line of chat, with what proves in which room and after which other lines it was written by whoever has the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLine {
    /// Which of its writer's lines in this room, from 1.
    pub number: u32,
    /// The hash of the one before.
    pub previous: LineHash,
    /// What was written, at most [`limits::CHAT_CHARS`](crate::limits::CHAT_CHARS) characters.
    pub text: String,
    /// Over [`SignedLine::statement`], by the writer's key for the room.
    pub signature: Signature,
}

/// What goes with a line to the partner, who knows the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// As in [`SignedLine`].
    pub number: u32,
    /// As in [`SignedLine`].
    pub signature: Signature,
}

impl LineHash {
    /// What stands before the first line.
    pub const NOTHING: Self = Self::from_bytes([0; 32]);
}

impl SignedLine {
    /// What is signed, and of which the SHA-256 is the [`SignedLine::previous`] of the next one.
    pub fn statement(&self, room: &RoomId) -> Vec<u8> {
        line_statement(room, self.number, &self.previous, &self.text)
    }
}

/// What is signed of a line that has no signature yet.
pub fn line_statement(room: &RoomId, number: u32, previous: &LineHash, text: &str) -> Vec<u8> {
    [
        DOMAIN,
        room.as_bytes(),
        &number.to_be_bytes(),
        previous.as_bytes(),
        text.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_has_the_room_the_place_and_the_words_and_is_told_from_all_else() {
        let line = SignedLine {
            number: 0x0102,
            previous: LineHash::from_bytes([9; 32]),
            text: "Grüße".to_owned(),
            signature: Signature::from_bytes([0; 64]),
        };
        let expected = [
            &b"passerby chat v1\0"[..],
            &[7; 16],
            &[0, 0, 1, 2],
            &[9; 32],
            "Grüße".as_bytes(),
        ];
        let statement = line.statement(&RoomId::from_bytes([7; 16]));
        assert_eq!(statement, expected.concat());
    }
}
