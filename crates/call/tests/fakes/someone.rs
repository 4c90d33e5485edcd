//! One of the people of a world, with the peer connection that goes with a call.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use call::{Call, PeerFact, PeerId, State, negotiation};
use protocol::{ClientMessage, Description, PeerMessage, Role, ServerMessage};
use simulation::Link;

use super::strict_server::ConnectionId;
use super::strict_stack::StrictStack;

/// One of the people of a world.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) connection: Option<ConnectionId>,
    /// Whether nothing goes to and from the server, and all of it is kept.
    pub(crate) is_away: bool,
    pub(crate) to_server: Link<ClientMessage>,
    pub(crate) from_server: Link<ServerMessage>,
    /// What the server said so far, on any connection.
    pub(crate) heard: Vec<ServerMessage>,
    pub(crate) peer: Option<FakePeer>,
    /// A connection for the next call, whose offer the call knows.
    pub(crate) ready: Option<Ready>,
    pub(crate) readies: u64,
    pub(crate) wants_shield: bool,
    pub(crate) peers_opened: u64,
    pub(crate) peers_closed: u64,
    /// Facts of peer connections that take their time, also of those that are closed by now.
    pub(crate) facts: BTreeMap<(Instant, u64), (PeerId, PeerFact)>,
    pub(crate) facts_sent: u64,
}

/// A connection that is ready for the next call.
pub(crate) struct Ready {
    pub(crate) offer: Description,
    pub(crate) stack: StrictStack,
    pub(crate) relay_only: bool,
}

/// A peer connection and the path through it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is so or not, in any combination"
)]
pub(crate) struct FakePeer {
    pub(crate) id: PeerId,
    pub(crate) role: Role,
    pub(crate) opens_at: Option<Instant>,
    pub(crate) stack: StrictStack,
    /// The local and the remote generation with which there was a path last: it works until there is a newer one.
    pub(crate) established: Option<(String, String)>,
    /// Whether there is a path at present, and what was reported of it.
    pub(crate) has_path: bool,
    pub(crate) reported: Option<bool>,
    pub(crate) report_at: Option<Instant>,
    /// Whether an order was made to fail, or a new network made an offer worthless.
    pub(crate) may_yield: bool,
    /// Whether the data channel has been reported open, and what is under way in it.
    pub(crate) is_channel_open: bool,
    pub(crate) channel: VecDeque<(Instant, PeerMessage)>,
    pub(crate) is_relay_only: bool,
}

impl Person {
    pub(crate) fn report_later(&mut self, at: Instant, peer: PeerId, fact: PeerFact) {
        self.facts.insert((at, self.facts_sent), (peer, fact));
        self.facts_sent += 1;
    }

    pub(crate) fn assert_invariants(&self) {
        let (name, state) = (&self.name, self.call.state());
        let needs_peer = matches!(
            state,
            State::Connecting { .. } | State::Connected { .. } | State::Reconnecting { .. }
        );
        assert_eq!(self.peer.is_some(), needs_peer, "{name} in {state:?}");
        let open = self.peers_opened - self.peers_closed;
        assert_eq!(
            open,
            u64::from(needs_peer),
            "{name}: opened and closed in pairs"
        );
        let waits = matches!(state, State::Connecting { .. } | State::Reconnecting { .. });
        assert!(
            !waits || self.call.poll_timeout().is_some(),
            "{name} waits for ever in {state:?}"
        );
        let has_no_room = matches!(state, State::Idle | State::Searching { .. });
        assert!(
            !has_no_room || self.call.room().is_none(),
            "{name} in {state:?} with a room"
        );
        assert!(
            self.connection.is_some() || self.call.room().is_none(),
            "{name}: a room on no server"
        );
    }
}

/// What a message over the data channel is, in the words of a call.
pub(crate) fn fact_of_message(message: PeerMessage) -> PeerFact {
    match message {
        PeerMessage::Direct { allowed } => PeerFact::DirectAllowed(allowed),
        PeerMessage::Description { description } => PeerFact::RemoteDescription(description),
        PeerMessage::Candidate { candidate } => PeerFact::RemoteCandidate(candidate),
        other => unreachable!("a call does not say {other:?}"),
    }
}

/// What the peer connection reports, in the words of a call.
pub(crate) fn fact_of(input: negotiation::Input) -> PeerFact {
    match input {
        negotiation::Input::OfferCreated(offer) => PeerFact::OfferCreated(offer),
        negotiation::Input::AnswerCreated(answer) => PeerFact::AnswerCreated(answer),
        negotiation::Input::RemoteApplied => PeerFact::RemoteApplied,
        negotiation::Input::OrderFailed => PeerFact::NegotiationFailed,
        negotiation::Input::LocalCandidate(candidate) => PeerFact::LocalCandidate(candidate),
        negotiation::Input::ChangeNeeded => PeerFact::NegotiationNeeded,
        other => unreachable!("a peer connection does not report {other:?}"),
    }
}
