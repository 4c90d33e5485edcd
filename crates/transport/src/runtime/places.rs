//! Where sockets are bound when the machine has moved to another network.

use std::net::{IpAddr, SocketAddr};

/// Chooses an address for each socket, of those that the machine has by now.
///
/// A socket stays where it is if that address is still there; else it takes one that no other has, else one of several.
/// `None` where there is none of the socket's family. Port 0 is any.
pub(super) fn assign(sockets: &[SocketAddr], available: &[IpAddr]) -> Vec<Option<IpAddr>> {
    let mut taken: Vec<IpAddr> = sockets
        .iter()
        .map(SocketAddr::ip)
        .filter(|ip| available.contains(ip))
        .collect();
    let mut places = Vec::new();
    for socket in sockets {
        if available.contains(&socket.ip()) {
            places.push(Some(socket.ip()));
            continue;
        }
        let of_family = || {
            let is_same = |ip: &&IpAddr| ip.is_ipv4() == socket.is_ipv4();
            available.iter().filter(is_same).copied()
        };
        let place = of_family().find(|ip| !taken.contains(ip));
        let place = place.or_else(|| of_family().next());
        taken.extend(place);
        places.push(place);
    }
    places
}

/// The addresses of the machine that `bind` stands for: a wildcard for each that a partner may reach.
pub(super) fn available(bind: &[SocketAddr]) -> Vec<IpAddr> {
    let mut result: Vec<IpAddr> = Vec::new();
    for address in bind {
        if !address.ip().is_unspecified() {
            result.push(address.ip());
            continue;
        }
        match rtc::shared::ifaces::ifaces() {
            Ok(interfaces) => result.extend(
                interfaces
                    .iter()
                    .filter_map(|interface| interface.addr.map(|address| address.ip()))
                    .filter(|ip| ip.is_ipv4() == address.is_ipv4() && is_reachable(*ip)),
            ),
            Err(error) => tracing::debug!(%error, "the interfaces cannot be listed"),
        }
    }
    result
}

fn is_reachable(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !is_link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` where there is none.
    fn places(sockets: &[&str], available: &[&str]) -> Vec<String> {
        let sockets: Vec<_> = sockets.iter().map(|text| text.parse().unwrap()).collect();
        let available: Vec<_> = available.iter().map(|text| text.parse().unwrap()).collect();
        let places = assign(&sockets, &available).into_iter();
        places
            .map(|place| place.map_or("-".into(), |ip| ip.to_string()))
            .collect()
    }

    #[test]
    fn a_socket_stays_where_it_can_and_else_takes_a_free_address() {
        assert_eq!(
            places(&["10.0.0.1:1", "10.0.0.2:1"], &["10.0.0.2", "10.0.0.3"]),
            ["10.0.0.3", "10.0.0.2"]
        );
        assert_eq!(
            places(&["10.0.0.1:1", "10.0.0.2:1"], &["10.9.0.1"]),
            ["10.9.0.1", "10.9.0.1"],
            "two may share one"
        );
    }

    #[test]
    fn families_do_not_mix() {
        assert_eq!(
            places(&["10.0.0.1:1", "[2001:db8::1]:1"], &["2001:db8::2"]),
            ["-", "2001:db8::2"]
        );
        assert_eq!(
            places(&["[::]:1"], &["10.0.0.1", "2001:db8::2"]),
            ["2001:db8::2"],
            "a wildcard takes whatever there is by now"
        );
    }
}
