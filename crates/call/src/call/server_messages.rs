//! What the server says, and what its coming and going means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{ClientMessage, ErrorCode, IceServer, LeaveReason, Role, RoomId, ServerMessage};

use super::Call;
use crate::negotiation;
use crate::peer::Peer;
use crate::{EndReason, Output, PeerId, State};

/// How long the server may take to answer a `next` for a room that the partner left first.
///
/// A server may take it for a wish for a partner all the same, and its answer is then a round trip behind the notice;
/// asking at once would throw that match away. Or it may ignore it, and then no answer comes.
const LATE_NEXT_GRACE: Duration = Duration::from_secs(2);

impl Call {
    pub(super) fn on_signalling_up(&mut self, now: Instant) {
        // Greeted again without a word of the loss: whatever the earlier connection had is gone all the same.
        self.on_signalling_down();
        self.is_signalling_up = true;
        if matches!(self.state, State::Searching { .. }) {
            self.ask(now);
        }
    }

    /// The server forgets our room with our connection, so nothing can be relayed in it any more. A call that is up
    /// goes on without; one that is connecting may still come up, with what was exchanged before.
    pub(super) fn on_signalling_down(&mut self) {
        self.is_signalling_up = false;
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
                ..
            } => {
                self.on_matched(room, role, interests.into(), ice_servers, now);
            }
            ServerMessage::Description { room, description } => {
                self.on_relayed(&room, negotiation::Input::RemoteDescription(description));
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
            // It may have been our wish for a partner that was refused: ask again, but not at once.
            ServerMessage::Error {
                code: ErrorCode::TooFast,
                ..
            } => {
                let leaves = self.question.take().and_then(|question| question.leaves);
                self.expect_answer(leaves, now);
            }
            ServerMessage::Error { .. }
            | ServerMessage::Welcome { .. }
            | ServerMessage::Prepared { .. }
            | ServerMessage::Shutdown { .. } => {}
        }
    }

    /// The server speaks in order: when it says that we wait, every room that it told us of before is closed.
    ///
    /// That happens when a match was under way to us while we asked anew. The match is void, the search goes on.
    fn on_waiting(&mut self) {
        self.question = None;
        if let State::Connecting { since, .. } = self.state {
            self.close_peer(false);
            self.room = None;
            self.state = State::Searching { since };
        }
    }

    fn on_matched(
        &mut self,
        room: RoomId,
        role: Role,
        interests: Arc<[String]>,
        ice_servers: Vec<IceServer>,
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
                return;
            }
        }
        self.close_peer(false);
        self.question = None;
        self.room = Some(room);
        let id = self.next_peer;
        self.next_peer = PeerId(id.0 + 1);
        self.peer = Some(Peer::new(id, role, room));
        self.outputs.push_back(Output::OpenPeer {
            peer: id,
            role,
            ice_servers,
        });
        self.state = State::Connecting {
            since: now,
            interests,
        };
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
                    peer.on_partner_vanished(now);
                }
            }
            State::Idle | State::Searching { .. } | State::Ended { .. } => {}
        }
    }
}
