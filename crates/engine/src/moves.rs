//! What a change of the machine's network means for a call.
//!
//! An address that comes or goes is no reason to disturb a path that works: machines have many interfaces, and binding anew
//! costs a moment of picture. It is one if the path is lost, or about to be, for its own address is gone.

use crate::NetworkFact;

/// What to do about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Look for another path at once, with new sockets.
    Now,
    /// Bind new sockets if another path is looked for anyway.
    AtNextRestart,
    /// There is no network: wait for one.
    Wait,
}

/// Remembers what could not be done yet.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// The path's own address is gone, and there was no other network to move to.
    is_stranded: bool,
}

impl Moves {
    pub(crate) fn on_fact(&mut self, fact: &NetworkFact, is_path_up: bool) -> Move {
        let change = match fact {
            NetworkFact::Changed(change) => change,
            // Every mapping on the way may be forgotten by now.
            NetworkFact::Resumed { .. } => return Move::Now,
        };
        self.is_stranded |= change.lost_in_use;
        if change.is_offline {
            Move::Wait
        } else if std::mem::take(&mut self.is_stranded) || !is_path_up {
            Move::Now
        } else {
            Move::AtNextRestart
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::AddressChange;

    fn changed(lost_in_use: bool, is_offline: bool) -> NetworkFact {
        NetworkFact::Changed(AddressChange {
            lost_in_use,
            is_offline,
            ..AddressChange::default()
        })
    }

    #[test]
    fn a_path_that_works_is_left_alone() {
        let mut moves = Moves::default();
        assert_eq!(
            moves.on_fact(&changed(false, false), true),
            Move::AtNextRestart
        );
    }

    #[test]
    fn a_path_that_is_lost_is_looked_for_on_the_new_network() {
        let mut moves = Moves::default();
        assert_eq!(moves.on_fact(&changed(false, false), false), Move::Now);
        assert_eq!(moves.on_fact(&changed(true, false), true), Move::Now);
    }

    #[test]
    fn one_without_a_network_moves_when_there_is_one() {
        let mut moves = Moves::default();
        assert_eq!(moves.on_fact(&changed(true, true), true), Move::Wait);
        assert_eq!(moves.on_fact(&changed(false, false), true), Move::Now);
        assert_eq!(
            moves.on_fact(&changed(false, false), true),
            Move::AtNextRestart,
            "once"
        );
    }

    #[test]
    fn a_machine_that_slept_looks_for_its_path_anew() {
        let asleep = Duration::from_mins(1);
        let mut moves = Moves::default();
        assert_eq!(
            moves.on_fact(&NetworkFact::Resumed { asleep }, true),
            Move::Now
        );
    }
}
