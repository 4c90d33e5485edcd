//! Reads numbers bit by bit.

/// The bits that are still to be read, the highest of each byte first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits, at most 32, as a number; `None` at the end.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Passes over a number of variable length (AV1 specification, section 4.10.3).
    pub(super) fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return Some(());
            }
        }
        self.take(zeros).map(drop)
    }

    /// A number of variable length, Exp-Golomb coded (H.264, section 9.1: `ue(v)`). `None` at the end, and of one over 32 bits.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_highest_on_across_bytes() {
        let mut bits = Bits::new(&[0b1010_0000, 0b1100_0000]);
        assert_eq!(bits.take(3), Some(0b101));
        assert_eq!(bits.take(7), Some(0b11));
        assert_eq!(bits.take(7), None);
    }

    #[test]
    fn a_number_of_variable_length_is_passed_over() {
        let mut bits = Bits::new(&[0b0010_1100, 0]);
        assert_eq!(bits.skip_uvlc(), Some(()));
        assert_eq!(bits.take(3), Some(0b100));
    }

    #[test]
    fn exp_golomb_codes_are_read_as_the_table_has_them() {
        // 1, 010, 011, 00100, 00111 and an end in the middle of one.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000]);
        let read: Vec<_> = std::iter::from_fn(|| bits.exp_golomb()).collect();
        assert_eq!(read, [0, 1, 2, 3, 6]);
        assert_eq!(Bits::new(&[0; 8]).exp_golomb(), None);
        let mut longest = Bits::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(longest.exp_golomb(), Some(u32::MAX - 1));
    }
}
