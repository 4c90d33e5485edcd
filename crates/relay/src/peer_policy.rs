//! Where clients may send. A relay that sent anywhere would open the networks that it stands in to strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are peers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    /// The addresses of this machine, and those under which others know it. Clients are permitted each other there, and
    /// nothing else that listens there, unless private addresses are allowed.
    pub own: Vec<IpAddr>,
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
    /// Whether `ip` is of a kind that clients may send to.
    pub fn allows(&self, ip: IpAddr) -> bool {
        match kind(ip) {
            Kind::Public => true,
            Kind::Private => self.allow_private,
            Kind::Nobody => false,
        }
    }

    /// Whether one whose relayed address is at `relayed` may ask for permission to reach `peer`: others of this relay may
    /// be there, if nobody else.
    pub(crate) fn may_permit(&self, relayed: IpAddr, peer: IpAddr) -> bool {
        self.is_own(relayed, peer)
            || (self.allows(peer) && (self.allow_private || !self.leads_home(relayed, peer)))
    }

    /// Whether packets of one whose relayed address is at `relayed` may leave for `peer`, who is none of this relay's
    /// clients: whatever else listens at our own addresses stays out of reach.
    pub(crate) fn may_leave(&self, relayed: IpAddr, peer: IpAddr) -> bool {
        self.allows(peer)
            && (self.allow_private
                || !(self.is_own(relayed, peer) || self.leads_home(relayed, peer)))
    }

    fn is_own(&self, relayed: IpAddr, ip: IpAddr) -> bool {
        ip == relayed || self.own.contains(&ip)
    }

    /// Whether `ip` is another way to write one of our own IPv4 addresses.
    fn leads_home(&self, relayed: IpAddr, ip: IpAddr) -> bool {
        let IpAddr::V6(ip) = ip else { return false };
        embedded_v4(ip).is_some_and(|v4| self.is_own(relayed, v4.into()))
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

/// The IPv4 address inside one of IPv6 that leads to it through a translator or a tunnel.
const fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = match ip.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => [high, low],
        // Teredo (RFC 4380) carries the address inverted.
        [0x2001, 0, _, _, _, _, high, low] => [!high, !low],
        _ => return None,
    };
    let [[a, b], [c, d]] = [bits[0].to_be_bytes(), bits[1].to_be_bytes()];
    Some(Ipv4Addr::new(a, b, c, d))
}

/// IPv6, looking through the forms that carry an IPv4 address.
fn kind_v6(ip: Ipv6Addr) -> Kind {
    if let Some(v4) = embedded_v4(ip) {
        return kind_v4(v4);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        // Multicast, and IPv4-mapped, -compatible (with the unspecified one) and -translated (RFC 4291, RFC 2765): on no wire. A socket
        // might take them for IPv4, which they must not become behind our back.
        [0, 0, 0, 0, 0, 0xffff | 0, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0xff00..=0xffff, ..] => Kind::Nobody,
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
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:1.1.1.1",
        "::ffff:0:1.1.1.1",
        "::127.0.0.1",
        "::1.1.1.1",
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
            ..PeerPolicy::default()
        };
        for ip in PUBLIC.iter().chain(PRIVATE) {
            assert!(policy.allows(ip.parse().unwrap()), "{ip}");
        }
        for ip in NOBODY {
            assert!(!policy.allows(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn our_own_addresses_are_permitted_and_not_left_for_however_they_are_written() {
        let [own, own_v6, relayed, other]: [IpAddr; 4] =
            ["203.0.114.1", "2a00::1", "2a00::2", "2a00::3"].map(|ip| ip.parse().unwrap());
        for allow_private in [false, true] {
            let policy = PeerPolicy {
                own: vec![own, own_v6],
                allow_private,
            };
            for ip in [own, own_v6, relayed] {
                assert!(policy.may_permit(relayed, ip), "{ip}");
                assert_eq!(policy.may_leave(relayed, ip), allow_private, "{ip}");
            }
            for same in [
                "64:ff9b::203.0.114.1",
                "2002:cb00:7201::1",
                "2001:0:1:2:3:4:34ff:8dfe",
            ] {
                let ip = same.parse().unwrap();
                assert_eq!(policy.may_permit(relayed, ip), allow_private, "{ip}");
                assert_eq!(policy.may_leave(relayed, ip), allow_private, "{ip}");
                // Of others it says nothing.
                assert!(PeerPolicy::default().may_leave(relayed, ip), "{ip}");
            }
            let mapped = "::ffff:203.0.114.1".parse().unwrap();
            assert!(!policy.may_permit(relayed, mapped) && !policy.may_leave(relayed, mapped));
            assert!(policy.may_permit(relayed, other) && policy.may_leave(relayed, other));
        }
    }
}
