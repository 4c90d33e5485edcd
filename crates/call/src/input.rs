//! What a call can be told: wishes of the person and facts about the server, the peer connection and time.

use protocol::{Candidate, Description, ServerMessage};

/// A wish of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Look for a partner.
    ///
    /// While a search is on, other interests or another language replace the former ones. In a call it does nothing,
    /// so that a key held down in the lobby does not end the call that it led to.
    Start {
        /// What the person likes to talk about, within [`protocol::limits`].
        interests: Vec<String>,
        /// A BCP 47 tag, within [`protocol::limits`].
        language: Option<String>,
    },
    /// Leave this partner and look for another one, with the same interests.
    ///
    /// Does nothing while a search is on, so that a key held down skips nobody unseen, and nothing in the lobby.
    Next,
    /// Leave this partner, or stop searching.
    Stop,
    /// Hide this side's network address from the partners of later calls, or not: they begin over a relay.
    SetShield(bool),
    /// Agree to a direct path in this call, or take that back while the partner has not agreed.
    AllowDirect(bool),
}

/// Names one peer connection of ours. Counted up, so that late facts about an older one can be told from those
/// about the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The person wishes something.
    Command(Command),
    /// A connection is ready for the next call, and this is what it would offer; `None` says that there is none any more.
    /// [`crate::Output::OpenPeer`] takes it, where it fits.
    OfferAhead(Option<ReadyOffer>),
    /// The server said `welcome` on a connection of ours, for a new session. What an earlier one had is forgotten by the
    /// server.
    SignallingUp,
    /// The connection to the server is gone, but the session may be taken up: what is sent meanwhile is kept and delivered
    /// then.
    SignallingAway,
    /// The session was taken up. What both sides said meanwhile is delivered once, and nothing was lost.
    SignallingBack,
    /// The session with the server is gone.
    SignallingDown,
    /// The networks of this machine are others than before, or it has slept. ICE restarts on new sockets: at once if a
    /// partner can be told, else with the next negotiation of either side.
    NetworkChanged,
    /// The server said something on the present connection. Messages that are not about calls are ignored.
    Server(ServerMessage),
    /// Something happened to a peer connection. Ignored unless `peer` is the present one.
    Peer {
        /// Which one.
        peer: PeerId,
        /// What happened.
        fact: PeerFact,
    },
    /// The moment that [`crate::Call::poll_timeout`] named has come. Harmless when it has not.
    Timeout,
}

/// The offer of a connection that is ready before there is a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyOffer {
    /// With all candidates. Its number does not count.
    pub offer: Description,
    /// Whether the connection uses relays only.
    pub relay_only: bool,
}

/// Something that happened to a peer connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerFact {
    /// The peer connection is there and takes orders.
    Opened,
    /// The peer connection could not be made.
    OpenFailed,
    /// [`crate::Output::CreateOffer`] succeeded: this offer is the local description.
    OfferCreated(Description),
    /// [`crate::Output::CreateAnswer`] succeeded: this answer is the local description.
    AnswerCreated(Description),
    /// [`crate::Output::ApplyRemote`] succeeded.
    RemoteApplied,
    /// The outstanding order about descriptions failed: [`crate::Output::CreateOffer`],
    /// [`crate::Output::CreateAnswer`] or [`crate::Output::ApplyRemote`].
    ///
    /// Nothing is reported for [`crate::Output::Rollback`] and [`crate::Output::AddCandidate`].
    NegotiationFailed,
    /// A candidate was gathered; `None` says that there are no more.
    LocalCandidate(Option<Candidate>),
    /// The peer connection wants a negotiation. Reported again when the signalling state is stable, if still so
    /// (W3C WebRTC 1.0 section 4.7.3).
    NegotiationNeeded,
    /// The path to the partner is up: ICE and DTLS are through.
    Connected,
    /// The path to the partner does not answer. It may come back by itself.
    Disconnected,
    /// The path to the partner is given up, or whatever drives the peer connection died.
    Failed,
    /// Which kind of path the connection has taken. Comes just before each [`PeerFact::Connected`].
    PathSelected {
        /// Whether it leads over a relay of either side.
        is_relayed: bool,
    },
    /// Messages can be sent to the partner.
    ChannelOpen,
    /// The partner said [`protocol::PeerMessage::Direct`].
    DirectAllowed(bool),
    /// The partner sent a description over the data channel.
    RemoteDescription(Description),
    /// The partner sent a candidate over the data channel.
    RemoteCandidate(Option<Candidate>),
    /// The partner said [`protocol::PeerMessage::Bye`].
    Bye,
}
