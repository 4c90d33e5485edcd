//! The ways of the newest pictures out and in, between those who make and show them and whoever wants to know.

use std::sync::Mutex;

use media::video::way::{NewestWays, TimesIn, TimesOut, WayIn, WayOut};

use crate::pipeline::lock;

/// Where the newest pictures of a call were, and when. See [`media::video::way`].
#[derive(Debug, Default)]
pub struct Ways {
    outgoing: Mutex<NewestWays<WayOut>>,
    incoming: Mutex<NewestWays<WayIn>>,
}

impl Ways {
    /// Those that have left since the last time that this was asked with `seen`, which begins at zero; the newest
    /// [`NewestWays::MAX_WAYS`] at most.
    pub fn out_since(&self, seen: &mut u64) -> Vec<WayOut> {
        lock(&self.outgoing).since(seen).copied().collect()
    }

    /// The same of those that were shown.
    pub fn in_since(&self, seen: &mut u64) -> Vec<WayIn> {
        lock(&self.incoming).since(seen).copied().collect()
    }

    /// How long the stages take at present.
    pub(crate) fn times(&self) -> (Option<TimesOut>, Option<TimesIn>) {
        let out = TimesOut::of(&lock(&self.outgoing));
        (out, TimesIn::of(&lock(&self.incoming)))
    }

    pub(crate) fn left(&self, way: WayOut) {
        lock(&self.outgoing).push(way);
    }

    pub(crate) fn shown(&self, way: WayIn) {
        lock(&self.incoming).push(way);
    }

    /// Another partner's pictures say nothing about this one's.
    pub(crate) fn forget_out(&self) {
        lock(&self.outgoing).clear();
    }

    /// The same.
    pub(crate) fn forget_in(&self) {
        lock(&self.incoming).clear();
    }
}
