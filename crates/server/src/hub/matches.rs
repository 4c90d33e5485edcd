//! What two who are matched are told, and the offers that those who wait have told ahead.
//!
//! An offer is given to one partner at most, and kept only while its client waits: after that its ICE password (RFC 8839
//! section 5.4) is somebody's, or nobody's.

use std::time::{Duration, Instant};

use ::relay::Rate;
use matchmaker::{Input, PeerId};
use protocol::{Description, ErrorCode, Role, RoomId, ServerMessage};

use super::Hub;
use crate::{
    counters::{Refusal, Total},
    path_policy,
};

/// How often a client that waits may tell another offer: it has another connection ready every few minutes, or when its
/// network changes.
const OFFERS: Rate = Rate {
    per_second: 1,
    burst: 8,
};

/// What one of two who are matched is told.
pub(super) struct Told {
    pub(super) role: Role,
    pub(super) interests: Vec<String>,
    /// The partner's offer.
    pub(super) offer: Option<Description>,
    /// The number of the own one, if the partner has it.
    pub(super) handed_over: Option<u32>,
}

impl Hub {
    /// A client asks for a partner and tells what it would offer.
    pub(super) fn on_partner_asked(
        &mut self,
        peer: PeerId,
        question: Input,
        offer: Option<Description>,
    ) {
        if let Some((question, offer)) = self.hold_back(peer, question, offer) {
            self.weigh_and_ask(peer, question, offer);
        }
    }

    /// Lets the matchmaker look for somebody, now or after a while.
    pub(super) fn weigh_and_ask(
        &mut self,
        peer: PeerId,
        question: Input,
        offer: Option<Description>,
    ) {
        if let Some((question, offer)) = self.weigh(peer, question, offer) {
            self.ask(peer, question, offer);
        }
    }

    /// Lets the matchmaker look for somebody.
    pub(super) fn ask(&mut self, peer: PeerId, question: Input, offer: Option<Description>) {
        if let Some(client) = self.clients.get_mut(peer) {
            client.offer = offer;
            client.asked_at.get_or_insert_with(Instant::now);
        }
        self.inform(question);
        // It was not taken for a wish, if it does not wait now and was not matched.
        if let Some(client) = self.clients.get_mut(peer)
            && !client.outbox.is_waiting()
        {
            client.offer = None;
            client.asked_at = None;
        }
    }

    /// A client tells another offer than it did when it asked.
    pub(super) fn on_offer(&mut self, peer: PeerId, offer: Option<Description>) {
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        if !client.offers.take(1, OFFERS, Instant::now()) {
            self.counters.refuse(Refusal::Offers);
            let words = "offer may be sent 8 times at once and once a second on average";
            return self.refuse(peer, ErrorCode::TooFast, words, None);
        }
        // From one who was matched meanwhile it is for nobody: the room has begun without it.
        if let Some(withheld) = &mut client.withheld {
            withheld.1 = offer;
        } else if client.outbox.is_waiting() {
            client.offer = offer;
        }
    }

    /// Tells both. `newcomer` offers, as the one who is certainly awake; unless it has nothing that could be handed over and
    /// the other one has.
    pub(super) fn tell_matched(
        &mut self,
        room: RoomId,
        newcomer: PeerId,
        waiter: PeerId,
        interests: &[String],
    ) {
        let (offerer, answerer) =
            if !self.can_hand_over(newcomer, waiter) && self.can_hand_over(waiter, newcomer) {
                (waiter, newcomer)
            } else {
                (newcomer, waiter)
            };
        self.counters.count(if interests.is_empty() {
            Total::MatchesOpen
        } else {
            Total::MatchesByInterest
        });
        let offer = self.hand_over(offerer, answerer);
        let handed_over = offer.as_ref().map(|offer| offer.number);
        let told = [
            (offerer, answerer, Role::Offerer, None, handed_over),
            (answerer, offerer, Role::Answerer, offer, None),
        ];
        for (peer, partner, role, offer, handed_over) in told {
            let told = Told {
                role,
                interests: interests.to_vec(),
                offer,
                handed_over,
            };
            self.tell_of_match(peer, partner, room, told);
        }
    }

    /// Tells one of the two.
    pub(super) fn tell_of_match(
        &mut self,
        peer: PeerId,
        partner: PeerId,
        room: RoomId,
        told: Told,
    ) {
        let client = self.clients.get(peer);
        let asked_at = client.and_then(|client| client.asked_at);
        let waited = asked_at.map_or(Duration::ZERO, |asked_at| asked_at.elapsed());
        self.counters.waits.observe(waited);
        self.set_waiting(peer, false);
        if let Some(client) = self.clients.get_mut(peer) {
            client.matched = Some(client.outbox.pushed());
        }
        let matched = ServerMessage::Matched {
            room,
            role: told.role,
            interests: told.interests,
            ice_servers: self.ice_servers(peer),
            path_policy: self.settings.path_policy,
            offer: told.offer,
            handed_over: told.handed_over,
            partner: self.handle_for(peer, partner),
        };
        self.send(peer, &matched);
    }

    /// Whether `offerer` has told an offer that `answerer` would understand.
    fn can_hand_over(&self, offerer: PeerId, answerer: PeerId) -> bool {
        let (offerer, answerer) = (self.clients.get(offerer), self.clients.get(answerer));
        offerer.is_some_and(|client| client.offer.is_some())
            && answerer.is_some_and(|client| client.about.takes_offer_ahead)
    }

    /// Takes the offer that `offerer` has told, as `answerer` may see it.
    fn hand_over(&mut self, offerer: PeerId, answerer: PeerId) -> Option<Description> {
        if !self.can_hand_over(offerer, answerer) {
            return None;
        }
        let offer = self.clients.get_mut(offerer)?.offer.take()?;
        let passed = path_policy::pass_description(offer, self.settings.path_policy);
        self.counters
            .add(Total::WithheldCandidates, passed.withheld);
        self.counters.count(Total::OffersHandedOver);
        Some(passed.description)
    }
}
