//! Who waits, how choosy each still is, and who of them suits whom best.
//!
//! Knows nothing of rooms and partners. The search looks only at those who share an interest and at those who no longer
//! hold out for one; both groups stay small, since most who suit each other are paired the moment they meet.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use crate::{PeerId, Wishes};

/// A place in the queue. The smaller, the longer its holder has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// One who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) peer: PeerId,
    pub(crate) wishes: Wishes,
    /// The last partners, whom this one would rather not meet again.
    pub(crate) recent: Vec<PeerId>,
    /// From here on a partner without a common interest will do.
    pub(crate) content_with_new_at: Instant,
    /// From here on anybody will do. Not before `content_with_new_at`.
    pub(crate) content_with_anybody_at: Instant,
}

/// How choosy a waiter is at a moment, and how undemanding one must be to take a certain partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Patience {
    HoldsOutForInterest,
    ContentWithNew,
    ContentWithAnybody,
}

impl Waiter {
    fn patience(&self, now: Instant) -> Patience {
        if now >= self.content_with_anybody_at {
            Patience::ContentWithAnybody
        } else if now >= self.content_with_new_at {
            Patience::ContentWithNew
        } else {
            Patience::HoldsOutForInterest
        }
    }

    /// What both must be content with to become a pair.
    fn patience_for(&self, other: &Self, shared_interests: usize) -> Patience {
        let met_before = self.recent.contains(&other.peer) || other.recent.contains(&self.peer);
        if met_before || self.wishes.speaks_unlike(&other.wishes) {
            Patience::ContentWithAnybody
        } else if shared_interests == 0 {
            Patience::ContentWithNew
        } else {
            Patience::HoldsOutForInterest
        }
    }
}

/// Those who wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct WaitingRoom {
    waiters: BTreeMap<Ticket, Waiter>,
    by_interest: HashMap<String, BTreeSet<Ticket>>,
    /// Those who no longer hold out for an interest.
    undemanding: BTreeSet<Ticket>,
    /// When somebody's patience changes.
    due: BTreeSet<(Instant, Ticket)>,
}

impl WaitingRoom {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn enter(&mut self, ticket: Ticket, waiter: Waiter, now: Instant) {
        for interest in waiter.wishes.interests() {
            self.by_interest
                .entry(interest.clone())
                .or_default()
                .insert(ticket);
        }
        if waiter.patience(now) > Patience::HoldsOutForInterest {
            self.undemanding.insert(ticket);
        }
        for at in [waiter.content_with_new_at, waiter.content_with_anybody_at] {
            if at > now {
                self.due.insert((at, ticket));
            }
        }
        let previous = self.waiters.insert(ticket, waiter);
        debug_assert!(previous.is_none(), "a ticket is used once at a time");
    }

    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiters.remove(&ticket)?;
        for interest in waiter.wishes.interests() {
            if let Some(tickets) = self.by_interest.get_mut(interest) {
                tickets.remove(&ticket);
                if tickets.is_empty() {
                    self.by_interest.remove(interest);
                }
            }
        }
        self.undemanding.remove(&ticket);
        self.due.remove(&(waiter.content_with_new_at, ticket));
        self.due.remove(&(waiter.content_with_anybody_at, ticket));
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
        self.undemanding.insert(ticket);
        Some(ticket)
    }

    /// The best partner for `ticket` among the others who wait, if any will do.
    pub(crate) fn best_for(&self, ticket: Ticket, now: Instant) -> Option<Ticket> {
        let seeker = self.waiters.get(&ticket)?;
        let patience = seeker.patience(now);

        let mut candidates: BTreeMap<Ticket, usize> = BTreeMap::new();
        for interest in seeker.wishes.interests() {
            for sharer in self.by_interest.get(interest).into_iter().flatten() {
                *candidates.entry(*sharer).or_default() += 1;
            }
        }
        if patience > Patience::HoldsOutForInterest {
            for other in &self.undemanding {
                candidates.entry(*other).or_default();
            }
        }
        candidates.remove(&ticket);

        candidates
            .into_iter()
            .filter_map(|(other, shared)| {
                let candidate = self.waiters.get(&other)?;
                let needed = seeker.patience_for(candidate, shared);
                let both_content = needed <= patience.min(candidate.patience(now));
                let alike = seeker.wishes.speaks_like(&candidate.wishes);
                // A pair that needs less patience is the better one, even if another shares more.
                both_content.then_some((needed, Reverse(shared), Reverse(alike), other))
            })
            .min()
            .map(|(.., other)| other)
    }

    pub(crate) fn peer(&self, ticket: Ticket) -> Option<PeerId> {
        self.waiters.get(&ticket).map(|waiter| waiter.peer)
    }

    /// Panics unless the indexes say what the list says, and nobody waits beside somebody who would do.
    pub(crate) fn assert_invariants(&self, now: Instant) {
        let mut entries = 0;
        for (ticket, waiter) in &self.waiters {
            for interest in waiter.wishes.interests() {
                assert!(
                    self.by_interest[interest].contains(ticket),
                    "everybody is in the index"
                );
                entries += 1;
            }
            assert!(waiter.content_with_new_at <= waiter.content_with_anybody_at);
            let all_noted = self.next_due().is_none_or(|at| at > now);
            if all_noted {
                let holds_out = waiter.patience(now) == Patience::HoldsOutForInterest;
                assert_ne!(self.undemanding.contains(ticket), holds_out);
                assert_eq!(
                    self.best_for(*ticket, now),
                    None,
                    "those who suit each other are paired"
                );
            }
        }
        let indexed: usize = self.by_interest.values().map(BTreeSet::len).sum();
        assert_eq!(indexed, entries, "nobody who left is still in the index");
        assert!(self.by_interest.values().all(|tickets| !tickets.is_empty()));
        assert!(
            self.undemanding
                .iter()
                .all(|ticket| self.waiters.contains_key(ticket))
        );
        assert!(
            self.due
                .iter()
                .all(|(_, ticket)| self.waiters.contains_key(ticket))
        );
    }
}
