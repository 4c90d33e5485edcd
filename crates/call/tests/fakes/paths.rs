//! The paths between the people of a world: who reaches whom, and when they notice.

use std::time::{Duration, Instant};

use call::{Input, PeerFact};

use super::someone::{fact_of, fact_of_message};
use super::strict_stack::StrictStack;
use super::world::World;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl World {
    /// Whatever is due at a person's peer connection happens.
    pub(crate) fn step_peer(&mut self, who: usize) {
        let now = self.now;
        let Some(peer) = &mut self.people[who].peer else {
            return;
        };
        let id = peer.id;
        let mut facts = Vec::new();
        if peer.opens_at.take_if(|at| *at <= now).is_some() {
            facts.push(PeerFact::Opened);
        }
        facts.extend(
            peer.stack
                .poll(now, &mut self.random)
                .into_iter()
                .map(fact_of),
        );
        if peer.report_at.take_if(|at| *at <= now).is_some() {
            facts.push(match (peer.has_path, peer.reported) {
                (true, _) => PeerFact::Connected,
                (false, Some(true)) => {
                    peer.report_at = Some(now + ms(15_000));
                    PeerFact::Disconnected
                }
                (false, _) => PeerFact::Failed,
            });
            peer.reported = Some(peer.has_path);
        }
        if facts.contains(&PeerFact::Connected) {
            let is_relayed = self.random.chance(0.3);
            facts.insert(0, PeerFact::PathSelected { is_relayed });
            let at = now + self.random.duration(ms(100));
            self.people[who].report_later(at, id, PeerFact::ChannelOpen);
        }
        for fact in facts {
            self.tell(who, Input::Peer { peer: id, fact });
        }
    }

    /// When the next message of a data channel arrives: in order, only while there is a path, and not before the channel is
    /// open at the other end too.
    pub(crate) fn channel_due_at(&self, who: usize) -> Option<Instant> {
        let (at, _) = self.people[who].peer.as_ref()?.channel.front()?;
        let partner = self.people[self.partner_of(who)?].peer.as_ref();
        partner
            .is_some_and(|partner| partner.is_channel_open)
            .then_some(*at)
    }

    /// A message of a data channel arrives, if one is due.
    pub(crate) fn step_channel(&mut self, who: usize) {
        if self.channel_due_at(who).is_none_or(|at| at > self.now) {
            return;
        }
        let partner = self.partner_of(who);
        let peer = self.people[who].peer.as_mut();
        let message = peer.and_then(|peer| peer.channel.pop_front());
        if let Some((partner, (_, message))) = partner.zip(message)
            && let Some(peer) = &self.people[partner].peer
        {
            let input = Input::Peer {
                peer: peer.id,
                fact: fact_of_message(message),
            };
            self.tell(partner, input);
        }
    }

    /// Finds out between whom there is a path, and when they will know.
    pub(crate) fn settle_paths(&mut self) {
        for who in 0..self.people.len() {
            let has_path = self.partner_of(who).is_some();
            let has_new_path = self.partner_by_newest(who).is_some();
            let Some(peer) = &mut self.people[who].peer else {
                continue;
            };
            if has_new_path {
                peer.established =
                    (peer.stack.committed_local.clone()).zip(peer.stack.remote.clone());
            }
            if peer.has_path != has_path {
                peer.has_path = has_path;
                let is_news = peer.reported.unwrap_or(false) != has_path;
                let delay = if has_path {
                    self.random.duration(ms(300))
                } else {
                    ms(2_000)
                };
                peer.report_at = is_news.then(|| self.now + delay);
            }
        }
    }

    /// To whom this person's peer connection has a path, with the newest generation of candidates or the one before.
    pub(crate) fn partner_of(&self, who: usize) -> Option<usize> {
        self.partner_by_newest(who)
            .or_else(|| self.partner_by_established(who))
    }

    fn partner_by_established(&self, who: usize) -> Option<usize> {
        let (local, remote) = self.people[who].peer.as_ref()?.established.as_ref()?;
        let is_dead = |generation| self.dead_generations.contains(generation);
        (0..self.people.len())
            .filter(|_| !self.is_path_broken && !is_dead(local) && !is_dead(remote))
            .find(|other| {
                let peer = self.people[*other].peer.as_ref();
                let established = peer.and_then(|peer| peer.established.as_ref());
                established.is_some_and(|(theirs, ours)| theirs == remote && ours == local)
            })
    }

    fn partner_by_newest(&self, who: usize) -> Option<usize> {
        let local = &self.people[who].peer.as_ref()?.stack;
        let reaches = |one: &StrictStack, other: &StrictStack| {
            let generation = one.committed_local.as_ref();
            generation.is_some_and(|generation| !self.dead_generations.contains(generation))
                && other.remote.as_ref() == generation
                && one
                    .reported
                    .iter()
                    .any(|candidate| other.added.contains(&candidate.candidate))
        };
        (0..self.people.len())
            .filter(|_| !self.is_path_broken)
            .find(|other| {
                *other != who
                    && self.people[*other].peer.as_ref().is_some_and(|peer| {
                        reaches(local, &peer.stack) && reaches(&peer.stack, local)
                    })
            })
    }
}
