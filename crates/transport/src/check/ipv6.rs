//! Is there IPv6?

use std::net::{IpAddr, Ipv6Addr};

use tokio::net::UdpSocket;

use super::{Ipv6, RelayCheck, StunCheck};

/// An address to ask the routing table for, out of the range for documentation (RFC 3849). Nothing is ever sent there.
const ANYWHERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// What this machine has of IPv6.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Local {
    has_address: bool,
}

/// Looks from which address this machine would send to somewhere far away. Sends nothing.
pub(super) async fn look() -> Local {
    let from = async {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
        socket.connect((ANYWHERE, 9)).await?;
        socket.local_addr()
    };
    let has_address = match from.await.map(|address| address.ip()) {
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local())
        }
        _ => false,
    };
    Local { has_address }
}

/// Whether IPv6 can be used, by what the servers did.
pub(super) fn reach(local: Local, stun: &[StunCheck], relays: &[RelayCheck]) -> Ipv6 {
    let over_ipv6 = || stun.iter().filter(|check| check.is_ipv6);
    let is_answered = over_ipv6().any(|check| check.outcome.is_ok())
        || relays
            .iter()
            .any(|relay| relay.outcome.is_ok_and(|answer| answer.is_ipv6));
    if is_answered {
        Ipv6::Works
    } else if !local.has_address {
        Ipv6::Absent
    } else if over_ipv6().next().is_some() {
        Ipv6::NoAnswer
    } else {
        Ipv6::NotAsked
    }
}
