//! What follows about a NAT from what was seen. No sockets.

use std::net::SocketAddr;

use super::super::message::{CHANGE_ADDRESS, CHANGE_PORT};
use super::{NatFiltering, NatMapping};

/// How one server saw our socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// Whom we asked.
    pub(super) asked: SocketAddr,
    /// The address that it saw.
    pub(super) seen: SocketAddr,
    /// The address that the packet left this machine with, if that is known.
    pub(super) local: Option<SocketAddr>,
}

/// Which public address our socket gets, as far as `sightings` tell (RFC 5780 section 4.3).
pub(super) fn mapping(sightings: &[Sighting]) -> NatMapping {
    if sightings.is_empty() {
        return NatMapping::Unknown;
    }
    if sightings
        .iter()
        .all(|sighting| sighting.local == Some(sighting.seen))
    {
        return NatMapping::NoNat;
    }
    let mut facts = Compared::default();
    for (number, one) in sightings.iter().enumerate() {
        for other in &sightings[..number] {
            let is_same = one.seen == other.seen;
            if one.asked.ip() != other.asked.ip() {
                facts.same_for_addresses |= is_same;
                facts.differs_for_addresses |= !is_same;
            } else if one.asked.port() != other.asked.port() {
                facts.same_for_ports |= is_same;
                facts.differs_for_ports |= !is_same;
            }
        }
    }
    match facts {
        Compared {
            differs_for_ports: true,
            ..
        } => NatMapping::AddressAndPortDependent,
        Compared {
            differs_for_addresses: true,
            same_for_ports: true,
            ..
        } => NatMapping::AddressDependent,
        Compared {
            differs_for_addresses: true,
            ..
        } => NatMapping::EndpointDependent,
        Compared {
            same_for_addresses: true,
            ..
        } => NatMapping::EndpointIndependent,
        Compared {
            same_for_ports: true,
            ..
        } => NatMapping::PortIndependent,
        _ => NatMapping::Unknown,
    }
}

/// Pairs of sightings that differ only in whom we asked.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Compared {
    same_for_addresses: bool,
    differs_for_addresses: bool,
    same_for_ports: bool,
    differs_for_ports: bool,
}

/// From whom packets are let in, by which answers came through (RFC 5780 section 4.4).
///
/// `is_heard` says it for an answer from where we had sent to (0), from another port, and from another address and port.
pub(super) fn filtering(is_heard: impl Fn(u32) -> bool) -> NatFiltering {
    if is_heard(CHANGE_ADDRESS | CHANGE_PORT) {
        NatFiltering::EndpointIndependent
    } else if is_heard(CHANGE_PORT) {
        NatFiltering::AddressDependent
    } else if is_heard(0) {
        NatFiltering::AddressAndPortDependent
    } else {
        NatFiltering::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "192.168.1.7:5000";

    #[test]
    fn whoever_sees_our_own_address_shows_that_there_is_no_nat() {
        let seen = [("192.0.2.1:3478", LOCAL)];
        assert_eq!(of(&seen), NatMapping::NoNat);
    }

    #[test]
    fn two_servers_that_see_the_same_make_an_endpoint_independent_mapping() {
        let seen = [
            ("192.0.2.1:3478", "203.0.113.5:700"),
            ("192.0.2.2:3478", "203.0.113.5:700"),
        ];
        assert_eq!(of(&seen), NatMapping::EndpointIndependent);
    }

    #[test]
    fn two_ports_of_one_server_tell_only_half_of_it() {
        let seen = [
            ("192.0.2.1:3478", "203.0.113.5:700"),
            ("192.0.2.1:443", "203.0.113.5:700"),
        ];
        assert_eq!(of(&seen), NatMapping::PortIndependent);
        assert_eq!(of(&seen[..1]), NatMapping::Unknown);
        assert_eq!(of(&[]), NatMapping::Unknown);
    }

    #[test]
    fn a_symmetric_nat_is_seen_with_two_ports_or_two_servers() {
        let ports = [
            ("192.0.2.1:3478", "203.0.113.5:700"),
            ("192.0.2.1:443", "203.0.113.5:701"),
        ];
        assert_eq!(of(&ports), NatMapping::AddressAndPortDependent);
        let servers = [
            ("192.0.2.1:3478", "203.0.113.5:700"),
            ("192.0.2.2:3478", "203.0.113.5:701"),
        ];
        assert_eq!(of(&servers), NatMapping::EndpointDependent);
        let both = [
            ("192.0.2.1:3478", "203.0.113.5:700"),
            ("192.0.2.1:443", "203.0.113.5:700"),
            ("192.0.2.2:3478", "203.0.113.5:701"),
        ];
        assert_eq!(of(&both), NatMapping::AddressDependent);
    }

    #[test]
    fn filtering_is_told_by_the_strangest_answer_that_came_through() {
        let of = |heard: &[u32]| filtering(|flags| heard.contains(&flags));
        assert_eq!(of(&[0, 2, 6]), NatFiltering::EndpointIndependent);
        assert_eq!(of(&[0, 2]), NatFiltering::AddressDependent);
        assert_eq!(of(&[0]), NatFiltering::AddressAndPortDependent);
        assert_eq!(of(&[]), NatFiltering::Unknown);
    }

    fn of(seen: &[(&str, &str)]) -> NatMapping {
        let sightings: Vec<Sighting> = seen
            .iter()
            .map(|(asked, seen)| Sighting {
                asked: asked.parse().unwrap(),
                seen: seen.parse().unwrap(),
                local: Some(LOCAL.parse().unwrap()),
            })
            .collect();
        mapping(&sightings)
    }
}
