//! Where the milliseconds of a picture go: when it was at each place on its way, on either side of a call.
//!
//! Each side knows its own half, by its own clock. The half before the network and the half after it belong together by their RTP
//! timestamp, for whoever has both clocks. Owns no clock.

mod newest;

use std::collections::VecDeque;
use std::time::Instant;

pub use newest::{NewestWays, StageTime};

/// The way out of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayOut {
    /// The RTP timestamp that it left with, 90 kHz.
    pub timestamp: u32,
    /// Its encoded form, in bytes.
    pub len_bytes: usize,
    /// Whether a decoder can start with it.
    pub is_keyframe: bool,
    /// It was captured, as [`VideoFrame::captured_at`](super::VideoFrame::captured_at) says.
    pub captured_at: Instant,
    /// The encoder's thread took it.
    pub taken_at: Instant,
    /// It was at the size that is sent, and encoding began.
    pub encoding_at: Instant,
    /// It was encoded.
    pub encoded_at: Instant,
    /// The first of its packets left the pacer.
    pub first_left_at: Instant,
    /// The last of its packets did.
    pub last_left_at: Instant,
}

/// How long pictures took from place to place on their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimesOut {
    /// From the camera to the encoder's thread, with the conversion to I420.
    pub waiting: StageTime,
    /// Deciding how it is sent, and scaling it.
    pub scaling: StageTime,
    /// In the encoder.
    pub encoding: StageTime,
    /// From the encoder to the first packet that left: cutting it into packets, and those of the picture before.
    pub queueing: StageTime,
    /// From the first packet that left to the last.
    pub pacing: StageTime,
    /// All of it.
    pub total: StageTime,
}

impl TimesOut {
    /// Of some pictures; `None` of nothing.
    pub fn of(ways: &NewestWays<WayOut>) -> Option<Self> {
        let stage = |from: fn(&WayOut) -> Instant, to: fn(&WayOut) -> Instant| {
            ways.stage(|way| to(way).saturating_duration_since(from(way)))
        };
        Some(Self {
            waiting: stage(|way| way.captured_at, |way| way.taken_at)?,
            scaling: stage(|way| way.taken_at, |way| way.encoding_at)?,
            encoding: stage(|way| way.encoding_at, |way| way.encoded_at)?,
            queueing: stage(|way| way.encoded_at, |way| way.first_left_at)?,
            pacing: stage(|way| way.first_left_at, |way| way.last_left_at)?,
            total: stage(|way| way.captured_at, |way| way.last_left_at)?,
        })
    }
}

/// The way in of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayIn {
    /// The RTP timestamp that it came with, 90 kHz.
    pub timestamp: u32,
    /// The first of its packets arrived.
    pub first_packet_at: Instant,
    /// The last of its packets arrived.
    pub completed_at: Instant,
    /// The decoder began.
    pub decoding_at: Instant,
    /// The decoder was done.
    pub decoded_at: Instant,
    /// It was handed to whoever draws it.
    pub shown_at: Instant,
}

/// How long pictures took from place to place on their way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimesIn {
    /// From the first packet to the last.
    pub arriving: StageTime,
    /// For pictures before it, and for the moment at which it is to be decoded.
    pub holding: StageTime,
    /// In the decoder.
    pub decoding: StageTime,
    /// For the sound that belongs to it.
    pub playout: StageTime,
    /// All of it.
    pub total: StageTime,
}

impl TimesIn {
    /// Of some pictures; `None` of nothing.
    pub fn of(ways: &NewestWays<WayIn>) -> Option<Self> {
        let stage = |from: fn(&WayIn) -> Instant, to: fn(&WayIn) -> Instant| {
            ways.stage(|way| to(way).saturating_duration_since(from(way)))
        };
        Some(Self {
            arriving: stage(|way| way.first_packet_at, |way| way.completed_at)?,
            holding: stage(|way| way.completed_at, |way| way.decoding_at)?,
            decoding: stage(|way| way.decoding_at, |way| way.decoded_at)?,
            playout: stage(|way| way.decoded_at, |way| way.shown_at)?,
            total: stage(|way| way.first_packet_at, |way| way.shown_at)?,
        })
    }
}

/// What the pacer knows of a picture: when its packets left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// The RTP timestamp, 90 kHz.
    pub timestamp: u32,
    /// When its first packet left.
    pub first_at: Instant,
    /// When its last one did.
    pub last_at: Instant,
}

/// Pictures that are encoded and have not left yet.
///
/// One that never leaves is forgotten as soon as a later one does.
#[derive(Debug, Default)]
pub struct OnTheirWay {
    encoded: VecDeque<WayOut>,
}

impl OnTheirWay {
    /// More than the pacer lets wait: beyond this the oldest is forgotten.
    const MAX_PICTURES: usize = 64;

    /// A picture was encoded. When it leaves is not known yet, so those two moments are overwritten.
    pub fn encoded(&mut self, way: WayOut) {
        if self.encoded.len() == Self::MAX_PICTURES {
            self.encoded.pop_front();
        }
        self.encoded.push_back(way);
    }

    /// A picture has left. Returns its whole way out, if it is one of those that were encoded.
    pub fn left(&mut self, departure: &Departure) -> Option<WayOut> {
        let is_it = |way: &WayOut| way.timestamp == departure.timestamp;
        let place = self.encoded.iter().position(is_it)?;
        let way = self.encoded.drain(..=place).next_back()?;
        Some(WayOut {
            first_left_at: departure.first_at,
            last_left_at: departure.last_at,
            ..way
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn encoded(timestamp: u32, captured_at: Instant) -> WayOut {
        WayOut {
            timestamp,
            len_bytes: 1000,
            is_keyframe: false,
            captured_at,
            taken_at: captured_at + ms(1),
            encoding_at: captured_at + ms(3),
            encoded_at: captured_at + ms(8),
            first_left_at: captured_at + ms(8),
            last_left_at: captured_at + ms(8),
        }
    }

    fn departure(timestamp: u32, first_at: Instant, last_at: Instant) -> Departure {
        Departure {
            timestamp,
            first_at,
            last_at,
        }
    }

    #[test]
    fn the_times_of_the_stages_add_up_to_the_whole_way() {
        let start = simulation::start();
        let mut waiting = OnTheirWay::default();
        let mut ways = NewestWays::default();
        waiting.encoded(encoded(7, start));
        let left = waiting.left(&departure(7, start + ms(10), start + ms(21)));
        ways.push(left.unwrap());
        let times = TimesOut::of(&ways).unwrap();
        let stages = [
            times.waiting,
            times.scaling,
            times.encoding,
            times.queueing,
            times.pacing,
        ];
        assert_eq!(stages.map(|stage| stage.median), [1, 2, 5, 2, 11].map(ms));
        assert_eq!(times.total.p95, ms(21));
    }

    #[test]
    fn a_picture_that_never_leaves_is_forgotten_when_a_later_one_does() {
        let start = simulation::start();
        let mut waiting = OnTheirWay::default();
        for number in 0..3 {
            waiting.encoded(encoded(number, start));
        }
        let later = departure(1, start + ms(9), start + ms(9));
        assert_eq!(waiting.left(&later).map(|way| way.timestamp), Some(1));
        assert_eq!(waiting.left(&departure(0, start, start)), None);
        let last = departure(2, start + ms(9), start + ms(9));
        assert!(waiting.left(&last).is_some());
    }

    #[test]
    fn no_more_pictures_wait_than_there_is_room_for() {
        let start = simulation::start();
        let mut waiting = OnTheirWay::default();
        for number in 0..1000 {
            waiting.encoded(encoded(number, start));
            assert!(waiting.encoded.len() <= OnTheirWay::MAX_PICTURES);
        }
        assert_eq!(waiting.left(&departure(5, start, start)), None);
        assert!(waiting.left(&departure(999, start, start)).is_some());
    }

    #[test]
    fn the_way_in_is_split_at_the_decoder() {
        let start = simulation::start();
        let mut ways = NewestWays::default();
        ways.push(WayIn {
            timestamp: 1,
            first_packet_at: start,
            completed_at: start + ms(4),
            decoding_at: start + ms(5),
            decoded_at: start + ms(8),
            shown_at: start + ms(38),
        });
        let times = TimesIn::of(&ways).unwrap();
        assert_eq!(times.arriving.median, ms(4));
        assert_eq!(times.holding.median, ms(1));
        assert_eq!(times.decoding.median, ms(3));
        assert_eq!(times.playout.median, ms(30));
        assert_eq!(times.total.median, ms(38));
        assert_eq!(TimesIn::of(&NewestWays::default()), None);
    }
}
