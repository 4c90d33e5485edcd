//! Which cameras a thread of this process holds, so that no two threads ever fight for one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::DeviceProblem;
use crate::worker::StopSignal;

/// By the system's number of the camera: the stop signal of the thread that holds it.
static HELD: Mutex<BTreeMap<u32, StopSignal>> = Mutex::new(BTreeMap::new());

/// The right to open one camera; given back on drop.
#[derive(Debug)]
pub(super) struct Claim(u32);

impl Claim {
    /// Claims a camera for the thread that listens to `stop`.
    ///
    /// # Errors
    /// [`DeviceProblem::Stalled`] if the holder was told to stop and is stuck in the driver, else [`DeviceProblem::Busy`].
    pub(super) fn take(number: u32, stop: &StopSignal) -> Result<Self, DeviceProblem> {
        let mut held = lock();
        match held.get(&number) {
            Some(holder) if holder.is_stopped() => Err(DeviceProblem::Stalled),
            Some(_) => Err(DeviceProblem::Busy),
            None => {
                held.insert(number, stop.clone());
                Ok(Self(number))
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock().remove(&self.0);
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<u32, StopSignal>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_held_once_and_an_abandoned_holder_is_told_from_a_living_one() {
        // Numbers that no real camera has: the registry is shared by all tests.
        let (first, second) = (StopSignal::default(), StopSignal::default());
        let claim = Claim::take(70_001, &first).unwrap();
        assert_eq!(
            Claim::take(70_001, &second).unwrap_err(),
            DeviceProblem::Busy
        );
        assert!(Claim::take(70_002, &second).is_ok());
        first.stop();
        assert_eq!(
            Claim::take(70_001, &second).unwrap_err(),
            DeviceProblem::Stalled
        );
        drop(claim);
        assert!(Claim::take(70_001, &second).is_ok());
    }
}
