//! When to have a connection ready for the next match, so that it need not be made when the partner is there.
//!
//! A spare connection costs a few sockets here and an allocation at the relay. So there is at most one, it does not live for
//! long, and nobody has one who has not looked for a partner for a while. Owns no connection and no clock.

use std::time::{Duration, Instant};

/// How long a spare is kept: well below what credentials, allocations and NATs' mappings last.
const LIFETIME: Duration = Duration::from_mins(4);
/// How long one who does nothing in the lobby has spares.
const LOBBY_TIME: Duration = Duration::from_mins(5);
/// How long a call is left alone before the next spare is made: its own first moments need the network and the processor.
const AFTER_CONNECTED: Duration = Duration::from_millis(250);
/// How long to wait after asking the server, or after a spare that failed, before asking again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What the person is doing, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// In the lobby, or after a call.
    Idle,
    /// A partner may be there any moment.
    Searching,
    /// A partner is there and the connection is being made, or made again.
    Busy,
    /// In a call.
    InCall,
}

/// What to do about the spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask the server for what a spare needs, and make it when the answer comes.
    Ask,
    /// Close the one that there is.
    Close,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SparePolicy {
    activity: Activity,
    since: Instant,
    asked_at: Option<Instant>,
    /// Whether the server owes an answer.
    is_awaited: bool,
    /// Since when there is a spare.
    made_at: Option<Instant>,
}

impl SparePolicy {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            activity: Activity::Idle,
            since: now,
            asked_at: None,
            is_awaited: false,
            made_at: None,
        }
    }

    /// The server said what a spare needs. Whether it was asked.
    pub(crate) const fn take_answer(&mut self) -> bool {
        std::mem::replace(&mut self.is_awaited, false)
    }

    /// A spare was made.
    pub(crate) const fn on_made(&mut self, now: Instant) {
        self.made_at = Some(now);
    }

    /// The spare is gone: taken for a call, closed or failed.
    pub(crate) const fn on_gone(&mut self) {
        self.made_at = None;
    }

    /// The server that was asked is not there any more.
    pub(crate) const fn on_server_lost(&mut self) {
        self.asked_at = None;
        self.is_awaited = false;
    }

    /// What is to be done now.
    pub(crate) fn decide(
        &mut self,
        activity: Activity,
        is_server_there: bool,
        now: Instant,
    ) -> Option<Decision> {
        if activity != self.activity {
            self.activity = activity;
            self.since = now;
        }
        let for_so_long = now.saturating_duration_since(self.since);
        if let Some(made_at) = self.made_at {
            let is_old = now.saturating_duration_since(made_at) >= LIFETIME;
            let is_useless = activity == Activity::Idle && for_so_long >= LOBBY_TIME;
            // One that is about to be taken is not closed for its age.
            return ((is_old && activity != Activity::Busy) || is_useless)
                .then_some(Decision::Close);
        }
        let is_wanted = match activity {
            Activity::Idle => for_so_long < LOBBY_TIME,
            Activity::Searching => true,
            Activity::Busy => false,
            Activity::InCall => for_so_long >= AFTER_CONNECTED,
        };
        let is_too_soon = self
            .asked_at
            .is_some_and(|at| now.saturating_duration_since(at) < ASK_AGAIN_AFTER);
        if !is_wanted || !is_server_there || is_too_soon {
            return None;
        }
        self.asked_at = Some(now);
        self.is_awaited = true;
        Some(Decision::Ask)
    }

    /// The spare was of use: the next one may be asked for at once.
    pub(crate) const fn on_taken(&mut self) {
        self.made_at = None;
        self.asked_at = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn one_who_comes_gets_a_spare_once() {
        let start = Instant::now();
        let mut policy = SparePolicy::new(start);
        assert_eq!(policy.decide(Activity::Idle, false, start), None);
        assert_eq!(
            policy.decide(Activity::Idle, true, start),
            Some(Decision::Ask)
        );
        assert_eq!(policy.decide(Activity::Idle, true, start + secs(1)), None);
        assert!(policy.take_answer());
        assert!(!policy.take_answer(), "it was asked once");
        policy.on_made(start + secs(1));
        assert_eq!(
            policy.decide(Activity::Searching, true, start + secs(60)),
            None
        );
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_again_later() {
        let start = Instant::now();
        let mut policy = SparePolicy::new(start);
        policy.decide(Activity::Searching, true, start);
        assert_eq!(
            policy.decide(Activity::Searching, true, start + secs(9)),
            None
        );
        assert_eq!(
            policy.decide(Activity::Searching, true, start + ASK_AGAIN_AFTER),
            Some(Decision::Ask)
        );
    }

    #[test]
    fn a_call_is_left_alone_at_first_and_then_the_next_spare_is_made() {
        let start = Instant::now();
        let mut policy = SparePolicy::new(start);
        policy.on_made(start);
        policy.on_taken();
        assert_eq!(policy.decide(Activity::Busy, true, start), None);
        assert_eq!(policy.decide(Activity::InCall, true, start + secs(1)), None);
        assert_eq!(
            policy.decide(Activity::InCall, true, start + secs(1) + AFTER_CONNECTED),
            Some(Decision::Ask)
        );
    }

    #[test]
    fn a_spare_is_renewed_in_a_call_and_given_up_in_the_lobby() {
        let start = Instant::now();
        let mut policy = SparePolicy::new(start);
        policy.decide(Activity::InCall, true, start);
        policy.on_made(start);
        let later = start + LIFETIME;
        assert_eq!(
            policy.decide(Activity::InCall, true, later),
            Some(Decision::Close)
        );
        policy.on_gone();
        assert_eq!(
            policy.decide(Activity::InCall, true, later),
            Some(Decision::Ask)
        );
        policy.on_made(later);

        policy.decide(Activity::Idle, true, later);
        let much_later = later + LOBBY_TIME;
        assert_eq!(
            policy.decide(Activity::Idle, true, much_later),
            Some(Decision::Close)
        );
        policy.on_gone();
        assert_eq!(policy.decide(Activity::Idle, true, much_later), None);
    }

    proptest! {
        /// Whatever a person does for an hour: the server is asked at most every ten seconds and once per spare taken,
        /// and no spare lives for longer than its time.
        #[test]
        fn the_cost_is_bounded(
            steps in proptest::collection::vec((0..4_u8, 0..40_u64, any::<bool>()), 1..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut policy = SparePolicy::new(now);
            let (mut asked, mut taken, mut made_at) = (0_u64, 0_u64, None::<Instant>);
            for (what, pause, is_answered) in steps {
                now += secs(pause);
                let activity = match what {
                    0 => Activity::Idle,
                    1 => Activity::Searching,
                    2 => Activity::Busy,
                    _ => Activity::InCall,
                };
                if activity == Activity::Busy && made_at.take().is_some() {
                    policy.on_taken();
                    taken += 1;
                }
                match policy.decide(activity, true, now) {
                    Some(Decision::Ask) => {
                        prop_assert_eq!(made_at, None, "one at a time");
                        asked += 1;
                        if is_answered {
                            policy.on_made(now);
                            made_at = Some(now);
                        }
                    }
                    Some(Decision::Close) => {
                        prop_assert!(made_at.take().is_some());
                        policy.on_gone();
                    }
                    None => {
                        let age = made_at.map(|made_at| now - made_at);
                        prop_assert!(age.is_none_or(|age| age < LIFETIME));
                    }
                }
            }
            prop_assert!(asked <= (now - start).as_secs() / ASK_AGAIN_AFTER.as_secs() + 1 + taken);
        }
    }
}
