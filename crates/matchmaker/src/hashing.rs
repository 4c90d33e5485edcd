//! A quick hash for numbers that nobody outside can choose.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map whose keys are numbers of ours.
pub(crate) type NumberMap<Key, Value> = HashMap<Key, Value, BuildHasherDefault<NumberHasher>>;

/// Multiplies by the golden ratio and folds (Knuth, volume 3, section 6.4). Not for what clients can choose, such as names.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl NumberHasher {
    const fn mix(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte) + 1);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number) + 1);
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }
}
