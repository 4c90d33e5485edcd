//! Which of the formats that a sound device offers is taken.

use cpal::{
    BufferSize, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfigRange,
};

/// The rates that our resampler takes, in hertz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;
/// More channels than any microphone or speaker set of a person has; plugins offer absurd numbers.
const MAX_CHANNELS: u16 = 8;

/// Which way the sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a microphone.
    Capture,
    /// To a speaker.
    Playout,
}

/// A format that a device offers and we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) channels: u16,
    pub(crate) rate_hz: u32,
    pub(crate) sample_type: SampleFormat,
    /// How many frames the device shall take or give at once; `None` leaves it to the device.
    pub(crate) period_frames: Option<u32>,
}

impl Format {
    pub(crate) fn config(self) -> StreamConfig {
        StreamConfig {
            channels: self.channels,
            sample_rate: self.rate_hz,
            buffer_size: self
                .period_frames
                .map_or(BufferSize::Default, BufferSize::Fixed),
        }
    }

    pub(crate) fn with_default_period(self) -> Self {
        Self {
            period_frames: None,
            ..self
        }
    }
}

/// Picks the offer that needs least conversion: our own rate first, then few channels, then a good sample format.
pub(crate) fn choose(
    offers: impl Iterator<Item = SupportedStreamConfigRange>,
    direction: Direction,
) -> Option<Format> {
    offers
        .filter_map(|offer| usable(&offer))
        .min_by_key(|format| {
            let channels = match direction {
                // One channel is all that we send; a device with more is mixed down.
                Direction::Capture => u16::abs_diff(format.channels, 1),
                // Most speakers are a pair; mono would leave one ear empty on some drivers.
                Direction::Playout => u16::abs_diff(format.channels, 2),
            };
            let is_far_below = format.rate_hz < 44_100;
            let distance = format.rate_hz.abs_diff(media::audio::SAMPLE_RATE_HZ);
            (is_far_below, distance, channels, cost(format.sample_type))
        })
}

fn usable(offer: &SupportedStreamConfigRange) -> Option<Format> {
    let (lowest, highest) = (
        offer.min_sample_rate().max(*RATES_HZ.start()),
        offer.max_sample_rate().min(*RATES_HZ.end()),
    );
    let is_dsd = matches!(
        offer.sample_format(),
        SampleFormat::DsdU8 | SampleFormat::DsdU16 | SampleFormat::DsdU32
    );
    if lowest > highest || is_dsd || !(1..=MAX_CHANNELS).contains(&offer.channels()) {
        return None;
    }
    let rate_hz = media::audio::SAMPLE_RATE_HZ.clamp(lowest, highest);
    Some(Format {
        channels: offer.channels(),
        rate_hz,
        sample_type: offer.sample_format(),
        period_frames: period(*offer.buffer_size(), rate_hz),
    })
}

/// 10 ms, or 20 ms where that is too little for the device.
fn period(supported: SupportedBufferSize, rate_hz: u32) -> Option<u32> {
    let SupportedBufferSize::Range { min, max } = supported else {
        return None;
    };
    // The buffer holds two periods.
    [rate_hz / 100, rate_hz / 50]
        .into_iter()
        .find(|frames| (min..=max / 2).contains(frames))
}

const fn cost(format: SampleFormat) -> u8 {
    match format {
        SampleFormat::F32 => 0,
        SampleFormat::I16 => 1,
        SampleFormat::I32 | SampleFormat::I24 => 2,
        SampleFormat::U8 | SampleFormat::I8 => 4,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        let buffer = SupportedBufferSize::Range {
            min: 64,
            max: 65_536,
        };
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, buffer, format)
    }

    fn chosen(
        offers: &[SupportedStreamConfigRange],
        direction: Direction,
    ) -> Option<(u16, u32, SampleFormat)> {
        choose(offers.iter().copied(), direction).map(|f| (f.channels, f.rate_hz, f.sample_type))
    }

    #[test]
    fn our_own_rate_and_few_channels_come_first() {
        let offers = [
            offer(64, (1, 384_000), SampleFormat::F32),
            offer(2, (44_100, 44_100), SampleFormat::F32),
            offer(2, (8_000, 96_000), SampleFormat::I16),
            offer(1, (8_000, 96_000), SampleFormat::I16),
            offer(2, (8_000, 96_000), SampleFormat::F32),
        ];
        assert_eq!(
            chosen(&offers, Direction::Capture),
            Some((1, 48_000, SampleFormat::I16))
        );
        assert_eq!(
            chosen(&offers, Direction::Playout),
            Some((2, 48_000, SampleFormat::F32))
        );
    }

    #[test]
    fn other_rates_are_taken_where_there_is_nothing_better() {
        let offers = [
            offer(1, (16_000, 16_000), SampleFormat::F32),
            offer(2, (96_000, 96_000), SampleFormat::I32),
        ];
        assert_eq!(
            chosen(&offers, Direction::Capture),
            Some((2, 96_000, SampleFormat::I32))
        );
        assert_eq!(
            chosen(&offers[..1], Direction::Playout),
            Some((1, 16_000, SampleFormat::F32))
        );
    }

    #[test]
    fn what_cannot_be_converted_is_not_taken() {
        assert_eq!(
            chosen(
                &[offer(2, (48_000, 48_000), SampleFormat::DsdU8)],
                Direction::Playout
            ),
            None
        );
        assert_eq!(
            chosen(
                &[offer(2, (4_000, 6_000), SampleFormat::F32)],
                Direction::Playout
            ),
            None
        );
        assert_eq!(
            chosen(
                &[offer(64, (48_000, 48_000), SampleFormat::F32)],
                Direction::Playout
            ),
            None
        );
        assert_eq!(chosen(&[], Direction::Capture), None);
    }

    #[test]
    fn ten_milliseconds_are_asked_for_only_where_the_device_can() {
        let range = |min, max| SupportedBufferSize::Range { min, max };
        assert_eq!(period(range(64, 65_536), 48_000), Some(480));
        assert_eq!(period(range(512, 65_536), 48_000), Some(960));
        assert_eq!(period(range(64, 1000), 48_000), Some(480));
        assert_eq!(period(range(4096, 65_536), 48_000), None);
        assert_eq!(period(SupportedBufferSize::Unknown, 48_000), None);
    }
}
