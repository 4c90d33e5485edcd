//! What the watcher has to tell.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Something happened to the network that a call should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkFact {
    /// There are addresses that were not there before, or some are gone.
    Changed(AddressChange),
    /// The machine slept, and every path has to be looked at anew.
    Resumed {
        /// How long it slept, as far as the clocks tell.
        asleep: Duration,
    },
}

/// What changed since the last such fact. At least one of its fields says something.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AddressChange {
    /// Addresses that lead somewhere new, in ascending order.
    pub gained: Vec<IpAddr>,
    /// Addresses that are gone and that no other one of the same network stands in for, in ascending order.
    pub lost: Vec<IpAddr>,
    /// Whether the address that the call used is gone (see
    /// [`NetworkWatcher::set_address_in_use`](crate::NetworkWatcher::set_address_in_use)).
    pub lost_in_use: bool,
    /// Whether no usable address is left.
    pub is_offline: bool,
}

impl fmt::Debug for AddressChange {
    /// Leaves the addresses out, so that no log ever holds one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressChange")
            .field("gained", &self.gained.len())
            .field("lost", &self.lost.len())
            .field("lost_in_use", &self.lost_in_use)
            .field("is_offline", &self.is_offline)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_holds_an_address() {
        let change = AddressChange {
            gained: vec!["192.0.2.77".parse().unwrap()],
            lost: vec!["2001:db8::77".parse().unwrap()],
            ..AddressChange::default()
        };
        let words = format!("{:?}", NetworkFact::Changed(change));
        assert!(!words.contains("77"), "{words}");
        assert!(words.contains("gained: 1"), "{words}");
    }
}
