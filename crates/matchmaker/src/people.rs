//! Everybody who has asked for a partner at least once, and what they are to each other.

use std::{collections::VecDeque, time::Instant};

use protocol::RoomId;

use crate::{
    PeerId, Wishes,
    groups::Traits,
    hashing::NumberMap,
    names::{NameId, Names},
    tickets::Ticket,
    waiting_room::Relation,
};

/// How many one person can block; of more, the first is forgotten who is not known, or else the first.
pub(crate) const BLOCKED: usize = 64;

/// One who has asked for a partner at least once.
#[derive(Debug, Default)]
pub(crate) struct Person {
    pub(crate) wishes: Wishes,
    pub(crate) traits: Traits,
    /// The last partners, oldest first.
    recent: VecDeque<PeerId>,
    /// Whom this one never meets, oldest first.
    blocked: VecDeque<PeerId>,
    pub(crate) place: Place,
    /// What a match that came to nothing has left.
    pub(crate) kept: Option<Kept>,
}

/// Where a person is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Wants nobody.
    #[default]
    Outside,
    Waiting(Ticket),
    Room(Seat),
}

/// One person's half of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) room: RoomId,
    pub(crate) partner: PeerId,
    /// How this person stood in the queue, until the call has come up.
    pub(crate) before: Option<Standing>,
}

/// A place in the queue, and since when it was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) ticket: Ticket,
    pub(crate) since: Instant,
}

/// A place in the queue that its holder may take again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) standing: Standing,
    pub(crate) until: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct People {
    by_id: NumberMap<PeerId, Person>,
    interests: Names,
    languages: Names,
}

impl People {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Person> {
        self.by_id.get(&peer)
    }

    pub(crate) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Person> {
        self.by_id.get_mut(&peer)
    }

    /// The one who is known to be there.
    pub(crate) fn present(&mut self, peer: PeerId) -> &mut Person {
        self.by_id
            .get_mut(&peer)
            .expect("whoever waits or is in a room is known")
    }

    pub(crate) fn add(&mut self, peer: PeerId) -> &mut Person {
        self.by_id.entry(peer).or_default()
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        self.set_wishes(peer, Wishes::default());
        self.by_id.remove(&peer);
    }

    pub(crate) fn set_wishes(&mut self, peer: PeerId, wishes: Wishes) {
        let Some(person) = self.by_id.get_mut(&peer) else {
            return;
        };
        if person.wishes == wishes {
            return;
        }
        let interests = wishes.interests().iter();
        let mut interests: Vec<NameId> = interests.map(|name| self.interests.hold(name)).collect();
        interests.sort_unstable();
        let traits = Traits {
            interests,
            language: wishes.language().map(|name| self.languages.hold(name)),
        };
        let before = std::mem::replace(&mut person.traits, traits);
        person.wishes = wishes;
        for interest in before.interests {
            self.interests.release(interest);
        }
        if let Some(language) = before.language {
            self.languages.release(language);
        }
    }

    /// Whether anybody else has an interest of `traits`, which one of those here has.
    pub(crate) fn is_interest_shared(&self, traits: &Traits) -> bool {
        let mut interests = traits.interests.iter();
        interests.any(|interest| self.interests.holders(*interest) > 1)
    }

    /// Notes that both have met, and forgets those whom they met before the last `limit`.
    pub(crate) fn note_met(&mut self, one: PeerId, other: PeerId, limit: usize) {
        for (peer, partner) in [(one, other), (other, one)] {
            let recent = &mut self.present(peer).recent;
            recent.retain(|met| *met != partner);
            recent.push_back(partner);
            if recent.len() > limit {
                recent.pop_front();
            }
        }
    }

    pub(crate) fn note_blocked(&mut self, peer: PeerId, other: PeerId) {
        let blocked = &mut self.add(peer).blocked;
        if blocked.contains(&other) {
            return;
        }
        blocked.push_back(other);
        if blocked.len() > BLOCKED {
            // One who is gone comes back as somebody else, and must not take the place of one who is here.
            let blocked = blocked.clone();
            let others = blocked.iter().take(BLOCKED);
            let gone = others.enumerate().find(|(_, it)| self.get(**it).is_none());
            let first = gone.map_or(0, |(at, _)| at);
            self.present(peer).blocked.remove(first);
        }
    }

    pub(crate) fn relation(&self, one: PeerId, other: PeerId) -> Relation {
        let (Some(this), Some(that)) = (self.get(one), self.get(other)) else {
            return Relation::Apart;
        };
        if one == other || this.blocked.contains(&other) || that.blocked.contains(&one) {
            return Relation::Apart;
        }
        let how_lately = |recent: &VecDeque<PeerId>, who| {
            recent.iter().position(|met| *met == who).map(|at| at + 1)
        };
        how_lately(&this.recent, other)
            .max(how_lately(&that.recent, one))
            .map_or(Relation::Strangers, Relation::Met)
    }

    /// Whom `peer` avoids of those who are known.
    pub(crate) fn avoided_by(&self, peer: PeerId) -> impl Iterator<Item = &Person> {
        let person = self.get(peer);
        let of = |pick: fn(&Person) -> &VecDeque<PeerId>| person.into_iter().flat_map(pick);
        let recent = of(|person| &person.recent);
        let blocked = of(|person| &person.blocked)
            .filter(move |other| person.is_some_and(|it| !it.recent.contains(other)));
        let others = recent.chain(blocked).filter(move |other| **other != peer);
        others.filter_map(|other| self.get(*other))
    }

    /// Everybody, in the same order every time. For tests.
    pub(crate) fn sorted(&self) -> Vec<(PeerId, &Person)> {
        let mut people: Vec<_> = self.by_id.iter().map(|(peer, it)| (*peer, it)).collect();
        people.sort_unstable_by_key(|(peer, _)| *peer);
        people
    }

    /// Panics unless what is kept of everybody is bounded and true. For tests.
    pub(crate) fn assert_invariants(&self, recent_partners: usize) {
        let (mut interests, mut languages) = (0, 0);
        for (peer, person) in self.sorted() {
            interests += person.traits.interests.len();
            languages += usize::from(person.traits.language.is_some());
            assert_eq!(
                person.traits.interests.len(),
                person.wishes.interests().len()
            );
            assert!(person.recent.len() <= recent_partners);
            assert!(person.blocked.len() <= BLOCKED);
            assert!(!person.recent.contains(&peer), "nobody meets himself");
        }
        for (names, holders) in [(&self.interests, interests), (&self.languages, languages)] {
            let (names, held) = names.totals();
            assert_eq!(held, holders);
            assert!(names <= held, "names that nobody holds are forgotten");
        }
    }
}
