//! What the partner is told of this side's addresses.
//!
//! The stack gathers every kind of candidate from the start, so that a call can change from a relay to a direct path
//! later. While only relayed paths may be used, the others are withheld here, and `runtime/paths.rs` sees to it that
//! nothing is sent from them. The stack also keeps for good the addresses that its sockets had at first, and candidates
//! that were gathered on networks since left: here the first are replaced and the second are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

const ATTRIBUTE: &str = "a=candidate:";

/// The candidates of one peer.
#[derive(Debug, Default)]
pub(crate) struct LocalCandidates {
    is_relay_only: bool,
    /// Where each of the stack's sockets is by now.
    places: BTreeMap<SocketAddr, SocketAddr>,
    /// Addresses that servers told of on the present network.
    current: BTreeSet<(String, String)>,
}

impl LocalCandidates {
    /// Whether only relays are told of.
    pub(crate) fn set_relay_only(&mut self, is_relay_only: bool) {
        self.is_relay_only = is_relay_only;
    }

    /// The sockets were bound anew: `places` says where each is. What servers told of before holds no longer.
    pub(crate) fn on_rebound(&mut self, places: BTreeMap<SocketAddr, SocketAddr>) {
        self.places = places;
        self.current.clear();
    }

    /// What to tell of a candidate that was just gathered, in the syntax of RFC 8839 section 5.1.
    pub(crate) fn on_gathered(&mut self, candidate: &str) -> Option<String> {
        let parts = Parts::read(candidate)?;
        if parts.kind != "host" {
            self.current
                .insert((parts.address.to_owned(), parts.port.to_owned()));
        }
        self.told(&parts)
    }

    /// A session description as the partner may see it.
    pub(crate) fn rewrite(&self, sdp: &str) -> String {
        let mut result = String::with_capacity(sdp.len());
        for line in sdp.split_inclusive('\n') {
            let Some(candidate) = line.strip_prefix(ATTRIBUTE) else {
                result.push_str(line);
                continue;
            };
            if let Some(told) = Parts::read(candidate).and_then(|parts| self.told(&parts)) {
                result.push_str(ATTRIBUTE);
                result.push_str(told.trim_start_matches("candidate:"));
                result.push_str("\r\n");
            }
        }
        result
    }

    fn told(&self, parts: &Parts<'_>) -> Option<String> {
        // RTP and RTCP go together (RFC 8843 section 9.3): what the stack says of a second component is of no use.
        if parts.before.get(1) != Some(&"1") {
            return None;
        }
        match parts.kind {
            "relay" => self.is_current(parts).then(|| parts.write(None)),
            _ if self.is_relay_only => None,
            "host" => {
                let address =
                    SocketAddr::new(parts.address.parse().ok()?, parts.port.parse().ok()?);
                let place = self.places.get(&address).copied().unwrap_or(address);
                (!place.ip().is_unspecified()).then(|| parts.write(Some(place)))
            }
            _ => self.is_current(parts).then(|| parts.write(None)),
        }
    }

    fn is_current(&self, parts: &Parts<'_>) -> bool {
        let key = (parts.address.to_owned(), parts.port.to_owned());
        self.current.contains(&key)
    }
}

/// The words of a candidate that matter here.
struct Parts<'a> {
    before: Vec<&'a str>,
    address: &'a str,
    port: &'a str,
    kind: &'a str,
    /// Without the related address, which tells of the machine (RFC 8839 section 5.1 lets it be left unsaid).
    after: Vec<&'a str>,
    is_v6: bool,
}

impl<'a> Parts<'a> {
    fn read(candidate: &'a str) -> Option<Self> {
        let words: Vec<&str> = candidate.split_whitespace().collect();
        let (before, rest) = words.split_at_checked(4)?;
        let [address, port, "typ", kind, rest @ ..] = rest else {
            return None;
        };
        let mut after = Vec::new();
        for pair in rest.chunks(2) {
            if !matches!(pair, ["raddr" | "rport", _]) {
                after.extend_from_slice(pair);
            }
        }
        Some(Self {
            before: before.to_vec(),
            address,
            port,
            kind,
            after,
            is_v6: address.contains(':'),
        })
    }

    fn write(&self, place: Option<SocketAddr>) -> String {
        let (address, port) = match place {
            Some(place) => (place.ip().to_string(), place.port().to_string()),
            None => (self.address.to_owned(), self.port.to_owned()),
        };
        let mut words = self.before.clone();
        words.extend([address.as_str(), &port, "typ", self.kind]);
        if self.kind != "host" {
            let nowhere = if self.is_v6 { "::" } else { "0.0.0.0" };
            words.extend(["raddr", nowhere, "rport", "9"]);
        }
        words.extend(&self.after);
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 udp 2130706431 10.0.0.7 4000 typ host";
    const REFLEXIVE: &str =
        "candidate:2 1 udp 1694498815 198.51.100.4 5000 typ srflx raddr 10.0.0.7 rport 4000";
    const RELAY: &str =
        "candidate:3 1 udp 16777215 203.0.113.9 6000 typ relay raddr 10.0.0.7 rport 4000 ufrag x";

    fn gathered(relay_only: bool) -> LocalCandidates {
        let mut candidates = LocalCandidates::default();
        candidates.set_relay_only(relay_only);
        for candidate in [HOST, REFLEXIVE, RELAY] {
            candidates.on_gathered(candidate);
        }
        candidates
    }

    fn sdp() -> String {
        let lines = [HOST, REFLEXIVE, RELAY].map(|line| format!("a={line}\r\n"));
        format!("v=0\r\n{}a=mid:0\r\n", lines.concat())
    }

    #[test]
    fn with_relays_only_no_address_of_the_machine_is_in_what_is_told() {
        let mut candidates = gathered(true);
        assert_eq!(candidates.on_gathered(HOST), None);
        assert_eq!(candidates.on_gathered(REFLEXIVE), None);
        let relay = candidates.on_gathered(RELAY).unwrap();
        assert_eq!(
            relay,
            "candidate:3 1 udp 16777215 203.0.113.9 6000 typ relay raddr 0.0.0.0 rport 9 ufrag x"
        );
        let told = candidates.rewrite(&sdp());
        assert_eq!(told, format!("v=0\r\na={relay}\r\na=mid:0\r\n"));
    }

    #[test]
    fn what_was_withheld_is_in_the_next_description_once_it_may_be_told() {
        let mut candidates = gathered(true);
        candidates.set_relay_only(false);
        let told = candidates.rewrite(&sdp());
        for address in [
            "10.0.0.7 4000 typ host",
            "198.51.100.4 5000",
            "203.0.113.9 6000",
        ] {
            assert!(told.contains(address), "{told}");
        }
    }

    #[test]
    fn after_a_move_the_sockets_have_other_addresses_and_old_answers_of_servers_are_void() {
        let mut candidates = gathered(false);
        let place = (
            "10.0.0.7:4000".parse().unwrap(),
            "10.1.1.8:4444".parse().unwrap(),
        );
        candidates.on_rebound([place].into());
        assert_eq!(
            candidates.rewrite(&sdp()),
            "v=0\r\na=candidate:1 1 udp 2130706431 10.1.1.8 4444 typ host\r\na=mid:0\r\n"
        );
        candidates.on_gathered(RELAY);
        assert!(
            candidates
                .rewrite(&sdp())
                .contains("203.0.113.9 6000 typ relay")
        );
    }

    #[test]
    fn a_second_component_is_told_of_to_nobody() {
        let mut candidates = LocalCandidates::default();
        candidates.on_gathered(REFLEXIVE);
        let second = HOST.replacen(" 1 ", " 2 ", 1);
        assert_eq!(candidates.on_gathered(&second), None);
        let sdp = format!("a={HOST}\r\na={second}\r\n");
        assert_eq!(candidates.rewrite(&sdp), format!("a={HOST}\r\n"));
    }

    #[test]
    fn nonsense_and_addresses_that_are_none_are_not_told() {
        let mut candidates = LocalCandidates::default();
        for candidate in [
            "",
            "candidate:1",
            "candidate:1 1 udp 1 here 4000 typ host",
            "candidate:1 1 udp 1 0.0.0.0 4000 typ host",
            "candidate:1 1 udp 1 :: 4000 typ host",
        ] {
            assert_eq!(candidates.on_gathered(candidate), None, "{candidate}");
        }
    }
}
