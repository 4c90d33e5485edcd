//! The numbers that packets are multiplied with: both sides make them from the key (RFC 8681 section 3.6).

/// The pseudo-random generator `TinyMT32` with the parameters of RFC 8682.
#[derive(Debug, Clone)]
struct TinyMt32 {
    status: [u32; 4],
}

impl TinyMt32 {
    const MAT1: u32 = 0x8f70_11ee;
    const MAT2: u32 = 0xfc78_ff1f;
    const TMAT: u32 = 0x3793_fdff;

    fn new(seed: u32) -> Self {
        let mut status = [seed, Self::MAT1, Self::MAT2, Self::TMAT];
        for index in 1..8_usize {
            let before = status[(index - 1) & 3];
            let mixed = (before ^ (before >> 30)).wrapping_mul(1_812_433_253);
            status[index & 3] ^= mixed.wrapping_add(index as u32);
        }
        let mut generator = Self { status };
        for _ in 0..8 {
            generator.step();
        }
        generator
    }

    const fn step(&mut self) {
        let [s0, s1, s2, s3] = self.status;
        let mut x = (s0 & 0x7fff_ffff) ^ s1 ^ s2;
        x ^= x << 1;
        let y = s3 ^ (s3 >> 1) ^ x;
        let mask = (y & 1).wrapping_neg();
        self.status = [
            s1,
            s2 ^ (mask & Self::MAT1),
            x ^ (y << 10) ^ (mask & Self::MAT2),
            y,
        ];
    }

    fn next(&mut self) -> u32 {
        self.step();
        let sum = self.status[0].wrapping_add(self.status[2] >> 8);
        self.status[3] ^ sum ^ ((sum & 1).wrapping_neg() & Self::TMAT)
    }
}

/// The coefficients of the window of a repair packet with this key, in order. None of them is 0.
pub(super) fn coefficients(key: u16) -> impl Iterator<Item = u8> {
    let mut generator = TinyMt32::new(key.into());
    std::iter::repeat_with(move || generator.next() as u8).filter(|coefficient| *coefficient != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_that_of_rfc_8682() {
        let mut generator = TinyMt32::new(1);
        let first: Vec<u32> = std::iter::repeat_with(|| generator.next())
            .take(5)
            .collect();
        // Section 2.2, first line.
        let expected = [
            2_545_341_989,
            981_918_433,
            3_715_302_833,
            2_387_538_352,
            3_591_001_365,
        ];
        assert_eq!(first, expected);
    }
}
