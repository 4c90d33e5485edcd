//! When to look for a direct path, while a call runs over a relay that it does not need.
//!
//! A relay is chosen when no direct path was found in time; on a slow or lossy network that may be too early. Looking again
//! costs a few packets, and the path in use goes on meanwhile. Two that cannot reach each other directly stay on the relay.

use std::time::{Duration, Instant};

/// After how long on a relay each attempt comes. The first ones may have failed for a loss; later ones find little.
const ATTEMPTS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(20)];

/// The attempts of one call on one network.
#[derive(Debug, Default)]
pub(crate) struct Upgrade {
    relayed_since: Option<Instant>,
    made: usize,
}

impl Upgrade {
    /// The path is up, over a relay or not.
    pub(crate) fn on_path(&mut self, is_relayed: bool, now: Instant) {
        if !is_relayed {
            self.relayed_since = None;
        } else if self.relayed_since.is_none() {
            self.relayed_since = Some(now);
        }
    }

    /// Direct paths may be used from now on: whether one is found is to be seen.
    pub(crate) fn on_allowed(&mut self, now: Instant) {
        self.made = 0;
        self.relayed_since = self.relayed_since.map(|_| now);
    }

    /// On another network other paths may exist.
    pub(crate) fn on_network_changed(&mut self) {
        *self = Self::default();
    }

    /// When the next attempt is due.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let since = self.relayed_since?;
        ATTEMPTS.get(self.made).map(|after| since + *after)
    }

    /// Whether an attempt is to be made now; true once for each.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let is_due = self.due_at().is_some_and(|at| now >= at);
        // Those that were due while the path was lost are made up for by one.
        while self.due_at().is_some_and(|at| now >= at) {
            self.made += 1;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relayed_path_is_tried_to_be_left_a_few_times() {
        let start = simulation::start();
        let mut upgrade = Upgrade::default();
        assert_eq!(upgrade.due_at(), None);
        upgrade.on_path(true, start);
        assert!(!upgrade.take(start + ATTEMPTS[0] / 2));
        upgrade.on_path(true, start + ATTEMPTS[0] / 2);
        assert!(upgrade.take(start + ATTEMPTS[0]), "counted from the first");
        assert!(!upgrade.take(start + ATTEMPTS[0]));
        assert!(upgrade.take(start + ATTEMPTS[1]));
        assert_eq!(upgrade.due_at(), None, "enough");
        upgrade.on_network_changed();
        upgrade.on_path(true, start + ATTEMPTS[1]);
        assert!(upgrade.due_at().is_some(), "another network, another try");
    }

    #[test]
    fn attempts_that_were_missed_are_made_up_for_by_one() {
        let start = simulation::start();
        let mut upgrade = Upgrade::default();
        upgrade.on_path(true, start);
        assert!(upgrade.take(start + 2 * ATTEMPTS[1]));
        assert_eq!(upgrade.due_at(), None);
    }

    #[test]
    fn a_direct_path_is_left_alone() {
        let start = simulation::start();
        let mut upgrade = Upgrade::default();
        upgrade.on_path(true, start);
        upgrade.on_path(false, start + ATTEMPTS[0] / 2);
        assert_eq!(upgrade.due_at(), None);
    }
}
