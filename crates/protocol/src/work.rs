//! Work that a server asks of newcomers while many come at once (`docs/decisions/0025-work-for-newcomers.md`).

use serde::{Deserialize, Serialize};

use crate::{Challenge, Nonce};

/// What stands before the challenge in what is hashed, so that a hash made for this is of no use for anything else.
const DOMAIN: &[u8; 17] = b"passerby work v1\0";
/// How many bytes are hashed: so few that SHA-256 takes them in one block.
const PREIMAGE_BYTES: usize = DOMAIN.len() + 16 + 8;

/// A number is to be found for which a hash begins with so many zeros. There is no way but to try, which takes 2 to the
/// power of [`Work::bits`] hashes on average; to look whether it was done takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Made up for one session, so that no work can be done beforehand or used twice.
    pub challenge: Challenge,
    /// How many zeros, at most [`limits::WORK_BITS`](crate::limits::WORK_BITS); who is asked for more does nothing.
    pub bits: u32,
}

impl Work {
    /// What is hashed with SHA-256 to try a number.
    pub fn preimage(&self, nonce: Nonce) -> [u8; PREIMAGE_BYTES] {
        let mut preimage = [0; PREIMAGE_BYTES];
        let (domain, rest) = preimage.split_at_mut(DOMAIN.len());
        let (challenge, number) = rest.split_at_mut(16);
        domain.copy_from_slice(DOMAIN);
        challenge.copy_from_slice(self.challenge.as_bytes());
        number.copy_from_slice(nonce.as_bytes());
        preimage
    }

    /// Whether the hash of a preimage begins with enough zeros.
    pub fn is_done_by(&self, hash: &[u8]) -> bool {
        leading_zeros(hash) >= self.bits
    }
}

fn leading_zeros(bytes: &[u8]) -> u32 {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let next = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros());
    8 * zeros as u32 + next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn work(bits: u32) -> Work {
        let challenge = Challenge::from_bytes([0xab; 16]);
        Work { challenge, bits }
    }

    #[test]
    fn a_number_stands_behind_the_challenge_and_the_most_significant_byte_first() {
        let preimage = work(9).preimage(Nonce::from_bytes(0x0102_u64.to_be_bytes()));
        let expected = [
            &b"passerby work v1\0"[..],
            &[0xab; 16],
            &[0, 0, 0, 0, 0, 0, 1, 2],
        ];
        assert_eq!(preimage[..], expected.concat());
        // RFC 6234: one block has 64 bytes, of which nine are padding.
        assert!(preimage.len() <= 55);
    }

    #[test]
    fn zeros_are_counted_from_the_first_bit_on() {
        let hash = [0, 0b0001_0000, 0xff, 0];
        assert!(work(11).is_done_by(&hash));
        assert!(!work(12).is_done_by(&hash));
        assert!(work(0).is_done_by(&[0xff; 32]));
        assert!(!work(1).is_done_by(&[]));
        assert!(work(256).is_done_by(&[0; 32]));
        assert!(!work(257).is_done_by(&[0; 32]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_hash_is_enough_for_so_much_work_as_a_number_of_that_size_has_zeros(number: u128, bits in 0_u32..140) {
            let hash = number.to_be_bytes();
            prop_assert_eq!(work(bits).is_done_by(&hash), number.leading_zeros() >= bits);
        }
    }
}
