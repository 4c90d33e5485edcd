//! The matchmaker: where every person is, and what follows from what happens.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use protocol::{LeaveReason, RoomId};

use crate::{
    Config, PeerId, Wishes,
    waiting_room::{Ticket, Waiter, WaitingRoom},
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A person asked for a partner. Whoever is in a room leaves it; whoever waits keeps the place in the queue.
    JoinAsked {
        /// Who asked.
        peer: PeerId,
        /// Whom the person would like to meet.
        wishes: Wishes,
    },
    /// A person asked for another partner, with the wishes of the last `JoinAsked`.
    NextAsked {
        /// Who asked.
        peer: PeerId,
        /// The room that the person meant to leave. While the person is in another one, nothing changes.
        room: Option<RoomId>,
    },
    /// A person wants nobody.
    LeaveAsked {
        /// Who asked.
        peer: PeerId,
        /// The room that the person meant to leave. While the person is in another one, nothing changes.
        room: Option<RoomId>,
    },
    /// A person's connection is gone, and with it everything that is known about the person.
    Disconnected {
        /// Who is gone.
        peer: PeerId,
    },
    /// The time of [`Matchmaker::poll_timeout`] has come.
    Timeout,
}

/// What the owner must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Tell `peer` that nobody suitable is there yet.
    TellWaiting {
        /// Who waits.
        peer: PeerId,
    },
    /// Tell both that they are in a room together.
    TellMatched {
        /// Names this pairing.
        room: RoomId,
        /// Who sends the first offer, unless the owner knows better: the one who came last, since that one is certainly awake.
        offerer: PeerId,
        /// Who waited for longer.
        answerer: PeerId,
        /// What both like, sorted.
        interests: Vec<String>,
    },
    /// Tell `peer` that the room is closed. It is told once, and only to the one who did not leave.
    TellPartnerLeft {
        /// Who was left.
        peer: PeerId,
        /// The room that was closed.
        room: RoomId,
        /// How the partner left.
        reason: LeaveReason,
    },
    /// Tell `peer` that it asked to leave a room in which it is not.
    RefuseRoom {
        /// Who asked.
        peer: PeerId,
        /// The room that was named.
        room: RoomId,
    },
}

/// Decides who talks to whom. See the crate's description for the rules.
///
/// After each [`handle`](Self::handle) call [`poll_output`](Self::poll_output) until it returns `None`. Joining costs
/// O(k log n) for k interests and n people who wait, plus a look at each of those who wait and would do but for having
/// met before or speaking another language.
#[derive(Debug)]
pub struct Matchmaker<Names> {
    config: Config,
    /// Makes the names of rooms. Every call must return another one.
    names: Names,
    people: HashMap<PeerId, Person>,
    /// How many of `people` have each interest, wherever they are.
    interest_holders: HashMap<String, usize>,
    waiting: WaitingRoom,
    last_ticket: Ticket,
    rooms: usize,
    outputs: VecDeque<Output>,
}

/// One who has asked for a partner at least once.
#[derive(Debug, Default)]
struct Person {
    wishes: Wishes,
    /// The last partners, oldest first; at most [`Config::recent_partners`].
    recent: VecDeque<PeerId>,
    place: Place,
}

/// Where a person is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Wants nobody.
    #[default]
    Outside,
    Waiting(Ticket),
    Room {
        room: RoomId,
        partner: PeerId,
    },
}

impl<Names: FnMut() -> RoomId> Matchmaker<Names> {
    /// Starts with nobody. `names` makes the name of each room; every call must return another one.
    pub fn new(config: Config, names: Names) -> Self {
        Self {
            config,
            names,
            people: HashMap::new(),
            interest_holders: HashMap::new(),
            waiting: WaitingRoom::default(),
            last_ticket: Ticket(0),
            rooms: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Something happened. `now` must not go back from call to call.
    pub fn handle(&mut self, input: Input, now: Instant) {
        // A patience that has run out counts before the input, however late the owner's timer is.
        self.on_timeout(now);
        match input {
            Input::JoinAsked { peer, wishes } => self.on_join_asked(peer, wishes, now),
            Input::NextAsked { peer, room } => self.on_next_asked(peer, room, now),
            Input::LeaveAsked { peer, room } => self.on_leave_asked(peer, room),
            Input::Disconnected { peer } => self.on_disconnected(peer),
            Input::Timeout => {}
        }
    }

    /// The next order. Call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.next_due()
    }

    /// The room in which `peer` is, and with whom.
    pub fn room_of(&self, peer: PeerId) -> Option<(RoomId, PeerId)> {
        match self.people.get(&peer)?.place {
            Place::Room { room, partner } => Some((room, partner)),
            Place::Outside | Place::Waiting(_) => None,
        }
    }

    /// How many people wait for a partner.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// How many rooms are open.
    pub const fn room_count(&self) -> usize {
        self.rooms
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some(ticket) = self.waiting.pop_due(now) {
            self.pair_up(ticket, now);
        }
    }

    fn on_join_asked(&mut self, peer: PeerId, wishes: Wishes, now: Instant) {
        self.forget_interests(peer);
        for interest in wishes.interests() {
            *self.interest_holders.entry(interest.clone()).or_default() += 1;
        }
        self.people.entry(peer).or_default().wishes = wishes;
        self.ask(peer, now);
    }

    fn on_next_asked(&mut self, peer: PeerId, room: Option<RoomId>, now: Instant) {
        self.people.entry(peer).or_default();
        if self.may_leave(peer, room) {
            self.ask(peer, now);
        }
    }

    fn on_leave_asked(&mut self, peer: PeerId, room: Option<RoomId>) {
        if self.may_leave(peer, room) {
            self.step_out(peer, LeaveReason::Left);
        }
    }

    fn on_disconnected(&mut self, peer: PeerId) {
        self.step_out(peer, LeaveReason::Disconnected);
        self.forget_interests(peer);
        self.people.remove(&peer);
    }

    /// Whether `peer` may leave where it is by naming `named`; refuses on its own.
    fn may_leave(&mut self, peer: PeerId, named: Option<RoomId>) -> bool {
        match (self.room_of(peer), named) {
            (Some((room, _)), Some(named)) if room != named => {
                self.outputs
                    .push_back(Output::RefuseRoom { peer, room: named });
                false
            }
            _ => true,
        }
    }

    /// Puts `peer` into the queue, or into a room right away.
    fn ask(&mut self, peer: PeerId, now: Instant) {
        let ticket = match self.step_out(peer, LeaveReason::Next) {
            Some(held) => held,
            None => self.new_ticket(),
        };
        let waiter = self.waiter(peer, now);
        self.waiting.enter(ticket, waiter, now);
        self.person_mut(peer).place = Place::Waiting(ticket);
        if !self.pair_up(ticket, now) {
            self.outputs.push_back(Output::TellWaiting { peer });
        }
    }

    /// Takes `peer` out of the queue or the room and tells the partner. Returns the ticket of one who waited.
    fn step_out(&mut self, peer: PeerId, reason: LeaveReason) -> Option<Ticket> {
        let person = self.people.get_mut(&peer)?;
        match std::mem::take(&mut person.place) {
            Place::Outside => None,
            Place::Waiting(ticket) => {
                self.waiting.leave(ticket);
                Some(ticket)
            }
            Place::Room { room, partner } => {
                self.person_mut(partner).place = Place::Outside;
                self.rooms -= 1;
                self.outputs.push_back(Output::TellPartnerLeft {
                    peer: partner,
                    room,
                    reason,
                });
                None
            }
        }
    }

    fn new_ticket(&mut self) -> Ticket {
        self.last_ticket.0 += 1;
        self.last_ticket
    }

    /// Decides how choosy `peer` can be: only as far as there is hope.
    fn waiter(&self, peer: PeerId, now: Instant) -> Waiter {
        let person = &self.people[&peer];
        let third_person_online = self.people.len() > 2;
        let interest_held_by_others = person
            .wishes
            .interests()
            .iter()
            .any(|interest| self.interest_holders[interest] > 1);

        let mut content_with_new_at = now;
        let mut content_with_anybody_at = now;
        if third_person_online {
            if interest_held_by_others {
                content_with_new_at += self.config.hold_for_interest;
            }
            content_with_anybody_at = content_with_new_at + self.config.hold_for_new;
        }
        Waiter {
            peer,
            wishes: person.wishes.clone(),
            recent: person.recent.iter().copied().collect(),
            content_with_new_at,
            content_with_anybody_at,
        }
    }

    /// Pairs the holder of `ticket` with the best of the others, if one will do.
    fn pair_up(&mut self, ticket: Ticket, now: Instant) -> bool {
        let Some(other) = self.waiting.best_for(ticket, now) else {
            return false;
        };
        let (older, newer) = (ticket.min(other), ticket.max(other));
        let (Some(older), Some(newer)) = (self.waiting.leave(older), self.waiting.leave(newer))
        else {
            unreachable!("the search returns tickets of those who wait");
        };

        let room = (self.names)();
        self.enter_room(older.peer, room, newer.peer);
        self.enter_room(newer.peer, room, older.peer);
        self.rooms += 1;
        self.outputs.push_back(Output::TellMatched {
            room,
            offerer: newer.peer,
            answerer: older.peer,
            interests: newer.wishes.shared_with(&older.wishes),
        });
        true
    }

    fn enter_room(&mut self, peer: PeerId, room: RoomId, partner: PeerId) {
        let limit = self.config.recent_partners;
        let person = self.person_mut(peer);
        person.place = Place::Room { room, partner };
        person.recent.retain(|recent| *recent != partner);
        person.recent.push_back(partner);
        if person.recent.len() > limit {
            person.recent.pop_front();
        }
    }

    fn forget_interests(&mut self, peer: PeerId) {
        let Some(person) = self.people.get(&peer) else {
            return;
        };
        for interest in person.wishes.interests() {
            if let Some(holders) = self.interest_holders.get_mut(interest) {
                *holders -= 1;
                if *holders == 0 {
                    self.interest_holders.remove(interest);
                }
            }
        }
    }

    fn person_mut(&mut self, peer: PeerId) -> &mut Person {
        self.people
            .get_mut(&peer)
            .expect("whoever waits or is in a room is known")
    }

    /// Panics unless everything that must always be true is true at `now`. For tests: it looks at everybody.
    pub fn assert_invariants(&self, now: Instant) {
        let (mut in_rooms, mut waiting, mut interests) = (0, 0, 0);
        let mut people: Vec<_> = self.people.iter().collect();
        people.sort_unstable_by_key(|(peer, _)| **peer);
        for (peer, person) in people {
            interests += person.wishes.interests().len();
            assert!(person.recent.len() <= self.config.recent_partners);
            assert!(!person.recent.contains(peer), "nobody meets himself");
            match person.place {
                Place::Outside => {}
                Place::Waiting(ticket) => {
                    waiting += 1;
                    assert_eq!(
                        self.waiting.peer(ticket),
                        Some(*peer),
                        "whoever waits can be found"
                    );
                }
                Place::Room { room, partner } => {
                    in_rooms += 1;
                    assert_eq!(
                        self.room_of(partner),
                        Some((room, *peer)),
                        "partners know each other"
                    );
                }
            }
        }
        assert_eq!(waiting, self.waiting.len(), "nobody waits who is elsewhere");
        assert_eq!(in_rooms, 2 * self.rooms);
        assert_eq!(interests, self.interest_holders.values().sum::<usize>());
        assert!(self.interest_holders.values().all(|holders| *holders > 0));
        self.waiting.assert_invariants(now);
    }
}
