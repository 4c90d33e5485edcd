//! Which picture the rate, the processor and the receiver's window have use for.
//!
//! ```text
//! rate too low for a second ──▶ a rung down        rate enough for a while ──▶ a rung up
//! encoder too slow          ──▶ less effort, then a rung down
//! window smaller            ──▶ no rung that it cannot show
//! ```
//!
//! Each change of size costs a keyframe and catches the eye. So a step up that had to be taken back makes the next one wait longer.

use std::time::{Duration, Instant};

use crate::video::Pictures;

/// One quality setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rung {
    /// Width of the pictures to encode. Even.
    pub width_px: u32,
    /// Height of the pictures to encode. Even.
    pub height_px: u32,
    /// Pictures per second.
    pub frame_rate_hz: u32,
    /// How hard the encoder is to try: 0 is its fastest setting, and each step is one slower.
    pub effort: u8,
}

impl Rung {
    fn pixel_rate(&self) -> f64 {
        f64::from(self.width_px) * f64::from(self.height_px) * f64::from(self.frame_rate_hz)
    }
}

/// What the ladder is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderConfig {
    /// Width of the captured pictures.
    pub capture_width_px: u32,
    /// Height of the captured pictures.
    pub capture_height_px: u32,
    /// Captured pictures per second.
    pub capture_rate_hz: u32,
    /// What they are of: of a screen there are rather fewer pictures than smaller ones.
    pub pictures: Pictures,
    /// With how many bits the codec makes a fair picture of a face. A codec that needs fewer takes higher rungs at the same rate.
    pub bits_per_pixel: f64,
    /// The slowest encoder setting.
    pub max_effort: u8,
    /// The encoder setting to begin with.
    pub start_effort: u8,
}

impl LadderConfig {
    /// What H.264 Constrained Baseline needs for a face in front of a quiet background: 460 kbit/s for 640x480 at 30 a second.
    pub const H264_BITS_PER_PIXEL: f64 = 0.05;
    /// What AV1 needs for the same: 35 % less was measured.
    pub const AV1_BITS_PER_PIXEL: f64 = 0.033;
    /// What H.264 needs for a screen, most of which stands still: less than a third of what a face does.
    pub const H264_SCREEN_BITS_PER_PIXEL: f64 = 0.015;
    /// What AV1 needs for the same.
    pub const AV1_SCREEN_BITS_PER_PIXEL: f64 = 0.008;
}

/// What a decision is based on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderInput {
    /// What pictures may use, in bits per second: the target less sound, retransmissions and repair.
    pub picture_bps: u64,
    /// The time that 95 of 100 pictures are encoded within, measured over the last seconds; none while there are too few.
    pub encode_time: Option<Duration>,
    /// The size at which the receiver shows the picture, in pixels of its screen; none if it is not known.
    pub window_px: Option<(u32, u32)>,
}

/// Sizes as shares of the captured one, and the frame rate as a share; from the best down.
const SHARES: [(u32, u32, u32); 6] = [
    (1, 1, 1),
    (3, 4, 1),
    (1, 2, 1),
    (3, 8, 1),
    (1, 4, 1),
    (1, 4, 2),
];

/// The same for a screen: what is written there is to be readable, and it need not move smoothly.
const SCREEN_SHARES: [(u32, u32, u32); 6] = [
    (1, 1, 1),
    (1, 1, 2),
    (1, 1, 3),
    (3, 4, 3),
    (1, 2, 3),
    (1, 2, 5),
];

/// Chooses rungs. Takes the time as an argument; to be asked several times a second.
#[derive(Debug)]
pub struct Ladder {
    rungs: Vec<Rung>,
    bits_per_pixel: f64,
    max_effort: u8,
    index: usize,
    effort: u8,
    too_low_since: Option<Instant>,
    enough_since: Option<Instant>,
    too_slow_since: Option<Instant>,
    fast_since: Option<Instant>,
    changed_at: Option<Instant>,
    started_at: Option<Instant>,
    climbed_at: Option<Instant>,
    /// How long there must be enough before a step up.
    patience: Duration,
    /// How long the encoder must be fast before it is made to try harder.
    effort_patience: Duration,
}

impl Ladder {
    /// The encoder may take this share of the time between two pictures.
    const MAX_ENCODE_SHARE: f64 = 0.6;
    /// It may try harder, or take larger pictures, if it is expected to stay below this.
    const SPARE_ENCODE_SHARE: f64 = 0.45;
    /// One more step of effort takes up to so many times as long.
    const EFFORT_COST: f64 = 1.6;
    /// A rung is left when the rate is below this share of what it needs …
    const LOW_SHARE: f64 = 0.9;
    /// … for so long; dips of the estimate are shorter …
    const LOW_TIME: Duration = Duration::from_secs(1);
    /// … or at once below this share.
    const FAR_TOO_LOW_SHARE: f64 = 0.5;
    /// A rung is entered when the rate is above this share of what it needs.
    const HIGH_SHARE: f64 = 1.15;
    const MIN_PATIENCE: Duration = Duration::from_secs(2);
    const MAX_PATIENCE: Duration = Duration::from_secs(32);
    /// Three times what makes a fair picture makes one that is nearly flawless.
    const MOST_SHARE: f64 = 3.0;
    /// A rate above this share, found by the first probes, is no chance.
    const PLAIN_SHARE: f64 = 2.0;
    /// Patience while the first probes find the rate, and how long that is.
    const START_PATIENCE: Duration = Duration::from_millis(300);
    const START: Duration = Duration::from_secs(5);
    /// A step down so soon after one up takes it back.
    const TAKEN_BACK_WITHIN: Duration = Duration::from_secs(15);
    /// Encoding times from before a change tell nothing about after it.
    const MEASURE: Duration = Duration::from_secs(2);
    const SLOW_TIME: Duration = Duration::from_millis(500);
    const MIN_EFFORT_PATIENCE: Duration = Duration::from_secs(5);
    const MAX_EFFORT_PATIENCE: Duration = Duration::from_mins(2);
    /// No picture has a shorter side.
    const MIN_SIDE_PX: u32 = 16;

    /// A ladder for these pictures, on the rung that this rate allows.
    pub fn new(config: LadderConfig, picture_bps: u64) -> Self {
        let even = |side_px: u32, over: u32, under: u32| {
            let side_px = u64::from(side_px) * u64::from(over) / u64::from(under) / 2 * 2;
            (side_px as u32).max(Self::MIN_SIDE_PX)
        };
        let shares = match config.pictures {
            Pictures::Camera => SHARES,
            Pictures::Screen => SCREEN_SHARES,
        };
        let rungs: Vec<_> = shares
            .iter()
            .map(|(over, under, slower)| Rung {
                width_px: even(config.capture_width_px, *over, *under),
                height_px: even(config.capture_height_px, *over, *under),
                frame_rate_hz: (config.capture_rate_hz / slower).max(1),
                effort: 0,
            })
            .collect();
        let mut ladder = Self {
            rungs,
            bits_per_pixel: config.bits_per_pixel.clamp(0.001, 10.0),
            max_effort: config.max_effort,
            index: 0,
            effort: config.start_effort.min(config.max_effort),
            too_low_since: None,
            enough_since: None,
            too_slow_since: None,
            fast_since: None,
            changed_at: None,
            started_at: None,
            climbed_at: None,
            patience: Self::MIN_PATIENCE,
            effort_patience: Self::MIN_EFFORT_PATIENCE,
        };
        ladder.index = ladder.affordable(picture_bps, 1.0);
        ladder
    }

    /// The rung that is in force.
    pub fn rung(&self) -> Rung {
        Rung {
            effort: self.effort,
            ..self.rungs[self.index]
        }
    }

    /// What the best rung that this window can show has use for, in bits per second. More makes no picture that looks better.
    pub fn most_bps(&self, window_px: Option<(u32, u32)>) -> u64 {
        (Self::MOST_SHARE * self.needed_bps(self.best_shown(window_px))) as u64
    }

    /// Pixels in a second of the best rung that this window can show.
    pub fn best_pixel_rate(&self, window_px: Option<(u32, u32)>) -> f64 {
        self.rungs[self.best_shown(window_px)].pixel_rate()
    }

    /// Decides. The new rung if it is another one.
    pub fn update(&mut self, input: &LadderInput, now: Instant) -> Option<Rung> {
        let before = self.rung();
        let started_at = *self.started_at.get_or_insert(now);
        let is_starting = now.saturating_duration_since(started_at) < Self::START;
        let best_shown = self.best_shown(input.window_px);
        if self.index < best_shown {
            self.change(best_shown, now);
        }
        self.follow_rate(input, best_shown, is_starting, now);
        self.follow_encoder(input.encode_time, now);
        (self.rung() != before).then(|| self.rung())
    }

    fn follow_rate(
        &mut self,
        input: &LadderInput,
        best_shown: usize,
        is_starting: bool,
        now: Instant,
    ) {
        let rate_bps = input.picture_bps as f64;
        let needed_bps = self.needed_bps(self.index);
        let is_low = rate_bps < Self::LOW_SHARE * needed_bps && self.index + 1 < self.rungs.len();
        let low_for = lasts(&mut self.too_low_since, is_low, now);
        let is_far_too_low = is_low && rate_bps < Self::FAR_TOO_LOW_SHARE * needed_bps;
        if is_far_too_low || low_for.is_some_and(|time| time >= Self::LOW_TIME) {
            let is_taken_back = self
                .climbed_at
                .is_some_and(|at| now.saturating_duration_since(at) < Self::TAKEN_BACK_WITHIN);
            self.patience = if is_taken_back {
                (self.patience * 2).min(Self::MAX_PATIENCE)
            } else {
                Self::MIN_PATIENCE
            };
            let affordable = self.affordable(input.picture_bps, 1.0);
            self.change(affordable.max(self.index + 1), now);
            return;
        }
        let possible = self
            .affordable(input.picture_bps, Self::HIGH_SHARE)
            .max(self.encodable(input.encode_time));
        let wanted = possible.max(best_shown);
        // Also while a small window holds the pictures down, so that one that is enlarged has waited already.
        let enough_for = lasts(&mut self.enough_since, possible < self.index, now);
        let is_plain = self.affordable(input.picture_bps, Self::PLAIN_SHARE) <= wanted;
        let patience = match is_starting {
            true if is_plain => Duration::ZERO,
            true => Self::START_PATIENCE,
            false => self.patience,
        };
        if wanted < self.index && enough_for.is_some_and(|time| time >= patience) {
            self.change(wanted, now);
            self.climbed_at = Some(now);
        }
    }

    fn follow_encoder(&mut self, encode_time: Option<Duration>, now: Instant) {
        let is_measured = self
            .changed_at
            .is_none_or(|at| now.saturating_duration_since(at) >= Self::MEASURE);
        let Some(encode_time) = encode_time.filter(|_| is_measured) else {
            self.too_slow_since = None;
            self.fast_since = None;
            return;
        };
        let share = encode_time.as_secs_f64() * f64::from(self.rung().frame_rate_hz);
        let slow_for = lasts(
            &mut self.too_slow_since,
            share > Self::MAX_ENCODE_SHARE,
            now,
        );
        if slow_for.is_some_and(|time| time >= Self::SLOW_TIME) {
            self.effort_patience = (self.effort_patience * 2).min(Self::MAX_EFFORT_PATIENCE);
            if self.effort > 0 {
                self.effort -= 1;
                self.change(self.index, now);
            } else if self.index + 1 < self.rungs.len() {
                self.change(self.index + 1, now);
            }
            return;
        }
        let is_fast =
            share * Self::EFFORT_COST < Self::SPARE_ENCODE_SHARE && self.effort < self.max_effort;
        let fast_for = lasts(&mut self.fast_since, is_fast, now);
        if fast_for.is_some_and(|time| time >= self.effort_patience) {
            self.effort += 1;
            self.change(self.index, now);
        }
    }

    fn change(&mut self, index: usize, now: Instant) {
        self.index = index.min(self.rungs.len() - 1);
        self.changed_at = Some(now);
        self.too_low_since = None;
        self.enough_since = None;
        self.too_slow_since = None;
        self.fast_since = None;
    }

    fn needed_bps(&self, index: usize) -> f64 {
        self.rungs[index].pixel_rate() * self.bits_per_pixel
    }

    /// The best rung that needs no more than this rate with this margin.
    fn affordable(&self, picture_bps: u64, margin: f64) -> usize {
        (0..self.rungs.len())
            .find(|index| self.needed_bps(*index) * margin <= picture_bps as f64)
            .unwrap_or(self.rungs.len() - 1)
    }

    /// The best rung that the encoder is expected to manage, judged by its time for the one in force.
    fn encodable(&self, encode_time: Option<Duration>) -> usize {
        let Some(encode_time) = encode_time else {
            return 0;
        };
        let spent = encode_time.as_secs_f64() * f64::from(self.rung().frame_rate_hz);
        (0..self.index)
            .find(|index| {
                let growth = self.rungs[*index].pixel_rate() / self.rungs[self.index].pixel_rate();
                spent * growth <= Self::SPARE_ENCODE_SHARE
            })
            .unwrap_or(self.index)
    }

    /// The smallest rung that fills the window; larger ones are not seen.
    fn best_shown(&self, window_px: Option<(u32, u32)>) -> usize {
        let Some((width_px, height_px)) = window_px else {
            return 0;
        };
        // A picture of nine tenths of the window's size looks as sharp.
        let fills = |rung: &Rung| {
            rung.width_px >= width_px / 10 * 9 || rung.height_px >= height_px / 10 * 9
        };
        self.rungs
            .iter()
            .rposition(|rung| rung.frame_rate_hz == self.rungs[0].frame_rate_hz && fills(rung))
            .unwrap_or(0)
    }
}

/// For how long something is so; `since` remembers from when on.
fn lasts(since: &mut Option<Instant>, is_so: bool, now: Instant) -> Option<Duration> {
    if !is_so {
        *since = None;
        return None;
    }
    let since = *since.get_or_insert(now);
    Some(now.saturating_duration_since(since))
}

#[cfg(test)]
mod tests;
