//! Sentences about the way between the two people: its path, and who learns whose address.

use engine::{CandidateKind, PathProtocol, PathView};

use super::{Explanation, Sentence};
use crate::shield::ShieldStage;

/// Asks who may learn one's network address.
pub const SHIELD_QUESTION: Sentence = sentence!("Who may learn your network address?");
/// One of the two ways to begin calls: what it is, and what it reveals.
pub fn shield_choice(is_shielded: bool) -> Explanation {
    if is_shielded {
        Explanation::new(
            tr!("Hide my network address"),
            tr!(
                "Calls go over the server's relay, which sees only encrypted packets. The stranger learns nothing."
            ),
        )
    } else {
        Explanation::new(
            tr!("Connect directly"),
            tr!(
                "Best picture and sound. The stranger can learn your network address and rough location."
            ),
        )
    }
}

/// The same choice as it stands in a field.
pub fn shield_in_use(is_shielded: bool) -> &'static str {
    if is_shielded {
        tr!("Hidden from strangers")
    } else {
        tr!("Strangers can learn it")
    }
}

/// What stands over the picture about the shield: in a few words, and at more length. What pressing it does is the
/// matter of [`crate::actions::Action::ToggleDirect`].
pub fn shield_stage(stage: ShieldStage) -> (&'static str, &'static str) {
    match stage {
        ShieldStage::Enforced => (
            tr!("Address hidden by the server"),
            tr!(
                "This server sends every call through its relay, which sees only encrypted packets. The stranger cannot learn your network address."
            ),
        ),
        ShieldStage::Hidden {
            is_partner_ready: false,
        } => (
            tr!("Address hidden"),
            tr!(
                "Better picture and sound, but the stranger can learn your network address. It happens once both of you agree."
            ),
        ),
        ShieldStage::Hidden {
            is_partner_ready: true,
        } => (
            tr!("The stranger is ready"),
            tr!(
                "Better picture and sound, but the stranger can learn your network address. The stranger agrees already, so it happens at once."
            ),
        ),
        ShieldStage::Waiting => (
            tr!("Waiting for the stranger to agree"),
            tr!("Your network address is still hidden. Take it back, and it stays hidden."),
        ),
        ShieldStage::Switching => (
            tr!("Going direct…"),
            tr!(
                "Both of you agreed. A direct way is being looked for, and the stranger can learn your network address meanwhile."
            ),
        ),
        ShieldStage::Direct => (
            tr!("You are connected directly"),
            tr!("Both of you agreed. The stranger can learn your network address now."),
        ),
        ShieldStage::StillRelayed => (
            tr!("No direct way was found"),
            tr!(
                "The call stays on the relay. As both of you agreed, the stranger may have learnt your network address all the same."
            ),
        ),
    }
}

/// The way that media take, in words: `Direct (UDP, IPv4)`.
pub fn path(path: PathView) -> String {
    let way = if path.is_relayed() {
        tr!("Through a relay")
    } else {
        tr!("Direct")
    };
    let protocol = match path.protocol {
        PathProtocol::Udp => "UDP",
        PathProtocol::Tcp => "TCP",
        PathProtocol::Tls => "TLS",
    };
    let version = if path.is_ipv6 { "IPv6" } else { "IPv4" };
    format!("{way} ({protocol}, {version})")
}

/// Whose relay a path takes, if it takes one.
pub fn relay_side(path: PathView) -> Option<&'static str> {
    match (path.local, path.remote) {
        (CandidateKind::Relay, CandidateKind::Relay) => Some(tr!("One on each side")),
        (CandidateKind::Relay, _) => Some(tr!("On your side")),
        (_, CandidateKind::Relay) => Some(tr!("On the stranger's side")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(local: CandidateKind, remote: CandidateKind) -> PathView {
        PathView {
            local,
            remote,
            protocol: PathProtocol::Tls,
            is_ipv6: true,
            round_trip: None,
        }
    }

    #[test]
    fn a_path_is_told_with_its_protocol_and_whose_relay_it_takes() {
        use CandidateKind::{Host, PeerReflexive, Relay};
        let direct = view(Host, PeerReflexive);
        assert_eq!(path(direct), "Direct (TLS, IPv6)");
        assert_eq!(relay_side(direct), None);
        for (local, remote, side) in [
            (Relay, Host, "On your side"),
            (PeerReflexive, Relay, "On the stranger's side"),
            (Relay, Relay, "One on each side"),
        ] {
            assert_eq!(path(view(local, remote)), "Through a relay (TLS, IPv6)");
            assert_eq!(relay_side(view(local, remote)), Some(side));
        }
    }

    #[test]
    fn both_choices_say_what_the_stranger_learns() {
        for is_shielded in [false, true] {
            let detail = shield_choice(is_shielded).detail;
            assert!(detail.contains("The stranger"), "{detail}");
        }
    }

    #[test]
    fn once_both_have_agreed_it_is_never_said_or_left_to_be_thought_that_the_address_is_hidden() {
        use ShieldStage::{Direct, StillRelayed, Switching};
        for stage in [Switching, Direct, StillRelayed] {
            let (title, detail) = shield_stage(stage);
            let says_so = ["the stranger can learn", "the stranger may have learnt"];
            let detail = detail.to_lowercase();
            assert!(
                says_so.iter().any(|words| detail.contains(words)),
                "{detail}"
            );
            assert!(!format!("{title} {detail}").contains("hidden"), "{detail}");
        }
    }
}
