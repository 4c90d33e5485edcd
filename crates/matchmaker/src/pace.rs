//! How soon somebody can be expected: how often those who are busy have come asking lately.

use std::time::{Duration, Instant};

/// How far back the pace looks, roughly: what is older than this counts a third (an exponential window).
const LOOKS_BACK: Duration = Duration::from_mins(1);

/// What is assumed before anything is known: one who is in a room, or about to come for the first time, asks once in this
/// time. Counts as much as one person in a room watched for as long, and so is soon outweighed.
const ASSUMED: Duration = Duration::from_secs(30);

/// How often one who is in a room asks for a partner, as observed: all who ask, newcomers too, over the time that people spend in
/// rooms. (The estimator is that of a Poisson process with a Gamma prior: events over exposure.)
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Up to when both sums count.
    at: Option<Instant>,
    /// Who has asked, each counted the less the longer ago.
    asked: f64,
    /// How long people were in rooms, in person-seconds, faded likewise.
    in_rooms_s: f64,
}

impl Pace {
    /// Time has passed up to `now`, with this many people in rooms.
    pub(crate) fn advance(&mut self, in_rooms: usize, now: Instant) {
        let passed = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        if passed.is_zero() {
            return;
        }
        let window_s = LOOKS_BACK.as_secs_f64();
        let kept = (-passed.as_secs_f64() / window_s).exp();
        self.asked *= kept;
        self.in_rooms_s = self.in_rooms_s * kept + in_rooms as f64 * window_s * (1.0 - kept);
    }

    /// Somebody asks for a partner, at the time of the last [`advance`](Self::advance).
    pub(crate) fn on_asked(&mut self) {
        self.asked += 1.0;
    }

    /// How many a second come of `count` people in rooms.
    pub(crate) fn expected(&self, count: usize) -> f64 {
        let each = (self.asked + 1.0) / (self.in_rooms_s + ASSUMED.as_secs_f64());
        count as f64 * each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(people: usize, asks: impl Fn(u64) -> u64, seconds: u64) -> Pace {
        let mut now = simulation::start();
        let mut pace = Pace::default();
        pace.advance(people, now);
        for second in 0..seconds {
            now += Duration::from_secs(1);
            pace.advance(people, now);
            for _ in 0..asks(second) {
                pace.on_asked();
            }
        }
        pace
    }

    #[test]
    fn what_happens_steadily_is_expected_to_go_on() {
        let pace = after(200, |_| 10, 300);

        let expected = pace.expected(200);
        assert!((expected - 10.0).abs() < 0.2, "{expected} a second");
        assert!((pace.expected(20) - expected / 10.0).abs() < 1e-9);
    }

    #[test]
    fn what_was_minutes_ago_is_forgotten() {
        let pace = after(200, |second| if second < 300 { 100 } else { 10 }, 600);

        let expected = pace.expected(200);
        assert!((expected - 10.0).abs() < 1.0, "{expected} a second");
    }

    #[test]
    fn nobody_is_expected_of_nobody() {
        assert!(after(0, |_| 5, 100).expected(0).abs() < f64::EPSILON);
    }
}
