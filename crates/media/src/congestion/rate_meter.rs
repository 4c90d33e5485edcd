//! Bytes over time: how fast something was sent, or arrived.

/// Counts bytes in slots of [`RateMeter::SLOT_US`] over the last five seconds.
///
/// Times are microseconds on any one clock. They may come in any order: what is older than the span is ignored, and a leap
/// ahead of it starts anew. Takes a fixed amount of memory whatever comes.
#[derive(Debug)]
pub(super) struct RateMeter {
    /// Bytes by slot number modulo the length. All slots outside of (newest - length, newest] count as empty.
    slots: Box<[u64; Self::SLOTS]>,
    newest: Option<i64>,
    /// The slot of the first byte since the start or the last leap: there is nothing to know about before.
    first: i64,
}

impl RateMeter {
    /// Length of a slot in microseconds: a few packets at most rates, a fifth of a feedback interval.
    pub(super) const SLOT_US: i64 = 20_000;
    const SLOTS: usize = 256;

    pub(super) fn new() -> Self {
        Self {
            slots: Box::new([0; Self::SLOTS]),
            newest: None,
            first: 0,
        }
    }

    pub(super) fn add(&mut self, at_us: i64, size_bytes: usize) {
        let slot = at_us.div_euclid(Self::SLOT_US);
        match self.newest {
            Some(newest) if slot <= newest => {
                if newest - slot >= Self::SLOTS as i64 {
                    return;
                }
                self.first = self.first.min(slot);
            }
            Some(newest) if slot - newest < Self::SLOTS as i64 => {
                for empty in newest + 1..=slot {
                    self.slots[Self::index(empty)] = 0;
                }
                self.newest = Some(slot);
            }
            _ => {
                self.slots.fill(0);
                self.newest = Some(slot);
                self.first = slot;
            }
        }
        let counted = &mut self.slots[Self::index(slot)];
        *counted = counted.saturating_add(size_bytes as u64);
    }

    /// Adds bytes that came some time between two times, of which it is not known when.
    pub(super) fn add_evenly(&mut self, from_us: i64, to_us: i64, size_bytes: usize) {
        let slots = to_us.saturating_sub(from_us) / Self::SLOT_US;
        if !(1..Self::SLOTS as i64).contains(&slots) {
            self.add(to_us, size_bytes);
            return;
        }
        for slot in 1..=slots {
            self.add(from_us + slot * Self::SLOT_US, size_bytes / slots as usize);
        }
    }

    /// Bits per second from one time to another, rounded to slots; what lies before the first byte is left out.
    ///
    /// None when less than three slots of that are known.
    pub(super) fn rate_between(&self, from_us: i64, to_us: i64) -> Option<f64> {
        let newest = self.newest?;
        let oldest = (newest - Self::SLOTS as i64 + 1).max(self.first);
        let from = from_us.div_euclid(Self::SLOT_US).max(oldest);
        let to = to_us.div_euclid(Self::SLOT_US);
        // Beyond the newest there is nothing, and that is known as long as it is not absurdly far.
        let slots = to.checked_sub(from)?;
        if !(3..=2 * Self::SLOTS as i64).contains(&slots) {
            return None;
        }
        let bytes: u64 = (from..to.min(newest + 1))
            .map(|slot| self.slots[Self::index(slot)])
            .fold(0, u64::saturating_add);
        Some(bytes as f64 * 8e6 / (slots * Self::SLOT_US) as f64)
    }

    /// Bits per second over the last `window_us` before the newest slot, which may not be complete.
    pub(super) fn recent(&self, window_us: i64) -> Option<f64> {
        let to_us = self.newest? * Self::SLOT_US;
        self.rate_between(to_us - window_us, to_us)
    }

    const fn index(slot: i64) -> usize {
        slot.rem_euclid(Self::SLOTS as i64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 bytes each millisecond are 800 kbit/s.
    fn steady(from_ms: i64, to_ms: i64) -> RateMeter {
        let mut meter = RateMeter::new();
        for ms in from_ms..to_ms {
            meter.add(ms * 1_000, 100);
        }
        meter
    }

    #[test]
    fn a_steady_stream_has_its_rate_over_any_window() {
        let meter = steady(0, 2_000);
        for window_ms in [60, 200, 1_000] {
            assert_eq!(meter.recent(window_ms * 1_000), Some(800_000.0));
        }
        assert_eq!(meter.rate_between(500_000, 900_000), Some(800_000.0));
    }

    #[test]
    fn what_is_before_the_first_byte_does_not_lower_the_rate() {
        assert_eq!(steady(0, 200).recent(1_000_000), Some(800_000.0));
        assert_eq!(RateMeter::new().recent(1_000_000), None);
        assert_eq!(steady(0, 50).recent(1_000_000), None, "too short to tell");
    }

    #[test]
    fn a_pause_counts() {
        let mut meter = steady(0, 1_000);
        meter.add(2_000_000, 100);
        assert_eq!(meter.recent(2_000_000), Some(400_000.0));
    }

    #[test]
    fn order_does_not_matter_within_the_span() {
        let mut meter = steady(1_000, 2_000);
        for ms in (500..1_000).rev() {
            meter.add(ms * 1_000, 100);
        }
        assert_eq!(meter.rate_between(500_000, 1_980_000), Some(800_000.0));
        meter.add(-10_000_000, 1_000_000);
        assert_eq!(meter.recent(1_000_000), Some(800_000.0), "too old to count");
    }

    #[test]
    fn what_is_added_evenly_fills_a_gap() {
        let mut meter = steady(0, 1_000);
        meter.add_evenly(1_000_000, 1_100_000, 10_000);
        for ms in 1_100..2_000 {
            meter.add(ms * 1_000, 100);
        }
        let rate = meter.rate_between(900_000, 1_300_000).unwrap();
        assert!((rate / 800_000.0 - 1.0).abs() < 0.06, "{rate}");
        meter.add_evenly(i64::MIN / 4, i64::MAX / 4, usize::MAX);
        meter.add_evenly(1_000, 0, 1);
    }

    #[test]
    fn a_leap_ahead_starts_anew() {
        let mut meter = steady(0, 1_000);
        meter.add(i64::MAX / 2, 100);
        assert_eq!(meter.recent(1_000_000), None);
    }
}
