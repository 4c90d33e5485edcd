//! How good a connection is, in one word.

use std::time::Duration;

use engine::Statistics;

/// Loss of more than this share of the packets can be noticed.
pub const NOTICEABLE_LOSS: f32 = 0.02;

/// How good a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Talking feels as in one room.
    Good,
    /// One notices it.
    Fair,
    /// Talking is hard.
    Poor,
}

impl Quality {
    /// Judges by round trip and loss; `None` while neither is known.
    ///
    /// ITU-T G.114 calls up to 150 ms one way (300 ms round trip) transparent for talk and over 400 ms one way
    /// unacceptable; the bounds here are stricter, because the jitter buffers come on top. Loss of more than a few
    /// per cent shows in pictures in spite of retransmission.
    pub fn of(statistics: &Statistics) -> Option<Self> {
        let (round_trip, loss) = (statistics.round_trip, statistics.loss_ratio);
        if round_trip.is_none() && loss.is_none() {
            return None;
        }
        let exceeds = |limit: Duration, ratio: f32| {
            round_trip.is_some_and(|value| value > limit) || loss.is_some_and(|value| value > ratio)
        };
        Some(if exceeds(Duration::from_millis(400), 0.08) {
            Self::Poor
        } else if exceeds(Duration::from_millis(180), NOTICEABLE_LOSS) {
            Self::Fair
        } else {
            Self::Good
        })
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => tr!("Good"),
            Self::Fair => tr!("Fair"),
            Self::Poor => tr!("Poor"),
        }
    }

    /// How many of four bars stand for it.
    pub const fn bars(self) -> usize {
        match self {
            Self::Good => 4,
            Self::Fair => 2,
            Self::Poor => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(round_trip_ms: Option<u64>, loss_ratio: Option<f32>) -> Option<Quality> {
        let round_trip = round_trip_ms.map(Duration::from_millis);
        Quality::of(&Statistics {
            round_trip,
            loss_ratio,
            ..Statistics::default()
        })
    }

    #[test]
    fn the_worse_of_delay_and_loss_decides() {
        assert_eq!(quality(None, None), None);
        assert_eq!(quality(Some(40), None), Some(Quality::Good));
        assert_eq!(quality(Some(40), Some(0.05)), Some(Quality::Fair));
        assert_eq!(quality(Some(250), Some(0.0)), Some(Quality::Fair));
        assert_eq!(quality(Some(40), Some(0.2)), Some(Quality::Poor));
        assert_eq!(quality(Some(900), None), Some(Quality::Poor));
    }
}
