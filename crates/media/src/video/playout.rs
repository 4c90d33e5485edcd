//! When a decoded picture is shown.
//!
//! Without sound to meet, at once. With it, at the moment that [`crate::sync`] says, but never more than
//! [`Playout::MAX_WAIT`] later. Whenever several pictures are due, only the newest is shown.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Holds decoded pictures until their moment.
#[derive(Debug)]
pub struct Playout<T> {
    waiting: VecDeque<Waiting<T>>,
    dropped: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    picture: T,
    play_at: Instant,
}

impl<T> Default for Playout<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            dropped: 0,
        }
    }
}

impl<T> Playout<T> {
    /// The longest a picture is held back. Beyond this, sound that far behind is the lesser evil.
    pub const MAX_WAIT: Duration = Duration::from_millis(250);
    /// How many pictures are kept: [`Self::MAX_WAIT`] at 60 pictures a second. More would only cost memory.
    pub const MAX_PICTURES: usize = 16;

    /// Makes an empty playout.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a picture that was decoded `now` and should be seen at `play_at`; `None` means at once.
    ///
    /// Pictures come in the order of their capture. A full playout drops its oldest.
    pub fn insert(&mut self, picture: T, play_at: Option<Instant>, now: Instant) {
        let play_at = play_at.unwrap_or(now).clamp(now, now + Self::MAX_WAIT);
        if self.waiting.len() == Self::MAX_PICTURES {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(Waiting { picture, play_at });
    }

    /// The newest picture whose moment has come. Older ones are dropped.
    pub fn poll_output(&mut self, now: Instant) -> Option<T> {
        let newest = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.play_at <= now)?;
        self.dropped += newest as u64;
        self.waiting
            .drain(..=newest)
            .next_back()
            .map(|waiting| waiting.picture)
    }

    /// When the next picture is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.play_at).min()
    }

    /// Forgets the pictures that wait, for instance at the end of a call.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// How many pictures were never shown because a newer one was due, or for want of room.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn without_sound_a_picture_is_shown_at_once() {
        let now = simulation::start();
        let mut playout = Playout::new();
        playout.insert("picture", None, now);
        assert_eq!(playout.poll_timeout(), Some(now));
        assert_eq!(playout.poll_output(now), Some("picture"));
        assert_eq!(playout.poll_output(now), None);
        assert_eq!(playout.poll_timeout(), None);
    }

    #[test]
    fn with_sound_it_waits_for_its_moment() {
        let now = simulation::start();
        let mut playout = Playout::new();
        playout.insert("picture", Some(now + ms(80)), now);
        assert_eq!(playout.poll_output(now + ms(79)), None);
        assert_eq!(playout.poll_timeout(), Some(now + ms(80)));
        assert_eq!(playout.poll_output(now + ms(80)), Some("picture"));
    }

    #[test]
    fn it_never_waits_longer_than_the_limit() {
        let now = simulation::start();
        let mut playout = Playout::new();
        playout.insert("picture", Some(now + ms(60_000)), now);
        assert_eq!(playout.poll_timeout(), Some(now + Playout::<()>::MAX_WAIT));
    }

    #[test]
    fn the_newest_of_all_that_are_due_wins() {
        let now = simulation::start();
        let mut playout = Playout::new();
        for (number, due) in [(1, 10), (2, 40), (3, 20), (4, 90)] {
            playout.insert(number, Some(now + ms(due)), now);
        }
        assert_eq!(
            playout.poll_output(now + ms(25)),
            Some(3),
            "2 is older than 3, so it is passed over"
        );
        assert_eq!(playout.dropped(), 2);
        assert_eq!(playout.poll_output(now + ms(50)), None);
        assert_eq!(playout.poll_output(now + ms(90)), Some(4));
    }

    #[test]
    fn a_full_playout_drops_its_oldest_picture() {
        let now = simulation::start();
        let mut playout = Playout::new();
        for number in 0..100 {
            playout.insert(number, Some(now + ms(200)), now);
        }
        assert_eq!(playout.dropped(), 100 - Playout::<()>::MAX_PICTURES as u64);
        assert_eq!(playout.poll_output(now + ms(200)), Some(99));
    }
}
