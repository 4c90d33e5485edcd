//! The byte stream format of H.264 annex B: NAL units between start codes.

use bytes::Bytes;

/// The NAL units of a byte stream, without start codes and trailing zeros; none is empty. Nothing is copied.
///
/// Start codes of three and four bytes are understood. Bytes before the first one are skipped.
pub fn nal_units(stream: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut position = after_start_code(stream, 0);
    std::iter::from_fn(move || {
        loop {
            let start = position?;
            position = after_start_code(stream, start);
            let limit = position.map_or(stream.len(), |next| next - 3);
            let len = stream[start..limit]
                .iter()
                .rposition(|byte| *byte != 0)
                .map(|last| last + 1);
            if let Some(len) = len {
                return Some(stream.slice(start..start + len));
            }
        }
    })
}

/// Where the next `00 00 01` at or after `from` ends.
pub(super) fn after_start_code(stream: &[u8], from: usize) -> Option<usize> {
    let mut position = from;
    // A start code needs a byte of at most 1 in its third place: two bytes of three need no look.
    while let Some(&third) = stream.get(position + 2) {
        match third {
            0 => position += 1,
            1 if stream[position] == 0 && stream[position + 1] == 0 => return Some(position + 3),
            _ => position += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(stream: &[u8]) -> Vec<Vec<u8>> {
        nal_units(&Bytes::copy_from_slice(stream))
            .map(|nal| nal.to_vec())
            .collect()
    }

    #[test]
    fn both_lengths_of_start_codes_are_found() {
        assert_eq!(
            split(&[
                0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 0, 1, 1, 0, 0, 0, 1, 0x65, 7
            ]),
            [vec![0x67, 9], vec![0x68, 0, 1, 1], vec![0x65, 7]]
        );
    }

    #[test]
    fn noise_before_the_first_start_code_and_zeros_at_the_end_are_left_out() {
        assert_eq!(
            split(&[1, 2, 3, 0, 0, 1, 0x41, 5, 0, 0, 0]),
            [vec![0x41, 5]]
        );
    }

    #[test]
    fn nothing_makes_nothing() {
        assert!(split(&[]).is_empty());
        assert!(split(&[0, 0]).is_empty());
        assert!(split(&[0, 0, 1]).is_empty());
        assert!(split(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]).is_empty());
        assert!(split(&[0x41, 1, 2]).is_empty());
    }
}
