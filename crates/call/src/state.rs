//! Where a person is in the app.

use std::sync::Arc;
use std::time::Instant;

/// Where a person is in the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In the lobby.
    Idle,
    /// Waiting for a partner, or for the signalling server to be there and find one.
    Searching {
        /// When the search began.
        since: Instant,
    },
    /// A partner was found; the two are connecting.
    Connecting {
        /// When the pair was made.
        since: Instant,
        /// What both like to talk about.
        interests: Arc<[String]>,
    },
    /// In a call.
    Connected {
        /// When the call was first up.
        since: Instant,
        /// What both like to talk about.
        interests: Arc<[String]>,
    },
    /// The path is gone and is being looked for again.
    Reconnecting {
        /// When the call was first up.
        since: Instant,
        /// When the path was lost.
        lost_at: Instant,
        /// What both like to talk about.
        interests: Arc<[String]>,
    },
    /// The call is over and the person did not end it.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

impl State {
    /// The state's name in one lower-case word, for logs and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Searching { .. } => "searching",
            Self::Connecting { .. } => "connecting",
            Self::Connected { .. } => "connected",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Ended { .. } => "ended",
        }
    }
}

/// Why a call ended that the person did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The partner asked for somebody else or stopped.
    PartnerLeft,
    /// The partner vanished without a word: signalling and path are both gone, or the path never was.
    PartnerVanished,
    /// The two could not reach each other.
    CouldNotConnect,
    /// The path was lost and not found again.
    ConnectionLost,
}
