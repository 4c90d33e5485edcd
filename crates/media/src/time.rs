//! RTP counters that never wrap for us.
//!
//! Sequence numbers (16 bits) and timestamps (32 bits) start anywhere and wrap (RFC 3550 section 5.1). Everything behind
//! an [`Unwrapper`] computes with 64 bits instead and needs no modular arithmetic.

/// Where unwrapped counters start: so far from zero that packets from before the first one still have a number.
const ORIGIN: u64 = 1 << 48;

/// Turns a counter of `BITS` bits (1 to 32) that wraps into one of 64 bits that does not.
///
/// Each value is taken as the one nearest to its predecessor, in either direction.
#[derive(Debug, Clone, Default)]
pub struct Unwrapper<const BITS: u32> {
    last: Option<u64>,
}

/// Unwraps RTP sequence numbers.
pub type SequenceUnwrapper = Unwrapper<16>;
/// Unwraps RTP timestamps into media time.
pub type TimestampUnwrapper = Unwrapper<32>;

impl<const BITS: u32> Unwrapper<BITS> {
    const PERIOD: u64 = 1 << BITS;

    /// Makes an unwrapper that takes its first value as it comes.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The 64-bit value of `wrapped`, and the reference for the next one. Bits beyond `BITS` are ignored.
    ///
    /// The result modulo 2^`BITS` is `wrapped`; only differences between results mean anything.
    pub fn unwrap(&mut self, wrapped: u32) -> u64 {
        let unwrapped = self.peek(wrapped);
        self.last = Some(unwrapped);
        unwrapped
    }

    /// What [`Self::unwrap`] would say, without taking it as a reference.
    pub fn peek(&self, wrapped: u32) -> u64 {
        let wrapped = u64::from(wrapped) % Self::PERIOD;
        let Some(last) = self.last else {
            return ORIGIN + wrapped;
        };
        let ahead = wrapped.wrapping_sub(last) % Self::PERIOD;
        if ahead < Self::PERIOD / 2 {
            last.saturating_add(ahead)
        } else {
            // Half the 64-bit range away from zero: only billions of backward steps could get there.
            last.saturating_sub(Self::PERIOD - ahead)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sequence_number_goes_on_after_it_wraps() {
        let mut unwrapper = SequenceUnwrapper::new();
        let before = unwrapper.unwrap(65_535);
        assert_eq!(unwrapper.unwrap(0), before + 1);
        assert_eq!(
            unwrapper.unwrap(65_534),
            before - 1,
            "and back, for a packet that comes late"
        );
    }

    #[test]
    fn a_packet_from_before_the_first_one_has_a_smaller_number() {
        let mut unwrapper = TimestampUnwrapper::new();
        let first = unwrapper.unwrap(5);
        assert_eq!(unwrapper.unwrap(u32::MAX), first - 6);
    }

    proptest! {
        #[test]
        fn differences_survive(start: u32, steps in prop::collection::vec(-30_000_i64..30_000, 1..200)) {
            let mut unwrapper = SequenceUnwrapper::new();
            let origin = unwrapper.unwrap(start) as i64;
            let mut position = 0_i64;
            for step in steps {
                position += step;
                let wrapped = (i64::from(start) + position).rem_euclid(1 << 16) as u32;
                prop_assert_eq!(unwrapper.unwrap(wrapped) as i64 - origin, position);
            }
        }
    }
}
