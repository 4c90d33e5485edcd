//! What two partners say to each other over the data channel.

use serde::{Deserialize, Serialize};

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
    },
    /// The sender ends the call now. Makes leaving instant, and independent of the server.
    Bye,
}
