//! When to restart ICE and when to give up, once the path of a running call is lost.

use std::time::{Duration, Instant};

use protocol::Role;

use crate::Config;
use crate::negotiation::Restart;

/// How long the answerer leaves the first restart to the offerer, so that the two do not cross. Longer than the offerer
/// needs to notice a loss, and to tell.
const ANSWERER_WAIT: Duration = Duration::from_secs(2);

/// The clock of one loss of the path.
#[derive(Debug)]
pub(crate) struct Reconnect {
    lost_at: Instant,
    /// When ICE is to be restarted the next time.
    next_restart: Instant,
    has_restarted: bool,
}

impl Reconnect {
    /// The path was lost at `lost_at`. The offerer's first restart is due at once: waiting gains nothing, since a path that
    /// comes back by itself wins over a restart that is under way.
    pub(crate) fn new(role: Role, lost_at: Instant) -> Self {
        let wait = match role {
            Role::Offerer => Duration::ZERO,
            Role::Answerer => ANSWERER_WAIT,
        };
        Self {
            lost_at,
            next_restart: lost_at + wait,
            has_restarted: false,
        }
    }

    /// A restart for another reason takes the place of the next one.
    pub(crate) fn on_restarted(&mut self, config: &Config, now: Instant) {
        self.has_restarted = true;
        self.next_restart = now + config.restart_every;
    }

    /// How to restart, if that is due. If so, the next one is due an interval later.
    ///
    /// The first one keeps the sockets, and with them whatever still works: most losses are the network's or the
    /// partner's. If that does not help, the sockets may be what is broken.
    pub(crate) fn take_restart(&mut self, config: &Config, now: Instant) -> Option<Restart> {
        if now < self.next_restart {
            return None;
        }
        self.next_restart = now + config.restart_every;
        if std::mem::replace(&mut self.has_restarted, true) {
            Some(Restart::Rebind)
        } else {
            Some(Restart::Keep)
        }
    }

    pub(crate) const fn restart_at(&self) -> Instant {
        self.next_restart
    }

    /// When the call is over.
    pub(crate) fn give_up_at(&self, config: &Config) -> Instant {
        self.lost_at + config.give_up_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn config() -> Config {
        Config {
            restart_every: secs(5),
            give_up_after: secs(30),
            ..Config::default()
        }
    }

    #[test]
    fn restarts_are_due_at_once_and_then_at_intervals() {
        let start = simulation::start();
        let mut reconnect = Reconnect::new(Role::Offerer, start);
        assert_eq!(
            reconnect.take_restart(&config(), start),
            Some(Restart::Keep)
        );
        assert_eq!(reconnect.take_restart(&config(), start + secs(4)), None);
        assert_eq!(
            reconnect.take_restart(&config(), start + secs(6)),
            Some(Restart::Rebind)
        );
        assert_eq!(
            reconnect.restart_at(),
            start + secs(11),
            "an interval after the last one, however late"
        );
    }

    #[test]
    fn the_answerer_gives_the_offerer_time_to_begin() {
        let start = simulation::start();
        let mut reconnect = Reconnect::new(Role::Answerer, start);
        assert_eq!(reconnect.take_restart(&config(), start + secs(1)), None);
        assert_eq!(
            reconnect.take_restart(&config(), start + ANSWERER_WAIT),
            Some(Restart::Keep)
        );
    }

    #[test]
    fn a_restart_for_another_reason_takes_the_place_of_the_next_one() {
        let start = simulation::start();
        let mut reconnect = Reconnect::new(Role::Offerer, start);
        reconnect.on_restarted(&config(), start + secs(1));
        assert_eq!(reconnect.take_restart(&config(), start + secs(1)), None);
        assert_eq!(reconnect.restart_at(), start + secs(6));
    }

    #[test]
    fn a_path_lost_for_long_ends_the_call() {
        let start = simulation::start();
        let reconnect = Reconnect::new(Role::Offerer, start);
        assert_eq!(reconnect.give_up_at(&config()), start + secs(30));
    }
}
