//! The present peer connection: its negotiations, in the call's words, and the loss of its path.

use std::time::Instant;

use protocol::{ClientMessage, Role, RoomId};

use crate::negotiation::{self, Negotiator};
use crate::reconnect::Reconnect;
use crate::{Config, EndReason, Output, PeerId};

/// The present peer connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    role: Role,
    /// The room that it belongs to.
    room: RoomId,
    negotiator: Negotiator,
    /// False once the room is closed: nothing can be relayed.
    is_room_open: bool,
    /// When the server said that it lost the partner.
    vanished_at: Option<Instant>,
    /// While the path is lost.
    reconnect: Option<Reconnect>,
}

impl Peer {
    pub(crate) const fn new(id: PeerId, role: Role, room: RoomId) -> Self {
        Self {
            id,
            role,
            room,
            negotiator: Negotiator::new(role),
            is_room_open: true,
            vanished_at: None,
            reconnect: None,
        }
    }

    pub(crate) const fn has_agreed(&self) -> bool {
        self.negotiator.has_agreed()
    }

    /// Tells the negotiator and gives its orders.
    pub(crate) fn negotiate(&mut self, input: negotiation::Input) -> impl Iterator<Item = Output> {
        self.negotiator.handle(input);
        std::iter::from_fn(|| {
            let output = self.negotiator.poll_output()?;
            Some(in_the_words_of_the_call(output, self.id, self.room))
        })
    }

    pub(crate) fn on_room_closed(&mut self) -> impl Iterator<Item = Output> {
        self.is_room_open = false;
        self.negotiate(negotiation::Input::RelayLost)
    }

    pub(crate) fn on_partner_vanished(&mut self, now: Instant) {
        self.vanished_at = Some(now);
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.on_partner_vanished(now);
        }
    }

    pub(crate) fn on_path_up(&mut self) {
        self.reconnect = None;
    }

    pub(crate) fn on_path_lost(&mut self, now: Instant) {
        self.reconnect = Some(Reconnect::new(now, self.vanished_at));
    }

    /// When the call is over and why, while the path is lost.
    pub(crate) fn give_up(&self, config: &Config) -> Option<(Instant, EndReason)> {
        self.reconnect
            .as_ref()
            .map(|reconnect| reconnect.give_up(config))
    }

    /// When to restart ICE, while the path is lost and a restart is possible.
    pub(crate) fn restart_at(&self) -> Option<Instant> {
        let reconnect = self.reconnect.as_ref()?;
        self.can_restart().then(|| reconnect.restart_at())
    }

    /// Whether ICE is to be restarted at this moment; true once for each time that it is.
    pub(crate) fn take_restart(&mut self, config: &Config, now: Instant) -> bool {
        let can_restart = self.can_restart();
        let reconnect = self.reconnect.as_mut().filter(|_| can_restart);
        reconnect.is_some_and(|reconnect| reconnect.take_restart(config, now))
    }

    /// One side restarts ICE, so that restarts do not cross: the one that sent the first offer.
    const fn can_restart(&self) -> bool {
        self.is_room_open && matches!(self.role, Role::Offerer)
    }
}

fn in_the_words_of_the_call(output: negotiation::Output, peer: PeerId, room: RoomId) -> Output {
    match output {
        negotiation::Output::CreateOffer { ice_restart } => {
            Output::CreateOffer { peer, ice_restart }
        }
        negotiation::Output::CreateAnswer => Output::CreateAnswer { peer },
        negotiation::Output::ApplyRemote(description) => Output::ApplyRemote { peer, description },
        negotiation::Output::Rollback => Output::Rollback { peer },
        negotiation::Output::AddCandidate(candidate) => Output::AddCandidate { peer, candidate },
        negotiation::Output::SendDescription(description) => {
            Output::Send(ClientMessage::Description { room, description })
        }
        negotiation::Output::SendCandidate(candidate) => {
            Output::Send(ClientMessage::Candidate { room, candidate })
        }
    }
}
