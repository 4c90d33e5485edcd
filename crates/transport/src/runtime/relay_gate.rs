//! When a path through a relay is good enough.
//!
//! The stack selects the first pair that answers and never changes it for a better one. A relay close by can answer
//! before a direct path has been punched through two NATs, which takes each side a check of its own. So answers through a
//! relay are kept from the stack for a few of the relayed path's own round trips, which the direct path's are seldom
//! longer than, and until both sides have had their chances: a program that gets no processor time sends no checks, and
//! meanwhile a round trip passes for nothing. Where there is no direct path to wait for, there is no wait.

use std::time::{Duration, Instant};

/// How many round trips through the relay the direct path is given: one for the check that opens the partner's NAT,
/// one for the check that passes it, and one to make up for a lost check.
const ROUND_TRIPS: u32 = 3;
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// Also the wait where nothing has been measured, or the partner is not heard.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How many rounds of checks leave after the partner's first one has come, which shows that it sends checks too.
const ROUNDS: u32 = 4;
/// Checks that leave within this time are of one round: those of all pairs leave together, once in a check interval.
const ROUND: Duration = Duration::from_millis(10);

/// Decides for one generation of candidates after the other (RFC 8445 section 9).
#[derive(Debug, Default)]
pub(super) struct RelayGate {
    started_at: Option<Instant>,
    is_partner_checking: bool,
    rounds: u32,
    round_began_at: Option<Instant>,
    round_trip: Option<Duration>,
    has_direct_candidate: bool,
    has_all_candidates: bool,
}

impl RelayGate {
    /// Another generation begins; nothing is known of it.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// The partner has told of a candidate.
    pub(super) fn on_remote_candidate(&mut self, is_relay: bool) {
        self.has_direct_candidate |= !is_relay;
    }

    /// The partner has no more candidates.
    pub(super) fn on_end_of_candidates(&mut self) {
        self.has_all_candidates = true;
    }

    /// A check left.
    pub(super) fn on_check(&mut self, now: Instant) {
        self.started_at.get_or_insert(now);
        let is_another = self
            .round_began_at
            .is_none_or(|began_at| now.saturating_duration_since(began_at) >= ROUND);
        if self.is_partner_checking && is_another {
            self.rounds = self.rounds.saturating_add(1);
            self.round_began_at = Some(now);
        }
    }

    /// A check of the partner came, whatever way.
    pub(super) fn on_check_of_partner(&mut self) {
        self.is_partner_checking = true;
    }

    /// An answer came through a relay.
    pub(super) fn on_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = Some(
            self.round_trip
                .map_or(round_trip, |best| best.min(round_trip)),
        );
    }

    /// Whether the stack may know at `now` that a relayed path works.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        if self.has_all_candidates && !self.has_direct_candidate {
            return true;
        }
        let has_had_chances = self.rounds >= ROUNDS;
        let wait = self
            .round_trip
            .filter(|_| has_had_chances)
            .map_or(LONGEST_WAIT, |round_trip| {
                (ROUND_TRIPS * round_trip).clamp(SHORTEST_WAIT, LONGEST_WAIT)
            });
        self.started_at
            .is_some_and(|start| now.saturating_duration_since(start) >= wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn opens_after(round_trip: Option<u64>) -> Duration {
        let start = Instant::now();
        let mut gate = RelayGate::default();
        gate.on_remote_candidate(false);
        gate.on_remote_candidate(true);
        gate.on_end_of_candidates();
        gate.on_check(start);
        gate.on_check_of_partner();
        for round in 1..=4 {
            gate.on_check(start + round * ms(20));
        }
        if let Some(round_trip) = round_trip {
            gate.on_round_trip(ms(round_trip));
        }
        let opens_at = (0..1000).find(|at| gate.is_open(start + ms(*at)));
        ms(opens_at.expect("it opens"))
    }

    #[test]
    fn a_direct_path_gets_three_round_trips_within_limits() {
        assert_eq!(opens_after(Some(1)), SHORTEST_WAIT);
        assert_eq!(opens_after(Some(80)), ms(240));
        assert_eq!(opens_after(Some(300)), LONGEST_WAIT);
        assert_eq!(opens_after(None), LONGEST_WAIT);
    }

    #[test]
    fn time_in_which_nobody_could_check_does_not_count() {
        let start = Instant::now();
        let mut gate = RelayGate::default();
        gate.on_remote_candidate(false);
        gate.on_round_trip(ms(1));
        for pair in 0..4 {
            gate.on_check(start + ms(pair));
        }
        assert!(!gate.is_open(start + ms(200)), "the partner sleeps");
        gate.on_check_of_partner();
        for round in 0..3 {
            for pair in 0..4 {
                gate.on_check(start + ms(200 + 20 * round + pair));
            }
        }
        assert!(!gate.is_open(start + ms(260)), "three rounds");
        gate.on_check(start + ms(260));
        assert!(gate.is_open(start + ms(260)));
    }

    #[test]
    fn a_partner_that_has_only_relays_is_not_waited_for() {
        let now = Instant::now();
        let mut gate = RelayGate::default();
        gate.on_check(now);
        gate.on_remote_candidate(true);
        assert!(!gate.is_open(now), "a direct one may still come");
        gate.on_end_of_candidates();
        assert!(gate.is_open(now));
        gate.restart();
        assert!(
            !gate.is_open(now + ms(1000)),
            "no check of this generation has left"
        );
    }
}
