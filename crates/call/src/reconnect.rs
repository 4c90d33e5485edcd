//! When to restart ICE and when to give up, once the path of a running call is lost.

use std::time::Instant;

use crate::{Config, EndReason};

/// The clock of one loss of the path.
#[derive(Debug)]
pub(crate) struct Reconnect {
    lost_at: Instant,
    /// When the server said that it lost the partner too.
    vanished_at: Option<Instant>,
    /// When ICE is to be restarted the next time.
    next_restart: Instant,
}

impl Reconnect {
    /// The path was lost at `lost_at`. The first restart is due at once: waiting gains nothing, since a path that
    /// comes back by itself wins over a restart that is under way.
    pub(crate) const fn new(lost_at: Instant, vanished_at: Option<Instant>) -> Self {
        Self {
            lost_at,
            vanished_at,
            next_restart: lost_at,
        }
    }

    pub(crate) const fn on_partner_vanished(&mut self, now: Instant) {
        self.vanished_at = Some(now);
    }

    /// Whether a restart is due. If so, the next one is due an interval later.
    pub(crate) fn take_restart(&mut self, config: &Config, now: Instant) -> bool {
        let is_due = now >= self.next_restart;
        if is_due {
            self.next_restart = now + config.restart_every;
        }
        is_due
    }

    pub(crate) const fn restart_at(&self) -> Instant {
        self.next_restart
    }

    /// When the call is over, and why.
    ///
    /// A partner whom the server has lost too is probably gone for good, so that takes less patience.
    pub(crate) fn give_up(&self, config: &Config) -> (Instant, EndReason) {
        let lost = (
            self.lost_at + config.give_up_after,
            EndReason::ConnectionLost,
        );
        let Some(vanished_at) = self.vanished_at else {
            return lost;
        };
        let both_gone_at = vanished_at.max(self.lost_at);
        let vanished = (
            both_gone_at + config.vanished_after,
            EndReason::PartnerVanished,
        );
        if vanished.0 <= lost.0 { vanished } else { lost }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn config() -> Config {
        Config {
            restart_every: secs(5),
            give_up_after: secs(30),
            vanished_after: secs(10),
            ..Config::default()
        }
    }

    #[test]
    fn restarts_are_due_at_once_and_then_at_intervals() {
        let start = simulation::start();
        let mut reconnect = Reconnect::new(start, None);
        assert!(reconnect.take_restart(&config(), start));
        assert!(!reconnect.take_restart(&config(), start + secs(4)));
        assert!(reconnect.take_restart(&config(), start + secs(6)));
        assert_eq!(
            reconnect.restart_at(),
            start + secs(11),
            "an interval after the last one, however late"
        );
    }

    #[test]
    fn a_path_lost_for_long_ends_the_call() {
        let start = simulation::start();
        let reconnect = Reconnect::new(start, None);
        assert_eq!(
            reconnect.give_up(&config()),
            (start + secs(30), EndReason::ConnectionLost)
        );
    }

    #[test]
    fn a_partner_whom_the_server_lost_too_is_given_up_earlier() {
        let start = simulation::start();
        let vanished_before = Reconnect::new(start + secs(60), Some(start));
        assert_eq!(
            vanished_before.give_up(&config()),
            (start + secs(70), EndReason::PartnerVanished)
        );

        let mut vanished_after = Reconnect::new(start, None);
        vanished_after.on_partner_vanished(start + secs(7));
        assert_eq!(
            vanished_after.give_up(&config()),
            (start + secs(17), EndReason::PartnerVanished)
        );
    }

    #[test]
    fn a_partner_who_vanishes_late_does_not_prolong_the_wait() {
        let start = simulation::start();
        let mut reconnect = Reconnect::new(start, None);
        reconnect.on_partner_vanished(start + secs(25));
        assert_eq!(
            reconnect.give_up(&config()),
            (start + secs(30), EndReason::ConnectionLost)
        );
    }
}
