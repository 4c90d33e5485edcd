//! Where each picture was and when, as lines of JSON: for measurements that medians are too coarse for.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use engine::{Engine, WayIn, WayOut};
use serde::{Deserialize, Serialize};

/// One picture on one side. Moments are in milliseconds since the Unix epoch by that side's clock; what they mean is told by
/// [`engine::WayOut`] and [`engine::WayIn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case")]
pub enum WayLine {
    /// A picture of ours has left.
    Out {
        /// The RTP timestamp, by which the other side's line is found.
        timestamp: u32,
        /// Its encoded form, in bytes.
        len_bytes: usize,
        /// Whether a decoder can start with it.
        is_keyframe: bool,
        /// It was captured.
        captured_ms: f64,
        /// The encoder's thread took it.
        taken_ms: f64,
        /// Encoding began.
        encoding_ms: f64,
        /// It was encoded.
        encoded_ms: f64,
        /// Its first packet left the pacer.
        first_left_ms: f64,
        /// Its last packet did.
        last_left_ms: f64,
    },
    /// A picture of the partner's was shown.
    In {
        /// The RTP timestamp.
        timestamp: u32,
        /// Its first packet arrived.
        first_packet_ms: f64,
        /// Its last packet did.
        completed_ms: f64,
        /// The decoder began.
        decoding_ms: f64,
        /// The decoder was done.
        decoded_ms: f64,
        /// It was handed to whoever draws it.
        shown_ms: f64,
    },
}

/// Writes the lines, as often as it is asked to.
#[derive(Debug)]
pub(crate) struct WayRecorder {
    file: BufWriter<File>,
    clock: Clock,
    seen_out: u64,
    seen_in: u64,
}

impl WayRecorder {
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self {
            file: BufWriter::new(file),
            clock: Clock::now(),
            seen_out: 0,
            seen_in: 0,
        })
    }

    /// Writes down what has come since the last time.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub(crate) fn write(&mut self, engine: &Engine) -> anyhow::Result<()> {
        let ways = engine.ways();
        for way in ways.out_since(&mut self.seen_out) {
            self.line(&out_line(&way, self.clock))?;
        }
        for way in ways.in_since(&mut self.seen_in) {
            self.line(&in_line(&way, self.clock))?;
        }
        self.file.flush().context("the ways cannot be written")
    }

    fn line(&mut self, line: &WayLine) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.file, line).context("the ways cannot be written")?;
        Ok(self.file.write_all(b"\n")?)
    }
}

fn out_line(way: &WayOut, clock: Clock) -> WayLine {
    WayLine::Out {
        timestamp: way.timestamp,
        len_bytes: way.len_bytes,
        is_keyframe: way.is_keyframe,
        captured_ms: clock.ms(way.captured_at),
        taken_ms: clock.ms(way.taken_at),
        encoding_ms: clock.ms(way.encoding_at),
        encoded_ms: clock.ms(way.encoded_at),
        first_left_ms: clock.ms(way.first_left_at),
        last_left_ms: clock.ms(way.last_left_at),
    }
}

fn in_line(way: &WayIn, clock: Clock) -> WayLine {
    WayLine::In {
        timestamp: way.timestamp,
        first_packet_ms: clock.ms(way.first_packet_at),
        completed_ms: clock.ms(way.completed_at),
        decoding_ms: clock.ms(way.decoding_at),
        decoded_ms: clock.ms(way.decoded_at),
        shown_ms: clock.ms(way.shown_at),
    }
}

/// One moment by both of this machine's clocks.
#[derive(Debug, Clone, Copy)]
struct Clock {
    at: Instant,
    since_epoch: Duration,
}

impl Clock {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            at: Instant::now(),
            since_epoch: since.unwrap_or_default(),
        }
    }

    /// In milliseconds since the Unix epoch, to the microsecond.
    fn ms(self, moment: Instant) -> f64 {
        let epoch_us = self.since_epoch.as_secs_f64() * 1e6;
        let later_us = moment.saturating_duration_since(self.at).as_secs_f64() * 1e6;
        let earlier_us = self.at.saturating_duration_since(moment).as_secs_f64() * 1e6;
        (epoch_us + later_us - earlier_us).round() / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_the_clock_was_read_are_told_alike() {
        let clock = Clock::now();
        let now_ms = clock.ms(clock.at);
        let apart = Duration::from_millis(250);
        assert!((clock.ms(clock.at + apart) - now_ms - 250.0).abs() < 0.01);
        let earlier = clock.at.checked_sub(apart).unwrap();
        assert!((now_ms - clock.ms(earlier) - 250.0).abs() < 0.01);
    }
}
