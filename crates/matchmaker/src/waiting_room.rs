//! Who waits, how choosy each still is, and who of them suits whom best.
//!
//! Knows nothing of rooms and partners. Everybody is indexed by interest and language, and those who no longer hold out for
//! an interest by language alone. A search looks only into the parts of the index where everybody suits the seeker, but for those who
//! avoid each other; and such parts stay small, since two in them who do not avoid each other are paired the moment
//! they meet. So its cost does not grow with how many wait. `docs/matching.md` has the bound.

use std::{cmp::Reverse, collections::BTreeSet, time::Instant};

use crate::{
    PeerId,
    groups::{Group, Tally, Tongue, Traits},
    hashing::NumberMap,
    patience::Patience,
    tickets::{Queue, Ticket},
};

/// How many that suit the seeker a search compares at most in each part, the oldest first. More than one part in a thousand ever has; the
/// limit is for people who name no language, whom everybody suits.
const COMPARED: usize = 64;

/// One who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) peer: PeerId,
    pub(crate) traits: Traits,
    /// Since when, on this ticket.
    pub(crate) since: Instant,
    /// When this one has asked last, and was certainly awake.
    pub(crate) asked_at: Instant,
    pub(crate) patience: Patience,
    /// How the index has this one.
    listing: Listing,
}

/// Of what a waiter is known to the index to be content with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Listing {
    any_interest: bool,
    any_language: bool,
}

/// What two people are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Strangers,
    /// They are among each other's last partners: the larger, the more lately.
    Met(usize),
    /// One has blocked the other, or both are one.
    Apart,
}

/// How good a partner is: the smallest is the best.
type Rank = (usize, bool, Reverse<usize>, Reverse<bool>, Ticket);

impl Waiter {
    pub(crate) fn new(
        peer: PeerId,
        traits: Traits,
        since: Instant,
        asked_at: Instant,
        patience: Patience,
    ) -> Self {
        Self {
            peer,
            traits,
            since,
            asked_at,
            patience,
            listing: Listing::default(),
        }
    }

    /// From when on these two may be paired; `None` for never.
    fn acceptable_at(&self, other: &Self, relation: Relation) -> Option<Instant> {
        let (mine, theirs) = (&self.patience, &other.patience);
        let mut at = self.since.max(other.since);
        match relation {
            Relation::Strangers => {}
            Relation::Met(_) => at = at.max(mine.new).max(theirs.new),
            Relation::Apart => return None,
        }
        if self.traits.speaks_unlike(&other.traits) {
            at = at.max(mine.language).max(theirs.language);
        }
        if self.traits.shared_with(&other.traits) == 0 {
            at = at.max(mine.interest).max(theirs.interest);
        }
        Some(at)
    }

    /// How good `other` is, who holds `ticket`: new before known, intelligible before not, most shared interests, a common
    /// language before none named, and the longest wait.
    fn rank(&self, other: &Self, relation: Relation, ticket: Ticket) -> Rank {
        let met = match relation {
            Relation::Met(how_lately) => how_lately,
            Relation::Strangers | Relation::Apart => 0,
        };
        (
            met,
            self.traits.speaks_unlike(&other.traits),
            Reverse(self.traits.shared_with(&other.traits)),
            Reverse(self.traits.speaks_like(&other.traits)),
            ticket,
        )
    }

    fn listing_at(&self, now: Instant) -> Listing {
        Listing {
            any_interest: now >= self.patience.interest,
            any_language: now >= self.patience.language,
        }
    }

    /// Where one who is listed so is found.
    fn groups(traits: &Traits, listing: Listing) -> impl Iterator<Item = Group> {
        traits
            .likes()
            .chain(listing.any_interest.then_some(Group::Everybody))
    }

    /// In which parts of these.
    fn tongues(traits: &Traits, listing: Listing) -> impl Iterator<Item = Tongue> + use<> {
        let any = listing.any_language.then_some(Tongue::TakesAny);
        traits.tongues().into_iter().chain(any)
    }
}

/// The queue of each group.
#[derive(Debug, Default)]
struct Index {
    everybody: Queue,
    /// By the number of the interest: a list where a map would do, since each look into a map is two looks into memory, and that is
    /// what counts where many wait. It is as long as there were names at once.
    by_interest: Vec<Queue>,
}

impl Index {
    fn get(&self, group: Group) -> Option<&Queue> {
        match group {
            Group::Everybody => Some(&self.everybody),
            Group::Likes(interest) => self.by_interest.get(interest.index()),
        }
    }

    fn get_mut(&mut self, group: Group) -> &mut Queue {
        match group {
            Group::Everybody => &mut self.everybody,
            Group::Likes(interest) => {
                let at = interest.index();
                if at >= self.by_interest.len() {
                    self.by_interest.resize_with(at + 1, Queue::default);
                }
                &mut self.by_interest[at]
            }
        }
    }

    /// How many entries there are in all queues.
    fn len(&self) -> usize {
        let likes: usize = self.by_interest.iter().map(Queue::len).sum();
        self.everybody.len() + likes
    }
}

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    waiters: NumberMap<Ticket, Waiter>,
    index: Index,
    /// How many wait, by language.
    tally: Tally,
    /// When somebody's patience changes.
    due: BTreeSet<(Instant, Ticket)>,
}

impl WaitingRoom {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// How many wait whom one with `traits` may understand.
    pub(crate) fn understood(&self, traits: &Traits) -> usize {
        self.tally.understood(Group::Everybody, traits)
    }

    pub(crate) fn enter(&mut self, ticket: Ticket, waiter: Waiter, now: Instant) {
        self.tally.add(Group::Everybody, &waiter.traits);
        let listing = waiter.listing_at(now);
        self.list(ticket, &waiter.traits, listing);
        for at in waiter.patience.ends() {
            if at > now {
                self.due.insert((at, ticket));
            }
        }
        let previous = self.waiters.insert(ticket, Waiter { listing, ..waiter });
        debug_assert!(previous.is_none(), "a ticket is used once at a time");
    }

    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiters.remove(&ticket)?;
        self.tally.remove(Group::Everybody, &waiter.traits);
        for group in Waiter::groups(&waiter.traits, waiter.listing) {
            let queue = self.index.get_mut(group);
            for tongue in Waiter::tongues(&waiter.traits, waiter.listing) {
                queue.remove(tongue, ticket);
            }
        }
        for at in waiter.patience.ends() {
            self.due.remove(&(at, ticket));
        }
        Some(waiter)
    }

    /// When somebody's patience changes next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes note of one change of patience up to `now` and says whose it was.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Ticket> {
        if self.next_due()? > now {
            return None;
        }
        let (_, ticket) = self.due.pop_first()?;
        self.relist(ticket, now);
        Some(ticket)
    }

    /// Nobody holds out for anything any longer: all whose patience changes by that are due at `now`.
    pub(crate) fn end_patience(&mut self, now: Instant) {
        let mut tickets: Vec<Ticket> = self.due.iter().map(|(_, ticket)| *ticket).collect();
        tickets.sort_unstable();
        tickets.dedup();
        self.due.clear();
        for ticket in tickets {
            if let Some(waiter) = self.waiters.get_mut(&ticket) {
                waiter.patience.end(now);
                self.due.insert((now, ticket));
                self.relist(ticket, now);
            }
        }
    }

    fn relist(&mut self, ticket: Ticket, now: Instant) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else {
            return;
        };
        let listing = waiter.listing_at(now);
        if listing != waiter.listing {
            waiter.listing = listing;
            let traits = waiter.traits.clone();
            self.list(ticket, &traits, listing);
        }
    }

    fn list(&mut self, ticket: Ticket, traits: &Traits, listing: Listing) {
        for group in Waiter::groups(traits, listing) {
            let queue = self.index.get_mut(group);
            for tongue in Waiter::tongues(traits, listing) {
                queue.insert(tongue, ticket);
            }
        }
    }

    /// The best partner for `ticket` among the others who wait, if any will do.
    pub(crate) fn best_for(
        &self,
        ticket: Ticket,
        now: Instant,
        relation: impl Fn(PeerId, PeerId) -> Relation,
    ) -> Option<Ticket> {
        let seeker = self.waiters.get(&ticket)?;
        let traits = &seeker.traits;
        let content_with = seeker.listing_at(now);
        let anybody = content_with.any_interest.then_some(Group::Everybody);
        let takes_any = content_with.any_language.then_some(Tongue::TakesAny);

        let mut best: Option<Rank> = None;
        let groups = traits.likes().chain(anybody);
        for queue in groups.filter_map(|group| self.index.get(group)) {
            for tongue in traits.understands().chain(takes_any) {
                let suiting = queue
                    .oldest_first(tongue)
                    .filter(|other| *other != ticket)
                    .filter_map(|other| {
                        let candidate = self.waiters.get(&other)?;
                        let relation = relation(seeker.peer, candidate.peer);
                        let at = seeker.acceptable_at(candidate, relation)?;
                        (at <= now).then(|| seeker.rank(candidate, relation, other))
                    });
                best = best.into_iter().chain(suiting.take(COMPARED)).min();
            }
        }
        best.map(|(.., other)| other)
    }

    pub(crate) fn waiter(&self, ticket: Ticket) -> Option<&Waiter> {
        self.waiters.get(&ticket)
    }

    /// The best partner for `ticket`, found by looking at everybody. For tests.
    fn best_of_all(
        &self,
        ticket: Ticket,
        now: Instant,
        relation: impl Fn(PeerId, PeerId) -> Relation,
    ) -> Option<Ticket> {
        let seeker = self.waiters.get(&ticket)?;
        let others = self.waiters.iter().filter(|(other, _)| **other != ticket);
        others
            .filter_map(|(other, candidate)| {
                let relation = relation(seeker.peer, candidate.peer);
                let at = seeker.acceptable_at(candidate, relation)?;
                (at <= now).then(|| seeker.rank(candidate, relation, *other))
            })
            .min()
            .map(|(.., other)| other)
    }

    /// Panics unless the search finds for `ticket` what looking at everybody finds. For tests.
    pub(crate) fn assert_best(
        &self,
        ticket: Ticket,
        now: Instant,
        relation: impl Fn(PeerId, PeerId) -> Relation,
    ) {
        if self.waiters.len() <= COMPARED {
            assert_eq!(
                self.best_for(ticket, now, &relation),
                self.best_of_all(ticket, now, &relation),
                "the index hides nobody"
            );
        }
    }

    /// Panics unless the indexes say what the list says, and nobody waits beside somebody who would do.
    pub(crate) fn assert_invariants(
        &self,
        now: Instant,
        relation: impl Fn(PeerId, PeerId) -> Relation,
    ) {
        let all_noted = self.next_due().is_none_or(|at| at > now);
        let mut entries = 0;
        let mut waiters: Vec<_> = self.waiters.iter().collect();
        waiters.sort_unstable_by_key(|(ticket, _)| **ticket);
        for (ticket, waiter) in waiters {
            for group in Waiter::groups(&waiter.traits, waiter.listing) {
                for tongue in Waiter::tongues(&waiter.traits, waiter.listing) {
                    let queue = self
                        .index
                        .get(group)
                        .expect("everybody's group has a queue");
                    let mut listed = queue.oldest_first(tongue);
                    assert!(listed.any(|it| it == *ticket), "everybody is in the index");
                    entries += 1;
                }
            }
            if all_noted {
                assert_eq!(waiter.listing, waiter.listing_at(now));
                assert_eq!(
                    self.best_of_all(*ticket, now, &relation),
                    None,
                    "those who suit each other are paired"
                );
            }
        }
        assert_eq!(
            self.index.len(),
            entries,
            "nobody who left is still in the index"
        );
        assert_eq!(self.tally.all(Group::Everybody), self.waiters.len());
        assert_eq!(self.tally.is_empty(), self.waiters.is_empty());
        for (_, ticket) in &self.due {
            assert!(self.waiters.contains_key(ticket), "nobody who left is due");
        }
    }
}
