//! The messages between a client and the signalling server.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Candidate, Challenge, Description, Handle, Nonce, NotTaken, PublicKey, ReportReason,
    ResumeToken, RoomId, Signature, SignedLine, Work,
};

/// What a client says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message on every connection.
    Hello {
        /// The protocol version that the client speaks.
        version: u32,
        /// Optional abilities, by name; the server ignores names that it does not know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        capabilities: Vec<String>,
        /// Takes up the session of a connection that was lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    /// Proves who the client is, once in a session, where `welcome` had a challenge. There is no answer but, perhaps,
    /// [`ErrorCode::BadProof`].
    Identify {
        /// Who the client is.
        key: PublicKey,
        /// Made with the key over [`Challenge::statement`].
        signature: Signature,
    },
    /// The answer to [`ServerMessage::Work`]: it is done. What was asked before is answered now.
    Worked {
        /// What was found.
        nonce: Nonce,
    },
    /// Asks for the STUN and TURN servers of the next call, so that a connection can be made ready before it is needed.
    /// Answered with [`ServerMessage::Prepared`].
    Prepare,
    /// Asks for a partner. Leaves the present room, if there is one.
    Join {
        /// What the person likes to talk about; pairs that share an interest come first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interests: Vec<String>,
        /// The language that the person wants to speak: a BCP 47 tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// The offer of a connection that is ready, for the partner, if it turns out that this side offers. Takes the place of
        /// one that was told before, also if there is none now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<Description>,
    },
    /// Leaves the present room, if there is one, and asks for another partner, with the interests and language of the
    /// last `join`.
    Next {
        /// The room to leave. If the sender is in another room by now, the message is late: it changes nothing and is
        /// answered with [`ErrorCode::WrongRoom`]. Without a room, whatever room it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        /// As in [`ClientMessage::Join`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<Description>,
    },
    /// While waiting: tells another offer than the last [`ClientMessage::Join`] or [`ClientMessage::Next`] did, or takes it
    /// back. Ignored from one who does not wait: it has crossed a match.
    Offer {
        /// As in [`ClientMessage::Join`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<Description>,
    },
    /// Leaves the room or the queue and asks for nobody.
    Leave {
        /// The room to leave, as in [`ClientMessage::Next`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
    },
    /// A session description for the partner.
    Description {
        /// The room that the partner is in.
        room: RoomId,
        /// Relayed unread.
        description: Description,
    },
    /// An ICE candidate for the partner.
    Candidate {
        /// The room that the partner is in.
        room: RoomId,
        /// Relayed unread; `None` says that there are no more (RFC 8838 section 14).
        candidate: Option<Candidate>,
    },
    /// Says what the partner in a room has done: the present one, or one that was left a few minutes ago at most. Answered with
    /// [`ServerMessage::Reported`].
    Report {
        /// The room in which it was.
        room: RoomId,
        /// What it was.
        reason: ReportReason,
        /// More about it, in the person's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
        /// Never to meet the partner again, as with [`ClientMessage::Block`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        block: bool,
        /// What the partner has written, in ascending order, each signed with the partner's [`ClientMessage::ChatKey`] for the room.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<SignedLine>,
    },
    /// With what the sender signs what it writes in a room. Passed on to the partner; the first one in a room counts. Only for a server
    /// with the capability [`TAKES_CHAT_KEYS`](crate::TAKES_CHAT_KEYS).
    ChatKey {
        /// The room.
        room: RoomId,
        /// Made for this room alone, so that nobody is known again by it.
        key: PublicKey,
    },
    /// Never to meet the partner of a room again: as in [`ClientMessage::Report`]. Answered with [`ServerMessage::Blocked`]. The
    /// room stays open.
    Block {
        /// The room in which the two are, or were.
        room: RoomId,
    },
}

/// What the server says to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `hello`: the client may join.
    Welcome {
        /// The protocol version that the server will speak on this connection.
        version: u32,
        /// How many people are connected, this one included.
        online: u32,
        /// With which a later `hello` takes up this session, if the server keeps sessions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
        /// How many of the client's messages the server has taken in this session, if the session that `hello` named
        /// was taken up: the client sends those after it again, and the server does the same. Absent for a new session,
        /// in which nothing is left of what was before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumed: Option<u64>,
        /// What to sign to prove a key, if the server knows keys and has not been shown one in this session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<Challenge>,
        /// Optional abilities of the server, by name; a client ignores those that it does not know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        capabilities: Vec<String>,
    },
    /// The first answer to `join` or `next` while many newcomers come: the client works, says so with
    /// [`ClientMessage::Worked`], and then the question is answered. Only for a client with the capability
    /// [`TAKES_WORK`](crate::TAKES_WORK).
    Work(Work),
    /// The answer to `prepare`.
    Prepared {
        /// STUN and TURN servers for the next call, with credentials that are good for a while.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ice_servers: Vec<IceServer>,
        /// Which paths the next call may take.
        #[serde(default, skip_serializing_if = "PathPolicy::is_any")]
        path_policy: PathPolicy,
    },
    /// The client waits for a partner.
    Waiting {
        /// How many people are connected, this one included.
        online: u32,
    },
    /// Two clients are in a room together.
    Matched {
        /// Names this pairing in every later message about it.
        room: RoomId,
        /// Whether this side sends the first offer.
        role: Role,
        /// What both like to talk about.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        interests: Vec<String>,
        /// STUN and TURN servers to use for this call.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ice_servers: Vec<IceServer>,
        /// Which paths this call may take.
        #[serde(default, skip_serializing_if = "PathPolicy::is_any")]
        path_policy: PathPolicy,
        /// For the answerer: the offer that the partner told ahead. Only for a client with the capability
        /// [`TAKES_OFFER_AHEAD`](crate::TAKES_OFFER_AHEAD).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        offer: Option<Description>,
        /// For the offerer: the number of the offer that the partner was given, if it was given one. The partner answers it;
        /// it need not be sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handed_over: Option<u32>,
        /// What the server calls the partner towards this client, if both have proved a key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partner: Option<Handle>,
    },
    /// A session description from the partner.
    Description {
        /// The room that it belongs to.
        room: RoomId,
        /// As the partner sent it.
        description: Description,
    },
    /// An ICE candidate from the partner.
    Candidate {
        /// The room that it belongs to.
        room: RoomId,
        /// As the partner sent it; `None` says that there are no more.
        candidate: Option<Candidate>,
    },
    /// With what the partner signs what it writes in the room.
    ChatKey {
        /// The room.
        room: RoomId,
        /// As the partner has told it.
        key: PublicKey,
    },
    /// The room is closed: the partner is gone.
    PartnerLeft {
        /// The room that was closed.
        room: RoomId,
        /// Why, as far as the server knows.
        reason: LeaveReason,
    },
    /// The answer to `report`: it is kept, or why it is not.
    Reported {
        /// The room that was named.
        room: RoomId,
        /// Why it was not taken, if it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<NotTaken>,
    },
    /// The answer to `block`: the two will not meet again, or why that was not taken.
    Blocked {
        /// The room that was named.
        room: RoomId,
        /// Why it was not taken, if it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<NotTaken>,
    },
    /// The client is not wanted here. The server closes the connection.
    Banned {
        /// Why, in words for the person.
        reason: String,
        /// Until when, in seconds since the Unix epoch; for good if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        /// What the operator says to those who think that this is wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        appeal: Option<String>,
    },
    /// A message was refused. The connection stays open unless `code` says otherwise.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people who read logs; one sentence in English.
        message: String,
        /// The room that the refused message named, where it named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
    },
    /// The server is about to close. Calls go on; signalling comes back.
    Shutdown {
        /// How long to wait before connecting again, in milliseconds. Differs from client to client.
        reconnect_in_ms: u64,
    },
}

/// The session of a connection that was lost, as its client remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// From the `welcome` that began the session.
    pub token: ResumeToken,
    /// How many of the server's messages the client has taken in this session, not counting `welcome`.
    pub received: u64,
}

/// What a client needs to take up its session after a loss of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Proves that the session is the client's.
    pub token: ResumeToken,
    /// For how many milliseconds after a loss the server keeps the room.
    pub grace_ms: u64,
}

/// Which paths a call may take, as far as the server decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathPolicy {
    /// Each person chooses.
    #[default]
    Any,
    /// Calls begin over a relay, and take the direct path once both people have asked for it.
    RelayFirst,
    /// Calls use a relay and nothing else. Stands for every policy that this version does not know.
    #[serde(other)]
    RelayOnly,
}

impl PathPolicy {
    /// Whether each person chooses.
    pub const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

/// Who sends the first offer. The server decides, so that offers cross only in later negotiations.
///
/// In those the offerer is the impolite peer and the answerer the polite one, for the whole call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends the first offer; impolite afterwards.
    Offerer,
    /// Answers the first offer; polite afterwards.
    Answerer,
}

impl Role {
    /// Whether this side yields when two offers cross (perfect negotiation, W3C WebRTC 1.0 section 10.7).
    pub const fn is_polite(self) -> bool {
        matches!(self, Self::Answerer)
    }
}

/// A STUN or TURN server, in the words of the W3C's `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// Absent for STUN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Absent for STUN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    /// Leaves the credential out, so that no log ever holds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

/// Why a partner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// The partner asked for somebody else.
    Next,
    /// The partner stopped.
    Left,
    /// The server lost the partner's signalling connection. A call that is up may well go on.
    Disconnected,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why the server refused a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON text, or JSON that does not fit the message's type. The third refused message in a row of this code,
    /// `unknown_type` or `too_large` closes the connection.
    Malformed,
    /// The message's type is unknown to the server.
    UnknownType,
    /// The message, or a part of it, is over its limit. The server closes the connection if the frame was too large.
    TooLarge,
    /// The server does not speak the version that `hello` named. The server closes the connection.
    UnsupportedVersion,
    /// The first message was not `hello`. The server closes the connection.
    HelloExpected,
    /// `hello` came a second time.
    AlreadyGreeted,
    /// The room that the message names is not the sender's present one.
    WrongRoom,
    /// The server is full. The server closes the connection.
    Full,
    /// Too many messages in too short a time: this one and those after it are dropped until the sender slows down.
    /// The server closes the connection if it does not.
    TooFast,
    /// The signature of an `identify` is not that of its key over this session's challenge, or there was none to sign. The
    /// server closes the connection.
    BadProof,
    /// What a `worked` has found is no answer to the work that is asked for, or none is asked for.
    BadWork,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}
