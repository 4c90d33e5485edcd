//! What `ask.lua` does, in memory.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cluster::{Answer, NodeId, Ticket, Wish};

const LIVES: Duration = Duration::from_secs(10);
const LEASE: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(crate) struct Redis {
    tickets: BTreeMap<Ticket, (Wish, Instant)>,
    outcomes: BTreeMap<Ticket, Answer>,
    leases: BTreeMap<NodeId, Instant>,
}

impl Redis {
    pub(crate) fn renew_lease(&mut self, node: NodeId, now: Instant) -> Vec<NodeId> {
        self.leases.insert(node, now + LEASE);
        self.leases.retain(|_, until| *until > now);
        self.leases.keys().copied().collect()
    }

    pub(crate) fn end_lease(&mut self, node: NodeId) {
        self.leases.remove(&node);
    }

    pub(crate) fn ask(&mut self, wish: Wish, now: Instant) -> Answer {
        if let Some(outcome) = self.outcomes.get(&wish.ticket) {
            return *outcome;
        }
        let leases = &self.leases;
        self.tickets.retain(|ticket, (_, until)| {
            *until > now && leases.get(&ticket.node).is_some_and(|until| *until > now)
        });
        let found = self
            .tickets
            .values()
            .map(|(it, _)| it)
            .find(|it| may_meet(it, &wish));
        let Some(found) = found.cloned() else {
            self.tickets.insert(wish.ticket, (wish, now + LIVES));
            return Answer::Waits;
        };
        self.tickets.remove(&found.ticket);
        self.tickets.remove(&wish.ticket);
        let answer = Answer::Found {
            ticket: found.ticket,
            who: found.who,
        };
        self.outcomes.insert(found.ticket, Answer::Taken);
        self.outcomes.insert(wish.ticket, answer);
        answer
    }

    pub(crate) fn withdraw(&mut self, ticket: Ticket) {
        self.outcomes.entry(ticket).or_insert(Answer::Withdrawn);
        self.tickets.remove(&ticket);
    }
}

fn may_meet(one: &Wish, other: &Wish) -> bool {
    one.ticket.node != other.ticket.node
        && !one.never.contains(&other.who)
        && !other.never.contains(&one.who)
}
