//! Those who wait meet those who wait at other servers: what the [`Node`] needs of the hub, and what follows from what it says.
//!
//! Somebody of another server's who is in a room with one of ours is a guest: the matchmaker knows him by a number, as anybody, and
//! the hub knows who he is. What the hub sends to a guest goes to his server.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use cluster::{
    Acceptance, Answer, Holds, Introduction, Node, NodeId, Output, Tag, Ticket, Wish,
    redis::{News, Order},
};
use matchmaker::{Input, PeerId, Wishes};
use protocol::{ClientMessage, Description, LeaveReason, Role, RoomId};
use tokio::sync::mpsc;
use tracing::debug;

use super::{Hub, matches::Told, random_room};
use crate::{
    cluster_view::ServerView,
    counters::Total,
    path_policy,
    safety::{KeyHash, Person},
};

/// How many orders may wait for the one who carries them out. The hub waits for nobody.
pub(crate) const ORDERS: usize = 4096;
/// How many guests are remembered of one of ours: so long may one block somebody whom one has left.
const GUESTS_MET: usize = 32;
/// How many guests one of ours can block in a session, as the matchmaker has it.
const GUESTS_BLOCKED: usize = 64;

/// What the hub knows of other servers.
pub(crate) struct Elsewhere {
    node: Node<fn() -> RoomId>,
    orders: mpsc::Sender<Order>,
    /// Those of other servers' people who are in a room with one of ours.
    guests: HashMap<PeerId, Person>,
    /// Whom of other servers those who are here have met, as far as they have.
    met: HashMap<PeerId, Met>,
    /// How many people are connected to the others.
    others_online: usize,
}

/// Whom one of ours has met of other servers' people, and blocked. The oldest first.
#[derive(Debug, Default)]
struct Met {
    guests: VecDeque<(PeerId, Tag)>,
    never: VecDeque<Tag>,
}

impl Elsewhere {
    pub(crate) fn new(me: NodeId, orders: mpsc::Sender<Order>) -> Self {
        Self {
            node: Node::new(me, random_room),
            orders,
            guests: HashMap::new(),
            met: HashMap::new(),
            others_online: 0,
        }
    }

    /// What this server is called by the others.
    pub(super) const fn me(&self) -> NodeId {
        self.node.me()
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.node.poll_timeout()
    }

    /// How many people are connected to the others.
    pub(super) const fn others_online(&self) -> usize {
        self.others_online
    }

    fn has_blocked(&self, peer: PeerId, who: Tag) -> bool {
        (self.met.get(&peer)).is_some_and(|met| met.never.contains(&who))
    }

    fn never_meet(&mut self, peer: PeerId, who: Tag) {
        let never = &mut self.met.entry(peer).or_default().never;
        if !never.contains(&who) {
            never.push_back(who);
            if never.len() > GUESTS_BLOCKED {
                never.pop_front();
            }
        }
    }
}

impl Hub {
    /// One who found nobody here is offered to the others.
    pub(super) fn offer_elsewhere(&mut self, peer: PeerId) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.node.waits(peer, Instant::now());
        }
    }

    /// … and no longer.
    pub(super) fn recall(&mut self, peer: PeerId) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.node.no_longer(peer, Instant::now());
        }
    }

    /// Nothing of one of ours who is gone is kept.
    pub(super) fn forget_elsewhere(&mut self, peer: PeerId) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.node.no_longer(peer, Instant::now());
            elsewhere.met.remove(&peer);
        }
    }

    /// Who somebody is: one of ours, or a guest.
    pub(super) fn person(&self, peer: PeerId) -> Option<Person> {
        match self.clients.get(peer) {
            Some(client) => Some(client.about.person),
            None => self.elsewhere.as_ref()?.guests.get(&peer).copied(),
        }
    }

    pub(super) fn is_guest(&self, peer: PeerId) -> bool {
        (self.elsewhere.as_ref()).is_some_and(|elsewhere| elsewhere.guests.contains_key(&peer))
    }

    /// Something is said to a guest.
    pub(super) fn pass_elsewhere(&mut self, room: RoomId, message: ClientMessage) {
        if let Some(elsewhere) = &mut self.elsewhere
            && !elsewhere.node.pass(room, message, Instant::now())
        {
            debug!("a room of two servers is over for one of them");
        }
    }

    /// A guest has been left by one of ours. False if it is no guest.
    pub(super) fn dismiss_guest(
        &mut self,
        guest: PeerId,
        room: RoomId,
        reason: LeaveReason,
    ) -> bool {
        let Some(elsewhere) = &mut self.elsewhere else {
            return false;
        };
        if elsewhere.guests.remove(&guest).is_none() {
            return false;
        }
        elsewhere.node.leave(room, reason, Instant::now());
        self.forgotten.push(guest);
        true
    }

    /// One of ours has blocked a guest, who may be gone.
    pub(super) fn block_guest(&mut self, peer: PeerId, guest: PeerId) {
        if let Some(elsewhere) = &mut self.elsewhere
            && let Some(met) = elsewhere.met.get(&peer)
            && let Some(&(_, who)) = met.guests.iter().find(|(it, _)| *it == guest)
        {
            elsewhere.never_meet(peer, who);
        }
    }

    /// Redis or the bus has said something.
    pub(super) fn on_news(&mut self, news: News) {
        let now = Instant::now();
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        let node = &mut elsewhere.node;
        match news {
            News::Up => {
                node.on_up(now);
                self.desk.shared.on_up(now);
            }
            News::Lost => {
                node.on_lost();
                elsewhere.others_online = 0;
                self.desk.shared.on_lost();
            }
            News::Answer { number, answer } => node.on_answer(number, answer, now),
            News::Packet(packet) => {
                if !node.on_packet(&packet, now) {
                    debug!("the bus has brought something that is no packet");
                }
            }
            News::Page { shelf, page } => self.on_page(shelf, page, now),
            News::Nudge(shelf) => self.desk.shared.on_nudge(&shelf, now),
            News::Roster(roster) => {
                node.on_roster(roster.iter().map(|(node, _)| *node), now);
                let me = node.me();
                let views = roster.iter();
                let views: Vec<ServerView> = views
                    .map(|(node, about)| ServerView::read(*node == me, about))
                    .collect();
                let others = views.iter().filter(|view| !view.is_this);
                elsewhere.others_online = others.map(|view| view.connections).sum();
                self.counters.cluster.show(views);
            }
        }
        let is_up = (self.elsewhere.as_ref()).is_some_and(|elsewhere| elsewhere.node.is_up());
        self.counters.cluster.is_up.store(is_up, Relaxed);
    }

    /// Does what is due with other servers, and what follows.
    pub(super) fn carry_out_elsewhere(&mut self) {
        let now = Instant::now();
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        elsewhere.node.on_timeout(now);
        while let Some(elsewhere) = &mut self.elsewhere
            && let Some(output) = elsewhere.node.poll_output(now)
        {
            self.carry_out_one_elsewhere(output, now);
        }
        self.ask_for_facts(now);
        if let Some(elsewhere) = &self.elsewhere {
            let rooms = elsewhere.node.room_count();
            self.counters.cluster.rooms.store(rooms, Relaxed);
        }
    }

    /// This server ends: what the others must know of it goes out.
    pub(super) fn take_leave(&mut self) {
        let now = Instant::now();
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        elsewhere.node.farewell(now);
        while let Some(elsewhere) = &mut self.elsewhere
            && let Some(output) = elsewhere.node.poll_output(now)
        {
            // Whatever else there is to do, nobody waits for it.
            if let Output::Send { to, packet } = output {
                self.order(Order::Send { to, packet });
            }
        }
    }

    fn carry_out_one_elsewhere(&mut self, output: Output, now: Instant) {
        match output {
            Output::Ask { peer, ticket } => self.ask_elsewhere(peer, ticket, now),
            Output::Withdraw { ticket } => {
                // If it is lost, whoever takes the ticket is told no.
                self.order(Order::Withdraw(ticket));
            }
            Output::Send { to, packet } => {
                // If it is lost, it is said again.
                self.order(Order::Send { to, packet });
            }
            Output::Introduce { peer, who, .. } => {
                self.inform(Input::SetAside { peer });
                let introduction = self.introduction(peer);
                let Some(elsewhere) = &mut self.elsewhere else {
                    return;
                };
                match introduction {
                    Some(introduction) if !elsewhere.has_blocked(peer, who) => {
                        elsewhere.node.introduce(peer, introduction, now);
                    }
                    _ => elsewhere.node.decline(peer, now),
                }
            }
            Output::PutBack {
                peer,
                is_offer_spent,
                never,
            } => self.put_back(peer, is_offer_spent, never),
            Output::Proposed {
                peer,
                room,
                introduction,
            } => self.on_proposed(peer, room, &introduction, now),
            Output::Accepted {
                peer,
                room,
                acceptance,
            } => self.on_accepted(peer, room, *acceptance, now),
            Output::Said {
                peer,
                room,
                message,
            } => {
                let is_for_partner = matches!(
                    message,
                    ClientMessage::Description { .. }
                        | ClientMessage::Candidate { .. }
                        | ClientMessage::ChatKey { .. }
                );
                if let Some((present, guest)) = self.matchmaker.room_of(peer)
                    && present == room
                    && is_for_partner
                {
                    self.relay(guest, room, message);
                }
            }
            Output::PartnerGone { peer, room, reason } => {
                if let Some((present, guest)) = self.matchmaker.room_of(peer)
                    && present == room
                {
                    if let Some(elsewhere) = &mut self.elsewhere {
                        elsewhere.guests.remove(&guest);
                    }
                    self.inform(Input::GuestLeft { guest, reason });
                }
            }
        }
    }

    /// False if it cannot be carried out.
    pub(super) fn order(&mut self, order: Order) -> bool {
        let sent = self
            .elsewhere
            .as_ref()
            .map(|elsewhere| elsewhere.orders.try_send(order));
        sent.is_some_and(|sent| sent.is_ok())
    }

    fn ask_elsewhere(&mut self, peer: PeerId, ticket: Ticket, now: Instant) {
        let wish = self.wish(peer, ticket, now);
        let is_asked = wish.is_some_and(|(wish, again_at)| {
            if let Some(elsewhere) = &mut self.elsewhere {
                elsewhere.node.again_at(peer, again_at);
            }
            self.order(Order::Ask(Box::new(wish)))
        });
        if !is_asked && let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.node.on_answer(ticket.number, Answer::Failed, now);
        }
    }

    /// What one who waits wants, and when he will be content with less.
    fn wish(&self, peer: PeerId, ticket: Ticket, now: Instant) -> Option<(Wish, Option<Instant>)> {
        let client = self.clients.get(peer)?;
        let refusals = self.matchmaker.refusals_of(peer)?;
        let elsewhere = self.elsewhere.as_ref()?;
        let ends = [refusals.interest, refusals.language, refusals.new];
        let [interest, language, new] = ends.map(|end| end.saturating_duration_since(now));
        let again_at = ends.into_iter().filter(|end| *end > now).min();
        let met = elsewhere.met.get(&peer);
        let recent = met.into_iter().flat_map(|met| met.guests.iter().rev());
        let recent = recent.take(self.settings.matching.recent_partners);
        let never = met.into_iter().flat_map(|met| met.never.iter().copied());
        let key = client.about.person.key;
        let records = &self.desk.records;
        let never_keys = key.into_iter().flat_map(|key| records.blocked_by(key));
        let wish = Wish {
            ticket,
            who: Tag {
                node: elsewhere.node.me(),
                peer,
            },
            key: key.map(|key| key.to_string()),
            is_apart: self.matchmaker.is_apart(peer),
            interests: client.wishes.interests().to_vec(),
            language: client.wishes.language().map(str::to_owned),
            never: never.collect(),
            never_keys: never_keys.map(|key| key.to_string()).collect(),
            met: recent.map(|(_, who)| *who).collect(),
            holds: Holds {
                interest,
                language,
                new,
            },
            waited: now.saturating_duration_since(refusals.since),
        };
        // A moment later, so that it has certainly come in whole milliseconds.
        Some((wish, again_at.map(|at| at + Duration::from_millis(2))))
    }

    fn introduction(&self, peer: PeerId) -> Option<Introduction> {
        let client = self.clients.get(peer)?;
        let person = client.about.person;
        Some(Introduction {
            who: Tag {
                node: self.elsewhere.as_ref()?.node.me(),
                peer,
            },
            key: person.key.map(|key| key.to_string()),
            place: person.place.to_string(),
            is_shared: person.is_shared,
            interests: client.wishes.interests().to_vec(),
            language: client.wishes.language().map(str::to_owned),
            takes_offer_ahead: client.about.takes_offer_ahead,
            offer: client.offer.clone(),
        })
    }

    /// One whom nobody elsewhere has got looks for a partner again, at the old place.
    fn put_back(&mut self, peer: PeerId, is_offer_spent: bool, never: Option<Tag>) {
        if let (Some(elsewhere), Some(who)) = (&mut self.elsewhere, never) {
            elsewhere.never_meet(peer, who);
        }
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        if !client.outbox.is_waiting() {
            return;
        }
        if is_offer_spent {
            client.offer = None;
        }
        self.tell_blocks(peer);
        self.told_waiting = Some(peer);
        self.inform(Input::NextAsked { peer, room: None });
        self.told_waiting = None;
    }

    /// Somebody of another server's may meet one of ours who waits.
    fn on_proposed(&mut self, peer: PeerId, room: RoomId, theirs: &Introduction, now: Instant) {
        // Whose patience has just run out may be matched at home by this.
        self.inform(Input::SetAside { peer });
        if self.matchmaker.room_of(peer).is_some() {
            return;
        }
        let acceptance = self.acceptance(peer, theirs);
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        let Some((acceptance, offer)) = acceptance else {
            elsewhere.node.refuse(peer, now);
            return self.put_back(peer, false, Some(theirs.who));
        };
        let role = if acceptance.offers {
            Role::Offerer
        } else {
            Role::Answerer
        };
        let told = Told {
            role,
            interests: acceptance.interests.clone(),
            // Whoever offers hears which offer it was.
            handed_over: acceptance
                .introduction
                .offer
                .as_ref()
                .map(|offer| offer.number),
            offer,
        };
        elsewhere.node.accept(peer, acceptance, now);
        self.host(peer, room, theirs, told);
    }

    /// What is said to a proposal, with the offer that the proposer's one has for ours; `None` if the two must not meet.
    fn acceptance(
        &mut self,
        peer: PeerId,
        theirs: &Introduction,
    ) -> Option<(Acceptance, Option<Description>)> {
        if self.is_draining || !self.may_meet(peer, theirs) {
            return None;
        }
        let mut introduction = self.introduction(peer)?;
        let ours = self.clients.get(peer)?;
        let interests = ours.wishes.shared_with(&wishes_of(theirs));
        let policy = self.settings.path_policy;
        let can_take = ours.about.takes_offer_ahead;
        let own = introduction.offer.take();
        let (offers, offer) = match &theirs.offer {
            Some(offer) if can_take => (false, Some(offer.clone())),
            _ if own.is_some() && theirs.takes_offer_ahead => (true, None),
            _ => (false, None),
        };
        introduction.offer = own.filter(|_| offers);
        let handed_over = offer.as_ref().map(|offer| offer.number);
        let offer = offer.map(|offer| path_policy::pass_description(offer, policy));
        if let Some(passed) = &offer {
            self.counters
                .add(Total::WithheldCandidates, passed.withheld);
            self.counters.count(Total::OffersHandedOver);
        }
        let acceptance = Acceptance {
            introduction,
            interests,
            offers,
            handed_over,
        };
        Some((acceptance, offer.map(|passed| passed.description)))
    }

    /// Whether neither has blocked the other, and they are two. Redis was told that too, but perhaps not the latest.
    fn may_meet(&self, peer: PeerId, theirs: &Introduction) -> bool {
        let elsewhere = self.elsewhere.as_ref();
        if elsewhere.is_some_and(|it| it.has_blocked(peer, theirs.who)) {
            return false;
        }
        let own = self
            .clients
            .get(peer)
            .and_then(|client| client.about.person.key);
        let (Some(own), Some(key)) = (own, key_of(theirs)) else {
            return true;
        };
        let mut blocked = self.desk.records.blocked_by(own);
        let mut blockers = self.desk.records.blockers_of(own);
        own != key && !blocked.any(|it| it == key) && !blockers.any(|it| it == key)
    }

    /// One of ours who was proposed is taken.
    fn on_accepted(&mut self, peer: PeerId, room: RoomId, acceptance: Acceptance, now: Instant) {
        let waits = self
            .clients
            .get(peer)
            .is_some_and(|client| client.outbox.is_waiting());
        let may_meet = self.may_meet(peer, &acceptance.introduction);
        if !waits || !may_meet {
            if let Some(elsewhere) = &mut self.elsewhere {
                elsewhere.node.leave(room, LeaveReason::Left, now);
            }
            let who = acceptance.introduction.who;
            return self.put_back(peer, true, Some(who).filter(|_| !may_meet));
        }
        let Acceptance {
            mut introduction,
            interests,
            offers,
            handed_over,
        } = acceptance;
        let policy = self.settings.path_policy;
        let offer = introduction.offer.take().filter(|_| offers);
        let offer = offer.map(|offer| path_policy::pass_description(offer, policy));
        if let Some(passed) = &offer {
            self.counters
                .add(Total::WithheldCandidates, passed.withheld);
            self.counters.count(Total::OffersHandedOver);
        }
        // Here, so that each pair counts once.
        self.counters.count(if interests.is_empty() {
            Total::MatchesOpen
        } else {
            Total::MatchesByInterest
        });
        let told = Told {
            role: if offers {
                Role::Answerer
            } else {
                Role::Offerer
            },
            interests,
            offer: offer.map(|passed| passed.description),
            handed_over: handed_over.filter(|_| !offers),
        };
        self.host(peer, room, &introduction, told);
    }

    /// One of ours and a guest are in a room.
    fn host(&mut self, peer: PeerId, room: RoomId, theirs: &Introduction, told: Told) {
        let guest = self.counters.next_peer();
        let person = person_of(theirs);
        if let Some(elsewhere) = &mut self.elsewhere {
            let who = theirs.who;
            elsewhere.guests.insert(guest, person);
            let met = &mut elsewhere.met.entry(peer).or_default().guests;
            met.retain(|(_, it)| *it != who);
            met.push_back((guest, who));
            if met.len() > GUESTS_MET {
                met.pop_front();
            }
        }
        self.inform(Input::GuestCame {
            peer,
            guest,
            wishes: wishes_of(theirs),
            room,
        });
        debug!(
            rooms = self.matchmaker.room_count(),
            "matched with another server"
        );
        self.counters.count(Total::MatchesAcross);
        let until = Instant::now() + self.settings.answer_deadline;
        self.unanswered.push_back((until, peer, room));
        self.note_meeting(room, [peer, guest]);
        self.tell_of_match(peer, guest, room, told);
    }
}

fn wishes_of(theirs: &Introduction) -> Wishes {
    Wishes::new(&theirs.interests, theirs.language.as_deref())
}

fn key_of(theirs: &Introduction) -> Option<KeyHash> {
    KeyHash::try_from(theirs.key.clone()?).ok()
}

/// Who a guest is. One whose address is not understood cannot be told from others.
fn person_of(theirs: &Introduction) -> Person {
    let nobody = Person::default();
    let (place, is_shared) = match theirs.place.parse() {
        Ok(place) => (place, theirs.is_shared),
        Err(_) => (nobody.place, true),
    };
    Person {
        key: key_of(theirs),
        place,
        is_shared,
    }
}
