//! Which part of the budget is for pictures, and which for sound. Owns no clock and no connection.

use std::time::Duration;

use media::audio::{AudioPlan, FRAME_DURATION, PACKET_DURATION, PacketLength};
use transport::Budget;

/// What each packet has around its payload, in bits: IPv4, UDP, SRTP, RTP and the extension for its number.
const PACKET_BITS: u64 = 8 * (52 + 12);
/// The payload of a packet of a picture, on average over keyframes and others.
const PAYLOAD_BITS: u64 = 8 * 1000;
/// Nobody recognises a face below that, in bits per second.
const LEAST_BPS: u64 = 40_000;
/// More than as much again as the pictures take is not left to repair.
const LARGEST_REPAIR: f64 = 1.0;

/// What pictures may have at most to wait before one is left out: some of them, or a keyframe on a thin path.
const LONGEST_QUEUE: Duration = Duration::from_millis(150);

/// Bitrates that do not depend on the network, in bits per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// The most that pictures may have.
    pub(crate) most_video_bps: u32,
    /// The most that a voice has.
    pub(crate) voice_bps: u32,
}

impl Rates {
    /// The bitrate for the encoder of pictures that have this share of all, in bits per second.
    pub(crate) fn video_bps(self, budget: &Budget, share: f64) -> u32 {
        let Some(target_bps) = budget.target_bps else {
            return self.most_video_bps;
        };
        let for_pictures = target_bps.saturating_sub(self.sound_bps(budget));
        let with_repair = 1.0 + budget.repair_ratio.clamp(0.0, LARGEST_REPAIR);
        let payload = for_pictures * PAYLOAD_BITS / (PAYLOAD_BITS + PACKET_BITS);
        let bps = (payload as f64 * share / with_repair) as u64;
        bps.max(LEAST_BPS).min(u64::from(self.most_video_bps)) as u32
    }

    /// What sound and so many streams of pictures need on the wire at best: more room is not looked for.
    pub(crate) fn ceiling_bps(self, streams: u32) -> u64 {
        let payload = u64::from(self.most_video_bps) * u64::from(streams);
        let pictures = payload * (PAYLOAD_BITS + PACKET_BITS) / PAYLOAD_BITS;
        // A tenth for what is sent again, and for encoders that miss their target.
        (pictures + self.sound_bps(&Budget::default())) * 11 / 10
    }

    fn sound_bps(self, budget: &Budget) -> u64 {
        let packet = shortest_packet(budget);
        let plan = self
            .audio_plan(budget, budget.path.loss_ratio as f32, false)
            .in_packets(packet);
        let packets = (Duration::from_secs(1).as_millis() / packet.as_millis()) as u64;
        u64::from(plan.bitrate_bps) + packets * PACKET_BITS
    }

    /// How sound is sent, of which this share is lost.
    pub(crate) fn audio_plan(
        self,
        budget: &Budget,
        loss_ratio: f32,
        wants_dred: bool,
    ) -> AudioPlan {
        match budget.target_bps {
            Some(target_bps) => {
                AudioPlan::share_of(target_bps, self.voice_bps, loss_ratio, wants_dred)
            }
            None => AudioPlan::for_voice(self.voice_bps, loss_ratio, wants_dred),
        }
    }
}

/// The shortest packets of sound that have to be reckoned with. Where nobody knows what the path takes, as when asked for the most
/// that is ever sent, the shortest that there are.
fn shortest_packet(budget: &Budget) -> Duration {
    if budget.target_bps.is_none_or(PacketLength::may_be_short) {
        FRAME_DURATION
    } else {
        PACKET_DURATION
    }
}

/// Whether the path is behind: then the newest picture is better sent later than this one now.
pub(crate) fn is_behind(budget: &Budget) -> bool {
    budget.queue_delay > LONGEST_QUEUE
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        most_video_bps: 2_000_000,
        voice_bps: 32_000,
    };

    fn budget(target_bps: u64) -> Budget {
        Budget {
            target_bps: Some(target_bps),
            ..Budget::default()
        }
    }

    #[test]
    fn pictures_get_what_sound_and_headers_leave() {
        let bps = RATES.video_bps(&budget(500_000), 1.0);
        assert!((400_000..430_000).contains(&bps), "{bps}");
        let bps = RATES.video_bps(&budget(1_500_000), 1.0);
        let rates = Rates {
            most_video_bps: bps,
            ..RATES
        };
        let on_the_wire = rates.ceiling_bps(1) * 10 / 11;
        assert!(on_the_wire.abs_diff(1_500_000) < 1_000, "{on_the_wire}");
    }

    #[test]
    fn sound_gets_clearer_with_the_path_and_leaves_the_rest() {
        let sound = |bps| RATES.audio_plan(&budget(bps), 0.0, false).bitrate_bps;
        assert_eq!((sound(100_000), sound(150_000)), (16_000, 25_000));
        assert_eq!(sound(1_000_000), 32_000);
        let on_the_wire = |bps: u64| {
            let pictures = u64::from(RATES.video_bps(&budget(bps), 1.0));
            let pictures = pictures * (PAYLOAD_BITS + PACKET_BITS) / PAYLOAD_BITS;
            pictures + RATES.sound_bps(&budget(bps))
        };
        for bps in [120_000, 300_000, 1_000_000] {
            assert!(on_the_wire(bps).abs_diff(bps) < 1000, "{bps}");
        }
        // Twice as many headers, and a third more bits.
        let more = RATES.sound_bps(&budget(700_000)) - RATES.sound_bps(&budget(699_000));
        assert!(more.abs_diff(50 * PACKET_BITS + 32_000 / 3) < 10, "{more}");
    }

    #[test]
    fn pictures_never_get_more_than_is_wanted_nor_less_than_shows_something() {
        assert_eq!(RATES.video_bps(&budget(9_000_000), 1.0), 2_000_000);
        assert_eq!(u64::from(RATES.video_bps(&budget(50_000), 1.0)), LEAST_BPS);
        assert_eq!(
            RATES.video_bps(&Budget::default(), 1.0),
            2_000_000,
            "nobody knows"
        );
    }

    #[test]
    fn what_repairs_losses_is_sent_within_the_budget() {
        let mut lossy = budget(1_000_000);
        lossy.repair_ratio = 0.2;
        let clean = RATES.video_bps(&budget(1_000_000), 1.0);
        let bps = RATES.video_bps(&lossy, 1.0);
        assert!(bps * 12 <= clean * 10 + 10, "{bps} of {clean}");
    }

    #[test]
    fn pictures_are_left_out_when_the_path_is_behind() {
        let mut budget = budget(300_000);
        assert!(!is_behind(&budget));
        budget.queue_delay = Duration::from_millis(200);
        assert!(is_behind(&budget));
    }
}
