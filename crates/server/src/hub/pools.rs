//! Two matchmakers: one for nearly everybody, and one for those who are kept apart. Nobody is in both.

use std::{collections::HashSet, time::Instant};

use matchmaker::{Config, Input, Matchmaker, Output, PeerId, Refusals};
use protocol::RoomId;

/// See the module. Looks like one matchmaker.
#[derive(Debug)]
pub(super) struct Pools {
    usual: Matchmaker<fn() -> RoomId>,
    apart: Matchmaker<fn() -> RoomId>,
    /// Who is in the second one.
    set_apart: HashSet<PeerId>,
}

impl Pools {
    pub(super) fn new(config: Config, names: fn() -> RoomId) -> Self {
        Self {
            usual: Matchmaker::new(config, names),
            apart: Matchmaker::new(config, names),
            set_apart: HashSet::new(),
        }
    }

    /// Keeps somebody apart from now on, or no longer. A room in which the person is closes, and what was wished for is forgotten. False if
    /// nothing changes.
    pub(super) fn set_apart(&mut self, peer: PeerId, is_apart: bool, now: Instant) -> bool {
        if self.set_apart.contains(&peer) == is_apart {
            return false;
        }
        let from = self.of(peer);
        from.handle(Input::LeaveAsked { peer, room: None }, now);
        from.handle(Input::Disconnected { peer }, now);
        if is_apart {
            self.set_apart.insert(peer);
        } else {
            self.set_apart.remove(&peer);
        }
        true
    }

    pub(super) fn handle(&mut self, input: Input, now: Instant) {
        match peer_of(&input) {
            None => {
                self.usual.handle(input.clone(), now);
                self.apart.handle(input, now);
            }
            Some(peer) => {
                let is_gone = matches!(input, Input::Disconnected { .. } | Input::GuestLeft { .. });
                // A guest is where his partner is.
                if let Input::GuestCame { guest, .. } = input
                    && self.set_apart.contains(&peer)
                {
                    self.set_apart.insert(guest);
                }
                self.of(peer).handle(input, now);
                if is_gone {
                    self.set_apart.remove(&peer);
                }
            }
        }
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.usual
            .poll_output()
            .or_else(|| self.apart.poll_output())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.usual.poll_timeout(), self.apart.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    pub(super) fn room_of(&self, peer: PeerId) -> Option<(RoomId, PeerId)> {
        if self.set_apart.contains(&peer) {
            self.apart.room_of(peer)
        } else {
            self.usual.room_of(peer)
        }
    }

    /// Until when one who waits refuses what.
    pub(super) fn refusals_of(&self, peer: PeerId) -> Option<Refusals> {
        if self.is_apart(peer) {
            self.apart.refusals_of(peer)
        } else {
            self.usual.refusals_of(peer)
        }
    }

    /// Whether somebody is kept apart.
    pub(super) fn is_apart(&self, peer: PeerId) -> bool {
        self.set_apart.contains(&peer)
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.usual.waiting_count() + self.apart.waiting_count()
    }

    pub(super) const fn room_count(&self) -> usize {
        self.usual.room_count() + self.apart.room_count()
    }

    /// How many are kept apart.
    pub(super) fn apart_count(&self) -> usize {
        self.set_apart.len()
    }

    fn of(&mut self, peer: PeerId) -> &mut Matchmaker<fn() -> RoomId> {
        if self.set_apart.contains(&peer) {
            &mut self.apart
        } else {
            &mut self.usual
        }
    }
}

/// Whom it concerns; `None` for everybody.
const fn peer_of(input: &Input) -> Option<PeerId> {
    match input {
        Input::JoinAsked { peer, .. }
        | Input::NextAsked { peer, .. }
        | Input::LeaveAsked { peer, .. }
        | Input::CameUp { peer, .. }
        | Input::Unanswered { peer, .. }
        | Input::Blocked { peer, .. }
        | Input::SetAside { peer }
        | Input::GuestCame { peer, .. }
        | Input::GuestLeft { guest: peer, .. }
        | Input::Disconnected { peer } => Some(*peer),
        Input::Timeout => None,
    }
}

#[cfg(test)]
mod tests {
    use matchmaker::Wishes;

    use super::*;

    fn pools() -> Pools {
        fn name() -> RoomId {
            RoomId::from_bytes(crate::random::random_bytes())
        }
        Pools::new(Config::default(), name)
    }

    fn join(pools: &mut Pools, peer: u64, now: Instant) {
        let wishes = Wishes::default();
        let peer = PeerId(peer);
        pools.handle(Input::JoinAsked { peer, wishes }, now);
    }

    fn outputs(pools: &mut Pools) -> Vec<Output> {
        std::iter::from_fn(|| pools.poll_output()).collect()
    }

    #[test]
    fn those_who_are_kept_apart_meet_each_other_and_nobody_else() {
        let now = Instant::now();
        let mut pools = pools();
        for peer in [1, 2] {
            pools.set_apart(PeerId(peer), true, now);
        }
        join(&mut pools, 1, now);
        join(&mut pools, 3, now);
        assert_eq!((pools.waiting_count(), pools.room_count()), (2, 0));
        join(&mut pools, 2, now);
        let (_, partner) = pools.room_of(PeerId(1)).expect("they meet");
        assert_eq!(partner, PeerId(2));
        assert_eq!((pools.waiting_count(), pools.apart_count()), (1, 2));
        for peer in [1, 2, 3] {
            pools.handle(Input::Disconnected { peer: PeerId(peer) }, now);
        }
        assert_eq!(
            (
                pools.waiting_count(),
                pools.room_count(),
                pools.apart_count()
            ),
            (0, 0, 0)
        );
    }

    #[test]
    fn who_changes_sides_leaves_the_room_behind_and_the_partner_is_told_once() {
        let now = Instant::now();
        let mut pools = pools();
        join(&mut pools, 1, now);
        join(&mut pools, 2, now);
        let (room, _) = pools.room_of(PeerId(1)).expect("they meet");
        outputs(&mut pools);

        assert!(pools.set_apart(PeerId(1), true, now));
        assert!(!pools.set_apart(PeerId(1), true, now));

        let left = Output::TellPartnerLeft {
            peer: PeerId(2),
            room,
            reason: protocol::LeaveReason::Left,
        };
        assert_eq!(outputs(&mut pools), [left]);
        pools.set_apart(PeerId(1), false, now);
        join(&mut pools, 1, now);
        join(&mut pools, 2, now);
        assert_eq!(pools.room_count(), 1, "two who are alone meet again");
    }
}
