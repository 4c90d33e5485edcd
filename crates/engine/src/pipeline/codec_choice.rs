//! Which of the codecs that the partner takes pictures are sent in. Owns no clock and no connection.
//!
//! ```text
//! the partner takes it, and this machine affords it ──▶ the preferred codec
//! its fastest setting takes too long                ──▶ the next one, within the call, for ten minutes
//! ```

use std::time::{Duration, Instant};

use media::video::VideoCodec;

use crate::VideoCodecs;

/// Remembers beyond a call what this machine cannot afford.
#[derive(Debug)]
pub(super) struct CodecChoice {
    codecs: VideoCodecs,
    given_up: Vec<GivenUp>,
    slow_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct GivenUp {
    codec: VideoCodec,
    until: Instant,
}

/// How an encoder fares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) codec: VideoCodec,
    /// Whether it could be faster at the same size.
    pub(super) can_hurry: bool,
    /// The time that 95 of 100 pictures are encoded within, once there are enough.
    pub(super) encode_time: Option<Duration>,
    /// Between two pictures.
    pub(super) interval: Duration,
}

impl CodecChoice {
    /// The encoder may take this share of the time between two pictures.
    const MAX_ENCODE_SHARE: f64 = 0.6;
    /// For so long it may take more. Shorter than the ladder waits before it makes pictures smaller
    /// (`media::congestion::Ladder`): a picture of the same size from a cheaper codec is the better one.
    const SLOW_TIME: Duration = Duration::from_millis(400);
    /// Then it may have been another program that took the time.
    const AGAIN_AFTER: Duration = Duration::from_mins(10);

    pub(super) const fn new(codecs: VideoCodecs) -> Self {
        Self {
            codecs,
            given_up: Vec::new(),
            slow_since: None,
        }
    }

    /// The codec for the next picture.
    pub(super) fn best(&self, takes: impl Fn(VideoCodec) -> bool, now: Instant) -> VideoCodec {
        let is_given_up = |codec: VideoCodec| {
            let mut given_up = self.given_up.iter();
            given_up.any(|given_up| given_up.codec == codec && now < given_up.until)
        };
        let agreed = || {
            self.codecs
                .in_order()
                .iter()
                .copied()
                .filter(|codec| takes(*codec))
        };
        let affordable = agreed().find(|codec| !is_given_up(*codec));
        // Better slow than none.
        affordable
            .or_else(|| agreed().next())
            .unwrap_or(VideoCodec::H264)
    }

    /// The codec that costs this machine the least, unless another one was asked for.
    pub(super) fn cheapest(&self, takes: impl Fn(VideoCodec) -> bool) -> VideoCodec {
        let wanted = match self.codecs {
            VideoCodecs::Auto => VideoCodec::H264,
            VideoCodecs::Only(codec) => codec,
        };
        if takes(wanted) {
            wanted
        } else {
            VideoCodec::H264
        }
    }

    /// Takes in how long pictures took. True if the codec is given up from now on.
    pub(super) fn is_given_up(&mut self, effort: &Effort, now: Instant) -> bool {
        let limit = effort.interval.mul_f64(Self::MAX_ENCODE_SHARE);
        let is_slow = effort.encode_time.is_some_and(|time| time > limit);
        if !is_slow || effort.can_hurry || !self.has_cheaper(effort.codec) {
            self.slow_since = None;
            return false;
        }
        let since = *self.slow_since.get_or_insert(now);
        if now.saturating_duration_since(since) < Self::SLOW_TIME {
            return false;
        }
        self.give_up(effort.codec, now);
        true
    }

    /// The codec does not work here.
    pub(super) fn give_up(&mut self, codec: VideoCodec, now: Instant) {
        self.slow_since = None;
        self.given_up.retain(|given_up| given_up.codec != codec);
        self.given_up.push(GivenUp {
            codec,
            until: now + Self::AGAIN_AFTER,
        });
    }

    /// Each codec is cheaper than those that are preferred to it.
    fn has_cheaper(&self, codec: VideoCodec) -> bool {
        let is_forced = matches!(self.codecs, VideoCodecs::Only(_));
        !is_forced && self.codecs.in_order().last() != Some(&codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(33);

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn av1(encode_ms: u64, can_hurry: bool) -> Effort {
        Effort {
            codec: VideoCodec::Av1,
            can_hurry,
            encode_time: Some(ms(encode_ms)),
            interval: INTERVAL,
        }
    }

    #[test]
    fn the_preferred_codec_is_sent_if_the_partner_takes_it() {
        let now = Instant::now();
        let choice = CodecChoice::new(VideoCodecs::Auto);
        let preferred = codecs::video_codecs()[0];
        assert_eq!(choice.best(|_| true, now), preferred);
        let takes_h264 = |codec| codec == VideoCodec::H264;
        assert_eq!(choice.best(takes_h264, now), VideoCodec::H264);
        assert_eq!(choice.best(|_| false, now), VideoCodec::H264);
        let forced = CodecChoice::new(VideoCodecs::Only(VideoCodec::H264));
        assert_eq!(forced.best(|_| true, now), VideoCodec::H264);
    }

    #[test]
    fn to_save_power_the_cheapest_codec_is_sent_unless_another_one_was_asked_for() {
        let auto = CodecChoice::new(VideoCodecs::Auto);
        assert_eq!(auto.cheapest(|_| true), VideoCodec::H264);
        let forced = CodecChoice::new(VideoCodecs::Only(VideoCodec::Av1));
        assert_eq!(forced.cheapest(|_| true), VideoCodec::Av1);
        let takes_h264 = |codec| codec == VideoCodec::H264;
        assert_eq!(forced.cheapest(takes_h264), VideoCodec::H264);
    }

    #[test]
    #[cfg(feature = "av1")]
    fn a_codec_that_stays_too_slow_at_its_fastest_is_given_up_for_a_while() {
        let start = Instant::now();
        let mut choice = CodecChoice::new(VideoCodecs::Auto);
        assert!(!choice.is_given_up(&av1(25, true), start), "it can hurry");
        assert!(!choice.is_given_up(&av1(25, false), start));
        assert!(!choice.is_given_up(&av1(25, false), start + ms(399)));
        assert!(choice.is_given_up(&av1(25, false), start + ms(400)));
        let best = |choice: &CodecChoice, at| choice.best(|_| true, at);
        assert_eq!(best(&choice, start + ms(401)), VideoCodec::H264);
        let takes_av1 = |codec| codec == VideoCodec::Av1;
        assert_eq!(choice.best(takes_av1, start + ms(401)), VideoCodec::Av1);
        let later = start + ms(400) + CodecChoice::AGAIN_AFTER;
        assert_eq!(best(&choice, later), VideoCodec::Av1);
    }

    #[test]
    fn a_short_delay_is_no_reason() {
        let start = Instant::now();
        let mut choice = CodecChoice::new(VideoCodecs::Auto);
        assert!(!choice.is_given_up(&av1(25, false), start));
        assert!(!choice.is_given_up(&av1(12, false), start + ms(200)));
        assert!(!choice.is_given_up(&av1(25, false), start + ms(500)));
    }

    #[test]
    fn the_last_codec_and_one_that_was_asked_for_are_never_given_up() {
        let start = Instant::now();
        let mut choice = CodecChoice::new(VideoCodecs::Auto);
        let h264 = Effort {
            codec: VideoCodec::H264,
            ..av1(100, false)
        };
        let mut forced = CodecChoice::new(VideoCodecs::Only(VideoCodec::Av1));
        for at in [start, start + ms(1000)] {
            assert!(!choice.is_given_up(&h264, at));
            assert!(!forced.is_given_up(&av1(100, false), at));
        }
    }
}
