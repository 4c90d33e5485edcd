//! The paths between the people of a world: who reaches whom, and when they notice.

use std::time::Duration;

use call::{Input, PeerFact};

use super::someone::fact_of;
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
        for fact in facts {
            self.tell(who, Input::Peer { peer: id, fact });
        }
    }

    /// Finds out between whom there is a path, and when they will know.
    pub(crate) fn settle_paths(&mut self) {
        for who in 0..self.people.len() {
            let has_path = self.partner_of(who).is_some();
            let Some(peer) = &mut self.people[who].peer else {
                continue;
            };
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

    /// To whom this person's peer connection has a path.
    pub(crate) fn partner_of(&self, who: usize) -> Option<usize> {
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
