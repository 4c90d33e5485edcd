//! The field GF(2⁸) with the polynomial x⁸ + x⁴ + x³ + x² + 1 (RFC 8681 section 3.5).

use std::sync::LazyLock;

const POLYNOMIAL: u16 = 0x11d;
const ORDER: usize = 255;

/// Logarithms and powers of the generator 2.
struct Tables {
    log: [u8; 256],
    power: [u8; 2 * ORDER],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables {
        log: [0; 256],
        power: [0; 2 * ORDER],
    };
    let mut value = 1_u16;
    for exponent in 0..ORDER {
        tables.power[exponent] = value as u8;
        tables.power[exponent + ORDER] = value as u8;
        tables.log[usize::from(value)] = exponent as u8;
        value <<= 1;
        if value > 0xff {
            value ^= POLYNOMIAL;
        }
    }
    tables
});

pub(super) fn multiply(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    let tables = &*TABLES;
    let log = |value: u8| usize::from(tables.log[usize::from(value)]);
    tables.power[log(a) + log(b)]
}

/// One over `value`, which must not be 0; of that it is 0.
pub(super) fn invert(value: u8) -> u8 {
    let tables = &*TABLES;
    match value {
        0 => 0,
        _ => tables.power[ORDER - usize::from(tables.log[usize::from(value)])],
    }
}

/// All multiples of `factor`.
fn multiples(factor: u8) -> [u8; 256] {
    let mut row = [0; 256];
    for (value, product) in (0..=u8::MAX).zip(&mut row) {
        *product = multiply(factor, value);
    }
    row
}

/// Adds `factor` times `data` to the beginning of `sum`, as far as both reach.
pub(super) fn add_multiple(sum: &mut [u8], factor: u8, data: &[u8]) {
    match factor {
        0 => {}
        1 => {
            for (sum, byte) in sum.iter_mut().zip(data) {
                *sum ^= byte;
            }
        }
        _ => {
            let row = multiples(factor);
            for (sum, byte) in sum.iter_mut().zip(data) {
                *sum ^= row[usize::from(*byte)];
            }
        }
    }
}

/// Multiplies all of `data` with `factor`.
pub(super) fn scale(data: &mut [u8], factor: u8) {
    let row = multiples(factor);
    for byte in data {
        *byte = row[usize::from(*byte)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, as one learns it.
    fn slow(a: u8, b: u8) -> u8 {
        let mut product = 0_u16;
        for bit in 0..8 {
            if b >> bit & 1 == 1 {
                product ^= u16::from(a) << bit;
            }
        }
        for bit in (8..16).rev() {
            if product >> bit & 1 == 1 {
                product ^= POLYNOMIAL << (bit - 8);
            }
        }
        product as u8
    }

    #[test]
    fn products_and_inverses_are_those_of_the_field() {
        for a in 0..=u8::MAX {
            for b in 0..=u8::MAX {
                assert_eq!(multiply(a, b), slow(a, b), "{a} · {b}");
            }
            assert_eq!(multiply(a, invert(a)), u8::from(a != 0));
        }
    }

    #[test]
    fn multiples_are_added_byte_by_byte() {
        let mut sum = [1, 2, 3];
        add_multiple(&mut sum, 7, &[5, 6]);
        assert_eq!(sum, [1 ^ slow(7, 5), 2 ^ slow(7, 6), 3]);
        scale(&mut sum, 9);
        assert_eq!(sum[2], slow(9, 3));
    }
}
