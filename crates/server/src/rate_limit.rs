//! How many frames a client may send.

use std::time::Instant;

use ::relay::{Bucket, Rate};

/// Looks at the frames of one client.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rate: Rate,
    bucket: Bucket,
    /// How many were refused since the bucket was last full.
    refused: u64,
}

/// How many refused frames are put up with until the client has paused for long enough to fill the bucket, for each that
/// may come at once.
const PATIENCE: u64 = 2;

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    /// Drop it, and say so: it is the first of its kind.
    DropAloud,
    Drop,
    /// The client does not stop: close the connection.
    Close,
}

impl RateLimit {
    pub(crate) const fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            bucket: Bucket::new(now),
            refused: 0,
        }
    }

    pub(crate) fn judge(&mut self, now: Instant) -> Verdict {
        if self.bucket.is_full(now) {
            self.refused = 0;
        }
        if self.bucket.take(1, self.rate, now) {
            return Verdict::Take;
        }
        self.refused += 1;
        match self.refused {
            1 => Verdict::DropAloud,
            refused if refused <= self.rate.burst.saturating_mul(PATIENCE) => Verdict::Drop,
            _ => Verdict::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PER_SECOND: u32 = 30;
    const BURST: u32 = 120;
    const RATE: Rate = Rate {
        per_second: PER_SECOND as u64,
        burst: BURST as u64,
    };

    /// In how much time another frame may come.
    const REFILL: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64 + 1);

    fn taken(limit: &mut RateLimit, now: Instant, frames: u32) -> u32 {
        (0..frames)
            .filter(|_| limit.judge(now) == Verdict::Take)
            .count() as u32
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_dropped() {
        let now = Instant::now();
        let mut limit = RateLimit::new(RATE, now);

        assert_eq!(taken(&mut limit, now, BURST), BURST);
        assert_eq!(limit.judge(now), Verdict::DropAloud);
        assert_eq!(limit.judge(now), Verdict::Drop);
    }

    #[test]
    fn a_steady_sender_is_never_dropped() {
        let start = Instant::now();
        let mut limit = RateLimit::new(RATE, start);

        for frame in 0..10_000 {
            assert_eq!(limit.judge(start + REFILL * frame), Verdict::Take);
        }
    }

    #[test]
    fn a_pause_gives_back_as_many_frames_as_it_is_long_and_no_more_than_a_burst() {
        let now = Instant::now();
        let mut limit = RateLimit::new(RATE, now);
        taken(&mut limit, now, BURST);

        assert_eq!(taken(&mut limit, now + REFILL * 7, 100), 7);
        assert_eq!(taken(&mut limit, now + REFILL * 10_000, 1000), BURST);
    }

    #[test]
    fn a_flood_ends_the_connection_even_if_it_trickles_through() {
        let start = Instant::now();
        let mut limit = RateLimit::new(RATE, start);

        let ends =
            (0..10_000).any(|frame| limit.judge(start + REFILL / 3 * frame) == Verdict::Close);

        assert!(ends);
    }

    #[test]
    fn a_pause_forgives() {
        let now = Instant::now();
        let mut limit = RateLimit::new(RATE, now);
        taken(&mut limit, now, BURST + 240);
        let later = now + REFILL * BURST;

        assert_eq!(taken(&mut limit, later, BURST), BURST);
        assert_eq!(limit.judge(later), Verdict::DropAloud);
    }
}
