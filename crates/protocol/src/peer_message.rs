//! What two partners say to each other over the data channel.

use serde::{Deserialize, Serialize};

use crate::{Candidate, Description, Seal};

/// One JSON text message on the data channel `passerby` (RFC 8831, ordered and reliable).
///
/// A message of a type that the receiver does not know is ignored, so that newer versions can add types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PeerMessage {
    /// A line of text.
    Chat {
        /// At most [`crate::limits::CHAT_CHARS`] characters.
        text: String,
        /// With which the receiver can show the line to the server. Absent from who signs nothing, or has no server that passes keys on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seal: Option<Seal>,
    },
    /// Whether the sender is writing. Goes stale by itself after a few seconds.
    Typing {
        /// True while keys are being pressed.
        active: bool,
    },
    /// What the sender sends. Repeated at every change and once when the channel opens.
    Sending {
        /// False while the microphone is muted or absent.
        audio: bool,
        /// False while the camera is off or absent.
        video: bool,
        /// True while a screen is shared, in a stream of its own.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        screen: bool,
    },
    /// Whether the sender agrees to a direct path, on which the two learn each other's network address. Said once when
    /// the channel opens and at every change. The direct path is taken once both agree.
    Direct {
        /// True if the sender agrees.
        allowed: bool,
    },
    /// How the sender would like the sound that it receives to be protected. Said at every change; unsaid, it is in-band
    /// FEC, which every Opus decoder knows.
    Redundancy {
        /// True to ask for deep redundancy (DRED, draft-ietf-mlcodec-opus-dred): the sender can decode it, and packets are
        /// lost in bursts on the way to it.
        dred: bool,
    },
    /// How large the sender shows the pictures that it receives, in pixels of its screen: larger ones, and more of them, are
    /// wasted on it. Said at every change, in coarse steps; unsaid, the size is not known.
    Showing {
        /// Zero if nothing is seen of the pictures: then none need to be sent.
        width_px: u32,
        /// The same.
        height_px: u32,
        /// The most pictures a second that the sender has use for; none if that is any number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most_fps: Option<u32>,
    },
    /// Whether the sender has lifted the veil: pictures of both are but colours until both have. Said first when the channel opens, and at
    /// every change; unsaid, the sender knows of no veil.
    Veil {
        /// True if the sender wants to be seen and to see.
        lifted: bool,
    },
    /// A session description, as over the signalling server: so a call can be renegotiated without it.
    Description {
        /// The same as in [`crate::ClientMessage::Description`].
        description: Description,
    },
    /// An ICE candidate, as over the signalling server.
    Candidate {
        /// The same as in [`crate::ClientMessage::Candidate`].
        candidate: Option<Candidate>,
    },
    /// The sender ends the call now. Makes leaving instant, and independent of the server.
    Bye,
}
