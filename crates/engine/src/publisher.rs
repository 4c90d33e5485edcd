//! Where the newest snapshot lies for whoever wants to look.

use std::sync::{Arc, Mutex};

use crate::Snapshot;
use crate::pipeline::{Wake, lock};

/// Holds the newest [`Snapshot`] and wakes the window when it changes.
pub(crate) struct Publisher {
    newest: Mutex<Arc<Snapshot>>,
    wake: Wake,
}

impl Publisher {
    pub(crate) fn new(first: Snapshot, wake: Wake) -> Self {
        Self {
            newest: Mutex::new(Arc::new(first)),
            wake,
        }
    }

    /// Replaces the snapshot. One that says nothing new wakes nobody.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        {
            let mut newest = lock(&self.newest);
            if **newest == snapshot {
                return;
            }
            *newest = Arc::new(snapshot);
        }
        (self.wake)();
    }

    pub(crate) fn newest(&self) -> Arc<Snapshot> {
        Arc::clone(&lock(&self.newest))
    }
}
