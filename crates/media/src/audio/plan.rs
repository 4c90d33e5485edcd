//! Sound's share of a call's bitrate, and how it is protected.

use std::time::Duration;

use super::{FRAME_DURATION, PACKET_DURATION};

/// What an Opus encoder is told.
///
/// The figures come from `cargo bench -p codecs --bench lost_speech` (PESQ at equal bitrate, all on the same losses). Single
/// losses: at 48 kbit/s and 20 % loss in-band FEC scores 3.4, deep redundancy 2.2, both together 3.1. Bursts of five
/// frames: FEC 2.3, deep redundancy 3.0, both 2.7. So it is one or the other, and who receives says which.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioPlan {
    /// What the encoder aims at, in-band FEC included, in bits per second. Deep redundancy adds up to 8,000.
    pub bitrate_bps: u32,
    /// Which share of the packets will be lost, from 0 to 1.
    pub expected_loss_ratio: f32,
    /// Whether each packet carries a coarse copy of the frame before.
    pub has_in_band_fec: bool,
    /// How far back deep redundancy (DRED) reaches; zero turns it off.
    pub dred: Duration,
    /// Whether silence is left out (discontinuous transmission).
    pub has_dtx: bool,
    /// How much sound each packet holds: [`PACKET_DURATION`] or [`FRAME_DURATION`].
    pub packet: Duration,
}

impl AudioPlan {
    /// Below this Opus has no bits for deep redundancy: what it puts in reaches over no frame.
    pub const MIN_BPS_FOR_DRED: u32 = 32_000;
    /// As much as a receiver waits for: [`super::Config::max_redundancy_delay`] and a frame. 400 ms scored no better.
    pub const DRED: Duration = Duration::from_millis(120);
    /// Always reckoned with, for else the encoder puts no FEC in and the first loss is heard. Costs no bits of weight.
    pub const MIN_LOSS_RATIO: f32 = 0.02;
    /// Below this there is no deep redundancy either; and who asks for it has lost more.
    const MIN_LOSS_RATIO_WITH_DRED: f32 = 0.1;
    /// Where more is not heard.
    pub const BEST_VOICE_BPS: u32 = 48_000;
    /// What voice needs to be understood.
    const LEAST_VOICE_BPS: u32 = 12_000;
    /// The most with all that loss adds.
    const MAX_BPS: u32 = 64_000;
    /// Sound's share of everything is one in this many.
    const SHARE: u64 = 6;
    /// Where there is less than this for everything, silence is worth saving. It is not above: pauses that are filled with
    /// made-up noise can be heard.
    const DTX_BELOW_BPS: u64 = 100_000;

    /// How a voice is sent at `voice_bps` when this share of the packets is lost, in bursts if `wants_dred`.
    pub fn for_voice(voice_bps: u32, loss_ratio: f32, wants_dred: bool) -> Self {
        let has_dred = wants_dred && voice_bps >= Self::MIN_BPS_FOR_DRED;
        let min_loss_ratio = if has_dred {
            Self::MIN_LOSS_RATIO_WITH_DRED
        } else {
            Self::MIN_LOSS_RATIO
        };
        Self {
            bitrate_bps: voice_bps,
            // In this order a NaN becomes the least.
            expected_loss_ratio: loss_ratio.max(min_loss_ratio).min(1.0),
            has_in_band_fec: !has_dred,
            dred: if has_dred { Self::DRED } else { Duration::ZERO },
            has_dtx: false,
            packet: PACKET_DURATION,
        }
    }

    /// The same in packets that hold `packet`.
    ///
    /// Short ones need a third more bits to sound as well (`cargo bench -p codecs --bench jittery_speech`).
    #[must_use]
    pub fn in_packets(self, packet: Duration) -> Self {
        let bitrate_bps = if packet < PACKET_DURATION {
            (self.bitrate_bps / 3 * 4).min(Self::MAX_BPS)
        } else {
            self.bitrate_bps
        };
        Self {
            bitrate_bps,
            packet,
            ..self
        }
    }

    /// Sound's share of `total_bps`, which the network is believed to take for everything.
    ///
    /// A sixth, up to `most_voice_bps`, and more of it the more is lost: protection must not cost the voice its
    /// clearness (at 20 % loss 48 kbit/s scored 0.5 above 32 kbit/s).
    pub fn share_of(
        total_bps: u64,
        most_voice_bps: u32,
        loss_ratio: f32,
        wants_dred: bool,
    ) -> Self {
        // In steps: an estimate is never quite still.
        let share = u32::try_from(total_bps / Self::SHARE).unwrap_or(u32::MAX) / 1000 * 1000;
        let most_voice_bps = most_voice_bps.clamp(Self::LEAST_VOICE_BPS, Self::BEST_VOICE_BPS);
        let voice_bps = share.clamp(Self::LEAST_VOICE_BPS, most_voice_bps);
        let for_losses = 1.0 + 2.0 * f64::from(loss_ratio.clamp(0.0, 0.25));
        let protected_bps = (f64::from(voice_bps) * for_losses) as u32;
        // Where there is little, the picture needs it more than the protection does.
        let affordable_bps = share.saturating_mul(2).max(voice_bps);
        let bitrate_bps = protected_bps
            .clamp(voice_bps, Self::MAX_BPS)
            .min(affordable_bps);
        Self {
            has_dtx: total_bps < Self::DTX_BELOW_BPS,
            ..Self::for_voice(bitrate_bps, loss_ratio, wants_dred)
        }
    }
}

/// Whether packets hold 10 or 20 ms.
///
/// With 10 ms each sample is 10 ms sooner at the partner, who can then keep less in the jitter buffer as well. That costs 50
/// packets more in a second, 26 kbit/s of headers, and copies for FEC that are coarser: it is for a path that has room and
/// loses hardly anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PacketLength {
    is_short: bool,
}

impl PacketLength {
    /// From this estimate on packets are short: the headers are a fortieth of it.
    const SHORT_FROM_BPS: u64 = 1_000_000;
    /// And below this one they are long again.
    const LONG_BELOW_BPS: u64 = 700_000;
    /// Up to this loss packets become short.
    const SHORT_UP_TO_LOSS: f32 = 0.03;
    /// And beyond this one long again.
    const LONG_ABOVE_LOSS: f32 = 0.05;

    /// How much sound a packet is to hold, where the path is believed to take `target_bps` for everything (`None` if nobody
    /// knows) and this share of the packets is lost, in bursts if `wants_dred`.
    pub fn follow(
        &mut self,
        target_bps: Option<u64>,
        loss_ratio: f32,
        wants_dred: bool,
    ) -> Duration {
        let (least_bps, most_loss) = if self.is_short {
            (Self::LONG_BELOW_BPS, Self::LONG_ABOVE_LOSS)
        } else {
            (Self::SHORT_FROM_BPS, Self::SHORT_UP_TO_LOSS)
        };
        let has_room = target_bps.is_some_and(|bps| bps >= least_bps);
        // A NaN is not below anything.
        self.is_short = has_room && loss_ratio <= most_loss && !wants_dred;
        if self.is_short {
            FRAME_DURATION
        } else {
            PACKET_DURATION
        }
    }

    /// Whether packets may be short at this estimate: who shares it out has to reckon with twice as many headers.
    pub const fn may_be_short(target_bps: u64) -> bool {
        target_bps >= Self::LONG_BELOW_BPS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quiet_network_gets_clear_voice_and_hardly_any_protection() {
        let plan = AudioPlan::share_of(2_000_000, 48_000, 0.0, false);
        assert_eq!(plan.bitrate_bps, 48_000);
        assert!(plan.has_in_band_fec && !plan.has_dtx);
        assert_eq!(plan.dred, Duration::ZERO);
        assert!(plan.expected_loss_ratio <= 0.02);
    }

    #[test]
    fn a_thin_link_leaves_room_for_the_picture_and_saves_silence() {
        let plan = AudioPlan::share_of(90_000, 48_000, 0.0, false);
        assert_eq!((plan.bitrate_bps, plan.has_dtx), (15_000, true));
        assert_eq!(
            AudioPlan::share_of(0, 48_000, 0.0, false).bitrate_bps,
            12_000
        );
        assert!(!AudioPlan::share_of(300_000, 48_000, 0.0, false).has_dtx);
        let capped = AudioPlan::share_of(2_000_000, 24_000, 0.0, false);
        assert_eq!(capped.bitrate_bps, 24_000);
    }

    #[test]
    fn bursts_get_deep_redundancy_instead_of_fec_where_there_are_bits_for_it() {
        let plan = AudioPlan::for_voice(32_000, 0.03, true);
        assert_eq!((plan.has_in_band_fec, plan.dred), (false, AudioPlan::DRED));
        assert!(plan.expected_loss_ratio >= 0.1);
        let plan = AudioPlan::for_voice(24_000, 0.03, true);
        assert_eq!((plan.has_in_band_fec, plan.dred), (true, Duration::ZERO));
    }

    #[test]
    fn short_packets_get_more_bits() {
        let plan = AudioPlan::for_voice(48_000, 0.02, false);
        assert_eq!(plan.in_packets(PACKET_DURATION), plan);
        let short = plan.in_packets(FRAME_DURATION);
        assert_eq!((short.bitrate_bps, short.packet), (64_000, FRAME_DURATION));
        assert_eq!(short.in_packets(FRAME_DURATION).bitrate_bps, 64_000);
    }

    #[test]
    fn packets_are_short_where_there_is_room_and_hardly_any_loss() {
        let follow = |bps, loss, dred| PacketLength::default().follow(bps, loss, dred);
        assert_eq!(follow(Some(1_000_000), 0.02, false), FRAME_DURATION);
        assert_eq!(follow(Some(900_000), 0.0, false), PACKET_DURATION);
        assert_eq!(follow(Some(2_000_000), 0.04, false), PACKET_DURATION);
        assert_eq!(follow(Some(2_000_000), f32::NAN, false), PACKET_DURATION);
        assert_eq!(follow(Some(2_000_000), 0.0, true), PACKET_DURATION);
        assert_eq!(follow(None, 0.0, false), PACKET_DURATION, "nobody knows");
    }

    #[test]
    fn an_estimate_or_a_loss_around_a_limit_does_not_change_the_length_to_and_fro() {
        let mut length = PacketLength::default();
        let mut follow = |bps, loss| length.follow(Some(bps), loss, false);
        assert_eq!(follow(1_010_000, 0.0), FRAME_DURATION);
        assert_eq!(follow(800_000, 0.05), FRAME_DURATION);
        assert_eq!(follow(1_500_000, 0.06), PACKET_DURATION, "loss");
        assert_eq!(follow(1_500_000, 0.05), PACKET_DURATION);
        assert_eq!(follow(1_500_000, 0.03), FRAME_DURATION);
        assert_eq!(follow(690_000, 0.0), PACKET_DURATION, "little room");
        assert_eq!(follow(990_000, 0.0), PACKET_DURATION);
    }

    proptest! {
        #[test]
        fn room_for_short_packets_is_always_set_aside(
            steps in prop::collection::vec((0_u64..3_000_000, 0.0_f32..0.2), 1..50),
        ) {
            let mut length = PacketLength::default();
            for (bps, loss) in steps {
                let packet = length.follow(Some(bps), loss, false);
                prop_assert!(packet == PACKET_DURATION || PacketLength::may_be_short(bps));
            }
        }

        #[test]
        fn every_plan_is_within_bounds(
            total_bps in prop::num::u64::ANY,
            most_voice_bps in prop::num::u32::ANY,
            loss_ratio in prop::num::f32::ANY,
            wants_dred in prop::bool::ANY,
        ) {
            let plan = AudioPlan::share_of(total_bps, most_voice_bps, loss_ratio, wants_dred);
            prop_assert!((12_000..=64_000).contains(&plan.bitrate_bps));
            prop_assert!((0.02..=1.0).contains(&plan.expected_loss_ratio));
            prop_assert!(plan.has_in_band_fec || plan.dred > Duration::ZERO);
        }

        #[test]
        fn more_network_or_more_loss_never_means_less_sound(
            total_bps in 0_u64..3_000_000, more_bps in 0_u64..1_000_000,
            loss_ratio in 0.0_f32..0.5, more_loss in 0.0_f32..0.5,
        ) {
            let bps = |total, loss| AudioPlan::share_of(total, 48_000, loss, false).bitrate_bps;
            prop_assert!(bps(total_bps + more_bps, loss_ratio) >= bps(total_bps, loss_ratio));
            prop_assert!(bps(total_bps, loss_ratio + more_loss) >= bps(total_bps, loss_ratio));
        }
    }
}
