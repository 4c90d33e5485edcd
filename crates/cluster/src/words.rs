//! What servers say to each other.

use protocol::{ClientMessage, Description, LeaveReason, RoomId};
use serde::{Deserialize, Serialize};

use crate::{NodeId, Tag, Ticket};

/// One thing that a server says to another. Words arrive in order, each once (`link.rs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub(crate) enum Word {
    /// Whoever waits with this ticket may meet somebody of the sender's.
    Propose {
        room: RoomId,
        ticket: Ticket,
        introduction: Box<Introduction>,
    },
    /// The one who was proposed for is in the room.
    Accept {
        room: RoomId,
        acceptance: Box<Acceptance>,
    },
    /// The one who was proposed for is gone, or must not meet the other one.
    Refuse {
        room: RoomId,
        /// Not in any other room either.
        is_forever: bool,
    },
    /// The one for whom this ticket was taken is gone: it is worth nothing now.
    Decline { ticket: Ticket },
    /// One of the two in a room says something to the other.
    Said {
        room: RoomId,
        message: ClientMessage,
    },
    /// The sender's one of the two has left the room, or there is none.
    Gone { room: RoomId, reason: LeaveReason },
    /// All rooms that the two servers had together are over for the sender.
    Reset,
    /// … and so is the sender: it ends in good order.
    Farewell,
}

/// Who somebody is and what he wants, as the other one's server must know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The session.
    pub who: Tag,
    /// The hash of the key, if one is proved: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The address or network that counts as one person's place.
    pub place: String,
    /// Whether all kinds of people come from there.
    pub is_shared: bool,
    /// What the person likes to talk about.
    pub interests: Vec<String>,
    /// The language that the person wants to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether the client takes an offer with `matched`.
    pub takes_offer_ahead: bool,
    /// The offer that the client has told ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Description>,
}

/// Somebody is in the room that was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Who. The offer is there only if it is for the proposer's one.
    pub introduction: Introduction,
    /// What both like, sorted.
    pub interests: Vec<String>,
    /// Whether the accepting side sends the first offer.
    pub offers: bool,
    /// The number of the proposer's offer, if it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<u32>,
}

/// What the bus carries: some words in a row, and up to where the other side's were heard.
#[derive(Debug, Deserialize)]
pub(crate) struct Packet {
    pub(crate) from: NodeId,
    /// Which run of words they belong to; later runs have greater numbers.
    pub(crate) run: u64,
    /// The number of the first of them; the first of a run has 1.
    pub(crate) first: u64,
    pub(crate) words: Vec<Word>,
    /// The last word that was heard of the receiver: its run, and its number there.
    pub(crate) heard: (u64, u64),
}

/// Writes a [`Packet`] of words that are written already.
pub(crate) fn packet<'a>(
    from: NodeId,
    run: u64,
    first: u64,
    words: impl Iterator<Item = &'a str>,
    (heard_run, heard): (u64, u64),
) -> String {
    let words: Vec<&str> = words.collect();
    format!(
        "{{\"from\":\"{from}\",\"run\":{run},\"first\":{first},\"words\":[{}],\"heard\":[{heard_run},{heard}]}}",
        words.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_is_written() {
        let room = RoomId::from_bytes([7; 16]);
        let words = [
            Word::Reset,
            Word::Gone {
                room,
                reason: LeaveReason::Next,
            },
            Word::Said {
                room,
                message: ClientMessage::Candidate {
                    room,
                    candidate: None,
                },
            },
        ];
        let written = words
            .each_ref()
            .map(|word| serde_json::to_string(word).expect("text"));
        let text = packet(NodeId(5), 3, 9, written.iter().map(String::as_str), (1, 2));

        let read: Packet = serde_json::from_str(&text).expect("a packet");

        assert_eq!((read.from, read.run, read.first), (NodeId(5), 3, 9));
        assert_eq!((&read.words[..], read.heard), (&words[..], (1, 2)));
        assert!(serde_json::from_str::<Packet>("{}").is_err());
    }
}
