//! Delays that come back.
//!
//! What holds sound up now and then, such as pictures that leave before it on a thin line, a busy radio channel or a busy
//! machine, is gone from a window of two seconds before it comes again. So the spread of each second is remembered for
//! longer. It counts when it has come back: a single stall is left to the short window, which soon forgets it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One piece of the stream. Each has a zero of its own, so that another path, which is longer for good, counts once.
const PIECE: Duration = Duration::from_secs(1);
/// So many pieces are remembered.
const PIECES: usize = 10;
/// The spread counts that so many pieces have reached.
const OFTEN: usize = 2;
/// A piece ends with a packet that is no more behind its fastest: one stall that is worked off is one piece …
const CALM_US: i64 = 10_000;
/// … unless it lasts longer than this: the path may be longer for good.
const LONGEST_PIECE: Duration = Duration::from_secs(2);

/// The slowest and the fastest transit of one piece, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Piece {
    begun_at: Instant,
    fastest_us: i64,
    slowest_us: i64,
}

impl Piece {
    fn ends_before(&self, transit_us: i64, arrived_at: Instant) -> bool {
        let is_calm = transit_us <= self.fastest_us + CALM_US;
        arrived_at >= self.begun_at + LONGEST_PIECE
            || (arrived_at >= self.begun_at + PIECE && is_calm)
    }
}

#[derive(Debug, Default)]
pub(super) struct RecurringDelay {
    pieces: VecDeque<Piece>,
}

impl RecurringDelay {
    pub(super) const fn new() -> Self {
        Self {
            pieces: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, transit_us: i64, arrived_at: Instant) {
        match self.pieces.back_mut() {
            Some(piece) if !piece.ends_before(transit_us, arrived_at) => {
                piece.fastest_us = piece.fastest_us.min(transit_us);
                piece.slowest_us = piece.slowest_us.max(transit_us);
            }
            _ => {
                if self.pieces.len() == PIECES {
                    self.pieces.pop_front();
                }
                self.pieces.push_back(Piece {
                    begun_at: arrived_at,
                    fastest_us: transit_us,
                    slowest_us: transit_us,
                });
            }
        }
    }

    /// The spread that the stream comes to again and again. Zero before it has been heard for so many pieces.
    pub(super) fn spread(&self) -> Duration {
        let mut spreads = [0; PIECES];
        for (spread, piece) in spreads.iter_mut().zip(&self.pieces) {
            *spread = piece.slowest_us.abs_diff(piece.fastest_us);
        }
        spreads.sort_unstable_by(|one, other| other.cmp(one));
        Duration::from_micros(spreads[OFTEN - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    /// The spread after so many seconds of packets each 10 ms, each so late.
    fn spread_after(seconds: u64, late_ms: impl Fn(u64) -> u64) -> Duration {
        let start = simulation::start();
        let mut recurring = RecurringDelay::new();
        for sent_ms in (0..seconds * 1000).step_by(10) {
            let late_ms = late_ms(sent_ms);
            recurring.push(late_ms as i64 * 1000, start + ms(sent_ms + late_ms));
        }
        recurring.spread()
    }

    #[test]
    fn what_comes_back_every_three_seconds_counts() {
        let bursts = |sent: u64| if sent % 3000 < 50 { 90 } else { 20 };
        assert_eq!(spread_after(10, bursts), ms(70));
    }

    #[test]
    fn a_single_stall_does_not_count_whenever_it_comes() {
        for begin in (3000..4000).step_by(100) {
            let end = begin + 600;
            let stall = |sent: u64| {
                20 + if sent >= begin {
                    end.saturating_sub(sent)
                } else {
                    0
                }
            };
            assert!(spread_after(10, stall) <= ms(10), "{begin}");
        }
    }

    #[test]
    fn a_single_queue_that_is_slowly_worked_off_hardly_counts() {
        for begin in (3000..4000).step_by(100) {
            let queue = |sent: u64| {
                20 + if sent >= begin {
                    300_u64.saturating_sub((sent - begin) / 2)
                } else {
                    0
                }
            };
            assert!(spread_after(10, queue) <= ms(10), "{begin}");
        }
    }

    #[test]
    fn a_longer_path_is_no_delay_that_comes_back() {
        assert_eq!(
            spread_after(10, |sent| if sent < 4000 { 20 } else { 220 }),
            Duration::ZERO
        );
    }

    #[test]
    fn what_no_longer_comes_is_forgotten_after_ten_seconds() {
        let bursts = |sent: u64| {
            if sent < 9000 && sent % 1000 < 50 {
                90
            } else {
                20
            }
        };
        assert_eq!(spread_after(15, bursts), ms(70));
        assert_eq!(spread_after(20, bursts), Duration::ZERO);
    }
}
