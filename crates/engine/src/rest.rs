//! When devices rest, because nobody is heard, seen or played to. Owns no device and no clock.
//!
//! A device that is open wakes the machine a hundred times a second, and a camera's light says that somebody is watched. So the
//! speaker is open from the search for a partner on, and some time before and after, which is soon enough for the first word; and
//! camera and microphone are open while a search or a call is on, or while somebody sees the preview.

use std::time::{Duration, Instant};

/// How long the speaker stays open when nobody can be heard: long enough to find out whether it works, and to go on to the next
/// partner without a break. Longer: the machine wakes for nothing. Shorter: somebody who goes on at once waits for the device.
const SPEAKER_STAYS: Duration = Duration::from_secs(15);
/// How long camera and microphone stay open when nobody sees the preview. Shorter: the camera blinks when windows are put in order.
const UNSEEN_STAYS: Duration = Duration::from_secs(1);
/// How long they stay open after a call: the next one may begin by itself, five seconds later.
const AFTER_CALL_STAYS: Duration = Duration::from_secs(7);

/// What may rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Resting {
    pub(crate) speaker: bool,
    /// Camera and microphone.
    pub(crate) capture: bool,
}

/// Knows since when which device is not needed.
#[derive(Debug)]
pub(crate) struct Rests {
    /// When the speaker was needed last.
    speaker_needed: Instant,
    /// When there was a search or a call last, if there was one.
    last_call: Option<Instant>,
    /// When somebody saw the preview last.
    last_seen: Instant,
}

impl Rests {
    /// All devices are open.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            speaker_needed: now,
            last_call: None,
            last_seen: now,
        }
    }

    /// Another speaker was chosen: whether it works should be seen.
    pub(crate) const fn on_speaker_chosen(&mut self, now: Instant) {
        self.speaker_needed = now;
    }

    /// What may rest now. `is_call` is whether a search or a call is on, `is_seen` whether somebody sees the preview. What changes
    /// by time alone is told within the time after which this is asked again.
    pub(crate) fn decide(&mut self, is_call: bool, is_seen: bool, now: Instant) -> Resting {
        if is_call {
            self.speaker_needed = now;
            self.last_call = Some(now);
        }
        if is_seen {
            self.last_seen = now;
        }
        let is_past = |at: Instant, stays| now.saturating_duration_since(at) >= stays;
        Resting {
            speaker: is_past(self.speaker_needed, SPEAKER_STAYS),
            capture: is_past(self.last_seen, UNSEEN_STAYS)
                && self
                    .last_call
                    .is_none_or(|at| is_past(at, AFTER_CALL_STAYS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: Resting = Resting {
        speaker: false,
        capture: false,
    };

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn in_a_lobby_that_is_seen_the_speaker_rests_and_the_preview_does_not() {
        let start = Instant::now();
        let mut rests = Rests::new(start);
        assert_eq!(rests.decide(false, true, start), OPEN);
        let later = rests.decide(false, true, start + SPEAKER_STAYS);
        assert!(later.speaker && !later.capture);
        assert_eq!(rests.decide(true, true, start + secs(3600)), OPEN);
    }

    #[test]
    fn a_speaker_that_was_just_chosen_is_tried_first() {
        let start = Instant::now();
        let mut rests = Rests::new(start);
        let now = start + secs(60);
        assert!(rests.decide(false, true, now).speaker);
        rests.on_speaker_chosen(now);
        assert!(!rests.decide(false, true, now + secs(1)).speaker);
        assert!(rests.decide(false, true, now + SPEAKER_STAYS).speaker);
    }

    #[test]
    fn nobody_is_filmed_behind_a_hidden_lobby() {
        let start = Instant::now();
        let mut rests = Rests::new(start);
        assert!(!rests.decide(false, false, start).capture, "in a moment");
        assert!(rests.decide(false, false, start + UNSEEN_STAYS).capture);
        assert!(!rests.decide(false, true, start + secs(9)).capture);
    }

    #[test]
    fn camera_and_microphone_stay_on_while_the_next_call_may_begin_by_itself() {
        let start = Instant::now();
        let mut rests = Rests::new(start);
        let end = start + secs(600);
        assert!(!rests.decide(true, false, end).capture, "hidden in a call");
        assert!(!rests.decide(false, false, end + secs(6)).capture);
        assert!(rests.decide(false, false, end + AFTER_CALL_STAYS).capture);
    }

    proptest! {
        /// Whatever happens: in a call nothing rests, and what is seen is open.
        #[test]
        fn what_is_needed_is_open(
            steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0..40_u64), 1..100),
        ) {
            let mut now = Instant::now();
            let mut rests = Rests::new(now);
            for (is_call, is_seen, pause) in steps {
                now += secs(pause);
                let resting = rests.decide(is_call, is_seen, now);
                prop_assert!(!is_call || resting == OPEN);
                prop_assert!(!is_seen || !resting.capture);
            }
        }
    }
}
