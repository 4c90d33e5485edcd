//! One of the people of a world, with the peer connection that goes with a call.

use std::collections::BTreeMap;
use std::time::Instant;

use call::{Call, PeerFact, PeerId, State, negotiation};
use protocol::{ClientMessage, Role, ServerMessage};
use simulation::Link;

use super::strict_server::ConnectionId;
use super::strict_stack::StrictStack;

/// One of the people of a world.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) to_server: Link<ClientMessage>,
    pub(crate) from_server: Link<ServerMessage>,
    /// What the server said so far, on any connection.
    pub(crate) heard: Vec<ServerMessage>,
    pub(crate) peer: Option<FakePeer>,
    pub(crate) peers_opened: u64,
    pub(crate) peers_closed: u64,
    /// Facts of peer connections that take their time, also of those that are closed by now.
    pub(crate) facts: BTreeMap<(Instant, u64), (PeerId, PeerFact)>,
    pub(crate) facts_sent: u64,
}

/// A peer connection and the path through it.
pub(crate) struct FakePeer {
    pub(crate) id: PeerId,
    pub(crate) role: Role,
    pub(crate) opens_at: Option<Instant>,
    pub(crate) stack: StrictStack,
    /// Whether there is a path at present, and what was reported of it.
    pub(crate) has_path: bool,
    pub(crate) reported: Option<bool>,
    pub(crate) report_at: Option<Instant>,
    /// Whether an order was made to fail.
    pub(crate) has_failed: bool,
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
