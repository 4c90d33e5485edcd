//! What a call orders.

use protocol::{Candidate, ClientMessage, Description, IceServer, PeerMessage, Role};

use crate::PeerId;
use crate::negotiation::Restart;

/// Something to be done, in the order given. The orders about one peer are carried out one after another; none of
/// them may hold up an order about the next peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Say this to the server. Ordered only while signalling is up or away.
    Send(ClientMessage),
    /// Say this to the partner over the data channel.
    SendToPartner {
        /// Through which peer connection.
        peer: PeerId,
        /// What to say.
        message: PeerMessage,
    },
    /// Make a peer connection. Reports [`crate::PeerFact::Opened`] or [`crate::PeerFact::OpenFailed`].
    ///
    /// Followed by exactly one [`Output::ClosePeer`], also when opening fails; until that no other one is opened.
    OpenPeer {
        /// Its name in everything that follows.
        peer: PeerId,
        /// The offerer makes the data channel and sends the first offer.
        role: Role,
        /// From the server.
        ice_servers: Vec<IceServer>,
        /// Use relays only and keep every address of ours to ourselves, until [`Output::AllowDirect`].
        relay_only: bool,
        /// Whether the partner has the offer of the connection that is ready ([`crate::Input::OfferAhead`]): then it must be
        /// that one, and the first offer that it creates must be that offer.
        ///
        /// Otherwise any connection will do; the one that is ready, if it fits, is taken.
        with_offer_ahead: bool,
    },
    /// Close the connection that is ready. Its offer was given away for nothing, and nobody else may have its password.
    CloseReady,
    /// From the next negotiation on, the connection may use direct paths too.
    AllowDirect {
        /// Which one.
        peer: PeerId,
    },
    /// Close the peer connection, or stop making it. Nothing that it reports from here on matters.
    ClosePeer {
        /// Which one.
        peer: PeerId,
        /// The person left: tell the partner over the data channel first, if it is open.
        say_bye: bool,
    },
    /// Create an offer and make it the local description. Reports [`crate::PeerFact::OfferCreated`] or
    /// [`crate::PeerFact::NegotiationFailed`].
    CreateOffer {
        /// On which peer connection.
        peer: PeerId,
        /// Ask for new ICE credentials and candidates (RFC 8839 section 4.4.1.1.1), and how.
        restart: Option<Restart>,
    },
    /// Create an answer and make it the local description. Reports [`crate::PeerFact::AnswerCreated`] or
    /// [`crate::PeerFact::NegotiationFailed`].
    CreateAnswer {
        /// On which peer connection.
        peer: PeerId,
    },
    /// Make this the remote description. Reports [`crate::PeerFact::RemoteApplied`] or
    /// [`crate::PeerFact::NegotiationFailed`].
    ApplyRemote {
        /// On which peer connection.
        peer: PeerId,
        /// From the partner, unread.
        description: Description,
    },
    /// Take the local offer back (RFC 9429 section 4.1.10.2). Reports nothing: where it fails, the
    /// [`Output::ApplyRemote`] that comes next fails too and says so.
    Rollback {
        /// On which peer connection.
        peer: PeerId,
    },
    /// Add a candidate of the partner's. Reports nothing: a call can do without one of several candidates.
    AddCandidate {
        /// On which peer connection.
        peer: PeerId,
        /// From the partner, unread; `None` says that there are no more.
        candidate: Option<Candidate>,
    },
}
