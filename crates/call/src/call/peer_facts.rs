//! What happens to the peer connection, and to the path through it.

use std::sync::Arc;
use std::time::Instant;

use super::Call;
use crate::negotiation;
use crate::peer::Peer;
use crate::{EndReason, PeerFact, State};

impl Call {
    pub(super) fn on_peer_fact(&mut self, fact: PeerFact, now: Instant) {
        match fact {
            PeerFact::Opened => self.negotiate(negotiation::Input::Opened),
            PeerFact::OpenFailed => self.end(EndReason::CouldNotConnect),
            PeerFact::OfferCreated(offer) => {
                self.negotiate(negotiation::Input::OfferCreated(offer));
            }
            PeerFact::AnswerCreated(answer) => {
                self.negotiate(negotiation::Input::AnswerCreated(answer));
            }
            PeerFact::RemoteApplied => self.negotiate(negotiation::Input::RemoteApplied),
            PeerFact::NegotiationFailed => self.on_negotiation_failed(),
            PeerFact::LocalCandidate(candidate) => {
                self.negotiate(negotiation::Input::LocalCandidate(candidate));
            }
            PeerFact::NegotiationNeeded => self.negotiate(negotiation::Input::ChangeNeeded),
            PeerFact::RemoteDescription(description) => {
                self.negotiate(negotiation::Input::RemoteDescription(description));
            }
            PeerFact::RemoteCandidate(candidate) => {
                self.negotiate(negotiation::Input::RemoteCandidate(candidate));
            }
            PeerFact::ChannelOpen => self.tell_peer(Peer::on_channel_open),
            PeerFact::DirectAllowed(allowed) => {
                self.tell_peer(|peer| peer.on_partner_direct(allowed, now));
            }
            PeerFact::PathSelected { is_relayed } => {
                if let Some(peer) = &mut self.peer {
                    peer.on_path_selected(is_relayed, now);
                }
            }
            PeerFact::Connected => self.on_path_up(now),
            PeerFact::Failed if matches!(self.state, State::Connecting { .. }) => {
                self.end(EndReason::CouldNotConnect);
            }
            PeerFact::Disconnected | PeerFact::Failed => self.on_path_lost(now),
            PeerFact::Bye => self.on_bye(),
        }
    }

    /// A call that never came to an agreement has nothing to go on with; one that did has what was agreed.
    fn on_negotiation_failed(&mut self) {
        let has_agreed = self.peer.as_ref().is_some_and(Peer::has_agreed);
        if has_agreed {
            self.negotiate(negotiation::Input::OrderFailed);
        } else {
            self.end(EndReason::CouldNotConnect);
        }
    }

    fn on_path_up(&mut self, now: Instant) {
        let (since, interests) = match &self.state {
            State::Connecting { interests, .. } => (now, Arc::clone(interests)),
            State::Reconnecting {
                since, interests, ..
            } => (*since, Arc::clone(interests)),
            _ => return,
        };
        if let Some(peer) = &mut self.peer {
            peer.on_path_up();
        }
        self.state = State::Connected { since, interests };
    }

    fn on_path_lost(&mut self, now: Instant) {
        let State::Connected { since, interests } = &self.state else {
            return;
        };
        self.state = State::Reconnecting {
            since: *since,
            lost_at: now,
            interests: Arc::clone(interests),
        };
        if let Some(peer) = &mut self.peer {
            peer.on_path_lost(now);
        }
        self.restart_if_due(now);
    }

    /// The partner tells the server itself, and only the server's notice closes the room: a `leave` of ours could
    /// overtake the partner's `next` and make it a stale one.
    fn on_bye(&mut self) {
        self.close_peer(false);
        self.state = State::Ended {
            reason: EndReason::PartnerLeft,
        };
    }

    pub(super) fn restart_if_due(&mut self, now: Instant) {
        let peer = self.peer.as_mut();
        if let Some(restart) = peer.and_then(|peer| peer.take_restart(&self.config, now)) {
            self.negotiate(negotiation::Input::RestartNeeded(restart));
        }
    }

    /// Restarts at once, whichever side we are: only this side knows, and its sockets may be worth nothing any more.
    pub(super) fn on_network_changed(&mut self, now: Instant) {
        if let Some(peer) = &mut self.peer {
            self.outputs
                .extend(peer.on_network_changed(&self.config, now));
        }
    }
}
