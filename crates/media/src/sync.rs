//! Lip sync: sound and picture of one moment meet, although they travel on their own.
//!
//! Sender reports (RFC 3550 section 6.4.1) tie the timestamps of each stream to the sender's clock; [`CaptureClock`] turns
//! a timestamp into the moment of capture by that clock. [`Synchronizer`] learns when sound of which moment is heard, and
//! says when the picture of the same moment is to be seen. Only differences on each clock are used: the clocks of sender
//! and receiver need not agree.

mod capture_clock;
mod synchronizer;

pub use capture_clock::{CaptureClock, Stream};
pub use synchronizer::Synchronizer;
