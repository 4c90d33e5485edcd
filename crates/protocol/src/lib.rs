//! What client and server, and peer and peer, say to each other.
//!
//! The vocabulary on one page:
//!
//! - [`ClientMessage`] and [`ServerMessage`] travel as one JSON text frame each over the signalling WebSocket
//!   (`docs/protocol.md` is the full description).
//! - [`Description`] and [`Candidate`] are what the server relays unread.
//! - [`PeerMessage`] travels over the data channel, which no server sees.
//! - [`decode`] and [`encode`] are the only way in and out; whatever comes in is held to the [`limits`].
//!
//! - [`PublicKey`], [`Signature`] and [`Challenge`] prove who somebody is, [`Work`] that somebody means it; [`ReportReason`] is the list of what is reported.
//! - A [`SignedLine`] of chat can be shown to a server which has never seen it.
//! - [`Ledger`] is what each end of a session with the server keeps, so that the session outlives a connection.
//!
//! Nothing here does I/O or reads a clock.

mod codec;
mod id;
mod identity;
mod ledger;
pub mod limits;
mod message;
mod peer_message;
mod safety;
pub mod sdp;
mod signal;
mod signed_line;
mod work;

pub use codec::{DecodeError, Wire, decode, encode, may_be_told_ahead};
pub use id::{InvalidResumeToken, InvalidRoomId, ResumeToken, RoomId};
pub use identity::{Challenge, Handle, InvalidHex, LineHash, Nonce, PublicKey, Signature};
pub use ledger::{Ledger, LedgerLimits, NotKept};
pub use message::{
    ClientMessage, ErrorCode, IceServer, LeaveReason, PathPolicy, Resume, Role, ServerMessage,
    Session,
};
pub use peer_message::PeerMessage;
pub use safety::{NotTaken, ReportReason};
pub use signal::{Candidate, Description, DescriptionKind};
pub use signed_line::{Seal, SignedLine, line_statement};
pub use work::Work;

/// The version of the signalling protocol that this crate speaks.
pub const VERSION: u32 = 1;

/// The capability of a client that takes the partner's offer in [`ServerMessage::Matched`].
pub const TAKES_OFFER_AHEAD: &str = "offer_ahead";

/// The capability of a server that passes [`ClientMessage::ChatKey`] on, and takes lines of chat in reports.
pub const TAKES_CHAT_KEYS: &str = "chat_key";

/// The capability of a client that works when it is asked to by [`ServerMessage::Work`].
pub const TAKES_WORK: &str = "work";
