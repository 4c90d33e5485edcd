//! Where clients may send. A relay that sent anywhere would open the networks that it stands in to strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are peers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    /// Whether addresses of private networks and of this machine are peers too: for a server in a network without
    /// internet, and for tests. Multicast, broadcast and addresses that are none never are.
    pub allow_private: bool,
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    /// Not the address of one machine.
    Nobody,
}

impl PeerPolicy {
    /// Whether clients may send to `ip`.
    pub fn allows(self, ip: IpAddr) -> bool {
        match kind(ip) {
            Kind::Public => true,
            Kind::Private => self.allow_private,
            Kind::Nobody => false,
        }
    }
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

/// The IANA special-purpose registry for IPv4 (RFC 6890).
fn kind_v4(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        // Unspecified, multicast, reserved and broadcast.
        [0 | 224..=255, ..] => Kind::Nobody,
        // Private, loopback, carrier-grade NAT, link-local with the metadata services of clouds, protocol assignments
        // with DS-Lite, 6to4 relays, benchmarks, and Azure's platform address.
        [10 | 127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [192, 0, 0, _]
        | [192, 88, 99, _]
        | [198, 18..=19, ..]
        | [168, 63, 129, 16] => Kind::Private,
        _ => Kind::Public,
    }
}

/// IPv6, looking through the forms that carry an IPv4 address.
fn kind_v6(ip: Ipv6Addr) -> Kind {
    let segments = ip.segments();
    let v4_in = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        kind_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        [0, 0, 0, 0, 0, 0, 0, 0] | [0xff00..=0xffff, ..] => Kind::Nobody,
        // IPv4-mapped, -compatible and -translated (RFC 4291, RFC 2765), and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 6to4 (RFC 3056).
        | [0x2002, high, low, ..] => v4_in(high, low),
        // Teredo (RFC 4380) carries the address inverted.
        [0x2001, 0, _, _, _, _, high, low] => v4_in(!high, !low),
        // Global unicast.
        [0x2000..=0x3fff, ..] => Kind::Public,
        // Unique local with fd00:ec2::254, link-local, site-local, local-use NAT64 (RFC 8215), discard-only, and what
        // belongs to nobody yet.
        _ => Kind::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &[&str] = &[
        "10.0.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.169.254",
        "169.254.0.1",
        "192.0.0.192",
        "198.19.255.255",
        "168.63.129.16",
        "::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "4000::1",
    ];
    const NOBODY: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
        "64:ff9b::255.255.255.255",
        "ff02::1",
        "2002:e000:1::",
    ];
    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "169.253.0.1",
        "198.17.0.1",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
        "2a00::1",
        "2001:4860:4860::8888",
    ];

    #[test]
    fn addresses_that_are_not_of_the_internet_are_no_peers() {
        let policy = PeerPolicy::default();
        for ip in PRIVATE.iter().chain(NOBODY) {
            assert!(!policy.allows(ip.parse().unwrap()), "{ip}");
        }
        for ip in PUBLIC {
            assert!(policy.allows(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn private_ones_can_be_allowed_and_those_of_nobody_cannot() {
        let policy = PeerPolicy {
            allow_private: true,
        };
        for ip in PUBLIC.iter().chain(PRIVATE) {
            assert!(policy.allows(ip.parse().unwrap()), "{ip}");
        }
        for ip in NOBODY {
            assert!(!policy.allows(ip.parse().unwrap()), "{ip}");
        }
    }
}
