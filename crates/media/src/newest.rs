//! One-slot hand-over between threads: the newest value wins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A slot for one value. Putting a value in replaces one that nobody has taken and counts it as dropped.
///
/// Share it behind an `Arc`. The lock is held only for a move, so a producer is never kept waiting by a slow consumer.
#[derive(Debug)]
pub struct Newest<T> {
    slot: Mutex<Slot<T>>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    is_closed: bool,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self {
            slot: Mutex::new(Slot {
                value: None,
                is_closed: false,
            }),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl<T> Newest<T> {
    /// Makes an empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves `value` in the slot and wakes who waits for it. Does nothing once the slot is closed.
    pub fn put(&self, value: T) {
        let mut slot = self.lock();
        if slot.is_closed {
            return;
        }
        if slot.value.replace(value).is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(slot);
        self.filled.notify_one();
    }

    /// Takes the value, if there is one.
    pub fn take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Waits for a value, but no longer than `longest` and not once the slot is closed.
    pub fn wait(&self, longest: Duration) -> Option<T> {
        let slot = self.lock();
        let (mut slot, _) = self
            .filled
            .wait_timeout_while(slot, longest, |slot| {
                slot.value.is_none() && !slot.is_closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        slot.value.take()
    }

    /// Ends all waiting, now and later. The value that is still in the slot can be taken.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Whether [`Newest::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// How many values were replaced before anybody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // A value is moved in or out whole, so a panic elsewhere leaves nothing half done.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_newest_value_wins_and_the_others_are_counted() {
        let slot = Newest::new();
        slot.put(1);
        slot.put(2);
        slot.put(3);
        assert_eq!(slot.take(), Some(3));
        assert_eq!(slot.take(), None);
        assert_eq!(slot.dropped(), 2);
    }

    #[test]
    fn a_waiting_thread_is_woken_by_a_value() {
        let slot = Arc::new(Newest::new());
        let waiting = std::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.wait(Duration::from_mins(1))
        });
        slot.put("frame");
        assert_eq!(waiting.join().unwrap(), Some("frame"));
    }

    #[test]
    fn closing_ends_the_waiting() {
        let slot = Arc::new(Newest::<u8>::new());
        let waiting = std::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.wait(Duration::from_mins(1))
        });
        slot.close();
        assert_eq!(waiting.join().unwrap(), None);
        slot.put(1);
        assert_eq!(slot.take(), None, "a closed slot takes nothing in");
    }
}
