//! How much is sent beside the packets themselves, so that losses need no round trip.

use std::time::{Duration, Instant};

/// Follows losses and round trip, and says when a repair packet is due and how often a packet that was asked for is sent.
///
/// Where nothing is lost, and where a retransmission comes as soon as a repair packet would, there is no protection.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    is_on: bool,
    round_trip: Duration,
    /// The share of packets that is lost, on average over [`Self::MEMORY`].
    loss_ratio: f64,
    began_at: Option<Instant>,
    /// Nothing is known of the losses yet, on a path where the first one would be paid for dearly.
    is_unknown: bool,
    /// When the first packet of a picture left.
    first_packet_at: Option<Instant>,
    updated_at: Option<Instant>,
    /// Whether the partner can make use of repair packets.
    has_decoder: bool,
    /// Repair packets that are due, in parts.
    credit: f64,
    /// Since when packets have left that no repair packet stands for.
    unprotected_since: Option<Instant>,
}

impl Protection {
    /// Protection begins on paths longer than the first, and ends on those shorter than the second: there a retransmission comes
    /// within the time of a frame. Not on longer ones: a loss is seen when the next packet comes, and that of a frame's last packet
    /// only with the next frame.
    const LONG: Duration = Duration::from_millis(15);
    const SHORT: Duration = Duration::from_millis(10);
    /// The same for losses.
    const SOME_LOSS: f64 = 0.005;
    const NO_LOSS: f64 = 0.0025;
    /// Over which time losses are averaged. Shorter follows chance, longer is late.
    const MEMORY: Duration = Duration::from_secs(2);
    const LEAST_MEMORY: Duration = Duration::from_millis(300);
    /// Repair packets for each packet: that many, and for each lost one so many more. The more the sooner a loss is made good; below
    /// two for each lost one most of the losses wait for a retransmission after all (`docs/repair.md`).
    const BASE_RATIO: f64 = 0.08;
    const RATIO_PER_LOSS: f64 = 3.0;
    const MAX_RATIO: f64 = 0.75;
    /// What is sent again beside that much protection, for each lost packet.
    const STILL_SENT_AGAIN: f64 = 0.2;
    /// How far back repair packets reach: what is older has been asked for, and was answered.
    const MIN_REACH: Duration = Duration::from_millis(100);
    const MAX_REACH: Duration = Duration::from_millis(200);
    /// On a thin path a repair packet follows after this time, although fewer would be due.
    const LONGEST_UNPROTECTED: Duration = Duration::from_millis(90);
    /// Repair packets that are due are sent in the midst of a frame that is as large as that.
    const MOST_AT_ONCE: f64 = 4.0;
    /// Above this round trip, and above that loss, what is sent again is sent twice: once more would be too late.
    const LONG_FOR_COPIES: Duration = Duration::from_millis(60);
    const LOSS_FOR_COPIES: f64 = 0.12;
    /// On such a path so much is reckoned to be lost in the beginning: a picture that stands still there makes all that follow wait
    /// for a long time (`PlayoutDelay`).
    const LONG_TO_BEGIN: Duration = Duration::from_millis(60);
    const LOSS_TO_BEGIN: f64 = 0.04;
    /// After so many round trips the first reports have told better.
    const ROUND_TRIPS_TO_BEGIN: u32 = 3;
    const LONGEST_BEGINNING: Duration = Duration::from_millis(1500);

    /// Protection for a path without losses: none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the partner can make use of repair packets. At first it is believed that it cannot.
    pub const fn set_has_decoder(&mut self, has_decoder: bool) {
        self.has_decoder = has_decoder;
    }

    /// What is known of the path `now`: the share of packets that was lost lately, whether its queue `is_congested`, and the time there
    /// and back.
    ///
    /// Losses of a full queue raise nothing: they cease when less is sent, and whatever protects from them is more.
    pub fn update(
        &mut self,
        loss_ratio: f64,
        is_congested: bool,
        round_trip: Duration,
        now: Instant,
    ) {
        let most = if is_congested { self.loss_ratio } else { 1.0 };
        let loss_ratio = if loss_ratio.is_finite() {
            loss_ratio.clamp(0.0, most)
        } else {
            0.0
        };
        let before = self.updated_at.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(before);
        // At the beginning there is less to remember.
        let age = now.saturating_duration_since(*self.began_at.get_or_insert(now));
        let memory = age.clamp(Self::LEAST_MEMORY, Self::MEMORY);
        let weight = 1.0 - (-elapsed.as_secs_f64() / memory.as_secs_f64()).exp();
        self.loss_ratio += (loss_ratio - self.loss_ratio) * weight;
        self.round_trip = round_trip;
        self.is_on = if self.is_on {
            round_trip >= Self::SHORT && self.loss_ratio >= Self::NO_LOSS
        } else {
            round_trip > Self::LONG && self.loss_ratio > Self::SOME_LOSS
        };
        let begun = self.first_packet_at.unwrap_or(now);
        let beginning = (round_trip * Self::ROUND_TRIPS_TO_BEGIN).min(Self::LONGEST_BEGINNING);
        self.is_unknown =
            round_trip > Self::LONG_TO_BEGIN && now.saturating_duration_since(begun) < beginning;
        if self.ratio() == 0.0 {
            self.credit = 0.0;
            self.unprotected_since = None;
        }
    }

    /// Repair packets for each packet at present, from 0 to 0.75.
    pub fn ratio(&self) -> f64 {
        if !(self.is_on || self.is_unknown) || !self.has_decoder {
            return 0.0;
        }
        let loss_ratio = if self.is_unknown {
            self.loss_ratio.max(Self::LOSS_TO_BEGIN)
        } else {
            self.loss_ratio
        };
        (Self::BASE_RATIO + Self::RATIO_PER_LOSS * loss_ratio).min(Self::MAX_RATIO)
    }

    /// What repair of all kinds takes, for each byte of pictures.
    pub fn overhead(&self) -> f64 {
        let ratio = self.ratio();
        if ratio > 0.0 {
            ratio + self.loss_ratio * Self::STILL_SENT_AGAIN
        } else {
            self.loss_ratio * f64::from(self.copies())
        }
    }

    /// How far back repair packets reach.
    pub fn reach(&self) -> Duration {
        self.round_trip.clamp(Self::MIN_REACH, Self::MAX_REACH)
    }

    /// A packet leaves `now`. Returns how many repair packets follow it: those that are due come after the last packet of a frame,
    /// or in the midst of a large one.
    pub fn on_packet(&mut self, is_last_of_frame: bool, now: Instant) -> u32 {
        self.first_packet_at.get_or_insert(now);
        let ratio = self.ratio();
        if ratio == 0.0 {
            return 0;
        }
        self.credit = (self.credit + ratio).min(2.0 * Self::MOST_AT_ONCE);
        let since = *self.unprotected_since.get_or_insert(now);
        if !is_last_of_frame && self.credit < Self::MOST_AT_ONCE {
            return 0;
        }
        let is_waiting = now.saturating_duration_since(since) >= Self::LONGEST_UNPROTECTED;
        let least = if is_waiting { 1.0 } else { 0.0 };
        let due = self.credit.floor().max(least);
        if due > 0.0 {
            self.unprotected_since = None;
            // One that was not due yet is paid for by the next ones, but not by all that follow.
            self.credit = (self.credit - due).max(-1.0);
        }
        due as u32
    }

    /// How often a packet that was asked for is sent.
    pub fn copies(&self) -> u32 {
        let is_long = self.round_trip > Self::LONG_FOR_COPIES && self.loss_ratio > Self::SOME_LOSS;
        if is_long || self.loss_ratio > Self::LOSS_FOR_COPIES {
            2
        } else {
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// Protection on a path that has been like that for a while.
    fn settled(loss_ratio: f64, round_trip: Duration) -> (Protection, Instant) {
        let start = simulation::start();
        let mut protection = Protection::new();
        protection.set_has_decoder(true);
        protection.update(0.0, false, round_trip, start);
        protection.on_packet(true, start);
        for second in 1..20 {
            protection.update(
                loss_ratio,
                false,
                round_trip,
                start + Duration::from_secs(second),
            );
        }
        (protection, start + Duration::from_secs(20))
    }

    /// Repair packets for frames of so many packets, 30 in a second, for ten seconds.
    fn repairs(protection: &mut Protection, start: Instant, packets: u32) -> Vec<u32> {
        (0..300)
            .map(|frame| {
                let now = start + ms(33) * frame;
                let each = (1..=packets).map(|n| protection.on_packet(n == packets, now));
                each.sum()
            })
            .collect()
    }

    #[test]
    fn without_losses_or_on_a_short_path_there_is_none() {
        for (loss, round_trip) in [(0.0, 300), (0.002, 300), (0.1, 8)] {
            let (mut protection, now) = settled(loss, ms(round_trip));
            assert!(repairs(&mut protection, now, 8).iter().all(|due| *due == 0));
        }
    }

    #[test]
    fn a_partner_that_cannot_use_it_gets_none() {
        let (mut protection, now) = settled(0.1, ms(300));
        protection.set_has_decoder(false);
        assert!(repairs(&mut protection, now, 8).iter().all(|due| *due == 0));
        assert_eq!(
            protection.copies(),
            2,
            "but what is sent again is sent twice"
        );
        assert!((protection.overhead() - 0.2).abs() < 0.01);
    }

    #[test]
    fn it_grows_with_the_losses_and_comes_with_every_frame() {
        let mut before = 0;
        for loss in [0.01, 0.02, 0.05, 0.1, 0.2] {
            let (mut protection, now) = settled(loss, ms(100));
            let each = repairs(&mut protection, now, 8);
            let sum: u32 = each.iter().sum();
            let expected = protection.ratio() * 2400.0;
            assert!(
                (f64::from(sum) - expected).abs() < 10.0,
                "{sum}, not {expected}"
            );
            assert!(sum > before);
            before = sum;
            let most = each.iter().max().copied().unwrap_or_default();
            assert!(f64::from(most) <= protection.ratio() * 8.0 + 1.0, "{most}");
        }
    }

    #[test]
    fn on_a_thin_path_no_frame_stays_unprotected_for_long() {
        let (mut protection, now) = settled(0.02, ms(300));
        let each = repairs(&mut protection, now, 1);
        assert!(each.windows(4).all(|frames| frames.iter().sum::<u32>() > 0));
        let sum: u32 = each.iter().sum();
        assert!(sum <= 110, "{sum} of 300");
    }

    #[test]
    fn on_a_long_path_losses_are_reckoned_with_until_reports_can_tell() {
        let start = simulation::start();
        let mut protection = Protection::new();
        protection.set_has_decoder(true);
        // The connection was ready long before.
        for second in 0..5 {
            protection.update(0.0, false, ms(300), start + Duration::from_secs(second));
        }
        let first = start + Duration::from_secs(5);
        let due: u32 = repairs(&mut protection, first, 4)[..10].iter().sum();
        assert!(due >= 7, "{due}");
        protection.update(0.0, false, ms(300), first + ms(899));
        assert!(protection.ratio() > 0.19);
        protection.update(0.0, false, ms(300), first + ms(900));
        assert!(protection.ratio() < f64::EPSILON, "nothing was lost");
        let mut short = Protection::new();
        short.set_has_decoder(true);
        short.update(0.0, false, ms(50), start);
        assert!(short.ratio() < f64::EPSILON);
        // A queue that makes it long later is no beginning.
        short.on_packet(true, start);
        short.update(0.0, false, ms(200), start + ms(5000));
        assert!(short.ratio() < f64::EPSILON);
    }

    #[test]
    fn one_lost_packet_turns_nothing_on() {
        let (mut protection, now) = settled(0.0, ms(300));
        protection.update(0.0, false, ms(300), now);
        protection.update(0.05, false, ms(300), now + ms(50));
        protection.update(0.0, false, ms(300), now + ms(100));
        assert!(protection.ratio() < f64::EPSILON);
    }

    #[test]
    fn losses_of_a_full_queue_raise_nothing_and_the_end_of_losses_is_seen_through_it() {
        for before in [0.0, 0.05] {
            let (mut protection, now) = settled(before, ms(100));
            let ratio = protection.ratio();
            for tenth in 1..20 {
                protection.update(0.4, true, ms(100), now + ms(100) * tenth);
                assert!(
                    (protection.ratio() - ratio).abs() < 1e-9,
                    "{before}: {}",
                    protection.ratio()
                );
            }
            let now = now + Duration::from_secs(2);
            let after = protection.clone();
            protection.update(0.4, false, ms(100), now);
            assert!(protection.ratio() > ratio, "{before}: these are of chance");
            protection = after;
            for second in 1..20 {
                protection.update(0.0, true, ms(100), now + Duration::from_secs(second));
            }
            assert!(protection.ratio() < 1e-9, "{before}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_path_is_it_stays_within_bounds(
            updates in prop::collection::vec((any::<f64>(), any::<bool>(), 0..5000_u64, 0..5000_u64), 1..50),
            packets in 1..200_u32,
        ) {
            let mut now = simulation::start();
            let mut protection = Protection::new();
            protection.set_has_decoder(true);
            for (loss, is_congested, round_trip, pause) in updates {
                now += ms(pause);
                protection.update(loss, is_congested, ms(round_trip), now);
                prop_assert!((0.0..=Protection::MAX_RATIO).contains(&protection.ratio()));
                prop_assert!((0.0..=2.0).contains(&protection.overhead()));
                let due: u32 = (1..=packets).map(|n| protection.on_packet(n == packets, now)).sum();
                prop_assert!(due <= packets + 9);
            }
        }
    }
}
