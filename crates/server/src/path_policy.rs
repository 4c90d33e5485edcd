//! What of a description and a candidate may be passed on when calls go over relays only.
//!
//! Takes out candidates of other kinds than `relay` (RFC 8839 section 5.1) and every address that is not a relay's; all
//! else stays as it is, byte for byte. What is not certainly a relay candidate is not passed on. Whether an address that
//! a client calls a relay's is one, nobody can tell here.

use std::{collections::BTreeSet, net::IpAddr};

use protocol::{Candidate, ClientMessage, Description, PathPolicy, ServerMessage};

/// The port that goes with an unspecified address (RFC 8839 section 5.1, RFC 8829 section 5.2.1).
const DISCARD_PORT: &str = "9";

/// What a partner gets to hear.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) message: Option<ServerMessage>,
    /// How many candidates were taken out.
    pub(crate) withheld: u64,
}

/// A description that a partner gets to hear.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PassedDescription {
    pub(crate) description: Description,
    /// How many candidates were taken out.
    pub(crate) withheld: u64,
}

/// An SDP with relays only.
#[derive(Debug, PartialEq, Eq)]
struct Relayed {
    sdp: String,
    /// How many candidates were taken out.
    withheld: u64,
}

/// What the partner gets to hear of a description, a candidate or a key; of any other message nothing.
pub(crate) fn pass(message: ClientMessage, policy: PathPolicy) -> Passed {
    let (message, withheld) = match message {
        ClientMessage::Description { room, description } => {
            let PassedDescription {
                description,
                withheld,
            } = pass_description(description, policy);
            (
                Some(ServerMessage::Description { room, description }),
                withheld,
            )
        }
        ClientMessage::ChatKey { room, key } => (Some(ServerMessage::ChatKey { room, key }), 0),
        ClientMessage::Candidate {
            room,
            candidate: Some(candidate),
        } => {
            let candidate = if may_go_direct(policy) {
                Some(candidate)
            } else {
                relay_candidate(candidate)
            };
            let withheld = candidate.is_none().into();
            let message = candidate.map(|candidate| ServerMessage::Candidate {
                room,
                candidate: Some(candidate),
            });
            (message, withheld)
        }
        ClientMessage::Candidate {
            room,
            candidate: None,
        } => {
            let candidate = None;
            (Some(ServerMessage::Candidate { room, candidate }), 0)
        }
        _ => (None, 0),
    };
    Passed { message, withheld }
}

/// What the partner gets to hear of a description, on whichever way.
pub(crate) fn pass_description(
    mut description: Description,
    policy: PathPolicy,
) -> PassedDescription {
    let mut withheld = 0;
    if !may_go_direct(policy) {
        let relayed = relay_sdp(&description.sdp);
        description.sdp = relayed.sdp;
        withheld = relayed.withheld;
    }
    PassedDescription {
        description,
        withheld,
    }
}

/// Under `RelayFirst` the two may have agreed to go direct, over the data channel, and then descriptions and candidates tell
/// how.
fn may_go_direct(policy: PathPolicy) -> bool {
    policy != PathPolicy::RelayOnly
}

/// The candidate as it may be passed on, or nothing.
fn relay_candidate(candidate: Candidate) -> Option<Candidate> {
    // The W3C's way to say that there are no more in this generation.
    if candidate.candidate.is_empty() {
        return Some(candidate);
    }
    let attribute = candidate.candidate.strip_prefix("candidate:")?;
    let attribute = format!("candidate:{}", relay_attribute(attribute)?);
    Some(Candidate {
        candidate: attribute,
        ..candidate
    })
}

/// The description as it may be passed on.
fn relay_sdp(sdp: &str) -> Relayed {
    let relays = relay_addrs(sdp);
    let mut relayed = Relayed {
        sdp: String::with_capacity(sdp.len()),
        withheld: 0,
    };
    let mut session_is_hidden = false;
    for (position, section) in sections(sdp).into_iter().enumerate() {
        let own = lines(section).find_map(|(line, _)| hidden_connection(line, &relays));
        if position == 0 {
            session_is_hidden = own.is_some_and(|hidden| hidden);
        }
        let is_hidden = own.unwrap_or(session_is_hidden);
        for (line, ending) in lines(section) {
            let Some(line) = relay_line(line, is_hidden, &relays) else {
                relayed.withheld += 1;
                continue;
            };
            relayed.sdp.push_str(&line);
            relayed.sdp.push_str(ending);
        }
    }
    relayed
}

/// One line without what betrays an address; nothing for a candidate of another kind. `is_hidden` says whether the
/// address of its section is taken out.
fn relay_line(line: &str, is_hidden: bool, relays: &BTreeSet<IpAddr>) -> Option<String> {
    if let Some(attribute) = line.strip_prefix("a=candidate:") {
        return relay_attribute(attribute).map(|attribute| format!("a=candidate:{attribute}"));
    }
    let mut fields: Vec<&str> = line.split(' ').collect();
    if line.starts_with("c=") {
        hide_addr(&mut fields, 0, relays);
    } else if line.starts_with("o=") {
        hide_addr(&mut fields, 3, relays);
    } else if line.starts_with("a=rtcp:") {
        if fields.len() > 1 && hide_addr(&mut fields, 1, relays) {
            fields[0] = "a=rtcp:9";
        }
    } else if line.starts_with("m=") && is_hidden {
        // Port 0 says that the section is refused.
        if let Some(port) = fields.get_mut(1).filter(|port| **port != "0") {
            *port = DISCARD_PORT;
        }
    } else {
        return Some(line.to_owned());
    }
    Some(fields.join(" "))
}

/// Makes the address in `<nettype> <addrtype> <address>`, of which the first is `fields[at]`, unspecified unless it is a
/// relay's or says nothing. Returns whether it was another's.
fn hide_addr(fields: &mut Vec<&str>, at: usize, relays: &BTreeSet<IpAddr>) -> bool {
    let is_harmless =
        |addr: IpAddr| addr.is_unspecified() || addr.is_loopback() || relays.contains(&addr);
    let addr = fields.get(at + 2).and_then(|addr| addr.parse().ok());
    if addr.is_some_and(is_harmless) && fields.len() == at + 3 {
        return false;
    }
    let unspecified = match fields.get(at + 1) {
        Some(&"IP6") => "::",
        _ => "0.0.0.0",
    };
    fields.truncate(at + 2);
    fields.push(unspecified);
    true
}

/// Whether a line says `c=` with an address that is no relay's.
fn hidden_connection(line: &str, relays: &BTreeSet<IpAddr>) -> Option<bool> {
    let mut fields = line.strip_prefix("c=")?.split(' ').collect();
    Some(hide_addr(&mut fields, 0, relays))
}

/// A candidate-attribute, from the foundation on, if its kind is `relay`. The related address is the client's own: it is
/// made unspecified as RFC 8839 section 5.1 says for privacy.
fn relay_attribute(attribute: &str) -> Option<String> {
    let mut fields: Vec<&str> = attribute.split(' ').collect();
    let addr = relay_addr(attribute)?;
    let unspecified = match addr {
        IpAddr::V4(_) => "0.0.0.0",
        IpAddr::V6(_) => "::",
    };
    for pair in fields[8..].chunks_exact_mut(2) {
        match pair[0] {
            "raddr" => pair[1] = unspecified,
            "rport" => pair[1] = DISCARD_PORT,
            _ => {}
        }
    }
    Some(fields.join(" "))
}

/// The address of a candidate-attribute of kind `relay`.
fn relay_addr(attribute: &str) -> Option<IpAddr> {
    let fields: Vec<&str> = attribute.split(' ').collect();
    let is_one_line = !attribute.contains(char::is_control);
    let is_relay = matches!(fields.get(6..8), Some(["typ", "relay"]));
    // Extensions are pairs: with an odd one out it is anybody's guess which is the name.
    let has_pairs = fields.len().is_multiple_of(2);
    (is_one_line && is_relay && has_pairs).then(|| fields[4].parse().ok())?
}

fn relay_addrs(sdp: &str) -> BTreeSet<IpAddr> {
    lines(sdp)
        .filter_map(|(line, _)| relay_addr(line.strip_prefix("a=candidate:")?))
        .collect()
}

/// The session's part and each medium's (RFC 8866 section 5).
fn sections(sdp: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let (mut start, mut at) = (0, 0);
    for (line, ending) in lines(sdp) {
        if line.starts_with("m=") {
            sections.push(&sdp[start..at]);
            start = at;
        }
        at += line.len() + ending.len();
    }
    sections.push(&sdp[start..]);
    sections
}

/// The lines and what ends each. A carriage return alone ends one too: there are parsers that take it so.
fn lines(sdp: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = sdp;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let ending = match &rest.as_bytes()[end..] {
            [b'\r', b'\n', ..] => 2,
            [] => 0,
            _ => 1,
        };
        let (line, tail) = rest.split_at(end);
        let (ending, tail) = tail.split_at(ending);
        rest = tail;
        Some((line, ending))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &str = "203.0.113.7";
    const OWN6: &str = "2001:db8::7";
    const RELAY: &str = "198.51.100.9";

    fn trickled(text: &str) -> Option<String> {
        let candidate = Candidate {
            candidate: text.to_owned(),
            sdp_mid: Some("0".to_owned()),
            sdp_m_line_index: Some(0),
            username_fragment: None,
        };
        relay_candidate(candidate).map(|candidate| candidate.candidate)
    }

    #[test]
    fn candidates_of_other_kinds_are_withheld() {
        for text in [
            "candidate:1 1 udp 2130706431 203.0.113.7 50000 typ host",
            "candidate:1 1 udp 1694498815 203.0.113.7 50000 typ srflx raddr 10.0.0.2 rport 50000",
            "candidate:1 1 udp 1862270975 203.0.113.7 50000 typ prflx raddr 10.0.0.2 rport 50000",
            "candidate:1 1 udp 2130706431 a0b1.local 50000 typ host",
        ] {
            assert_eq!(trickled(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_certainly_a_relay_candidate_is_withheld() {
        for text in [
            "candidate",
            "candidate:",
            "nonsense",
            "candidate:1 1 udp 2130706431 203.0.113.7 50000 typ",
            "candidate:1 1 udp 2130706431 203.0.113.7 50000 typ RELAY",
            "candidate:1 1 udp 2130706431 203.0.113.7 50000 typ host typ relay",
            "candidate:1 1 udp 2130706431 203.0.113.7  50000 typ relay",
            "candidate:1 1 udp 16777215 198.51.100.9 50000 typ relay raddr",
            "candidate:1 1 udp 16777215 relay.example 50000 typ relay",
            "candidate:1 1 udp 16777215 198.51.100.9 50000 typ relay\r\na=candidate:1 1 udp 1 203.0.113.7 5 typ host",
        ] {
            assert_eq!(trickled(text), None, "{text}");
        }
    }

    #[test]
    fn a_relay_candidate_passes_without_the_address_that_it_relates_to() {
        assert_eq!(
            trickled("candidate:1 1 udp 16777215 198.51.100.9 50000 typ relay raddr 203.0.113.7 rport 4444 generation 0 ufrag ab"),
            Some("candidate:1 1 udp 16777215 198.51.100.9 50000 typ relay raddr 0.0.0.0 rport 9 generation 0 ufrag ab".to_owned()),
        );
        assert_eq!(
            trickled(
                "candidate:1 1 udp 16777215 2001:db8:1::9 50000 typ relay raddr 2001:db8::7 rport 4444"
            ),
            Some(
                "candidate:1 1 udp 16777215 2001:db8:1::9 50000 typ relay raddr :: rport 9"
                    .to_owned()
            ),
        );
    }

    #[test]
    fn the_end_of_candidates_and_candidates_without_a_related_address_pass_as_they_are() {
        for text in [
            "",
            "candidate:1 1 udp 16777215 198.51.100.9 50000 typ relay",
        ] {
            assert_eq!(trickled(text).as_deref(), Some(text));
        }
    }

    /// As a client sends it that gathered everything first.
    fn sdp(newline: &str) -> String {
        [
            "v=0",
            "o=alice 42 2 IN IP4 203.0.113.7",
            "s=-",
            "c=IN IP4 203.0.113.7",
            "t=0 0",
            "a=group:BUNDLE 0 1 2",
            "m=audio 50000 UDP/TLS/RTP/SAVPF 111 0",
            "c=IN IP6 2001:db8::7",
            "a=rtcp:50001 IN IP4 203.0.113.7",
            "a=candidate:1 1 udp 2130706431 203.0.113.7 50000 typ host",
            "a=candidate:2 1 udp 16777215 198.51.100.9 60000 typ relay raddr 203.0.113.7 rport 50000",
            "a=ice-ufrag:abcd",
            "m=video 60000 UDP/TLS/RTP/SAVPF 96",
            "c=IN IP4 198.51.100.9",
            "a=rtcp:60000 IN IP4 198.51.100.9",
            "m=application 50000 UDP/DTLS/SCTP webrtc-datachannel",
            "a=end-of-candidates",
            "m=audio 0 UDP/TLS/RTP/SAVPF 8",
            "",
        ]
        .join(newline)
    }

    #[test]
    fn an_sdp_keeps_everything_but_addresses_and_candidates() {
        for newline in ["\r\n", "\n"] {
            let expected = [
                "v=0",
                "o=alice 42 2 IN IP4 0.0.0.0",
                "s=-",
                "c=IN IP4 0.0.0.0",
                "t=0 0",
                "a=group:BUNDLE 0 1 2",
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
                "c=IN IP6 ::",
                "a=rtcp:9 IN IP4 0.0.0.0",
                "a=candidate:2 1 udp 16777215 198.51.100.9 60000 typ relay raddr 0.0.0.0 rport 9",
                "a=ice-ufrag:abcd",
                "m=video 60000 UDP/TLS/RTP/SAVPF 96",
                "c=IN IP4 198.51.100.9",
                "a=rtcp:60000 IN IP4 198.51.100.9",
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                "a=end-of-candidates",
                "m=audio 0 UDP/TLS/RTP/SAVPF 8",
                "",
            ]
            .join(newline);

            let relayed = relay_sdp(&sdp(newline));

            assert_eq!(relayed.sdp, expected);
            assert_eq!(relayed.withheld, 1);
        }
    }

    #[test]
    fn an_sdp_without_addresses_stays_as_it_is() {
        let trickling = "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
            a=rtcp-mux\r\na=ice-options:trickle\r\n";

        assert_eq!(relay_sdp(trickling).sdp, trickling);
    }

    #[test]
    fn a_line_hidden_behind_a_lone_carriage_return_is_seen() {
        let sdp = "s=-\ra=candidate:1 1 udp 1 203.0.113.7 5 typ host\rc=IN IP4 203.0.113.7";

        let relayed = relay_sdp(sdp);

        assert_eq!(relayed.sdp, "s=-\rc=IN IP4 0.0.0.0");
    }

    proptest! {
        #[test]
        fn no_line_that_carries_addresses_carries_the_clients_own(
            lines in proptest::collection::vec(line(), 0..30),
            newline in prop_oneof!["\r\n", "\n", "\r"],
        ) {
            let relayed = relay_sdp(&lines.join(&newline)).sdp;

            prop_assert!(!relayed.contains(OWN) && !relayed.contains(OWN6), "{relayed}");
            // There is nothing left to take out.
            prop_assert_eq!(relay_sdp(&relayed), Relayed { sdp: relayed, withheld: 0 });
        }

        #[test]
        fn whatever_comes_does_no_harm(sdp in "([a-z]=|candidate:|typ relay|[ 0-9.:]|\\PC|\r|\n){0,60}") {
            relay_sdp(&sdp);
            trickled(&sdp);
        }

        #[test]
        fn lines_without_addresses_stay_as_they_are(sdp in "([abstvik]=[ -~]{0,9}(\r\n|\n)){0,20}") {
            prop_assert_eq!(relay_sdp(&sdp).sdp, sdp);
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let addr = prop_oneof![Just(OWN), Just(OWN6), Just(RELAY), Just("0.0.0.0")];
        let own = prop_oneof![Just(OWN), Just(OWN6)];
        let kind = prop_oneof![Just("host"), Just("srflx"), Just("relay"), Just("prflx")];
        (0..7, addr, own, kind, 0..3_u16).prop_map(|(line, addr, own, kind, port)| {
            let family = if addr.contains(':') { "IP6" } else { "IP4" };
            match line {
                0 => format!("c=IN {family} {addr}"),
                1 => format!("o=- 1 2 IN {family} {addr}"),
                2 => format!("a=rtcp:{port} IN {family} {addr}"),
                3 => format!("m=audio {port} UDP/TLS/RTP/SAVPF 111"),
                4 => format!("a=candidate:1 1 udp 5 {RELAY} 5 typ relay raddr {own} rport {port}"),
                5 if kind != "relay" => {
                    format!("a=candidate:1 1 udp 5 {addr} 5 typ {kind} raddr {own} rport {port}")
                }
                _ => "a=rtcp-mux".to_owned(),
            }
        })
    }
}
