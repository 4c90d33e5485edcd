//! The words of reports, blocks and bans.

use serde::{Deserialize, Serialize};

/// Why somebody is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    /// Nudity or sexual acts that were not asked for.
    Sexual,
    /// Threats, insults, following somebody about.
    Harassment,
    /// Contempt for people because of what they are.
    Hate,
    /// Violence or self-harm, shown or announced.
    Violence,
    /// Somebody seems to be a child, or a child is shown.
    Minor,
    /// Advertising, fraud, or a recording instead of a person.
    Spam,
    /// Anything else. Stands for every reason that this version does not know.
    #[serde(other)]
    Other,
}

impl ReportReason {
    /// All of them, in the order in which they should be offered.
    pub const ALL: [Self; 7] = [
        Self::Sexual,
        Self::Harassment,
        Self::Hate,
        Self::Violence,
        Self::Minor,
        Self::Spam,
        Self::Other,
    ];

    /// The word that stands for it on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sexual => "sexual",
            Self::Harassment => "harassment",
            Self::Hate => "hate",
            Self::Violence => "violence",
            Self::Minor => "minor",
            Self::Spam => "spam",
            Self::Other => "other",
        }
    }
}

/// Why a server did not take a report or a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTaken {
    /// The sender was not in that room, or too long ago.
    UnknownRoom,
    /// The sender, or others at the same address, have sent too many.
    TooFast,
    /// The server cannot keep it at the moment.
    NotStored,
    /// A line of chat in it is not the partner's, or was changed, or is not in its place.
    BadLines,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}
