//! What happens to the machine's network: addresses come and go, the machine sleeps and wakes.
//!
//! [`NetworkWatcher`] looks and delivers [`NetworkFact`]s; what to do about them is somebody else's decision. When something is
//! worth a fact is decided in `monitor.rs`, which owns no socket and no clock; which addresses count is in `usable.rs`.

mod fact;
mod monitor;
mod usable;
mod watcher;

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

pub use fact::{AddressChange, NetworkFact};
pub use watcher::NetworkWatcher;

/// The local address from which the internet is reached at present, or the local network where there is none: of the
/// preferred family, or of the other one if that has a route only. Sends nothing.
pub(crate) fn route_address(prefers_ipv6: bool) -> Option<IpAddr> {
    // Addresses for documentation: whatever is not on the local network takes the same route.
    let mut targets = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    if prefers_ipv6 {
        targets.reverse();
    }
    targets.into_iter().find_map(|(any, target)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    })
}

/// Whether this machine does not have `address`, or not yet: no socket of that address leads anywhere. Sends nothing. Whatever else
/// is wrong with an address says nothing of that.
pub(crate) fn is_gone(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_machine_is_gone_and_ours_is_not() {
        assert!(is_gone("192.0.2.1".parse().unwrap()));
        assert!(is_gone("2001:db8::1".parse().unwrap()));
        assert!(!is_gone("127.0.0.1".parse().unwrap()));
        assert!(!is_gone("0.0.0.0".parse().unwrap()));
    }
}
