//! On to the next stranger by itself when one has left. Plain values, no window.

use std::time::{Duration, Instant};

use engine::{CallView, EndReason, SignallingView, Snapshot};

/// How long one may think about it.
pub const COUNTDOWN: Duration = Duration::from_secs(5);
/// So often in a row without anybody at the window. Nobody is shown to one stranger after the other while away.
const MOST_IN_A_ROW: u32 = 3;

/// What has to be remembered for it.
#[derive(Debug, Default)]
pub struct AutomaticNext {
    /// Since when the stranger is gone.
    since: Option<Instant>,
    /// The person wants to stay here this time.
    is_off: bool,
    in_a_row: u32,
}

impl AutomaticNext {
    /// Takes note of what the engine says.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Instant) {
        let is_left = matches!(
            snapshot.call,
            CallView::Ended {
                // Who has lost the connection is not helped by another call.
                reason: EndReason::PartnerLeft
                    | EndReason::PartnerVanished
                    | EndReason::CouldNotConnect
            }
        );
        if !is_left {
            self.since = None;
            self.is_off = false;
        } else if matches!(snapshot.signalling, SignallingView::Away { .. }) {
            // It begins anew when the server is back.
            self.since = None;
        } else {
            self.since.get_or_insert(now);
        }
    }

    /// Takes note that the person is there.
    pub fn on_use(&mut self) {
        self.in_a_row = 0;
    }

    /// Stays with this screen.
    pub fn stay(&mut self) {
        self.is_off = true;
    }

    /// How much is left of the countdown, if there is one.
    pub fn left(&self, is_wanted: bool, now: Instant) -> Option<Duration> {
        let since = self
            .since
            .filter(|_| is_wanted && !self.is_off && self.in_a_row < MOST_IN_A_ROW)?;
        Some(COUNTDOWN.saturating_sub(now.saturating_duration_since(since)))
    }

    /// Whether it is time, once.
    pub fn take(&mut self, is_wanted: bool, now: Instant) -> bool {
        let is_due = self.left(is_wanted, now).is_some_and(|left| left.is_zero());
        if is_due {
            self.is_off = true;
            self.in_a_row += 1;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::nothing_yet;

    fn ended(reason: EndReason) -> Snapshot {
        Snapshot {
            signalling: SignallingView::Connected { online: Some(9) },
            call: CallView::Ended { reason },
            ..nothing_yet()
        }
    }

    #[test]
    fn it_comes_once_after_the_countdown_unless_one_stays_or_does_not_want_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let snapshot = ended(EndReason::PartnerLeft);
        let mut next = AutomaticNext::default();
        next.observe(&snapshot, at(0));
        assert_eq!(next.left(true, at(2)), Some(Duration::from_secs(3)));
        assert_eq!(next.left(false, at(2)), None);
        assert!(!next.take(true, at(4)));
        assert!(!next.take(false, at(9)));
        assert!(next.take(true, at(5)));
        assert!(!next.take(true, at(6)), "the engine has not answered yet");
        let mut next = AutomaticNext::default();
        next.observe(&snapshot, at(0));
        next.stay();
        next.observe(&snapshot, at(3));
        assert!(!next.take(true, at(60)));
    }

    #[test]
    fn nobody_is_handed_on_for_ever_while_away() {
        let start = Instant::now();
        let mut next = AutomaticNext::default();
        let mut handed_on = 0;
        for round in 0..20 {
            let now = start + COUNTDOWN * 2 * round;
            next.observe(&ended(EndReason::PartnerVanished), now);
            handed_on += u32::from(next.take(true, now + COUNTDOWN));
            next.observe(&nothing_yet(), now + COUNTDOWN);
        }
        assert_eq!(handed_on, MOST_IN_A_ROW);
        next.on_use();
        next.observe(&ended(EndReason::PartnerLeft), start);
        assert!(next.take(true, start + COUNTDOWN));
    }

    #[test]
    fn a_lost_connection_and_a_lost_server_wait_for_the_person() {
        let now = Instant::now();
        let mut next = AutomaticNext::default();
        next.observe(&ended(EndReason::ConnectionLost), now);
        assert_eq!(next.left(true, now), None);
        let mut snapshot = ended(EndReason::PartnerLeft);
        snapshot.signalling = SignallingView::Away {
            problem: engine::SignallingProblem::ShutDown,
            retry_at: now,
        };
        next.observe(&snapshot, now);
        assert_eq!(next.left(true, now), None);
        let later = now + Duration::from_mins(1);
        next.observe(&ended(EndReason::PartnerLeft), later);
        assert_eq!(next.left(true, later), Some(COUNTDOWN), "it begins anew");
    }
}
