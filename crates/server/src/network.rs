//! Networks, and who a client is behind a proxy that stands in one of them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

/// All addresses that begin alike: an address and how many of its bits count (RFC 4632 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    ip: IpAddr,
    bits: u32,
}

/// Why it is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address or a network is wanted, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8")]
pub struct NetworkError;

impl Network {
    /// Where one person is: an IPv4 address, or an IPv6 /64.
    pub(crate) fn place_of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self {
                ip: ip.into(),
                bits: 32,
            },
            IpAddr::V6(ip) => Self {
                ip: Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
                bits: 64,
            },
        }
    }

    /// Whether it is where one person is.
    pub(crate) const fn is_place(&self) -> bool {
        self.bits == if self.ip.is_ipv4() { 32 } else { 64 }
    }

    /// Whether it is smaller than where one person is.
    pub(crate) const fn is_less_than_a_place(&self) -> bool {
        self.ip.is_ipv6() && self.bits > 64
    }

    /// The address with which it was named.
    pub(crate) const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether the address is one of them. An IPv4 address is the same in both its forms.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(ip)) => {
                (ours.to_bits() ^ ip.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), IpAddr::V6(ip)) => {
                (ours.to_bits() ^ ip.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = ip.trim().parse().map_err(|_| NetworkError)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse) {
            None => most,
            Some(Ok(bits)) if bits <= most => bits,
            Some(_) => return Err(NetworkError),
        };
        Ok(Self { ip, bits })
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

/// Which proxies are believed when they say for whom they ask, and where they say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// The networks that they stand in; nobody else is believed.
    pub trusted: Vec<Network>,
    /// The header that they write. The other one may come from the client.
    pub header: ProxyHeader,
}

/// Where a proxy says for whom it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

impl Proxies {
    /// Whether it is one of them.
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(ip))
    }

    /// Who asks, when `peer` has connected. Each proxy adds to the right whom it was asked by; the first from there that is
    /// no proxy of ours is the client. What stands further left may be anybody's word.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => header::HeaderName::from_static("x-forwarded-for"),
            ProxyHeader::Forwarded => header::FORWARDED,
        };
        let lines: Vec<&str> = (headers.get_all(name).iter())
            .filter_map(|line| line.to_str().ok())
            .collect();
        let hops = lines.iter().flat_map(|line| line.split(','));
        let mut client = peer;
        for hop in hops.rev() {
            let text = match self.header {
                ProxyHeader::XForwardedFor => Some(hop),
                ProxyHeader::Forwarded => forwarded_for(hop),
            };
            // A name that hides the client, or nonsense: the last that is known is whom we blame.
            let Some(ip) = text.and_then(hop_ip) else {
                break;
            };
            client = ip;
            if !self.trusts(ip) {
                break;
            }
        }
        client
    }
}

/// What stands for `for` in an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| {
        name.eq_ignore_ascii_case("for")
            .then(|| value.trim().trim_matches('"'))
    })
}

/// An address with or without a port and brackets.
fn hop_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => text.split(':').next(),
    };
    address?.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn asked(proxies: &Proxies, peer: &str, lines: &[(&'static str, &'static str)]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        proxies.client(ip(peer), &headers)
    }

    fn proxies(header: ProxyHeader) -> Proxies {
        Proxies {
            trusted: ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
                .map(|network| network.parse().unwrap())
                .to_vec(),
            header,
        }
    }

    #[test]
    fn a_network_contains_what_begins_alike() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(ip(inside)), "{network} {inside}");
            assert!(!network.contains(ip(outside)), "{network} {outside}");
        }
        let everywhere: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everywhere.contains(ip("1.2.3.4")) && !everywhere.contains(ip("::1")));
        for wrong in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "a/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
    }

    #[test]
    fn only_proxies_of_ours_are_believed_and_only_what_they_have_added() {
        let xff = proxies(ProxyHeader::XForwardedFor);
        for (peer, lines, client) in [
            // Nobody's proxy.
            (
                "192.0.2.1",
                &[("x-forwarded-for", "198.51.100.1")][..],
                "192.0.2.1",
            ),
            ("127.0.0.1", &[], "127.0.0.1"),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "198.51.100.1")],
                "198.51.100.1",
            ),
            (
                "::ffff:127.0.0.1",
                &[("x-forwarded-for", "198.51.100.1")],
                "198.51.100.1",
            ),
            // What the client says of itself stands to the left.
            (
                "127.0.0.1",
                &[("x-forwarded-for", "203.0.113.9, 198.51.100.1")],
                "198.51.100.1",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "203.0.113.9, 198.51.100.1, 10.1.1.1")],
                "198.51.100.1",
            ),
            (
                "127.0.0.1",
                &[
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-for", "198.51.100.1:4711"),
                ],
                "198.51.100.1",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "2001:db8::7")],
                "2001:db8::7",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "[2001:db8::7]:99")],
                "2001:db8::7",
            ),
            (
                "127.0.0.1",
                &[("x-forwarded-for", "198.51.100.1, unknown")],
                "127.0.0.1",
            ),
            ("127.0.0.1", &[("x-forwarded-for", ",,\"")], "127.0.0.1"),
            // The header that this proxy does not write is the client's.
            (
                "127.0.0.1",
                &[("forwarded", "for=198.51.100.1")],
                "127.0.0.1",
            ),
        ] {
            assert_eq!(asked(&xff, peer, lines), ip(client), "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_understood_in_all_its_forms() {
        let forwarded = proxies(ProxyHeader::Forwarded);
        for (line, client) in [
            ("for=198.51.100.1", "198.51.100.1"),
            (
                "proto=https; For=\"198.51.100.1:99\";by=10.0.0.1",
                "198.51.100.1",
            ),
            ("for=\"[2001:db8::7]:99\"", "2001:db8::7"),
            (
                "for=203.0.113.9, for=198.51.100.1, for=10.0.0.3",
                "198.51.100.1",
            ),
            ("for=_hidden", "127.0.0.1"),
            ("proto=https", "127.0.0.1"),
        ] {
            let client = ip(client);
            assert_eq!(
                asked(&forwarded, "127.0.0.1", &[("forwarded", line)]),
                client,
                "{line}"
            );
        }
    }
}
