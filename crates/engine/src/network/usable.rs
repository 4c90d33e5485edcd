//! Which of the machine's addresses lead to other people, and which of them lead there the same way.

use std::net::{IpAddr, Ipv6Addr};

/// Whether packets from `address` can reach another network: not loopback, link-local, multicast or unspecified.
///
/// Private and unique local addresses count: there is usually a NAT behind them.
pub(crate) fn is_usable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !(address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast())
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast())
        }
    }
}

/// What two addresses have in common if one can stand in for the other.
///
/// IPv6 hosts change their temporary addresses every few hours (RFC 8981), within one /64: that opens no new path and closes
/// none. Every IPv4 address stands for itself.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            const UPPER_HALF: u128 = !0 << 64;
            Ipv6Addr::from_bits(address.to_bits() & UPPER_HALF).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_addresses_that_lead_elsewhere_are_usable() {
        for text in [
            "192.168.1.7",
            "10.0.0.1",
            "100.64.0.1",
            "203.0.113.5",
            "2001:db8::1",
            "fd00::1",
        ] {
            assert!(is_usable(ip(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "169.254.3.4",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(!is_usable(ip(text)), "{text}");
        }
    }

    #[test]
    fn temporary_addresses_of_one_network_stand_in_for_each_other() {
        assert_eq!(
            network(ip("2001:db8:1:2::5")),
            network(ip("2001:db8:1:2:a::9"))
        );
        assert_ne!(
            network(ip("2001:db8:1:2::5")),
            network(ip("2001:db8:1:3::5"))
        );
        assert_ne!(network(ip("192.168.1.7")), network(ip("192.168.1.8")));
    }
}
