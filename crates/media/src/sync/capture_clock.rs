//! From RTP timestamps to the sender's clock.

use std::time::Duration;

/// One of the two streams of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Opus, 48 kHz.
    Audio,
    /// Video, 90 kHz.
    Video,
}

impl Stream {
    const fn clock_rate_hz(self) -> i64 {
        match self {
            Self::Audio => 48_000,
            Self::Video => 90_000,
        }
    }
}

/// Knows when, by the sender's clock, a timestamp was taken.
#[derive(Debug, Clone, Default)]
pub struct CaptureClock {
    audio: Option<Report>,
    video: Option<Report>,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    ntp_time: u64,
    rtp_timestamp: u32,
}

impl CaptureClock {
    /// Makes a clock that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A sender report arrived: `rtp_timestamp` of this stream is `ntp_time` by the sender's clock (seconds since 1900
    /// in the upper 32 bits, their fraction in the lower).
    pub const fn on_sender_report(&mut self, stream: Stream, ntp_time: u64, rtp_timestamp: u32) {
        let report = Some(Report {
            ntp_time,
            rtp_timestamp,
        });
        match stream {
            Stream::Audio => self.audio = report,
            Stream::Video => self.video = report,
        }
    }

    /// When the sample or picture with this timestamp was taken, since the epoch of the sender's clock.
    ///
    /// `None` before the first report of this stream, or for nonsense before that epoch. Right for timestamps within six
    /// hours of the latest report.
    pub fn capture_time(&self, stream: Stream, rtp_timestamp: u32) -> Option<Duration> {
        let report = match stream {
            Stream::Audio => self.audio,
            Stream::Video => self.video,
        }?;
        let ticks = i64::from(
            rtp_timestamp
                .wrapping_sub(report.rtp_timestamp)
                .cast_signed(),
        );
        let since_report = ticks * 1_000_000 / stream.clock_rate_hz();
        let since_report = Duration::from_micros(since_report.unsigned_abs());
        let seconds = report.ntp_time >> 32;
        let nanos = ((report.ntp_time & 0xffff_ffff) * 1_000_000_000) >> 32;
        let reported = Duration::new(seconds, nanos as u32);
        if ticks >= 0 {
            reported.checked_add(since_report)
        } else {
            reported.checked_sub(since_report)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 4_000_000_000 << 32;

    #[test]
    fn timestamps_count_from_the_report_in_both_directions() {
        let mut clock = CaptureClock::new();
        clock.on_sender_report(Stream::Audio, NOON + (1 << 31), 1000);
        let time = |timestamp| clock.capture_time(Stream::Audio, timestamp).unwrap();
        assert_eq!(time(1000), Duration::from_millis(4_000_000_000_500));
        assert_eq!(time(49_000), Duration::from_millis(4_000_000_001_500));
        assert_eq!(
            time(1000_u32.wrapping_sub(4800)),
            Duration::from_millis(4_000_000_000_400)
        );
    }

    #[test]
    fn each_stream_has_its_own_report_and_rate() {
        let mut clock = CaptureClock::new();
        assert_eq!(clock.capture_time(Stream::Video, 0), None);
        clock.on_sender_report(Stream::Video, NOON, u32::MAX);
        assert_eq!(clock.capture_time(Stream::Audio, 0), None);
        assert_eq!(
            clock.capture_time(Stream::Video, 89_999),
            Some(Duration::from_secs(4_000_000_001))
        );
    }

    #[test]
    fn reports_that_make_no_sense_make_no_panic() {
        let mut clock = CaptureClock::new();
        for ntp_time in [0, u64::MAX] {
            clock.on_sender_report(Stream::Audio, ntp_time, 0);
            clock.capture_time(Stream::Audio, 1);
            clock.capture_time(Stream::Audio, u32::MAX);
            clock.capture_time(Stream::Audio, 1 << 31);
        }
        clock.on_sender_report(Stream::Audio, 0, 0);
        assert_eq!(clock.capture_time(Stream::Audio, u32::MAX), None);
    }
}
