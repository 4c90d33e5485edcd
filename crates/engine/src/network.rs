//! What happens to the machine's network: addresses come and go, the machine sleeps and wakes.
//!
//! [`NetworkWatcher`] looks and delivers [`NetworkFact`]s; what to do about them is somebody else's decision. When something is
//! worth a fact is decided in `monitor.rs`, which owns no socket and no clock; which addresses count is in `usable.rs`.

mod fact;
mod monitor;
mod usable;
mod watcher;

pub use fact::{AddressChange, NetworkFact};
pub use watcher::NetworkWatcher;
