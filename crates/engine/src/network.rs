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

/// The local address from which the internet is reached at present, or the local network where there is none: of the
/// preferred family, or of the other one if that has a route only. Sends nothing.
pub(crate) fn route_address(prefers_ipv6: bool) -> Option<std::net::IpAddr> {
    // Addresses for documentation: whatever is not on the local network takes the same route.
    let mut targets = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    if prefers_ipv6 {
        targets.reverse();
    }
    targets.into_iter().find_map(|(any, target)| {
        let socket = std::net::UdpSocket::bind(any).ok()?;
        socket.connect(target).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    })
}
