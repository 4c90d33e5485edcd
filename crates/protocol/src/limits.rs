//! How large a message and its parts may be. Both sides enforce them.

/// The longest frame on the signalling WebSocket, in bytes. An offer with all of Chromium's codecs has about 7,000.
pub const FRAME_BYTES: usize = 64 * 1024;
/// The longest SDP, in bytes.
pub const SDP_BYTES: usize = 48 * 1024;
/// The longest SDP of an offer that is told ahead, in bytes: the server keeps one for each client that waits. Ours has about
/// 2,000, and 100 more for each candidate. So short that it fits into a `matched` with everything else, however it is escaped.
pub const AHEAD_SDP_BYTES: usize = 16 * 1024;
/// The longest candidate-attribute, in bytes.
pub const CANDIDATE_BYTES: usize = 1024;
/// The most interests of one person.
pub const INTERESTS: usize = 10;
/// The longest interest, in characters.
pub const INTEREST_CHARS: usize = 40;
/// The longest language tag, in bytes (RFC 5646 section 4.4.1 recommends at least 35).
pub const LANGUAGE_BYTES: usize = 35;
/// The longest media identification tag or ICE user name fragment of a candidate, in bytes (RFC 8839 section 5.4
/// allows 256 for the latter).
pub const CANDIDATE_TAG_BYTES: usize = 256;
/// The most capabilities in a `hello`.
pub const CAPABILITIES: usize = 32;
/// The longest capability, in bytes.
pub const CAPABILITY_BYTES: usize = 64;
/// The longest line of chat, in characters.
pub const CHAT_CHARS: usize = 2000;
/// The longest message on the data channel, in bytes: room for the longest session description, and for the longest line
/// of chat, of which every character may need 12 bytes as `\u` escapes. What a browser takes at least (RFC 8841 section 6).
pub const PEER_MESSAGE_BYTES: usize = 64 * 1024;
/// The most work that a client does for a server, as a number of bits: about four seconds for a machine that makes a million
/// hashes a second.
pub const WORK_BITS: u32 = 22;
/// The longest note in a report, in characters.
pub const NOTE_CHARS: usize = 500;
/// The most lines of chat in a report.
pub const REPORT_LINES: usize = 16;
/// The most text in these lines together, in bytes: room for the longest line, and so little that they fit into a frame however
/// they are escaped.
pub const REPORT_LINES_BYTES: usize = 8192;
/// The longest reason for a ban, and the longest word on how to appeal, in characters.
pub const BAN_WORDS_CHARS: usize = 1000;
