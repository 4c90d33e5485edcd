//! What the server says, and what its coming and going means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{ClientMessage, Description, ErrorCode, LeaveReason, Role, RoomId, ServerMessage};

use super::offer_ahead::Use;
use super::{Call, Question, Signalling};
use crate::negotiation::{self, Beginning};
use crate::peer::{Peer, Terms};
use crate::{EndReason, Output, PeerId, State};

/// How long the server may take to answer a `next` for a room that the partner left first.
///
/// A server may take it for a wish for a partner all the same, and its answer is then a round trip behind the notice;
/// asking at once would throw that match away. Or it may ignore it, and then no answer comes.
const LATE_NEXT_GRACE: Duration = Duration::from_secs(2);

/// How long after a session was taken up a search begins anew: a match that was made just before the loss is told first.
const AFTER_RESUME: Duration = Duration::from_secs(1);

impl Call {
    pub(super) fn on_signalling_up(&mut self, now: Instant) {
        // Greeted again without a word of the loss: whatever the earlier connection had is gone all the same.
        self.on_signalling_down();
        self.signalling = Signalling::Up;
        if matches!(self.state, State::Searching { .. }) {
            self.ask_first(now);
        }
    }

    /// Until the session is taken up, or lost for good, nothing is decided: what we say is kept, and so is our room. Only
    /// the queue does not wait for us.
    pub(super) fn on_signalling_away(&mut self) {
        if self.signalling == Signalling::Up {
            self.signalling = Signalling::Away;
            self.question = None;
        }
    }

    pub(super) fn on_signalling_back(&mut self, now: Instant) {
        if self.signalling == Signalling::Away {
            self.signalling = Signalling::Up;
            // A match may turn out void: then the search goes on, and the queue has not waited for us.
            if matches!(
                self.state,
                State::Searching { .. } | State::Connecting { .. }
            ) {
                self.question = Some(Question {
                    leaves: None,
                    ask_again_at: now + AFTER_RESUME,
                    is_after_resume: true,
                });
            }
        }
    }

    /// The server forgets our room with our session, so nothing can be relayed in it any more. A call that is up
    /// goes on without; one that is connecting may still come up, with what was exchanged before.
    pub(super) fn on_signalling_down(&mut self) {
        self.signalling = Signalling::Down;
        self.question = None;
        self.close_room();
    }

    pub(super) fn on_server_message(&mut self, message: ServerMessage, now: Instant) {
        match message {
            ServerMessage::Waiting { .. } => self.on_waiting(),
            ServerMessage::Matched {
                room,
                role,
                interests,
                ice_servers,
                path_policy,
                offer,
                handed_over,
                partner: _,
            } => {
                let terms = Terms {
                    role,
                    ice_servers,
                    path_policy,
                    wants_shield: self.wants_shield,
                };
                self.on_matched(room, interests.into(), &terms, offer, handed_over, now);
            }
            ServerMessage::Description { room, description } => {
                self.on_description(&room, description);
            }
            ServerMessage::Candidate { room, candidate } => {
                self.on_relayed(&room, negotiation::Input::RemoteCandidate(candidate));
            }
            ServerMessage::PartnerLeft { room, reason } => self.on_partner_left(&room, reason, now),
            // What the server does not know, it has closed. Its notice comes before this, or not at all.
            ServerMessage::Error {
                code: ErrorCode::WrongRoom,
                room: Some(room),
                ..
            } => {
                self.on_partner_left(&room, LeaveReason::Unknown, now);
            }
            // It may have been our wish for a partner that was refused: ask again, but not at once. Work that we are asked for is
            // the shell's; what we have asked is answered after it.
            ServerMessage::Work(_)
            | ServerMessage::Error {
                code: ErrorCode::TooFast,
                ..
            } => {
                let leaves = self.question.take().and_then(|question| question.leaves);
                self.expect_answer(leaves, now);
            }
            ServerMessage::Error { .. }
            | ServerMessage::Welcome { .. }
            | ServerMessage::Prepared { .. }
            | ServerMessage::Reported { .. }
            | ServerMessage::Blocked { .. }
            | ServerMessage::ChatKey { .. }
            | ServerMessage::Banned { .. }
            | ServerMessage::Shutdown { .. } => {}
        }
    }

    /// The server speaks in order: when it says that we wait, every room that it told us of before is closed.
    ///
    /// That happens when a match was under way to us while we asked anew. The match is void, the search goes on.
    fn on_waiting(&mut self) {
        // It may have been said before the loss, and the queue has not waited for us.
        self.question.take_if(|question| !question.is_after_resume);
        if let State::Connecting { since, .. } = self.state {
            self.close_peer(false);
            self.room = None;
            self.state = State::Searching { since };
        }
        self.update_offer_ahead();
    }

    /// `offer` is the partner's, `handed_over` the number of ours that the partner was given.
    fn on_matched(
        &mut self,
        room: RoomId,
        interests: Arc<[String]>,
        terms: &Terms,
        offer: Option<Description>,
        handed_over: Option<u32>,
        now: Instant,
    ) {
        if self.room.as_ref() == Some(&room) {
            return;
        }
        match self.state {
            // While connecting: as when we are told that we wait, the room before is closed.
            State::Searching { .. } | State::Connecting { .. } => {}
            // The person has stopped, or talks to somebody. Nobody is dragged away or into a call.
            State::Idle
            | State::Connected { .. }
            | State::Reconnecting { .. }
            | State::Ended { .. } => {
                self.close_room();
                self.send(ClientMessage::Leave { room: Some(room) });
                if self.offer_ahead.on_declined(handed_over) {
                    self.outputs.push_back(Output::CloseReady);
                }
                return;
            }
        }
        self.close_peer(false);
        self.question.take_if(|question| !question.is_after_resume);
        self.room = Some(room);
        let Use {
            beginning,
            is_spoilt,
        } = self
            .offer_ahead
            .on_matched(terms.role, handed_over, terms.is_hidden());
        if is_spoilt {
            self.outputs.push_back(Output::CloseReady);
        }
        self.state = State::Connecting {
            since: now,
            interests,
        };
        let offer = offer.filter(|_| terms.role == Role::Answerer);
        self.open_peer(room, beginning, terms, offer.as_ref());
        if let Some(offer) = offer {
            self.negotiate(negotiation::Input::RemoteDescription(offer));
        }
    }

    /// `given` is the offer that came with the match.
    fn open_peer(
        &mut self,
        room: RoomId,
        beginning: Beginning,
        terms: &Terms,
        given: Option<&Description>,
    ) {
        let id = self.next_peer;
        self.next_peer = PeerId(id.0 + 1);
        self.outputs.push_back(Output::OpenPeer {
            peer: id,
            role: terms.role,
            ice_servers: terms.ice_servers.clone(),
            relay_only: terms.is_hidden(),
            with_offer_ahead: matches!(beginning, Beginning::OfferGiven { .. }),
        });
        let mut peer = Peer::new(id, room, beginning, terms);
        if let Some(offer) = given {
            peer.expect_another_beginning(offer, terms.clone());
        }
        self.peer = Some(peer);
    }

    /// The partner may not have the connection any more whose offer came with the match. Then it offers another one before the
    /// call is up, and what was begun with the first is of no use: DTLS cannot change the partner (RFC 8842 section 4).
    fn on_description(&mut self, room: &RoomId, description: Description) {
        if self.room.as_ref() != Some(room) {
            return;
        }
        if matches!(self.state, State::Connecting { .. })
            && let Some(peer) = &mut self.peer
            && let Some(terms) = peer.take_other_beginning(&description)
        {
            self.close_peer(false);
            self.open_peer(*room, Beginning::default(), &terms, None);
        }
        self.negotiate(negotiation::Input::RemoteDescription(description));
    }

    fn on_relayed(&mut self, room: &RoomId, input: negotiation::Input) {
        if self.room.as_ref() == Some(room) {
            self.negotiate(input);
        }
    }

    fn on_partner_left(&mut self, room: &RoomId, reason: LeaveReason, now: Instant) {
        if let Some(question) = &mut self.question
            && question.leaves.take_if(|left| left == room).is_some()
        {
            question.ask_again_at = question.ask_again_at.min(now + LATE_NEXT_GRACE);
        }
        if self.room.as_ref() != Some(room) {
            return;
        }
        self.close_room();
        let has_said_so = matches!(reason, LeaveReason::Next | LeaveReason::Left);
        match self.state {
            State::Connecting { .. } | State::Connected { .. } | State::Reconnecting { .. }
                if has_said_so =>
            {
                self.end(EndReason::PartnerLeft);
            }
            State::Connecting { .. } => self.end(EndReason::PartnerVanished),
            State::Connected { .. } | State::Reconnecting { .. } => {
                if let Some(peer) = &mut self.peer {
                    peer.on_partner_vanished();
                }
            }
            State::Idle | State::Searching { .. } | State::Ended { .. } => {}
        }
    }
}
