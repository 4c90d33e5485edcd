//! What the first and the last bytes of an Opus packet tell without decoding it (RFC 6716 section 3).

use super::SAMPLE_RATE_HZ;

/// The longest packet there is: 120 ms.
const MAX_SAMPLES: u32 = SAMPLE_RATE_HZ * 120 / 1000;
/// The extension that carries deep redundancy, and what its content begins with until the draft is final
/// (draft-ietf-mlcodec-opus-dred; written so by libopus 1.6).
const DRED_EXTENSION: u8 = 126;
const DRED_VERSION: [u8; 2] = [b'D', 12];

/// How many samples at 48 kHz `packet` decodes to, without decoding it; `None` if it is no Opus packet.
pub fn opus_packet_samples(packet: &[u8]) -> Option<u32> {
    let (toc, rest) = packet.split_first()?;
    let frame_samples = match toc >> 3 {
        // SILK: 10, 20, 40, 60 ms in each bandwidth.
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        // Hybrid: 10, 20 ms.
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        // CELT: 2.5, 5, 10, 20 ms.
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let samples = frame_samples * frames;
    (1..=MAX_SAMPLES).contains(&samples).then_some(samples)
}

/// What a packet carries about the sound before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpusRedundancy {
    /// A coarse copy of the frame before (in-band FEC, RFC 6716 section 2.1.7).
    pub has_fec: bool,
    /// Deep redundancy (DRED), which may reach back a second.
    pub has_dred: bool,
}

/// What `packet` carries about the sound before it. FEC is only seen in packets of one mono frame of up to 20 ms, which
/// is what we send.
pub fn opus_packet_redundancy(packet: &[u8]) -> OpusRedundancy {
    parse(packet).unwrap_or_default()
}

fn parse(packet: &[u8]) -> Option<OpusRedundancy> {
    let (&toc, rest) = packet.split_first()?;
    let code = toc & 3;
    if code != 3 {
        return Some(OpusRedundancy {
            has_fec: code == 0 && has_fec(toc, *rest.first()?),
            has_dred: false,
        });
    }
    let (&count, mut rest) = rest.split_first()?;
    // Whether the bitrate is variable does not matter: a single frame has no length before it.
    let (is_padded, frames) = (count & 0x40 != 0, count & 0x3f);
    let mut padding_len = 0;
    let mut is_length = is_padded;
    while is_length {
        let (&len, after) = rest.split_first()?;
        rest = after;
        // 255 stands for 254 bytes and another length byte (section 3.2.5).
        padding_len += usize::from(len.min(254));
        is_length = len == 255;
    }
    let padding_begin = rest.len().checked_sub(padding_len)?;
    let (frame, padding) = rest.split_at(padding_begin);
    Some(OpusRedundancy {
        has_fec: frames == 1 && frame.first().is_some_and(|first| has_fec(toc, *first)),
        has_dred: has_dred(padding),
    })
}

/// The LBRR flag of one mono frame (RFC 6716 section 4.2.3), if the voice mode has any part in it.
const fn has_fec(toc: u8, first: u8) -> bool {
    let (config, is_stereo) = (toc >> 3, toc & 4 != 0);
    let is_up_to_20_ms = match config {
        0..=11 => config & 3 <= 1,
        12..=15 => true,
        _ => false,
    };
    is_up_to_20_ms && !is_stereo && first & 0x40 != 0
}

/// Looks for the extension in the padding (draft-ietf-mlcodec-opus-extension section 3).
fn has_dred(mut padding: &[u8]) -> bool {
    while let Some((&first, rest)) = padding.split_first() {
        let (id, flag) = (first >> 1, first & 1);
        let (content, after): (&[u8], &[u8]) = match (id, flag) {
            // The rest is plain padding; or repeated extensions, which only packets of many frames have.
            (0, 0) | (2, _) => return false,
            (0 | 1 | 3..=31, flag) => {
                let content_len = if id == 0 { 0 } else { usize::from(flag) };
                let Some(parts) = rest.split_at_checked(content_len) else {
                    return false;
                };
                parts
            }
            (_, 0) => (rest, &[]),
            (_, _) => {
                let lengths = rest.iter().take_while(|len| **len == 255).count() + 1;
                let Some((lengths, rest)) = rest.split_at_checked(lengths) else {
                    return false;
                };
                let len = lengths.iter().map(|len| usize::from(*len)).sum();
                let Some(parts) = rest.split_at_checked(len) else {
                    return false;
                };
                parts
            }
        };
        if id == DRED_EXTENSION && content.len() > 2 && content.starts_with(&DRED_VERSION) {
            return true;
        }
        padding = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table_of_the_specification() {
        assert_eq!(
            opus_packet_samples(&[0x08, 1]),
            Some(960),
            "SILK narrowband, 20 ms"
        );
        assert_eq!(
            opus_packet_samples(&[0x18]),
            Some(2880),
            "SILK narrowband, 60 ms"
        );
        assert_eq!(
            opus_packet_samples(&[0x78]),
            Some(960),
            "hybrid fullband, 20 ms"
        );
        assert_eq!(
            opus_packet_samples(&[0xf8, 1]),
            Some(960),
            "CELT fullband, 20 ms"
        );
        assert_eq!(
            opus_packet_samples(&[0xf0, 1]),
            Some(480),
            "CELT fullband, 10 ms"
        );
        assert_eq!(opus_packet_samples(&[0xf1, 1]), Some(960), "twice 10 ms");
        assert_eq!(
            opus_packet_samples(&[0xfb, 3, 1]),
            Some(2880),
            "three times 20 ms"
        );
    }

    #[test]
    fn what_cannot_be_opus_is_refused() {
        assert_eq!(opus_packet_samples(&[]), None);
        assert_eq!(
            opus_packet_samples(&[0xfb]),
            None,
            "the count of frames is missing"
        );
        assert_eq!(opus_packet_samples(&[0xfb, 0]), None, "no frames");
        assert_eq!(opus_packet_samples(&[0xfb, 7]), None, "140 ms");
    }

    const FEC: OpusRedundancy = OpusRedundancy {
        has_fec: true,
        has_dred: false,
    };
    const DRED: OpusRedundancy = OpusRedundancy {
        has_fec: false,
        has_dred: true,
    };
    const NOTHING: OpusRedundancy = OpusRedundancy {
        has_fec: false,
        has_dred: false,
    };

    #[test]
    fn in_band_fec_is_seen_in_the_flag_of_the_voice_mode() {
        assert_eq!(opus_packet_redundancy(&[0x78, 0x40]), FEC, "hybrid");
        assert_eq!(opus_packet_redundancy(&[0x48, 0xc0]), FEC, "SILK");
        assert_eq!(opus_packet_redundancy(&[0x78, 0xbf]), NOTHING);
        assert_eq!(opus_packet_redundancy(&[0xf8, 0x40]), NOTHING, "CELT");
        assert_eq!(opus_packet_redundancy(&[0x7c, 0x40]), NOTHING, "stereo");
        assert_eq!(opus_packet_redundancy(&[0x7b, 0x01, 0x40]), FEC, "code 3");
        assert_eq!(opus_packet_redundancy(&[0x58, 0x40]), NOTHING, "60 ms");
    }

    #[test]
    fn deep_redundancy_is_seen_in_the_padding() {
        let dred = 126 << 1;
        let packet = |padding: &[u8]| {
            let mut packet = vec![0x7b, 0x41, padding.len() as u8, 0, 0];
            packet.extend_from_slice(padding);
            opus_packet_redundancy(&packet)
        };
        assert_eq!(packet(&[dred, b'D', 12, 1, 2]), DRED);
        assert_eq!(packet(&[dred | 1, 4, b'D', 12, 1, 2]), DRED);
        assert_eq!(packet(&[9, 7, 1, dred, b'D', 12, 1]), DRED, "after others");
        assert_eq!(packet(&[dred, b'D', 11, 1]), NOTHING, "another version");
        assert_eq!(packet(&[0, dred, b'D', 12, 1]), NOTHING, "plain padding");
        assert_eq!(packet(&[dred | 1, 9, b'D', 12, 1]), NOTHING, "cut off");
        assert_eq!(packet(&[]), NOTHING);
    }

    #[test]
    fn long_padding_is_measured_in_steps_of_254() {
        let mut packet = vec![0x7b, 0x41, 255, 46, 0x40];
        packet.push(126 << 1);
        packet.extend_from_slice(&DRED_VERSION);
        packet.resize(packet.len() + 297, 7);
        let both = OpusRedundancy {
            has_fec: true,
            has_dred: true,
        };
        assert_eq!(opus_packet_redundancy(&packet), both);
        packet.truncate(200);
        assert_eq!(opus_packet_redundancy(&packet), NOTHING, "cut off");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let carried = opus_packet_redundancy(&bytes);
            proptest::prop_assert!(!carried.has_dred || bytes.len() > 5);
            opus_packet_samples(&bytes);
        }
    }
}
