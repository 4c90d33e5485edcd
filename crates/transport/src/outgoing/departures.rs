//! When the packets of each picture have left the pacer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use media::video::way::Departure;
use rtc::rtp::Header;

/// More pictures than leave while whoever asks makes one.
const MAX_PICTURES: usize = 32;

/// Follows the packets of pictures as they leave. Those that are sent again are on a stream of their own and do not count.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Timestamp of the picture that is leaving, and when its first packet did.
    present: Option<(u32, Instant)>,
}

impl Leaving {
    /// A packet of a picture leaves `now`. Returns the picture's departure if that was its last one.
    pub(super) fn on_packet(&mut self, header: &Header, now: Instant) -> Option<Departure> {
        let kept = self
            .present
            .filter(|(timestamp, _)| *timestamp == header.timestamp);
        let (timestamp, first_at) = kept.unwrap_or((header.timestamp, now));
        self.present = (!header.marker).then_some((timestamp, first_at));
        header.marker.then_some(Departure {
            timestamp,
            first_at,
            last_at: now,
        })
    }
}

/// Between the stack's task and whoever makes the pictures. When nobody asks, the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct SharedDepartures {
    newest: Mutex<VecDeque<Departure>>,
}

impl Default for SharedDepartures {
    fn default() -> Self {
        Self {
            newest: Mutex::new(VecDeque::with_capacity(MAX_PICTURES)),
        }
    }
}

impl SharedDepartures {
    pub(super) fn push(&self, departure: Departure) {
        let mut newest = self.lock();
        if newest.len() == MAX_PICTURES {
            newest.pop_front();
        }
        newest.push_back(departure);
    }

    /// The oldest of those that nobody has taken.
    pub(crate) fn take(&self) -> Option<Departure> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Departure>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn header(timestamp: u32, marker: bool) -> Header {
        Header {
            timestamp,
            marker,
            ..Header::default()
        }
    }

    #[test]
    fn a_picture_has_left_with_the_last_of_its_packets() {
        let start = Instant::now();
        let ms = |value| start + Duration::from_millis(value);
        let mut leaving = Leaving::default();
        assert_eq!(leaving.on_packet(&header(1, false), ms(0)), None);
        assert_eq!(leaving.on_packet(&header(1, false), ms(4)), None);
        let left = leaving.on_packet(&header(1, true), ms(9)).unwrap();
        assert_eq!((left.first_at, left.last_at), (ms(0), ms(9)));
        let alone = leaving.on_packet(&header(2, true), ms(30)).unwrap();
        assert_eq!((alone.first_at, alone.last_at), (ms(30), ms(30)));
    }

    #[test]
    fn a_picture_of_which_the_rest_was_dropped_never_leaves() {
        let start = Instant::now();
        let mut leaving = Leaving::default();
        assert_eq!(leaving.on_packet(&header(1, false), start), None);
        let later = start + Duration::from_secs(1);
        let left = leaving.on_packet(&header(2, true), later).unwrap();
        assert_eq!((left.timestamp, left.first_at), (2, later));
    }

    #[test]
    fn what_nobody_takes_is_forgotten() {
        let departures = SharedDepartures::default();
        for timestamp in 0..1000 {
            departures.push(Departure {
                timestamp,
                first_at: Instant::now(),
                last_at: Instant::now(),
            });
        }
        let taken = std::iter::from_fn(|| departures.take());
        assert_eq!(taken.count(), MAX_PICTURES);
    }
}
