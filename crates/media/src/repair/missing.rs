//! Which packets of one stream are missing, and when to ask for each (RFC 4585 section 6.2.1).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a packet may be late by reordering before it counts as missing. Packets of sound are sent so far apart that none overtakes
/// another.
const REORDERING: Duration = Duration::from_millis(5);

/// While repair packets come, they get this share of the round trip to give back what is missing, but no longer than that: a frame
/// and the repair packets behind it. It saves most of the requests, and of what is sent again.
const PATIENCE_DIVISOR: u32 = 4;
const LONGEST_PATIENCE: Duration = Duration::from_millis(40);
/// They come for so long after the last one.
const PROTECTED_FOR: Duration = Duration::from_millis(500);

/// How long we ask for a packet: by then a viewer has had a keyframe, …
const GIVE_UP_PICTURES_AFTER: Duration = Duration::from_secs(1);
/// … and a listener has heard the gap.
const GIVE_UP_SOUND_AFTER: Duration = Duration::from_millis(200);

/// The largest gap that is filled by asking. After a longer one a keyframe comes sooner than so many packets.
const LARGEST_GAP: u64 = 256;

/// Bounds of the round trip that is believed.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(10);
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(500);

/// Requests are lost like all else, and are small: each is said twice, this share of the round trip apart but no longer than
/// that, so that one burst does not take both. Whoever answers knows that it is the same request by the time in between.
const SAID_AGAIN_AFTER: u32 = 4;
const LONGEST_UNTIL_SAID_AGAIN: Duration = Duration::from_millis(20);
/// On a path this short the next round comes as soon.
const SHORTEST_UNTIL_SAID_AGAIN: Duration = Duration::from_millis(8);

/// Sequence numbers are counted from here on, so that the unwrapped ones of late packets stay positive.
const FIRST_CYCLE: u64 = 1 << 16;

#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Instant,
    ask_at: Instant,
    asked: Asked,
}

/// How often something was asked for in the present round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Never, in none.
    NotYet,
    Once,
    Twice,
}

impl Missing {
    fn new(reordering: Duration, now: Instant) -> Self {
        Self {
            since: now,
            ask_at: now + reordering,
            asked: Asked::NotYet,
        }
    }
}

/// The gaps in one stream's sequence numbers.
#[derive(Debug)]
pub struct MissingPackets {
    /// The highest sequence number so far, unwrapped.
    highest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    protected_until: Option<Instant>,
    reordering: Duration,
    give_up_after: Duration,
}

impl MissingPackets {
    /// Of a stream of pictures.
    pub const fn of_pictures() -> Self {
        Self::new(REORDERING, GIVE_UP_PICTURES_AFTER)
    }

    /// Of a stream of sound, which is of no use any more as soon as it should have been heard.
    pub const fn of_sound() -> Self {
        Self::new(Duration::ZERO, GIVE_UP_SOUND_AFTER)
    }

    const fn new(reordering: Duration, give_up_after: Duration) -> Self {
        Self {
            highest: None,
            missing: BTreeMap::new(),
            protected_until: None,
            reordering,
            give_up_after,
        }
    }

    /// What is missing so far is not asked for.
    pub fn give_up(&mut self) {
        self.missing.clear();
    }

    /// A packet arrived: for the first time, again, or as a retransmission.
    pub fn on_arrived(&mut self, sequence_number: u16, now: Instant) {
        let Some(highest) = self.highest else {
            self.highest = Some(FIRST_CYCLE + u64::from(sequence_number));
            return;
        };
        let number = unwrap(sequence_number, highest);
        if number <= highest {
            self.missing.remove(&number);
            return;
        }
        if number - highest > LARGEST_GAP {
            self.missing.clear();
        } else {
            let missing = Missing::new(self.reordering, now);
            self.missing
                .extend((highest + 1..number).map(|gap| (gap, missing)));
        }
        self.highest = Some(number);
        self.missing = self.missing.split_off(&number.saturating_sub(LARGEST_GAP));
    }

    /// A repair packet came: what is missing from now on may be given back without being asked for.
    pub fn on_protected(&mut self, now: Instant) {
        self.protected_until = Some(now + PROTECTED_FOR);
    }

    /// The partner says that a packet of this number was sent, which did not arrive so far.
    pub fn on_announced(&mut self, sequence_number: u16, now: Instant) {
        let Some(highest) = self.highest else {
            return;
        };
        let number = unwrap(sequence_number, highest);
        if number > highest && number - highest <= LARGEST_GAP {
            self.on_arrived(sequence_number, now);
            self.missing
                .insert(number, Missing::new(self.reordering, now));
        }
    }

    /// The sequence numbers to ask for at `now`. Each is asked for once in a round trip, so that a retransmission has
    /// the time to come; and once more soon after, in case that the request is lost.
    pub fn due(&mut self, now: Instant, round_trip: Duration) -> Vec<u16> {
        let round_trip = round_trip.clamp(SHORTEST_ROUND_TRIP, LONGEST_ROUND_TRIP);
        let next_round = round_trip + round_trip / 8 + self.reordering;
        let until_said_again = (round_trip / SAID_AGAIN_AFTER).min(LONGEST_UNTIL_SAID_AGAIN);
        let is_said_again = until_said_again >= SHORTEST_UNTIL_SAID_AGAIN;
        let patience = match self.protected_until {
            Some(until) if now < until => (round_trip / PATIENCE_DIVISOR).min(LONGEST_PATIENCE),
            _ => Duration::ZERO,
        };
        let mut due = Vec::new();
        self.missing.retain(|number, missing| {
            if missing.ask_at > now {
                return true;
            }
            if now.saturating_duration_since(missing.since) > self.give_up_after {
                return false;
            }
            let may_come = missing.since + self.reordering + patience;
            if missing.asked == Asked::NotYet && now < may_come {
                missing.ask_at = may_come;
                return true;
            }
            due.push(*number as u16);
            let (asked, ask_again_after) = match missing.asked {
                Asked::NotYet | Asked::Twice if is_said_again => (Asked::Once, until_said_again),
                _ => (
                    Asked::Twice,
                    next_round.saturating_sub(if is_said_again {
                        until_said_again
                    } else {
                        Duration::ZERO
                    }),
                ),
            };
            missing.asked = asked;
            missing.ask_at = now + ask_again_after;
            true
        });
        due
    }

    /// When [`due`](Self::due) will next return something.
    pub fn next_at(&self) -> Option<Instant> {
        self.missing.values().map(|missing| missing.ask_at).min()
    }
}

/// The unwrapped number next to `near` that ends in `sequence_number`.
fn unwrap(sequence_number: u16, near: u64) -> u64 {
    let distance = sequence_number.wrapping_sub(near as u16) as i16;
    near.saturating_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(40);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn arrived(numbers: impl IntoIterator<Item = u16>, now: Instant) -> MissingPackets {
        let mut packets = MissingPackets::of_pictures();
        for number in numbers {
            packets.on_arrived(number, now);
        }
        packets
    }

    #[test]
    fn a_gap_is_asked_for_after_the_reordering_wait_and_then_twice_a_round_trip() {
        let start = simulation::start();
        let mut packets = arrived([10, 13], start);
        assert!(packets.due(start + ms(4), ROUND_TRIP).is_empty());
        assert_eq!(packets.next_at(), Some(start + REORDERING));
        assert_eq!(packets.due(start + ms(5), ROUND_TRIP), [11, 12]);
        assert!(packets.due(start + ms(14), ROUND_TRIP).is_empty());
        assert_eq!(
            packets.due(start + ms(15), ROUND_TRIP),
            [11, 12],
            "the request may be lost"
        );
        assert!(packets.due(start + ms(54), ROUND_TRIP).is_empty());
        assert_eq!(packets.due(start + ms(55), ROUND_TRIP), [11, 12]);
    }

    #[test]
    fn over_a_short_path_once_a_round_trip_is_enough() {
        let start = simulation::start();
        let mut packets = arrived([10, 12], start);
        let asked = (0..100).filter(|at| !packets.due(start + ms(*at), ms(20)).is_empty());
        let asked: Vec<u64> = asked.collect();
        assert!(
            asked.windows(2).all(|pair| pair[1] - pair[0] >= 27),
            "{asked:?}"
        );
    }

    #[test]
    fn what_is_protected_is_asked_for_when_it_was_not_given_back() {
        let start = simulation::start();
        let mut packets = arrived([10, 12], start);
        packets.on_protected(start);
        let long = ms(200);
        assert!(packets.due(start + ms(5), long).is_empty());
        assert_eq!(packets.next_at(), Some(start + ms(45)));
        assert!(packets.due(start + ms(44), long).is_empty());
        assert_eq!(packets.due(start + ms(45), long), [11]);
        packets.on_arrived(500, start + ms(600));
        packets.on_arrived(502, start + ms(600));
        assert_eq!(
            packets.due(start + ms(605), long),
            [501],
            "long unprotected"
        );
    }

    #[test]
    fn a_packet_that_was_announced_and_did_not_come_is_asked_for() {
        let start = simulation::start();
        let mut packets = arrived([10], start);
        packets.on_announced(12, start);
        assert_eq!(packets.due(start + ms(5), ROUND_TRIP), [11, 12]);
        packets.on_announced(11, start);
        packets.on_arrived(12, start);
        assert_eq!(packets.due(start + ms(55), ROUND_TRIP), [11]);
    }

    #[test]
    fn a_late_or_retransmitted_packet_closes_its_gap() {
        let start = simulation::start();
        let mut packets = arrived([10, 13, 12, 11, 11], start);
        assert_eq!(packets.next_at(), None);
        assert!(packets.due(start + ms(100), ROUND_TRIP).is_empty());
    }

    #[test]
    fn a_packet_that_does_not_come_is_given_up() {
        let start = simulation::start();
        let mut packets = arrived([10, 12], start);
        let asked: usize = (0..5000)
            .map(|at| packets.due(start + ms(at), ROUND_TRIP).len())
            .sum();
        assert_eq!(asked, 40, "twice in 50 ms for a second");
        assert_eq!(packets.next_at(), None);

        let mut sound = MissingPackets::of_sound();
        sound.on_arrived(10, start);
        sound.on_arrived(12, start);
        let asked: usize = (0..5000)
            .map(|at| sound.due(start + ms(at), ROUND_TRIP).len())
            .sum();
        assert_eq!(asked, 10, "at once, and twice in 45 ms for 200 ms");
    }

    #[test]
    fn what_was_given_up_is_not_asked_for_and_what_is_lost_later_is() {
        let start = simulation::start();
        let mut packets = arrived([10, 12], start);
        packets.give_up();
        assert_eq!(packets.next_at(), None);
        packets.on_arrived(14, start);
        assert_eq!(packets.due(start + REORDERING, ROUND_TRIP), [13]);
    }

    #[test]
    fn a_gap_across_the_wrap_is_found() {
        let start = simulation::start();
        let mut packets = arrived([65_534, 1], start);
        assert_eq!(packets.due(start + REORDERING, ROUND_TRIP), [65_535, 0]);
    }

    #[test]
    fn after_a_long_silence_nothing_is_asked_for() {
        let start = simulation::start();
        let mut packets = arrived([10, 12, 12 + LARGEST_GAP as u16 + 1], start);
        assert!(packets.due(start + REORDERING, ROUND_TRIP).is_empty());
    }

    proptest! {
        #[test]
        fn any_arrivals_leave_a_bounded_list_of_packets_that_did_not_arrive(
            numbers in prop::collection::vec(prop_oneof![any::<u16>(), 0..300_u16], 1..300),
        ) {
            let start = simulation::start();
            let mut packets = arrived(numbers.iter().copied(), start);
            prop_assert!(packets.missing.len() as u64 <= LARGEST_GAP);
            let due = packets.due(start + REORDERING, ROUND_TRIP);
            prop_assert_eq!(due.len(), packets.missing.len());
        }

        #[test]
        fn exactly_what_was_lost_is_asked_for(first: u16, lost in prop::collection::vec(any::<bool>(), 1..200)) {
            let start = simulation::start();
            let number = |index: usize| first.wrapping_add(index as u16 + 1);
            let survivors = lost.iter().enumerate().filter(|(_, lost)| !**lost).map(|(index, _)| number(index));
            let end = number(lost.len());
            let mut packets = arrived(std::iter::once(first).chain(survivors).chain([end]), start);

            let expected: Vec<u16> = lost.iter().enumerate().filter(|(_, lost)| **lost).map(|(i, _)| number(i)).collect();
            prop_assert_eq!(packets.due(start + REORDERING, ROUND_TRIP), expected);
        }
    }
}
