//! What a sequence parameter set says of colours (H.264, sections 7.3.2.1.1 and E.1.1).

use super::annex_b::after_start_code;
use super::kind;
use crate::video::Colors;
use crate::video::bits::Bits;

/// More of a parameter set than this is not read. Those that are sent have about thirty bytes.
const MOST_BYTES: usize = 512;
/// Those of these profiles say what chroma is like, and how it is quantised.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// An aspect ratio that is written out.
const EXTENDED_RATIO: u32 = 255;
/// Of the colour description: what a stream means that has none.
const UNSPECIFIED: u32 = 2;

/// What the pictures of a stream mean as colours, from the first parameter set in this piece of it (Annex B). `None` if there is none, or
/// one that is damaged: then what was said before goes on.
pub fn colors(stream: &[u8]) -> Option<Colors> {
    let mut at = after_start_code(stream, 0)?;
    loop {
        let header = *stream.get(at)?;
        if kind::of(header) == kind::SPS {
            break;
        }
        at = after_start_code(stream, at)?;
    }
    let rest = &stream[at + 1..];
    let end = after_start_code(rest, 0).map_or(rest.len(), |next| next - 3);
    let mut bytes = [0; MOST_BYTES];
    let len = unescape(&rest[..end], &mut bytes);
    parse(&mut Bits::new(&bytes[..len]))
}

/// Takes out what keeps start codes from appearing where none is meant (section 7.4.1.1), and returns how many bytes there are then.
fn unescape(bytes: &[u8], to: &mut [u8; MOST_BYTES]) -> usize {
    let mut len = 0;
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        let Some(place) = to.get_mut(len) else { break };
        *place = byte;
        len += 1;
    }
    len
}

fn parse(bits: &mut Bits<'_>) -> Option<Colors> {
    let profile = bits.take(8)?;
    let _constraints_and_level = bits.take(16)?;
    let _id = bits.exp_golomb()?;
    if HIGH_PROFILES.contains(&profile) {
        skip_high_profile(bits)?;
    }
    let _frame_numbers = bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.flag()?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            let count = bits.exp_golomb()?;
            for _ in 0..count {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    let _reference_frames = bits.exp_golomb()?;
    let _may_have_gaps = bits.flag()?;
    let _width = bits.exp_golomb()?;
    let _height = bits.exp_golomb()?;
    let is_progressive = bits.flag()?;
    if !is_progressive {
        bits.flag()?;
    }
    let _direct_inference = bits.flag()?;
    if bits.flag()? {
        // What is cut off at the four edges.
        for _ in 0..4 {
            bits.exp_golomb()?;
        }
    }
    if !bits.flag()? {
        return Some(Colors::default());
    }
    if bits.flag()? && bits.take(8)? == EXTENDED_RATIO {
        bits.take(32)?;
    }
    if bits.flag()? {
        let _is_overscan_appropriate = bits.flag()?;
    }
    if !bits.flag()? {
        return Some(Colors::default());
    }
    let _format = bits.take(3)?;
    let is_full_range = bits.flag()?;
    let mut matrix = UNSPECIFIED;
    if bits.flag()? {
        let _primaries_and_transfer = bits.take(16)?;
        matrix = bits.take(8)?;
    }
    Some(Colors::of_code_points(matrix, is_full_range))
}

/// Passes over what only high profiles say: chroma, depth, and the lists by which coefficients are scaled.
fn skip_high_profile(bits: &mut Bits<'_>) -> Option<()> {
    let chroma_format = bits.exp_golomb()?;
    let is_full_chroma = chroma_format == 3;
    if is_full_chroma {
        bits.flag()?;
    }
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.flag()?;
    if bits.flag()? {
        let lists = if is_full_chroma { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(())
}

fn skip_scaling_list(bits: &mut Bits<'_>, len: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..len {
        if next != 0 {
            let code = i64::from(bits.exp_golomb()?);
            // Signed: 0, 1, -1, 2, -2 and so on (section 9.1.1).
            let difference = if code % 2 == 1 {
                code / 2 + 1
            } else {
                -(code / 2)
            };
            next = (last + difference).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::video::{Matrix, Range};

    /// Writes numbers bit by bit.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn put(&mut self, count: u32, value: u32) -> &mut Self {
            self.0
                .extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn golomb(&mut self, value: u32) -> &mut Self {
            let bits = (value + 1).ilog2();
            self.put(bits, 0).put(bits + 1, value + 1)
        }

        /// A stream with this parameter set between others.
        fn stream(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                let bits = bits.iter().enumerate();
                bits.fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
            };
            let mut stream = vec![0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67];
            let mut zeros = 0;
            for byte in self.0.chunks(8).map(byte).chain([0x80]) {
                if zeros == 2 && byte <= 3 {
                    stream.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                stream.push(byte);
            }
            stream.extend([0, 0, 1, 0x68, 1, 2]);
            stream
        }
    }

    /// Up to and with the flag of the cropping. Odd numbers everywhere, and one that has to be escaped.
    fn begun(profile: u32) -> Writer {
        let mut writer = Writer::default();
        writer.put(8, profile).put(16, 0xc01f).golomb(0);
        if profile == 100 {
            writer.golomb(1).golomb(0).golomb(0).put(1, 0).put(1, 1);
            // One list that is written out, one that ends early, and none after these.
            writer.put(1, 1);
            (0..16).for_each(|_| {
                writer.golomb(1);
            });
            writer.put(1, 1).golomb(16).put(6, 0);
        }
        writer
            .golomb(5)
            .golomb(1)
            .put(1, 0)
            .golomb(65_535)
            .golomb(7);
        writer.golomb(2).golomb(3).golomb(4);
        writer.golomb(1).put(1, 0).golomb(39).golomb(29).put(1, 1);
        writer.put(1, 1).put(1, 1);
        writer.golomb(0).golomb(2).golomb(0).golomb(4);
        writer
    }

    #[test]
    fn what_the_parameter_set_says_of_colours_is_found() {
        for profile in [66, 100] {
            let mut silent = begun(profile);
            silent.put(1, 0);
            assert_eq!(colors(&silent.stream()), Some(Colors::default()));

            let mut no_signal = begun(profile);
            no_signal.put(1, 1).put(1, 0).put(1, 0).put(1, 0);
            assert_eq!(colors(&no_signal.stream()), Some(Colors::default()));

            let mut full = begun(profile);
            // An aspect ratio that is written out, overscan, then the signal: full range, BT.709.
            full.put(1, 1).put(1, 1).put(8, 255).put(32, 0x0001_0001);
            full.put(1, 1).put(1, 0).put(1, 1);
            full.put(3, 5).put(1, 1).put(1, 1).put(16, 0x0101).put(8, 1);
            let expected = Colors {
                matrix: Matrix::Bt709,
                range: Range::Full,
            };
            assert_eq!(colors(&full.stream()), Some(expected), "{profile}");
        }
    }

    #[test]
    fn a_stream_without_parameter_set_says_nothing() {
        assert_eq!(colors(&[0, 0, 1, 0x41, 1, 2, 0, 0, 1, 0x68, 5]), None);
        assert_eq!(colors(&[0, 0, 1]), None);
        assert_eq!(colors(&[]), None);
        assert_eq!(colors(&[0, 0, 1, 0x67]), None);
    }

    proptest! {
        #[test]
        fn no_parameter_set_panics(content in prop::collection::vec(any::<u8>(), 0..80), is_sparse in any::<bool>()) {
            let mut stream = vec![0, 0, 1, 0x67];
            // Small numbers are long codes.
            stream.extend(content.iter().map(|byte| if is_sparse { byte & 1 } else { *byte }));
            colors(&stream);
        }
    }
}
