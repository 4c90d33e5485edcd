//! Pictures to one partner: as large, as many and as good as the path, the processor and the partner have use for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use codecs::{H264Encoder, VideoEncoder, VideoSettings};
use media::congestion::{Ladder, LadderConfig, LadderInput, Rung};
use media::video::way::{OnTheirWay, WayOut};
use media::video::{Pictures, Scaler, VideoCodec, VideoFrame};
use transport::{Budget, Peer};

use super::bit_shares::BitShares;
use super::codec_choice::{CodecChoice, Effort};
use super::plenty::Plenty;
use super::rates::{self, Rates};
use super::wish::Wish;
use crate::{VideoCodecs, Ways};

/// The RTP clock rate of video (RFC 6184 section 8.2.1).
const CLOCK_HZ: u128 = 90_000;
/// Changes of the bitrate below this share of it are not worth the encoder's trouble.
const SMALLEST_CHANGE_DIVISOR: u32 = 50;

/// In pictures of so many pixels more effort saves next to nothing (`docs/media.md`).
const EFFORT_PAYS_BELOW_PX: u32 = 1280 * 720;

/// The peer that pictures go to, and the clock of the stream that it gets.
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) epoch: Instant,
    /// RTP timestamps begin at a random value (RFC 3550 section 5.1).
    pub(super) first_timestamp: u32,
}

/// What all encoders of one stream have in common.
#[derive(Clone)]
pub(crate) struct Stream {
    /// What is sent.
    pub(crate) pictures: Pictures,
    pub(crate) rates: Rates,
    pub(crate) shares: Arc<BitShares>,
    /// So many come in a second.
    pub(crate) capture_fps: u32,
    pub(crate) codecs: VideoCodecs,
    pub(crate) ways: Arc<Ways>,
    /// Set when the partner needs a keyframe.
    pub(crate) is_keyframe_wanted: Arc<AtomicBool>,
}

impl Stream {
    fn picture_bps(&self, budget: &Budget) -> u32 {
        self.rates.video_bps(budget, self.shares.of(self.pictures))
    }
}

/// An encoder and the peer that it works for.
pub(super) struct Encoding {
    link: Arc<Link>,
    encoder: Box<dyn VideoEncoder>,
    stream: Stream,
    /// What the path leaves to pictures.
    path_bps: u32,
    /// What the encoder was told last.
    bitrate_bps: u32,
    ladder: Option<SizedLadder>,
    plenty: Plenty,
    scaler: Scaler,
    cadence: Cadence,
    times: EncodeTimes,
    on_their_way: OnTheirWay,
    is_broken: bool,
    /// Whether the encoder refused the last picture.
    has_failed: bool,
}

/// The ladder for pictures of one size.
struct SizedLadder {
    config: LadderConfig,
    ladder: Ladder,
}

/// What pictures that are sent are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentPictures {
    pub(crate) codec: VideoCodec,
    pub(crate) size_px: (u32, u32),
}

/// What became of a picture.
pub(super) enum Sent {
    /// It is on its way.
    Yes(SentPictures),
    /// It was left out; the next one may follow.
    Skipped,
    /// It was encoded and is lost: what follows must not refer to it.
    Lost,
}

impl Encoding {
    pub(super) fn new(link: Arc<Link>, stream: Stream) -> Self {
        let bitrate_bps = stream.picture_bps(&link.peer.budget());
        Self {
            link,
            encoder: encoder(VideoCodec::H264, bitrate_bps, &stream),
            stream,
            path_bps: bitrate_bps,
            bitrate_bps,
            ladder: None,
            plenty: Plenty::default(),
            scaler: Scaler::default(),
            cadence: Cadence::default(),
            times: EncodeTimes::default(),
            on_their_way: OnTheirWay::default(),
            is_broken: false,
            has_failed: false,
        }
    }

    pub(super) fn is_for(&self, link: &Arc<Link>) -> bool {
        Arc::ptr_eq(&self.link, link)
    }

    /// Takes the newest picture.
    pub(super) fn take(
        &mut self,
        frame: &VideoFrame,
        wish: Wish,
        force_keyframe: bool,
        choice: &mut CodecChoice,
    ) -> Sent {
        let taken_at = Instant::now();
        self.note_departures();
        let budget = self.link.peer.budget();
        self.path_bps = self.stream.picture_bps(&budget);
        self.choose(choice, wish);
        // A screen is negotiated about when it is shared, and not before.
        let pictures = self.stream.pictures;
        if !self.link.peer.takes_video(pictures, self.encoder.codec()) {
            return Sent::Lost;
        }
        let rung = self.rung(frame, wish);
        if rates::is_behind(&budget) || !self.cadence.is_due(frame.captured_at(), rung) {
            return Sent::Skipped;
        }
        let size_px = (rung.width_px, rung.height_px);
        if size_px == (frame.width_px(), frame.height_px()) {
            return self.encode_and_send(frame, force_keyframe, taken_at);
        }
        match self.scaler.scale(frame, size_px) {
            Ok(scaled) => {
                let sent = self.encode_and_send(&scaled, force_keyframe, taken_at);
                self.scaler.give_back(scaled);
                sent
            }
            Err(error) => {
                self.complain(&error);
                Sent::Skipped
            }
        }
    }

    /// Changes to another codec if that is the better one, which the next picture begins with a keyframe.
    fn choose(&mut self, choice: &mut CodecChoice, wish: Wish) {
        let now = Instant::now();
        let mut is_cheap = wish.is_saving;
        if let Some(sized) = &self.ladder {
            let rung = sized.ladder.rung();
            let effort = Effort {
                codec: self.encoder.codec(),
                can_hurry: rung.effort > 0,
                encode_time: self.times.p95(),
                interval: Duration::from_secs(1) / rung.frame_rate_hz.max(1),
            };
            if choice.is_given_up(&effort, now) {
                let (codec, time) = (effort.codec, effort.encode_time);
                tracing::info!(%codec, ?time, "the codec takes too long here");
            }
            if self.has_failed {
                choice.give_up(effort.codec, now);
            }
            // What is written on a screen is worth more bits than there ever are.
            if self.stream.pictures == Pictures::Camera {
                let window_px = wish.limits().map(|limits| limits.size_px);
                let fair_bps =
                    sized.ladder.best_pixel_rate(window_px) * LadderConfig::H264_BITS_PER_PIXEL;
                is_cheap |= self.plenty.update(f64::from(self.path_bps) / fair_bps, now);
            }
        }
        self.has_failed = false;
        let takes = |codec| self.link.peer.takes_video(self.stream.pictures, codec);
        let best = if is_cheap {
            choice.cheapest(takes)
        } else {
            choice.best(takes, now)
        };
        if best != self.encoder.codec() {
            tracing::debug!(codec = %best, "pictures are sent in another codec");
            self.encoder = encoder(best, self.bitrate_bps, &self.stream);
            self.ladder = None;
            self.times = EncodeTimes::default();
        }
    }

    /// Brings the encoder to what the path takes and the pictures have use for.
    fn follow(&mut self, bitrate_bps: u32) {
        if bitrate_bps.abs_diff(self.bitrate_bps) <= self.bitrate_bps / SMALLEST_CHANGE_DIVISOR {
            return;
        }
        match self.encoder.set_target_bitrate(bitrate_bps) {
            Ok(()) => self.bitrate_bps = bitrate_bps,
            Err(error) => self.complain(&error),
        }
    }

    fn rung(&mut self, frame: &VideoFrame, wish: Wish) -> Rung {
        let picture_bps = u64::from(self.path_bps);
        let capture_px = (frame.width_px(), frame.height_px());
        let limits = wish.limits();
        let window_px = limits.map(|limits| limits.size_px);
        let most_fps = limits.and_then(|limits| limits.most_fps);
        let capture_fps = self.stream.capture_fps;
        let fps = most_fps.map_or(capture_fps, |most| most.min(capture_fps));
        let codec = self.encoder.codec();
        let config = config(self.stream.pictures, codec, capture_px, fps, wish.is_saving);
        let new = || SizedLadder {
            config,
            ladder: Ladder::new(config, picture_bps),
        };
        // A camera that turns or is changed begins anew.
        let kept = self.ladder.take_if(|kept| kept.config == config);
        let is_new = kept.is_none();
        let ladder = &mut self.ladder.insert(kept.unwrap_or_else(new)).ladder;
        let input = LadderInput {
            picture_bps,
            encode_time: self.times.p95(),
            window_px,
        };
        let changed = ladder.update(&input, Instant::now());
        let rung = ladder.rung();
        let most_bps = window_px.map_or(u64::MAX, |_| ladder.most_bps(window_px));
        if is_new || changed.is_some() {
            tracing::debug!(?rung, picture_bps, "another rung");
            self.times = EncodeTimes::default();
            let rate = self.encoder.set_frame_rate(rung.frame_rate_hz as f32);
            let effort = self.encoder.set_effort(rung.effort);
            if let Err(error) = rate.and(effort) {
                self.complain(&error);
            }
        }
        self.follow(most_bps.min(picture_bps) as u32);
        rung
    }

    /// Learns which pictures have left. The connection tells that of the camera's alone.
    fn note_departures(&mut self) {
        if self.stream.pictures == Pictures::Screen {
            return;
        }
        while let Some(departure) = self.link.peer.take_departure() {
            if let Some(way) = self.on_their_way.left(&departure) {
                self.stream.ways.left(way);
            }
        }
    }

    fn encode_and_send(
        &mut self,
        frame: &VideoFrame,
        force_keyframe: bool,
        taken_at: Instant,
    ) -> Sent {
        let elapsed = frame
            .captured_at()
            .saturating_duration_since(self.link.epoch);
        let ticks = (elapsed.as_micros() * CLOCK_HZ / 1_000_000) as u32;
        let timestamp = self.link.first_timestamp.wrapping_add(ticks);
        let began = Instant::now();
        let encoded = self.encoder.encode(frame, timestamp, force_keyframe);
        let encoded_at = Instant::now();
        self.times.push(encoded_at - began);
        match encoded {
            Ok(Some(encoded)) => {
                self.is_broken = false;
                let codec = encoded.codec;
                self.on_their_way.encoded(WayOut {
                    timestamp,
                    len_bytes: encoded.data.len(),
                    is_keyframe: encoded.is_keyframe,
                    captured_at: frame.captured_at(),
                    taken_at,
                    encoding_at: began,
                    encoded_at,
                    first_left_at: encoded_at,
                    last_left_at: encoded_at,
                });
                let pictures = self.stream.pictures;
                if self.link.peer.send_video(pictures, encoded).is_ok() {
                    Sent::Yes(SentPictures {
                        codec,
                        size_px: (frame.width_px(), frame.height_px()),
                    })
                } else {
                    Sent::Lost
                }
            }
            Ok(None) => Sent::Skipped,
            Err(error) => {
                self.complain(&error);
                self.has_failed = true;
                Sent::Lost
            }
        }
    }

    /// Once, not thirty times a second.
    fn complain(&mut self, error: &dyn std::error::Error) {
        if !std::mem::replace(&mut self.is_broken, true) {
            tracing::error!(%error, "a picture could not be encoded");
        }
    }
}

/// An encoder of this codec, or of the one that is always there.
fn encoder(codec: VideoCodec, bitrate_bps: u32, stream: &Stream) -> Box<dyn VideoEncoder> {
    let settings = VideoSettings {
        target_bitrate: bitrate_bps,
        frames_per_second: stream.capture_fps as f32,
        pictures: stream.pictures,
    };
    codecs::video_encoder(codec, settings).unwrap_or_else(|error| {
        tracing::error!(%error, "pictures are sent in H.264");
        Box::new(H264Encoder::new(settings))
    })
}

const fn config(
    pictures: Pictures,
    codec: VideoCodec,
    (width_px, height_px): (u32, u32),
    capture_rate_hz: u32,
    is_saving: bool,
) -> LadderConfig {
    let bits_per_pixel = match (pictures, codec) {
        (Pictures::Camera, VideoCodec::H264) => LadderConfig::H264_BITS_PER_PIXEL,
        (Pictures::Camera, VideoCodec::Av1) => LadderConfig::AV1_BITS_PER_PIXEL,
        (Pictures::Screen, VideoCodec::H264) => LadderConfig::H264_SCREEN_BITS_PER_PIXEL,
        (Pictures::Screen, VideoCodec::Av1) => LadderConfig::AV1_SCREEN_BITS_PER_PIXEL,
    };
    LadderConfig {
        capture_width_px: width_px,
        capture_height_px: height_px,
        capture_rate_hz,
        pictures,
        bits_per_pixel,
        max_effort: if !is_saving && width_px * height_px < EFFORT_PAYS_BELOW_PX {
            codecs::max_effort(codec)
        } else {
            0
        },
        start_effort: 0,
    }
}

/// Thins pictures out to a lower rate, evenly.
#[derive(Debug, Default)]
struct Cadence {
    due_at: Option<Instant>,
}

impl Cadence {
    /// Whether the picture that was captured at this moment is one of those that the rung has.
    fn is_due(&mut self, captured_at: Instant, rung: Rung) -> bool {
        let interval = Duration::from_secs(1) / rung.frame_rate_hz.max(1);
        // Cameras do not keep time to the millisecond.
        let slack = interval / 4;
        if self
            .due_at
            .is_some_and(|due_at| captured_at + slack < due_at)
        {
            return false;
        }
        // Late ones are not made up for.
        let on_time = self
            .due_at
            .filter(|due_at| captured_at < *due_at + interval);
        self.due_at = Some(on_time.unwrap_or(captured_at) + interval);
        true
    }
}

/// How long the encoder took for the pictures of the last two seconds or so.
#[derive(Debug, Default)]
struct EncodeTimes {
    newest: std::collections::VecDeque<Duration>,
}

impl EncodeTimes {
    const KEPT: usize = 60;
    /// Fewer say little.
    const ENOUGH: usize = 20;

    fn push(&mut self, time: Duration) {
        if self.newest.len() == Self::KEPT {
            self.newest.pop_front();
        }
        self.newest.push_back(time);
    }

    /// The time that 95 of 100 keep to.
    fn p95(&self) -> Option<Duration> {
        if self.newest.len() < Self::ENOUGH {
            return None;
        }
        let mut sorted: Vec<_> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 95 / 100).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(frame_rate_hz: u32) -> Rung {
        Rung {
            width_px: 640,
            height_px: 480,
            frame_rate_hz,
            effort: 0,
        }
    }

    #[test]
    fn pictures_are_thinned_out_evenly_whatever_the_jitter_of_the_camera() {
        let start = Instant::now();
        let times =
            (0..300_u64).map(|n| start + Duration::from_micros(33_333 * n + n * 7919 % 9000));
        let mut cadence = Cadence::default();
        let due: Vec<bool> = times
            .clone()
            .map(|at| cadence.is_due(at, rung(15)))
            .collect();
        assert!(due.chunks(2).all(|pair| pair == [true, false]), "{due:?}");
        let mut cadence = Cadence::default();
        assert!(times.into_iter().all(|at| cadence.is_due(at, rung(30))));
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut cadence = Cadence::default();
        assert!(cadence.is_due(start, rung(10)));
        let later = start + Duration::from_secs(5);
        assert!(cadence.is_due(later, rung(10)));
        assert!(!cadence.is_due(later + Duration::from_millis(33), rung(10)));
    }

    #[test]
    fn the_slowest_pictures_count_when_there_are_enough() {
        let mut times = EncodeTimes::default();
        for ms in 1..=19 {
            times.push(Duration::from_millis(ms));
        }
        assert_eq!(times.p95(), None);
        for _ in 0..2 {
            times.push(Duration::from_millis(50));
        }
        assert_eq!(times.p95(), Some(Duration::from_millis(50)));
        for _ in 0..EncodeTimes::KEPT {
            times.push(Duration::from_millis(3));
        }
        assert_eq!(times.p95(), Some(Duration::from_millis(3)));
    }
}
