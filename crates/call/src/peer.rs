//! The present peer connection: its negotiations, in the call's words, the ways that they take, and its path.

use std::time::Instant;

use protocol::{
    ClientMessage, Description, DescriptionKind, IceServer, PathPolicy, PeerMessage, Role, RoomId,
};

use crate::direct::{self, Direct, DirectView};
use crate::negotiation::{self, Beginning, Negotiator, Restart};
use crate::reconnect::Reconnect;
use crate::upgrade::Upgrade;
use crate::{Config, EndReason, Output, PeerId};

/// The present peer connection.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is so or not, in any combination"
)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    role: Role,
    /// The room that it belongs to.
    room: RoomId,
    negotiator: Negotiator,
    direct: Direct,
    upgrade: Upgrade,
    /// False once the room is closed: nothing can be relayed.
    is_room_open: bool,
    is_channel_open: bool,
    is_path_up: bool,
    /// Whether the server has lost the partner.
    has_vanished: bool,
    /// While the path is lost.
    reconnect: Option<Reconnect>,
    /// Until the path is up: the offer that came with the match, and what another connection would need.
    given: Option<(Description, Terms)>,
}

/// On what terms a call begins.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) role: Role,
    pub(crate) ice_servers: Vec<IceServer>,
    pub(crate) path_policy: PathPolicy,
    pub(crate) wants_shield: bool,
}

impl Terms {
    /// Whether this side begins hidden.
    pub(crate) const fn is_hidden(&self) -> bool {
        direct::begins_hidden(self.path_policy, self.wants_shield)
    }
}

/// The way that descriptions and candidates take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Server(RoomId),
    /// The data channel, which needs no server.
    Channel,
}

impl Peer {
    pub(crate) fn new(id: PeerId, room: RoomId, beginning: Beginning, terms: &Terms) -> Self {
        let role = terms.role;
        Self {
            id,
            role,
            room,
            negotiator: Negotiator::beginning(role, beginning),
            direct: Direct::new(role, terms.path_policy, terms.wants_shield),
            upgrade: Upgrade::default(),
            is_room_open: true,
            is_channel_open: false,
            is_path_up: false,
            has_vanished: false,
            reconnect: None,
            given: None,
        }
    }

    /// `offer` came with the match, so that the partner may have to take another connection than that one.
    pub(crate) fn expect_another_beginning(&mut self, offer: &Description, terms: Terms) {
        self.given = Some((offer.clone(), terms));
    }

    /// On what terms the call is to begin anew, if the partner offers another connection with this description. Once only:
    /// a partner that offers one after another wants us to open connections.
    pub(crate) fn take_other_beginning(&mut self, description: &Description) -> Option<Terms> {
        let (given, _) = self.given.as_ref()?;
        let is_new = description.number == 0 || description.number > given.number;
        if description.kind == DescriptionKind::Offer
            && is_new
            && negotiation::is_of_another_connection(given, description)
        {
            let (_, terms) = self.given.take()?;
            return Some(terms);
        }
        None
    }

    pub(crate) const fn has_agreed(&self) -> bool {
        self.negotiator.has_agreed()
    }

    pub(crate) const fn direct_view(&self) -> DirectView {
        self.direct.view()
    }

    /// Tells the negotiator and gives its orders.
    pub(crate) fn negotiate(&mut self, input: negotiation::Input) -> Vec<Output> {
        self.negotiator.handle(input);
        let (peer, route) = (self.id, self.route());
        std::iter::from_fn(|| self.negotiator.poll_output())
            .filter_map(|output| in_the_words_of_the_call(output, peer, route))
            .collect()
    }

    /// The server as long as there is one, for it does not depend on the path that is negotiated about.
    ///
    /// The data channel does. An answer to an ICE restart can take it only where the partner answers early; everything but a restart can
    /// anyhow.
    fn route(&self) -> Option<Route> {
        if self.is_room_open {
            Some(Route::Server(self.room))
        } else {
            self.is_channel_open.then_some(Route::Channel)
        }
    }

    /// After something that decides about the way. What was said on another way is said again on this one: that one may
    /// lead nowhere by now.
    fn on_route(&mut self, before: Option<Route>) -> Vec<Output> {
        let route = self.route();
        if route == before {
            return Vec::new();
        }
        let mut outputs = self.negotiate(negotiation::Input::RelayUp(route.is_some()));
        if before.is_some() && route.is_some() && self.has_agreed() {
            outputs.extend(self.negotiate(negotiation::Input::SayAgain));
        }
        outputs
    }

    pub(crate) fn on_room_closed(&mut self) -> Vec<Output> {
        let before = self.route();
        self.is_room_open = false;
        self.on_route(before)
    }

    pub(crate) fn on_channel_open(&mut self) -> Vec<Output> {
        let before = self.route();
        if std::mem::replace(&mut self.is_channel_open, true) {
            return Vec::new();
        }
        let mut outputs = self.on_route(before);
        let orders = self.direct.on_channel_open();
        outputs.extend(self.carry_out(orders));
        outputs
    }

    pub(crate) fn on_direct_choice(&mut self, allowed: bool, now: Instant) -> Vec<Output> {
        let could_upgrade = self.may_upgrade();
        let orders = self.direct.on_choice(allowed);
        self.on_agreement(could_upgrade, now);
        self.carry_out(orders)
    }

    pub(crate) fn on_partner_direct(&mut self, allowed: bool, now: Instant) -> Vec<Output> {
        let could_upgrade = self.may_upgrade();
        let orders = self.direct.on_partner(allowed);
        self.on_agreement(could_upgrade, now);
        self.carry_out(orders)
    }

    /// Counts attempts anew if there was something new to agree on, however often a partner says that it agrees.
    fn on_agreement(&mut self, could_upgrade: bool, now: Instant) {
        if !could_upgrade && self.may_upgrade() {
            self.upgrade.on_allowed(now);
        }
    }

    fn carry_out(&mut self, orders: Vec<direct::Order>) -> Vec<Output> {
        let mut outputs = Vec::new();
        for order in orders {
            match order {
                direct::Order::Tell(allowed) => outputs.push(Output::SendToPartner {
                    peer: self.id,
                    message: PeerMessage::Direct { allowed },
                }),
                direct::Order::Allow => outputs.push(Output::AllowDirect { peer: self.id }),
                direct::Order::Restart if !self.may_improve() => {}
                direct::Order::Restart => {
                    let restart = negotiation::Input::RestartNeeded(Restart::Improve);
                    outputs.extend(self.negotiate(restart));
                }
            }
        }
        outputs
    }

    pub(crate) const fn on_partner_vanished(&mut self) {
        self.has_vanished = true;
    }

    pub(crate) fn on_path_up(&mut self) {
        self.reconnect = None;
        self.given = None;
        self.is_path_up = true;
    }

    pub(crate) fn on_path_lost(&mut self, now: Instant) {
        self.is_path_up = false;
        self.reconnect = Some(Reconnect::new(self.role, now));
    }

    /// The connection took this kind of path.
    pub(crate) fn on_path_selected(&mut self, is_relayed: bool, now: Instant) {
        self.upgrade.on_path(is_relayed, now);
    }

    pub(crate) fn on_network_changed(&mut self, config: &Config, now: Instant) -> Vec<Output> {
        self.upgrade.on_network_changed();
        // A restart that cannot be answered would end a path that may yet come back.
        if !self.is_room_open {
            return Vec::new();
        }
        if let Some(reconnect) = &mut self.reconnect {
            reconnect.on_restarted(config, now);
        }
        self.negotiate(negotiation::Input::NetworkChanged)
    }

    /// When the call is over and why, while the path is lost.
    pub(crate) fn give_up(&self, config: &Config) -> Option<(Instant, EndReason)> {
        let at = self.reconnect.as_ref()?.give_up_at(config);
        let reason = if self.has_vanished {
            EndReason::PartnerVanished
        } else {
            EndReason::ConnectionLost
        };
        Some((at, reason))
    }

    /// Whether a better path can be negotiated about: over the server, or over the path that there is.
    const fn may_improve(&self) -> bool {
        let over_channel = self.is_channel_open && self.is_path_up && self.negotiator.may_improve();
        self.is_room_open || over_channel
    }

    /// When to restart ICE the next time, if a restart is possible.
    pub(crate) fn restart_at(&self) -> Option<Instant> {
        match &self.reconnect {
            Some(reconnect) => self.is_room_open.then(|| reconnect.restart_at()),
            None => self
                .upgrade
                .due_at()
                .filter(|_| self.is_path_up && self.may_upgrade() && self.may_improve()),
        }
    }

    /// How ICE is to be restarted at this moment; once for each time that it is.
    pub(crate) fn take_restart(&mut self, config: &Config, now: Instant) -> Option<Restart> {
        self.restart_at()?;
        match &mut self.reconnect {
            Some(reconnect) => reconnect.take_restart(config, now),
            None => self.upgrade.take(now).then_some(Restart::Improve),
        }
    }

    /// Whether a direct path may be looked for: by one side, so that the two do not cross, and only if neither hides.
    fn may_upgrade(&self) -> bool {
        let view = self.direct.view();
        self.role == Role::Offerer && !view.is_hidden && view.partner_allows == Some(true)
    }
}

fn in_the_words_of_the_call(
    output: negotiation::Output,
    peer: PeerId,
    route: Option<Route>,
) -> Option<Output> {
    Some(match output {
        negotiation::Output::CreateOffer { restart } => Output::CreateOffer { peer, restart },
        negotiation::Output::CreateAnswer => Output::CreateAnswer { peer },
        negotiation::Output::ApplyRemote(description) => Output::ApplyRemote { peer, description },
        negotiation::Output::Rollback => Output::Rollback { peer },
        negotiation::Output::AddCandidate(candidate) => Output::AddCandidate { peer, candidate },
        negotiation::Output::SendDescription(description) => match route? {
            Route::Server(room) => Output::Send(ClientMessage::Description { room, description }),
            Route::Channel => Output::SendToPartner {
                peer,
                message: PeerMessage::Description { description },
            },
        },
        negotiation::Output::SendCandidate(candidate) => match route? {
            Route::Server(room) => Output::Send(ClientMessage::Candidate { room, candidate }),
            Route::Channel => Output::SendToPartner {
                peer,
                message: PeerMessage::Candidate { candidate },
            },
        },
    })
}
