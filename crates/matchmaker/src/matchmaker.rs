//! The matchmaker: where every person is, and what follows from what happens.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::{LeaveReason, RoomId};

use crate::{
    Config, PeerId, Wishes,
    groups::{Group, Tally, Traits},
    pace::Pace,
    people::{Kept, People, Place, Seat, Standing},
    tickets::Ticket,
    waiting_room::{Waiter, WaitingRoom},
};

/// For how long a place in the queue is kept for one whose match came to nothing.
const KEPT_FOR: Duration = Duration::from_secs(10);

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
    /// A call has come up, or may have: the owner has passed an answer from one to the other. One who is left before that has had no
    /// call, and keeps the place in the queue if it asks again soon.
    CameUp {
        /// One of the two.
        peer: PeerId,
        /// Their room. While the person is in another one, nothing changes.
        room: RoomId,
    },
    /// No call has come up in the time that the owner gives. The room closes, both are told, and nobody is blamed: each keeps the place
    /// in the queue if it asks again soon.
    Unanswered {
        /// One of the two.
        peer: PeerId,
        /// Their room. While the person is in another one, or once the call has come up, nothing changes.
        room: RoomId,
    },
    /// `peer` must never meet `other`, nor the other way round, in any match to come. A room in which both are stays open. The last 64
    /// of a person count; those who are gone make room first.
    Blocked {
        /// Who blocked.
        peer: PeerId,
        /// Who was blocked.
        other: PeerId,
    },
    /// One who waits is about to meet somebody of whom only the owner knows: out of the queue for a moment. Whoever asks again soon has
    /// the place in the queue that it had.
    SetAside {
        /// Who waits.
        peer: PeerId,
    },
    /// A person of ours is in a room with a guest, who is here for this one room: the owner has paired them, and tells them. What ends
    /// a room of two of ours ends this one, and the guest's number is told like any other.
    GuestCame {
        /// Who is ours: one who was set aside.
        peer: PeerId,
        /// A number that nobody has or had.
        guest: PeerId,
        /// What the guest likes and speaks.
        wishes: Wishes,
        /// The room.
        room: RoomId,
    },
    /// A guest has left the room, and is forgotten.
    GuestLeft {
        /// Who it was.
        guest: PeerId,
        /// How.
        reason: LeaveReason,
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
        /// Who sends the first offer, unless the owner knows better: the one who asked last, since that one is certainly awake.
        offerer: PeerId,
        /// Who asked before.
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

/// Until when somebody who waits refuses what. From each moment on, a person takes whoever lacks just that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// Since when the person has waited.
    pub since: Instant,
    /// Until then, a partner must share an interest.
    pub interest: Instant,
    /// Until then, a partner must not have named another language.
    pub language: Instant,
    /// Until then, a partner must not be one of the last.
    pub new: Instant,
}

/// Decides who talks to whom. See the crate's description for the rules.
///
/// After each [`handle`](Self::handle) call [`poll_output`](Self::poll_output) until it returns `None`. A search looks at
/// a bounded number of those who wait, however many there are (`docs/matching.md`).
#[derive(Debug)]
pub struct Matchmaker<Names> {
    pub(crate) config: Config,
    /// Makes the names of rooms. Every call must return another one.
    names: Names,
    pub(crate) people: People,
    /// How many are in rooms, by interest and language.
    pub(crate) in_rooms: Tally,
    pub(crate) pace: Pace,
    pub(crate) waiting: WaitingRoom,
    last_ticket: Ticket,
    pub(crate) rooms: usize,
    outputs: VecDeque<Output>,
}

impl<Names: FnMut() -> RoomId> Matchmaker<Names> {
    /// Starts with nobody. `names` makes the name of each room; every call must return another one.
    pub fn new(config: Config, names: Names) -> Self {
        Self {
            config,
            names,
            people: People::default(),
            in_rooms: Tally::default(),
            pace: Pace::default(),
            waiting: WaitingRoom::default(),
            last_ticket: Ticket(0),
            rooms: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Something happened. `now` must not go back from call to call.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.pace.advance(2 * self.rooms, now);
        // A patience that has run out counts before the input, however late the owner's timer is.
        self.pair_up_due(now);
        match input {
            Input::JoinAsked { peer, wishes } => {
                self.people.add(peer);
                self.ask(peer, Some(wishes), now);
            }
            Input::NextAsked { peer, room } => {
                self.people.add(peer);
                if self.may_leave(peer, room) {
                    self.ask(peer, None, now);
                }
            }
            Input::LeaveAsked { peer, room } => {
                if self.may_leave(peer, room) {
                    self.step_out(peer, LeaveReason::Left, now);
                }
            }
            Input::CameUp { peer, room } => self.on_came_up(peer, room),
            Input::Unanswered { peer, room } => self.on_unanswered(peer, room, now),
            Input::Blocked { peer, other } => self.people.note_blocked(peer, other),
            Input::SetAside { peer } => self.set_aside(peer, now),
            Input::GuestCame {
                peer,
                guest,
                wishes,
                room,
            } => self.on_guest_came(peer, guest, wishes, room, now),
            Input::GuestLeft { guest, reason } => {
                self.step_out(guest, reason, now);
                self.people.remove(guest);
            }
            Input::Disconnected { peer } => {
                self.step_out(peer, LeaveReason::Disconnected, now);
                self.people.remove(peer);
            }
            Input::Timeout => {}
        }
        if self.rooms == 0 {
            self.waiting.end_patience(now);
        }
        self.pair_up_due(now);
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
        match self.people.get(peer)?.place {
            Place::Room(Seat { room, partner, .. }) => Some((room, partner)),
            Place::Outside | Place::Waiting(_) => None,
        }
    }

    /// Until when one who waits refuses what; `None` for one who does not wait.
    pub fn refusals_of(&self, peer: PeerId) -> Option<Refusals> {
        let Place::Waiting(ticket) = self.people.get(peer)?.place else {
            return None;
        };
        let Waiter {
            since, patience, ..
        } = self.waiting.waiter(ticket)?;
        Some(Refusals {
            since: *since,
            interest: patience.interest,
            language: patience.language,
            new: patience.new,
        })
    }

    /// How many people wait for a partner.
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// How many rooms are open.
    pub const fn room_count(&self) -> usize {
        self.rooms
    }

    pub(crate) fn traits(&self, peer: PeerId) -> Traits {
        let person = self.people.get(peer);
        person.map_or_else(Traits::default, |person| person.traits.clone())
    }

    fn pair_up_due(&mut self, now: Instant) {
        while let Some(ticket) = self.waiting.pop_due(now) {
            self.pair_up(ticket, now);
        }
    }

    fn on_came_up(&mut self, peer: PeerId, room: RoomId) {
        let Some((present, partner)) = self.room_of(peer) else {
            return;
        };
        if present != room {
            return;
        }
        for peer in [peer, partner] {
            if let Place::Room(seat) = &mut self.people.present(peer).place {
                seat.before = None;
            }
        }
    }

    fn on_unanswered(&mut self, peer: PeerId, room: RoomId, now: Instant) {
        let place = self.people.get(peer).map(|person| person.place);
        let Some(Place::Room(Seat {
            room: present,
            before: Some(standing),
            ..
        })) = place
        else {
            return;
        };
        if present != room {
            return;
        }
        let reason = LeaveReason::Disconnected;
        self.step_out(peer, reason, now);
        self.people.present(peer).kept = Some(Kept {
            standing,
            until: now + KEPT_FOR,
        });
        self.outputs
            .push_back(Output::TellPartnerLeft { peer, room, reason });
    }

    fn set_aside(&mut self, peer: PeerId, now: Instant) {
        if !matches!(
            self.people.get(peer).map(|person| person.place),
            Some(Place::Waiting(_))
        ) {
            return;
        }
        let standing = self.step_out(peer, LeaveReason::Left, now);
        let until = now + KEPT_FOR;
        self.people.present(peer).kept = standing.map(|standing| Kept { standing, until });
    }

    fn on_guest_came(
        &mut self,
        peer: PeerId,
        guest: PeerId,
        wishes: Wishes,
        room: RoomId,
        now: Instant,
    ) {
        let kept = self.people.add(peer).kept.take();
        let standing = self.step_out(peer, LeaveReason::Next, now);
        let kept = kept.filter(|kept| now < kept.until);
        let standing = standing.or_else(|| kept.map(|kept| kept.standing));
        let standing = standing.unwrap_or_else(|| self.new_standing(now));
        self.people.add(guest);
        self.people.set_wishes(guest, wishes);
        for (one, partner) in [(peer, guest), (guest, peer)] {
            self.people.present(one).place = Place::Room(Seat {
                room,
                partner,
                before: Some(standing),
            });
            self.count_in_room(one, true);
        }
        self.rooms += 1;
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
    fn ask(&mut self, peer: PeerId, wishes: Option<Wishes>, now: Instant) {
        let kept = self.people.present(peer).kept.take();
        let standing = self
            .step_out(peer, LeaveReason::Next, now)
            .or_else(|| {
                kept.filter(|kept| now < kept.until)
                    .map(|kept| kept.standing)
            })
            .unwrap_or_else(|| self.new_standing(now));
        if let Some(wishes) = wishes {
            self.people.set_wishes(peer, wishes);
        }
        let waiter = self.waiter(peer, standing, now);
        let ticket = standing.ticket;
        self.pace.on_asked();
        self.waiting.enter(ticket, waiter, now);
        self.people.present(peer).place = Place::Waiting(ticket);
        if self.rooms == 0 {
            // Nobody can be expected, so nobody is waited for.
            self.waiting.end_patience(now);
        }
        if !self.pair_up(ticket, now) {
            self.outputs.push_back(Output::TellWaiting { peer });
        }
    }

    /// Takes `peer` out of the queue or the room and tells the partner. Returns the standing of one who waited.
    fn step_out(&mut self, peer: PeerId, reason: LeaveReason, now: Instant) -> Option<Standing> {
        let person = self.people.get_mut(peer)?;
        person.kept = None;
        match std::mem::take(&mut person.place) {
            Place::Outside => None,
            Place::Waiting(ticket) => {
                let since = self.waiting.leave(ticket)?.since;
                Some(Standing { ticket, since })
            }
            Place::Room(Seat { room, partner, .. }) => {
                self.rooms -= 1;
                self.count_in_room(peer, false);
                self.count_in_room(partner, false);
                let left = self.people.present(partner);
                if let Place::Room(seat) = std::mem::take(&mut left.place) {
                    let until = now + KEPT_FOR;
                    left.kept = seat.before.map(|standing| Kept { standing, until });
                }
                self.outputs.push_back(Output::TellPartnerLeft {
                    peer: partner,
                    room,
                    reason,
                });
                None
            }
        }
    }

    fn count_in_room(&mut self, peer: PeerId, is_in: bool) {
        let Some(person) = self.people.get(peer) else {
            return;
        };
        for group in person.traits.likes().chain([Group::Everybody]) {
            if is_in {
                self.in_rooms.add(group, &person.traits);
            } else {
                self.in_rooms.remove(group, &person.traits);
            }
        }
    }

    const fn new_standing(&mut self, now: Instant) -> Standing {
        self.last_ticket.0 += 1;
        Standing {
            ticket: self.last_ticket,
            since: now,
        }
    }

    /// Pairs the holder of `ticket` with the best of the others, if one will do.
    fn pair_up(&mut self, ticket: Ticket, now: Instant) -> bool {
        let relation = |one, other| self.people.relation(one, other);
        let Some(other) = self.waiting.best_for(ticket, now, relation) else {
            return false;
        };
        let (Some(one), Some(two)) = (self.waiting.leave(ticket), self.waiting.leave(other)) else {
            unreachable!("the search returns tickets of those who wait");
        };
        let one = (one, ticket);
        let two = (two, other);
        let asked = |(waiter, ticket): &(Waiter, Ticket)| (waiter.asked_at, *ticket);
        let (answerer, offerer) = if asked(&one) < asked(&two) {
            (one, two)
        } else {
            (two, one)
        };

        let room = (self.names)();
        for ((waiter, ticket), partner) in
            [(&answerer, &offerer), (&offerer, &answerer)].map(|(one, other)| (one, other.0.peer))
        {
            self.people.present(waiter.peer).place = Place::Room(Seat {
                room,
                partner,
                before: Some(Standing {
                    ticket: *ticket,
                    since: waiter.since,
                }),
            });
            self.count_in_room(waiter.peer, true);
        }
        self.rooms += 1;
        let (offerer, answerer) = (offerer.0.peer, answerer.0.peer);
        self.people
            .note_met(offerer, answerer, self.config.recent_partners);
        let interests = self.shared_interests(offerer, answerer);
        self.outputs.push_back(Output::TellMatched {
            room,
            offerer,
            answerer,
            interests,
        });
        true
    }

    fn shared_interests(&self, one: PeerId, other: PeerId) -> Vec<String> {
        match (self.people.get(one), self.people.get(other)) {
            (Some(one), Some(other)) => one.wishes.shared_with(&other.wishes),
            _ => Vec::new(),
        }
    }

    /// Panics unless everything that must always be true is true at `now`. For tests: it looks at everybody.
    pub fn assert_invariants(&self, now: Instant) {
        self.people.assert_invariants(self.config.recent_partners);
        let (mut in_rooms, mut waiting) = (0, 0);
        let relation = |one, other| self.people.relation(one, other);
        for (peer, person) in self.people.sorted() {
            match person.place {
                Place::Outside => {}
                Place::Waiting(ticket) => {
                    waiting += 1;
                    let waiter = self.waiting.waiter(ticket);
                    assert_eq!(
                        waiter.map(|waiter| waiter.peer),
                        Some(peer),
                        "whoever waits can be found"
                    );
                    assert_eq!(waiter.map(|waiter| &waiter.traits), Some(&person.traits));
                    self.waiting.assert_best(ticket, now, relation);
                }
                Place::Room(Seat { room, partner, .. }) => {
                    in_rooms += 1;
                    assert_eq!(
                        self.room_of(partner),
                        Some((room, peer)),
                        "partners know each other"
                    );
                }
            }
        }
        assert_eq!(waiting, self.waiting.len(), "nobody waits who is elsewhere");
        assert_eq!(in_rooms, 2 * self.rooms);
        assert_eq!(in_rooms, self.in_rooms.all(Group::Everybody));
        assert_eq!(in_rooms == 0, self.in_rooms.is_empty());
        self.waiting.assert_invariants(now, relation);
    }
}
