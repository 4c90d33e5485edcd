//! The report in words, for people.

use std::time::Duration;

use engine::{
    ConnectionReport, Ipv6, NatFiltering, NatMapping, PathPolicy, RelayAnswer, RelayTransport,
    ServerCheck, UdpReach, Verdict,
};

/// The report, a few lines long. The public address is in it only if it is asked for.
pub(super) fn text(check: &ServerCheck, shows_address: bool) -> String {
    let report = &check.connection;
    let mut lines = vec![
        verdict(report.verdict()).to_owned(),
        String::new(),
        format!(
            "Signalling server: answers, {} for everything",
            ms(check.signalling)
        ),
        format!("UDP:               {}", udp(report.udp)),
        format!("NAT:               {}", nat(report)),
    ];
    if let Some(words) = filtering(report.nat.filtering) {
        lines.push(format!("                   {words}"));
    }
    lines.push(format!("IPv6:              {}", ipv6(report.ipv6)));
    if let Some(words) = policy(check.path_policy) {
        lines.push(format!("Paths:             {words}"));
    }
    if let Some(address) = report.public_address {
        let words = if shows_address {
            address.0.to_string()
        } else {
            "known; --show-address shows it".to_owned()
        };
        lines.push(format!("Public address:    {words}"));
    }
    if report.stun.is_empty() && report.relays.is_empty() {
        let what = if report.is_relay_only {
            "TURN:              the server names none"
        } else {
            "STUN and TURN:     the server names none"
        };
        lines.push(what.to_owned());
    }
    for check in &report.stun {
        let version = if check.is_ipv6 { " over IPv6" } else { "" };
        let words = match check.outcome {
            Ok(answer) => match answer.round_trip {
                Some(round_trip) => format!("answers after {}", ms(round_trip)),
                None => "answers, after packets were lost".to_owned(),
            },
            Err(error) => format!("does not work: {error}"),
        };
        lines.push(format!("  {}{version}: {words}", check.url));
    }
    for check in &report.relays {
        let words = match check.outcome {
            Ok(answer) => relay(check.transport, answer),
            Err(error) => format!("does not work: {error}"),
        };
        lines.push(format!("  {}: {words}", check.url));
    }
    if report.left_out > 0 {
        lines.push(format!(
            "  and {} more, which were not tried",
            report.left_out
        ));
    }
    lines.push(String::new());
    lines.push(format!("The check took {}.", ms(report.took)));
    lines.join("\n")
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::DirectLikely => "Calls will probably connect directly.",
        Verdict::RelayNeeded => {
            "Calls will connect: directly with some strangers, through a relay with the others."
        }
        Verdict::Relayed => "Calls will connect through a relay. Nobody but relays was asked.",
        Verdict::NoRelay => {
            "Calls that hide the network address will not connect: the server names no relay."
        }
        Verdict::DirectWithSomeOnly => {
            "Calls will connect with some strangers only: the NAT here needs a relay, and none works."
        }
        Verdict::RelayOverStreamOnly => {
            "Calls will connect through a relay over TCP or TLS, with more delay than usual when packets are lost."
        }
        Verdict::NoConnection => "Calls will not connect: nothing that was tried works.",
        Verdict::NothingToAsk => {
            "The server names no STUN and TURN servers: calls connect within one network, and nobody can say more."
        }
    }
}

const fn udp(reach: UdpReach) -> &'static str {
    match reach {
        UdpReach::Works => "gets through",
        UdpReach::Blocked => "is blocked: servers answer over TCP or TLS only",
        UdpReach::Unknown => "unknown: no server answers",
    }
}

const fn nat(report: &ConnectionReport) -> &'static str {
    if report.is_relay_only {
        "not looked at, as nobody but relays is asked"
    } else {
        mapping(report.nat.mapping)
    }
}

const fn mapping(mapping: NatMapping) -> &'static str {
    match mapping {
        NatMapping::NoNat => "none",
        NatMapping::EndpointIndependent => {
            "friendly: everybody sees the same address (endpoint-independent mapping)"
        }
        NatMapping::PortIndependent => {
            "probably friendly: both ports of a server see the same address"
        }
        NatMapping::AddressDependent => {
            "symmetric: each server sees another address (address-dependent mapping)"
        }
        NatMapping::AddressAndPortDependent => {
            "symmetric: each port of a server sees another address (address- and port-dependent mapping)"
        }
        NatMapping::EndpointDependent => "symmetric: each server sees another address",
        NatMapping::Unknown => "of unknown kind: too few servers answer",
    }
}

const fn filtering(filtering: NatFiltering) -> Option<&'static str> {
    match filtering {
        NatFiltering::EndpointIndependent => Some("lets everybody in"),
        NatFiltering::AddressDependent => Some("lets in whom we have sent to"),
        NatFiltering::AddressAndPortDependent => Some("lets in only the very port we have sent to"),
        NatFiltering::Unknown => None,
    }
}

const fn ipv6(reach: Ipv6) -> &'static str {
    match reach {
        Ipv6::Works => "works",
        Ipv6::NoAnswer => "is there, but no server answers over it",
        Ipv6::NotAsked => "is there; no server has an IPv6 address to try it with",
        Ipv6::Absent => "none",
    }
}

const fn policy(policy: PathPolicy) -> Option<&'static str> {
    match policy {
        PathPolicy::Any => None,
        PathPolicy::RelayFirst => Some(
            "the server wants calls to begin over a relay, until both people want a direct path",
        ),
        PathPolicy::RelayOnly => Some("the server wants calls to use a relay and nothing else"),
    }
}

fn relay(transport: RelayTransport, answer: RelayAnswer) -> String {
    let transport = match transport {
        RelayTransport::Udp => "UDP",
        RelayTransport::Tcp => "TCP",
        RelayTransport::Tls => "TLS",
    };
    let version = if answer.is_ipv6 { " and IPv6" } else { "" };
    let to_it = match answer.round_trip {
        Some(round_trip) => format!("{} to it and back, ", ms(round_trip)),
        None => String::new(),
    };
    let (through, set_up) = (ms(answer.relayed_round_trip), ms(answer.set_up));
    format!(
        "relays over {transport}{version}: {to_it}{through} through it and back, ready after {set_up}"
    )
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}
