//! One JSON text in, one JSON text out, and no more than the limits allow.

use std::cell::RefCell;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Candidate, ClientMessage, Description, DescriptionKind, PeerMessage, RoomId, ServerMessage,
    limits,
};

/// Why a text is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text is not JSON, or a field is missing or of the wrong kind. Says which, without quoting the text.
    #[error("not a valid message: {0}")]
    Malformed(String),
    /// The text is JSON with a `type` that this version does not know.
    #[error("messages of type {0:?} are not known")]
    UnknownType(String),
    /// A part of the message is over its limit.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The limit, in the unit of that part (see [`limits`]).
        limit: usize,
    },
}

/// A message that travels as JSON text.
pub trait Wire: Serialize + DeserializeOwned {
    /// The values of `type` that this version knows.
    const TYPES: &'static [&'static str];
    /// The longest text, in bytes.
    const MAX_BYTES: usize;

    /// Checks the sizes of the message's parts.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] names the first part that is over its limit.
    fn check(&self) -> Result<(), DecodeError>;

    /// Reads a message of a kind that there are most of, by a shorter way: serde's for enums keeps all fields until it has seen the
    /// type. `None` for all others, and for what is not right: the long way says what is wrong.
    fn read_quickly(_text: &str) -> Option<Self> {
        None
    }
}

/// What a server passes on.
#[derive(Deserialize)]
struct Relayed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    room: RoomId,
    #[serde(default)]
    description: Option<Description>,
    #[serde(default)]
    candidate: Option<Candidate>,
}

/// Reads one message. Fields that this version does not know are ignored.
///
/// # Errors
/// Says in words what is wrong with the text. Never quotes it, so that an error may be logged, except for the first
/// characters of an unknown type.
pub fn decode<M: Wire>(text: &str) -> Result<M, DecodeError> {
    at_most("the message", text.len(), M::MAX_BYTES)?;
    if let Some(message) = M::read_quickly(text) {
        message.check()?;
        return Ok(message);
    }
    // Nearly always it is one of ours: the way past a tree of values takes half the time.
    if let Ok(message) = serde_json::from_str::<M>(text) {
        message.check()?;
        return Ok(message);
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    if let Some(kind) = value.get("type").and_then(serde_json::Value::as_str)
        && !M::TYPES.contains(&kind)
    {
        return Err(DecodeError::UnknownType(kind.chars().take(40).collect()));
    }
    let message: M = serde_json::from_value(value).map_err(|error| malformed(&error))?;
    message.check()?;
    Ok(message)
}

/// Keeps of serde's words what does not come from the sender: "invalid type: string "…", expected u32" quotes the
/// text, and that may be an SDP.
fn malformed(error: &serde_json::Error) -> DecodeError {
    let words = error.to_string();
    let safe = words
        .rfind(", expected ")
        .map_or(words.as_str(), |at| &words[at + 2..]);
    DecodeError::Malformed(safe.to_owned())
}

/// Writes one message.
///
/// # Panics
/// Never: every message is made of strings, numbers and lists.
pub fn encode<M: Wire>(message: &M) -> String {
    thread_local! {
        /// Here a text grows, so that it is copied and allocated once, and takes no more than it is long while it waits.
        static DRAFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    DRAFT.with_borrow_mut(|draft| {
        draft.clear();
        serde_json::to_writer(&mut *draft, message)
            .expect("a message has no map keys or values that JSON cannot hold");
        let text = str::from_utf8(draft).expect("JSON is UTF-8").to_owned();
        if draft.capacity() > limits::FRAME_BYTES {
            *draft = Vec::new();
        }
        text
    })
}

impl Wire for ClientMessage {
    const TYPES: &'static [&'static str] = &[
        "hello",
        "identify",
        "worked",
        "prepare",
        "join",
        "next",
        "offer",
        "leave",
        "description",
        "candidate",
        "report",
        "block",
        "chat_key",
    ];
    const MAX_BYTES: usize = limits::FRAME_BYTES;

    fn read_quickly(text: &str) -> Option<Self> {
        // Our clients say first what it is.
        let kind = text.strip_prefix("{\"type\":\"")?;
        if !kind.starts_with("description") && !kind.starts_with("candidate") {
            return None;
        }
        let relayed: Relayed<'_> = serde_json::from_str(text).ok()?;
        let room = relayed.room;
        match (relayed.kind, relayed.description, relayed.candidate) {
            ("description", Some(description), _) => Some(Self::Description { room, description }),
            ("candidate", _, candidate) => Some(Self::Candidate { room, candidate }),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Hello { capabilities, .. } => {
                at_most(
                    "the list of capabilities",
                    capabilities.len(),
                    limits::CAPABILITIES,
                )?;
                capabilities.iter().try_for_each(|capability| {
                    at_most("a capability", capability.len(), limits::CAPABILITY_BYTES)
                })
            }
            Self::Join {
                interests,
                language,
                offer,
            } => {
                at_most("the list of interests", interests.len(), limits::INTERESTS)?;
                for interest in interests {
                    at_most(
                        "an interest",
                        interest.chars().count(),
                        limits::INTEREST_CHARS,
                    )?;
                }
                let language_bytes = language.as_ref().map_or(0, String::len);
                at_most("the language", language_bytes, limits::LANGUAGE_BYTES)?;
                check_offer_ahead(offer.as_ref())
            }
            Self::Next { offer, .. } | Self::Offer { offer } => check_offer_ahead(offer.as_ref()),
            Self::Description { description, .. } => check_description(description),
            Self::Candidate { candidate, .. } => check_candidate(candidate.as_ref()),
            Self::Report { note, lines, .. } => {
                at_most("the note", note.chars().count(), limits::NOTE_CHARS)?;
                at_most("the list of lines", lines.len(), limits::REPORT_LINES)?;
                let bytes = lines.iter().map(|line| line.text.len()).sum();
                at_most("the text of all lines", bytes, limits::REPORT_LINES_BYTES)
            }
            Self::Identify { .. }
            | Self::Worked { .. }
            | Self::Prepare
            | Self::Leave { .. }
            | Self::ChatKey { .. }
            | Self::Block { .. } => Ok(()),
        }
    }
}

impl Wire for ServerMessage {
    const TYPES: &'static [&'static str] = &[
        "welcome",
        "work",
        "prepared",
        "waiting",
        "matched",
        "description",
        "candidate",
        "chat_key",
        "partner_left",
        "reported",
        "blocked",
        "banned",
        "error",
        "shutdown",
    ];
    const MAX_BYTES: usize = limits::FRAME_BYTES;

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Description { description, .. } => check_description(description),
            Self::Candidate { candidate, .. } => check_candidate(candidate.as_ref()),
            Self::Matched { offer, .. } => offer.as_ref().map_or(Ok(()), check_description),
            Self::Banned { reason, appeal, .. } => {
                let limit = limits::BAN_WORDS_CHARS;
                at_most("the reason", reason.chars().count(), limit)?;
                let appeal = appeal.as_ref().map_or(0, |appeal| appeal.chars().count());
                at_most("the word on appeals", appeal, limit)
            }
            // Too much work is no reason not to understand what is asked.
            Self::Welcome { .. }
            | Self::Work(_)
            | Self::Reported { .. }
            | Self::Blocked { .. }
            | Self::Prepared { .. }
            | Self::Waiting { .. }
            | Self::ChatKey { .. }
            | Self::PartnerLeft { .. }
            | Self::Error { .. }
            | Self::Shutdown { .. } => Ok(()),
        }
    }
}

impl Wire for PeerMessage {
    const TYPES: &'static [&'static str] = &[
        "chat",
        "typing",
        "sending",
        "direct",
        "redundancy",
        "showing",
        "veil",
        "description",
        "candidate",
        "bye",
    ];
    const MAX_BYTES: usize = limits::PEER_MESSAGE_BYTES;

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Chat { text, .. } => {
                at_most("the text", text.chars().count(), limits::CHAT_CHARS)
            }
            Self::Description { description } => check_description(description),
            Self::Candidate { candidate } => check_candidate(candidate.as_ref()),
            Self::Typing { .. }
            | Self::Sending { .. }
            | Self::Direct { .. }
            | Self::Redundancy { .. }
            | Self::Showing { .. }
            | Self::Veil { .. }
            | Self::Bye => Ok(()),
        }
    }
}

fn check_description(description: &Description) -> Result<(), DecodeError> {
    at_most("the SDP", description.sdp.len(), limits::SDP_BYTES)
}

/// Whether a server takes this offer ahead of a match.
pub fn may_be_told_ahead(offer: &Description) -> bool {
    check_offer_ahead(Some(offer)).is_ok()
}

/// The server keeps it, and puts it into a frame with other things. So it is held to what one looks like: escaped as JSON, lines
/// of text grow to twice their length at most.
fn check_offer_ahead(offer: Option<&Description>) -> Result<(), DecodeError> {
    let Some(offer) = offer else {
        return Ok(());
    };
    at_most(
        "the SDP of an offer that is told ahead",
        offer.sdp.len(),
        limits::AHEAD_SDP_BYTES,
    )?;
    let is_text = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\t');
    let is_offer = offer.kind == DescriptionKind::Offer;
    // RFC 8866 section 5: every description begins so.
    if is_offer && offer.sdp.starts_with("v=0") && offer.sdp.chars().all(is_text) {
        Ok(())
    } else {
        let words = "what is told ahead is not an offer in SDP";
        Err(DecodeError::Malformed(words.to_owned()))
    }
}

fn check_candidate(candidate: Option<&Candidate>) -> Result<(), DecodeError> {
    let Some(candidate) = candidate else {
        return Ok(());
    };
    at_most(
        "the candidate",
        candidate.candidate.len(),
        limits::CANDIDATE_BYTES,
    )?;
    [&candidate.sdp_mid, &candidate.username_fragment]
        .into_iter()
        .flatten()
        .try_for_each(|tag| {
            at_most(
                "a tag of the candidate",
                tag.len(),
                limits::CANDIDATE_TAG_BYTES,
            )
        })
}

const fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), DecodeError> {
    if size <= limit {
        Ok(())
    } else {
        Err(DecodeError::TooLarge { what, limit })
    }
}
