//! What the server relays unread from one partner to the other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A session description (JSEP, RFC 8829). The names are those of the W3C's `RTCSessionDescriptionInit`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Offer or answer.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// SDP (RFC 8866).
    pub sdp: String,
    /// Of an offer: how many offers its sender has made in this call, with this one and those that were told ahead. Of an
    /// answer: the number of the offer that it answers. 0 if the sender does not count.
    ///
    /// Tells late and repeated descriptions from new ones: they may take two ways, over the server and over the data
    /// channel.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Debug for Description {
    /// Says how long the SDP is and leaves it out: it holds addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {}({} bytes)",
            self.kind,
            self.number,
            self.sdp.len()
        )
    }
}

/// Which step of the negotiation a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionKind {
    /// Proposes a session.
    Offer,
    /// Accepts an offer.
    Answer,
}

/// An ICE candidate. The names are those of the W3C's `RTCIceCandidateInit`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate-attribute (RFC 8839 section 5.1).
    pub candidate: String,
    /// The media section that it belongs to, by identification tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The media section that it belongs to, by position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
    /// The ICE user name fragment of the generation that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

impl fmt::Debug for Candidate {
    /// Leaves the address out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({} bytes)", self.candidate.len())
    }
}
