//! How a sound stream is doing, as its callbacks see it: written without locks, read by our own thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpal::ErrorKind;

use crate::DeviceProblem;

/// A stream on which nothing moves for this long has stalled.
const STALL: Duration = Duration::from_secs(2);
/// When all that comes are errors, it has stalled sooner: a dead sound server brings them as fast as a core can go.
const STALL_WITH_ERRORS: Duration = Duration::from_millis(500);

/// Shared between the callbacks of one stream and the thread that owns it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    callbacks: AtomicU64,
    errors: AtomicU64,
    is_lost: AtomicBool,
}

impl Health {
    /// The device asked for sound or brought some.
    pub(crate) fn count_callback(&self) {
        self.callbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// The stream had an error. Most of them mean nothing: sound servers report hundreds in a row, unharmed.
    pub(crate) fn count_error(&self, error: &cpal::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if matches!(
            error.kind(),
            ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated
        ) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn callbacks(&self) -> u64 {
        self.callbacks.load(Ordering::Relaxed)
    }

    /// How many errors there were.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Whether the device is gone for this stream.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }
}

/// Watches one stream from the thread that owns it.
#[derive(Debug)]
pub(crate) struct Watch {
    callbacks: u64,
    errors: u64,
    alive_at: Instant,
}

impl Watch {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            callbacks: 0,
            errors: 0,
            alive_at: now,
        }
    }

    /// Looks at the stream. Returns whether it has moved since the last look.
    ///
    /// # Errors
    /// [`DeviceProblem::Unplugged`] if the device is gone, [`DeviceProblem::Stalled`] if nothing moves.
    pub(crate) fn look(&mut self, health: &Health, now: Instant) -> Result<bool, DeviceProblem> {
        if health.is_lost() {
            return Err(DeviceProblem::Unplugged);
        }
        if health.callbacks() > self.callbacks {
            self.callbacks = health.callbacks();
            self.errors = health.errors();
            self.alive_at = now;
            return Ok(true);
        }
        // Before the first callback the sound system may need time to find itself.
        let has_moved = self.callbacks > 0;
        let is_failing = has_moved && health.errors() > self.errors;
        let patience = if is_failing { STALL_WITH_ERRORS } else { STALL };
        if now.saturating_duration_since(self.alive_at) > patience {
            return Err(DeviceProblem::Stalled);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_moves_is_well_whatever_errors_it_reports() {
        let (health, start) = (Health::default(), Instant::now());
        let mut watch = Watch::new(start);
        for tick in 1..100 {
            health.count_callback();
            health.count_error(&ErrorKind::Xrun.into());
            assert_eq!(
                watch.look(&health, start + Duration::from_secs(1) * tick),
                Ok(true)
            );
        }
    }

    #[test]
    fn silence_is_borne_for_longer_than_errors_are() {
        let (health, start) = (Health::default(), Instant::now());
        let mut watch = Watch::new(start);
        assert_eq!(watch.look(&health, start + STALL), Ok(false));
        health.count_callback();
        assert_eq!(watch.look(&health, start), Ok(true));
        assert_eq!(watch.look(&health, start + STALL), Ok(false));
        health.count_error(&ErrorKind::BackendError.into());
        assert_eq!(watch.look(&health, start + STALL_WITH_ERRORS), Ok(false));
        let later = start + STALL_WITH_ERRORS + Duration::from_millis(1);
        assert_eq!(watch.look(&health, later), Err(DeviceProblem::Stalled));
    }

    #[test]
    fn a_lost_device_is_unplugged_at_once() {
        let (health, start) = (Health::default(), Instant::now());
        health.count_callback();
        health.count_error(&ErrorKind::DeviceNotAvailable.into());
        assert_eq!(
            Watch::new(start).look(&health, start),
            Err(DeviceProblem::Unplugged)
        );
    }
}
