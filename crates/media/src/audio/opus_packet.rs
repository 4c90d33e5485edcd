//! How much sound an Opus packet holds, read from its first bytes (RFC 6716 section 3.1).

use super::SAMPLE_RATE_HZ;

/// The longest packet there is: 120 ms.
const MAX_SAMPLES: u32 = SAMPLE_RATE_HZ * 120 / 1000;

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
}
