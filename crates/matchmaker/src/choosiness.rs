//! How choosy one who asks can afford to be.

use std::time::{Duration, Instant};

use protocol::RoomId;

use crate::{
    Matchmaker, PeerId, Widening,
    groups::{Group, Traits},
    patience::{Hope, Patience},
    people::{Place, Standing},
    waiting_room::Waiter,
};

/// How likely one who shares an interest must be to come in time, for people to wait. Chosen by simulation: see
/// `docs/matching.md`. Lower than what the one who waits gains by it would say, since whoever waits is found by others, too.
const LEAST_CHANCE_OF_INTEREST: f64 = 0.3;
/// The same for one who does not speak another language: whom one cannot talk to is hardly a partner, so even poor odds are
/// waited for.
const LEAST_CHANCE_OF_LANGUAGE: f64 = 0.1;
/// The same for one who is none of the last partners. Nobody presses Next to see the same face again: any odds will do.
const LEAST_CHANCE_OF_NEW: f64 = 0.0;

/// Who of those one avoids would otherwise count among those to be hoped for.
#[derive(Default)]
struct Avoided {
    /// Of those who are in rooms, once for each interest shared and language understood.
    sharing: usize,
    understood: usize,
    in_rooms: usize,
    /// Of those who wait.
    waiting: usize,
    waiting_understood: usize,
}

impl<Names: FnMut() -> RoomId> Matchmaker<Names> {
    /// `peer` as one who asks now and waits with this standing.
    pub(crate) fn waiter(&self, peer: PeerId, standing: Standing, now: Instant) -> Waiter {
        let traits = self.traits(peer);
        let patience = match self.config.widening {
            Widening::Expected => self.patience_as_expected(peer, &traits, standing.since),
            Widening::Fixed => self.fixed_patience(&traits, standing.since),
        };
        Waiter::new(peer, traits, standing.since, now, patience)
    }

    /// Who may come is whoever is in a room now, each as often as people in rooms have come lately.
    fn patience_as_expected(&self, peer: PeerId, traits: &Traits, since: Instant) -> Patience {
        let avoided = self.avoided(peer, traits);
        let in_rooms = |group| self.in_rooms.understood(group, traits);
        let sharing: usize = traits.likes().map(in_rooms).sum();
        let understood = in_rooms(Group::Everybody);
        let hope = |count: usize, avoided: usize, waiting: usize| Hope {
            per_second: self.pace.expected(count.saturating_sub(avoided)),
            is_there: waiting > 0,
        };
        let config = &self.config;
        // Who waits and shares an interest is one who is avoided, or the two would be paired now.
        let interest = hope(sharing, avoided.sharing, 0)
            .hold(config.hold_for_interest, LEAST_CHANCE_OF_INTEREST);
        let waiting = self.waiting.understood(traits) - avoided.waiting_understood;
        let who_is_understood = hope(understood, avoided.understood, waiting);
        let language = who_is_understood.hold(config.hold_for_language, LEAST_CHANCE_OF_LANGUAGE);
        // Somebody new is only hoped for among those who would do otherwise.
        let who_is_new = if language > Duration::ZERO {
            who_is_understood
        } else {
            let waiting = self.waiting.len() - avoided.waiting;
            hope(2 * self.rooms, avoided.in_rooms, waiting)
        };
        let new = who_is_new.hold(config.hold_for_new, LEAST_CHANCE_OF_NEW);
        Patience {
            interest: since + interest,
            language: since + language,
            new: since + (interest + new).min(self.config.longest_hold()),
        }
    }

    fn avoided(&self, peer: PeerId, traits: &Traits) -> Avoided {
        let mut avoided = Avoided::default();
        for other in self.people.avoided_by(peer) {
            let is_understood = !traits.speaks_unlike(&other.traits);
            match other.place {
                Place::Outside => {}
                Place::Waiting(_) => {
                    avoided.waiting += 1;
                    avoided.waiting_understood += usize::from(is_understood);
                }
                Place::Room(_) => {
                    avoided.in_rooms += 1;
                    if is_understood {
                        avoided.understood += 1;
                        avoided.sharing += traits.shared_with(&other.traits);
                    }
                }
            }
        }
        avoided
    }

    fn fixed_patience(&self, traits: &Traits, since: Instant) -> Patience {
        let config = &self.config;
        let held = |is_hope: bool, limit| if is_hope { limit } else { Duration::ZERO };
        let is_third_there = self.people.len() > 2;
        let is_shared = is_third_there && self.people.is_interest_shared(traits);
        let interest = since + held(is_shared, config.hold_for_interest);
        Patience {
            interest,
            language: interest + held(is_third_there, config.hold_for_language),
            new: interest + held(is_third_there, config.hold_for_new),
        }
    }
}
