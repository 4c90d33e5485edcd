//! What newcomers do before they meet anybody while many come at once: they work or, where their program cannot, wait for their turn.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use matchmaker::{Input, PeerId};
use protocol::{Challenge, Description, ErrorCode, Nonce, ServerMessage, Work};

use super::{Hub, safety::unix_time};
use crate::{
    clients::Entry,
    counters::{Refusal, Total},
    random::random_bytes,
    safety::{NewcomerPolicy, Newcomers, Person, Standing, is_done},
};

/// How often it is looked whether the crowd has gone.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Entrance {
    newcomers: Newcomers,
    /// Who cannot work: the one who came first is first.
    lane: BTreeSet<PeerId>,
    /// When the next one of them is let in.
    lane_opens_at: Instant,
}

impl Entrance {
    pub(super) fn new(policy: NewcomerPolicy, now: Instant) -> Self {
        Self {
            newcomers: Newcomers::new(policy, now),
            lane: BTreeSet::new(),
            lane_opens_at: now,
        }
    }

    /// When there is something to do or to tell.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let opens = (!self.lane.is_empty()).then_some(self.lane_opens_at);
        let looks = (self.newcomers.bits_of_all(now) > 0).then(|| now + LOOK_AGAIN);
        opens.into_iter().chain(looks).min()
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        self.lane.remove(&peer);
    }

    fn enter_lane(&mut self, peer: PeerId, now: Instant) {
        if self.lane.is_empty() {
            let pause = self.newcomers.lane_pause(now);
            self.lane_opens_at = self.lane_opens_at.max(now + pause);
        }
        self.lane.insert(peer);
    }

    /// Whose turn it is.
    fn next_in_lane(&mut self, now: Instant) -> Option<PeerId> {
        if self.lane_opens_at > now {
            return None;
        }
        let next = self.lane.pop_first()?;
        self.lane_opens_at = now + self.newcomers.lane_pause(now);
        Some(next)
    }
}

impl Hub {
    /// Somebody asks for a partner. `None` if there is something that comes first; then the question is kept.
    pub(super) fn hold_back(
        &mut self,
        peer: PeerId,
        question: Input,
        offer: Option<Description>,
    ) -> Option<(Input, Option<Description>)> {
        let now = Instant::now();
        let client = self.clients.get(peer)?;
        if client.entry == Entry::Open || !self.entrance.newcomers.is_on() {
            return Some((question, offer));
        }
        let (person, entry) = (client.about.person, client.entry);
        let owed = self.owed(person, entry, now);
        let client = self.clients.get_mut(peer)?;
        client.entry = match (client.entry, owed) {
            (_, 0) => Entry::Open,
            (Entry::Owes(work), _) => Entry::Owes(work),
            (_, bits) if client.about.takes_work => {
                self.counters.count(Total::WorkAsked);
                let challenge = Challenge::from_bytes(random_bytes());
                Entry::Owes(Work { challenge, bits })
            }
            _ => Entry::InLane,
        };
        if client.entry == Entry::Open {
            client.withheld = None;
            self.entrance.forget(peer);
            return Some((question, offer));
        }
        client.asked_at.get_or_insert(now);
        let answer = if let Entry::Owes(work) = client.entry {
            ServerMessage::Work(work)
        } else {
            self.counters.refuse(Refusal::Lane);
            self.entrance.enter_lane(peer, now);
            client.outbox.set_waiting(true);
            let online = self.online();
            ServerMessage::Waiting { online }
        };
        if let Some(client) = self.clients.get_mut(peer) {
            client.withheld = Some(Box::new((question, offer)));
        }
        self.send(peer, &answer);
        None
    }

    /// How much work comes first, in bits. Who has asked before in the session is not counted again.
    fn owed(&mut self, person: Person, entry: Entry, now: Instant) -> u32 {
        let is_known = person.key.is_some_and(|key| {
            let (records, now) = (&self.desk.records, unix_time());
            records.is_settled(key, now) && records.standing(&person, now) == Standing::Good
        });
        if is_known {
            return 0;
        }
        let place = (!person.is_shared).then_some(person.place);
        if entry == Entry::Unasked {
            self.entrance.newcomers.arrive(place, now)
        } else {
            self.entrance.newcomers.bits(place, now)
        }
    }

    /// A client has worked.
    pub(super) fn on_worked(&mut self, peer: PeerId, nonce: Nonce) {
        let Some(client) = self.clients.get_mut(peer) else {
            return;
        };
        let words = match client.entry {
            Entry::Owes(work) if is_done(&work, nonce) => {
                client.entry = Entry::Open;
                self.counters.count(Total::WorkDone);
                // Who has left meanwhile may ask again.
                if let Some((question, offer)) = client.withheld.take().map(|withheld| *withheld) {
                    self.weigh_and_ask(peer, question, offer);
                }
                return;
            }
            Entry::Owes(_) => "this is not what was to be found: the work is still to be done",
            _ => "there is no work to be done: each is good for one session, once",
        };
        self.counters.refuse(Refusal::Work);
        self.refuse(peer, ErrorCode::BadWork, words, None);
    }

    /// Lets those in who cannot work, one after the other.
    pub(super) fn open_lane(&mut self, now: Instant) {
        while let Some(peer) = self.entrance.next_in_lane(now) {
            let Some(client) = self.clients.get_mut(peer) else {
                continue;
            };
            client.entry = Entry::Open;
            let Some((question, offer)) = client.withheld.take().map(|withheld| *withheld) else {
                continue;
            };
            client.outbox.set_waiting(false);
            self.told_waiting = Some(peer);
            self.weigh_and_ask(peer, question, offer);
            self.told_waiting = None;
        }
    }

    pub(super) fn count_newcomers(&self) {
        let bits = self.entrance.newcomers.bits_of_all(Instant::now());
        self.counters.work_bits.store(bits as usize, Relaxed);
        let lane = self.entrance.lane.len();
        self.counters.lane.store(lane, Relaxed);
    }
}
