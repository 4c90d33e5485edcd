//! How long complete frames wait before they are decoded, so that those which come late can be shown evenly.
//!
//! On a quiet network nothing waits. Where lost packets are what makes frames late, a frame that waits for a retransmission
//! holds up all that build on it, and then all of them come at once: the picture stands still and leaps. Waiting a little with
//! every frame hides that, at the price of latency. Both have a price here, and the cheapest delay over the frames of the last
//! seconds wins. What has stood still once is no reason to wait, only what comes back; and the beginning of a call is soon forgotten.
//! The encoded frames wait, not the pictures: they are a hundred times smaller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Follows how late frames are, and says when each is to be decoded.
///
/// What counts is the time from capture to completion, up to a constant: of the last [`Self::WINDOW`], the shortest is that of a
/// frame for which nothing had to be repaired.
#[derive(Debug, Default)]
pub struct PlayoutDelay {
    origin: Option<Origin>,
    seen: VecDeque<Seen>,
    delay_us: i64,
    target_us: i64,
    reviewed_at_us: i64,
    moved_at_us: i64,
    /// When the first frame came, until the beginning is forgotten.
    begun_at_us: Option<i64>,
}

/// From where times are counted.
#[derive(Debug, Clone, Copy)]
struct Origin {
    at: Instant,
    media_time: u64,
}

/// A frame, in microseconds since the origin by the two clocks.
#[derive(Debug, Clone, Copy)]
struct Seen {
    media_us: i64,
    ready_us: i64,
}

/// How long nothing new is shown, beyond the time between two frames, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Pauses {
    all: i64,
    longest_standstill: i64,
    standstills: u32,
}

impl Seen {
    /// How long it took, plus a constant.
    const fn transit_us(self) -> i64 {
        self.ready_us - self.media_us
    }
}

impl PlayoutDelay {
    /// No frame waits longer.
    pub const MAX: Duration = Duration::from_secs(1);
    /// How far back lateness is looked at. Shorter forgets what happens rarely, longer lets a call wait when all is well again.
    pub const WINDOW: Duration = Duration::from_secs(12);

    /// Pauses up to this, beyond the time between two frames, are left alone: a retransmission over a short path, or the time that
    /// a large frame takes. With the frame before them they stay below the 200 ms from which on a picture counts as frozen.
    const TOLERATED_PAUSE_US: i64 = 120_000;
    /// What a standstill costs: a hundredth of the time is as bad as so many hundredths of this as delay.
    const STANDSTILL_PRICE_US: i64 = 7_000_000;
    /// So many standstills in [`Self::WINDOW`] may be chance: then the longest is free.
    const RARE: u32 = 2;
    /// Pauses within this time after the first one are the same standstill.
    const ONE_STANDSTILL_US: i64 = 1_000_000;
    /// What happens in so much time at the beginning, while sizes, codecs and rates are being found, does not come back …
    const BEGINNING_US: i64 = 3_000_000;
    /// … and is forgotten when the call is so old, unless it has gone on.
    const BEGUN_US: i64 = 5_000_000;
    /// A cheaper delay must be cheaper by this, or it would change all the time.
    const LEAST_GAIN_US: i64 = 10_000;
    /// Delays are tried in steps of this.
    const STEP_US: i64 = 20_000;
    /// How often they are tried.
    const REVIEW_INTERVAL_US: i64 = 250_000;
    /// With less than this behind it, one standstill at the beginning would weigh too much.
    const LEAST_SPAN_US: i64 = 12_000_000;
    /// How many microseconds the delay may grow and shrink in a millisecond while frames come in time: pictures are then shown by a
    /// fifth slower, or by a tenth faster, which nobody sees.
    const RISE_US_PER_MS: i64 = 200;
    const FALL_US_PER_MS: i64 = 100;
    /// Frames that are looked at: [`Self::WINDOW`] at 60 in a second.
    const MAX_FRAMES: usize = 720;
    /// Media time that leaves arrival by more than this is another clock.
    const CLOCK_JUMP_US: i64 = 5_000_000;
    const MAX_US: i64 = Self::MAX.as_micros() as i64;
    const WINDOW_US: i64 = Self::WINDOW.as_micros() as i64;

    /// One that has seen nothing and delays nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frame and all that it builds on is complete `now`; `media_time` counts in units of 90 kHz. Returns when to decode it:
    /// between `now` and [`Self::MAX`] later.
    pub fn frame_ready(&mut self, media_time: u64, now: Instant) -> Instant {
        let seen = self.place(media_time, now);
        self.remember(seen);
        self.review(seen.ready_us);
        let base_us = self.base_us();
        self.approach(seen.transit_us() - base_us, seen.ready_us);
        let wait_us = (base_us + self.delay_us - seen.transit_us()).clamp(0, Self::MAX_US);
        now + Duration::from_micros(wait_us.unsigned_abs())
    }

    /// How much later than at best frames are decoded at present.
    pub const fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us.unsigned_abs())
    }

    /// In microseconds since the origin. Begins anew where the sender did.
    fn place(&mut self, media_time: u64, now: Instant) -> Seen {
        let new = Origin {
            at: now,
            media_time,
        };
        let origin = *self.origin.get_or_insert(new);
        let seen = Self::since(origin, media_time, now);
        let is_far = |last: &Seen| {
            seen.transit_us().abs_diff(last.transit_us()) > Self::CLOCK_JUMP_US.unsigned_abs()
        };
        if self.seen.back().is_none_or(|last| !is_far(last)) {
            return seen;
        }
        self.origin = Some(new);
        self.seen.clear();
        self.begun_at_us = None;
        self.reviewed_at_us = 0;
        self.moved_at_us = 0;
        Self::since(new, media_time, now)
    }

    fn since(origin: Origin, media_time: u64, now: Instant) -> Seen {
        let ticks = media_time.wrapping_sub(origin.media_time).cast_signed();
        let elapsed = now.saturating_duration_since(origin.at);
        Seen {
            // A hundred microseconds are nine ticks of 90 kHz.
            media_us: ticks.clamp(i64::MIN / 1000, i64::MAX / 1000) * 100 / 9,
            ready_us: i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX / 2),
        }
    }

    fn remember(&mut self, seen: Seen) {
        let is_old = |oldest: &Seen| seen.ready_us - oldest.ready_us > Self::WINDOW_US;
        while self.seen.len() >= Self::MAX_FRAMES || self.seen.front().is_some_and(is_old) {
            self.seen.pop_front();
        }
        if self.seen.is_empty() {
            self.begun_at_us = Some(seen.ready_us);
        }
        if let Some(begun_us) = self.begun_at_us
            && seen.ready_us - begun_us > Self::BEGUN_US
        {
            self.begun_at_us = None;
            let is_beginning = |seen: &&Seen| seen.ready_us - begun_us < Self::BEGINNING_US;
            let count = self.seen.iter().take_while(is_beginning).count();
            let since = self.seen.iter().skip(count);
            if Self::pauses_us(since, self.base_us()).all == 0 {
                self.seen.drain(..count);
            }
        }
        self.seen.push_back(seen);
    }

    fn base_us(&self) -> i64 {
        let transits = self.seen.iter().map(|seen| seen.transit_us());
        transits.min().unwrap_or_default()
    }

    /// Looks now and then which delay would have been the best.
    fn review(&mut self, now_us: i64) {
        if now_us - self.reviewed_at_us < Self::REVIEW_INTERVAL_US {
            return;
        }
        self.reviewed_at_us = now_us;
        let base_us = self.base_us();
        let latest_us = self.seen.iter().map(|seen| seen.transit_us()).max();
        let latest_us = latest_us.unwrap_or_default() - base_us;
        // Nothing is gained by waiting for longer than for the latest.
        let largest = (latest_us / Self::STEP_US + 1).min(Self::MAX_US / Self::STEP_US);
        let is_rare = Self::pauses_us(self.seen.iter(), base_us).standstills <= Self::RARE;
        let price_us =
            |delay_us: i64| delay_us + self.standstill_price_us(base_us + delay_us, is_rare);
        let best = (0..=largest)
            .map(|step| step * Self::STEP_US)
            .map(|delay_us| (price_us(delay_us), delay_us))
            .min();
        if let Some((best_price_us, best_us)) = best
            && best_price_us + Self::LEAST_GAIN_US <= price_us(self.target_us)
        {
            self.target_us = best_us;
        }
    }

    /// What the pauses would cost that are left when each frame is shown when it has taken this long, or as soon as it can be. The
    /// longest standstill is free where they are rare.
    fn standstill_price_us(&self, transit_us: i64, is_rare: bool) -> i64 {
        let pauses = Self::pauses_us(self.seen.iter(), transit_us);
        let span_us = match (self.seen.front(), self.seen.back()) {
            (Some(first), Some(last)) => last.ready_us - first.ready_us,
            _ => 0,
        };
        let free = if is_rare {
            pauses.longest_standstill
        } else {
            0
        };
        // In milliseconds, so that the product has room.
        (pauses.all - free) * (Self::STANDSTILL_PRICE_US / 1000)
            / (span_us.max(Self::LEAST_SPAN_US) / 1000)
    }

    /// The pauses that are seen then.
    fn pauses_us<'a>(frames: impl Iterator<Item = &'a Seen>, transit_us: i64) -> Pauses {
        let mut pauses = Pauses::default();
        // The present standstill, and when it began.
        let (mut standstill_us, mut since_us) = (0, i64::MIN);
        let mut before: Option<(i64, i64)> = None;
        for seen in frames {
            let due_us = (seen.media_us + transit_us).max(seen.ready_us);
            let (shown_us, pause_us) = match before {
                Some((shown_before_us, media_before_us)) => {
                    let shown_us = due_us.max(shown_before_us);
                    let interval_us = seen.media_us - media_before_us;
                    (shown_us, shown_us - shown_before_us - interval_us)
                }
                None => (due_us, 0),
            };
            if pause_us > Self::TOLERATED_PAUSE_US {
                let pause_us = pause_us.min(Self::WINDOW_US);
                if shown_us.saturating_sub(since_us) > Self::ONE_STANDSTILL_US {
                    (standstill_us, since_us) = (0, shown_us);
                    pauses.standstills += 1;
                }
                pauses.all += pause_us;
                standstill_us += pause_us;
                pauses.longest_standstill = pauses.longest_standstill.max(standstill_us);
            }
            before = Some((shown_us, seen.media_us));
        }
        pauses
    }

    /// Moves the delay towards its target, where that is not seen: slowly, or by a leap while nothing could be shown anyway.
    fn approach(&mut self, lateness_us: i64, now_us: i64) {
        let elapsed_ms = ((now_us - self.moved_at_us) / 1000).clamp(0, 1000);
        self.moved_at_us += elapsed_ms * 1000;
        if now_us - self.moved_at_us > 1000 {
            self.moved_at_us = now_us;
        }
        let gap_us = self.target_us - self.delay_us;
        self.delay_us += if gap_us > 0 {
            let unseen_us = (lateness_us - self.delay_us).max(0);
            gap_us.min(unseen_us.max(elapsed_ms * Self::RISE_US_PER_MS))
        } else {
            gap_us.max(-elapsed_ms * Self::FALL_US_PER_MS)
        };
    }
}

#[cfg(test)]
mod tests;
