//! A network that exists only in tests: seeded, in virtual time.
//!
//! A [`Link`] carries whatever is put into it from one end to the other, as late, lossy, doubled or out of order as
//! its [`Conditions`] say, and in the same way every time for the same seed. It never reads a clock: a test says what
//! time it is, so that an hour of network takes milliseconds.

mod link;
mod random;

pub use link::{Conditions, Link};
pub use random::Random;

use std::time::Instant;

/// A moment for a test to start at. What follows is counted from it.
///
/// The one place that reads the clock, because a pure crate's tests may not: `Instant` has no other beginning.
pub fn start() -> Instant {
    Instant::now()
}
