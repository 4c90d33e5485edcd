//! When a sample was taken, estimated from when pieces of sound arrive.
//!
//! Pieces come late by up to a period of the device and whatever the scheduler adds, never early. The earliest arrivals
//! tell the truth; sample counts carry it on to all others.

use std::time::{Duration, Instant};

/// An arrival this far off the line means a gap in the sound, not a late thread.
const GAP: Duration = Duration::from_millis(150);
/// Each arrival pulls the line towards itself by this part of its delay, to follow a device whose clock runs slow.
const FOLLOW: u32 = 512;

/// Maps sample numbers of one stream to local time.
#[derive(Debug, Clone)]
pub(super) struct CaptureClock {
    rate_hz: u32,
    /// Where the line puts sample number `counted`, once something has arrived.
    next_at: Option<Instant>,
}

impl CaptureClock {
    pub(super) const fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            next_at: None,
        }
    }

    /// `samples` more have arrived, the last one at `now` at the latest. Returns when the first of them was taken.
    pub(super) fn on_arrival(&mut self, samples: usize, now: Instant) -> Instant {
        let length = Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(self.rate_hz));
        let latest_start = now.checked_sub(length).unwrap_or(now);
        let start = match self.next_at {
            Some(expected) if expected <= latest_start => {
                let late = latest_start - expected;
                if late > GAP {
                    latest_start
                } else {
                    expected + late / FOLLOW
                }
            }
            // Never in the future: the line was too late, or there is none yet.
            _ => latest_start,
        };
        self.next_at = Some(start + length);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_threads_do_not_move_the_sound() {
        let start = Instant::now();
        let mut clock = CaptureClock::new(48_000);
        for piece in 0..500_u32 {
            let taken_at = start + Duration::from_millis(10) * piece;
            let jitter = Duration::from_millis(u64::from(piece * 7 % 9));
            let stamp = clock.on_arrival(480, taken_at + Duration::from_millis(10) + jitter);
            let error = stamp.saturating_duration_since(taken_at)
                + taken_at.saturating_duration_since(stamp);
            assert!(
                error < Duration::from_millis(2),
                "piece {piece} is {error:?} off"
            );
        }
    }

    #[test]
    fn a_gap_is_a_gap() {
        let start = Instant::now();
        let mut clock = CaptureClock::new(48_000);
        clock.on_arrival(480, start + Duration::from_millis(10));
        let later = start + Duration::from_secs(5);
        assert_eq!(
            clock.on_arrival(480, later + Duration::from_millis(10)),
            later
        );
    }

    #[test]
    fn a_slow_device_is_followed() {
        let start = Instant::now();
        let mut clock = CaptureClock::new(48_000);
        // 200 ppm slow: each piece takes 2 us longer.
        let mut stamp = start;
        let mut taken_at = start;
        for _ in 0..60_000 {
            taken_at += Duration::from_micros(10_002);
            stamp = clock.on_arrival(480, taken_at);
        }
        let behind = taken_at.saturating_duration_since(stamp + Duration::from_millis(10));
        assert!(
            behind < Duration::from_millis(5),
            "{behind:?} behind after ten minutes"
        );
    }
}
