//! The report as JSON, for programs. Its words are fixed; new fields may be added.

use engine::{
    Ipv6, NatFiltering, NatMapping, PathPolicy, ReachError, RelayError, RelayTransport,
    ServerCheck, UdpReach, Verdict,
};
use serde::Serialize;

/// Durations are in milliseconds; what is not known is `null`.
#[derive(Debug, Serialize)]
struct Report {
    verdict: &'static str,
    signalling_ms: f64,
    path_policy: PathPolicy,
    /// Whether nobody but relays was asked.
    relay_only: bool,
    udp: &'static str,
    nat: Nat,
    ipv6: &'static str,
    stun: Vec<Stun>,
    relays: Vec<Relay>,
    left_out: usize,
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_address: Option<String>,
}

#[derive(Debug, Serialize)]
struct Nat {
    mapping: &'static str,
    filtering: &'static str,
}

#[derive(Debug, Serialize)]
struct Stun {
    url: String,
    ipv6: bool,
    works: bool,
    round_trip_ms: Option<f64>,
    error: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Relay {
    url: String,
    transport: &'static str,
    works: bool,
    round_trip_ms: Option<f64>,
    relayed_round_trip_ms: Option<f64>,
    set_up_ms: Option<f64>,
    error: Option<&'static str>,
    /// The code of RFC 8489 or RFC 8656 behind `refused_with`.
    code: Option<u16>,
}

/// The report as one line of JSON. The public address is in it only if it is asked for.
pub(super) fn text(check: &ServerCheck, shows_address: bool) -> serde_json::Result<String> {
    let report = &check.connection;
    let stun = report.stun.iter().map(|check| Stun {
        url: check.url.clone(),
        ipv6: check.is_ipv6,
        works: check.outcome.is_ok(),
        round_trip_ms: check
            .outcome
            .ok()
            .and_then(|answer| answer.round_trip)
            .map(ms),
        error: check.outcome.err().map(reach_error),
    });
    let relays = report.relays.iter().map(|check| {
        let answer = check.outcome.ok();
        Relay {
            url: check.url.clone(),
            transport: match check.transport {
                RelayTransport::Udp => "udp",
                RelayTransport::Tcp => "tcp",
                RelayTransport::Tls => "tls",
            },
            works: answer.is_some(),
            round_trip_ms: answer.and_then(|answer| answer.round_trip).map(ms),
            relayed_round_trip_ms: answer.map(|answer| ms(answer.relayed_round_trip)),
            set_up_ms: answer.map(|answer| ms(answer.set_up)),
            error: check.outcome.err().map(relay_error),
            code: match check.outcome {
                Err(RelayError::RefusedWith(code)) => Some(code),
                _ => None,
            },
        }
    });
    let address = report.public_address.filter(|_| shows_address);
    serde_json::to_string(&Report {
        verdict: match report.verdict() {
            Verdict::DirectLikely => "direct_likely",
            Verdict::RelayNeeded => "relay_needed",
            Verdict::Relayed => "relayed",
            Verdict::NoRelay => "no_relay",
            Verdict::DirectWithSomeOnly => "direct_with_some_only",
            Verdict::RelayOverStreamOnly => "relay_over_stream_only",
            Verdict::NoConnection => "no_connection",
            Verdict::NothingToAsk => "nothing_to_ask",
        },
        signalling_ms: ms(check.signalling),
        path_policy: check.path_policy,
        relay_only: report.is_relay_only,
        udp: match report.udp {
            UdpReach::Works => "works",
            UdpReach::Blocked => "blocked",
            UdpReach::Unknown => "unknown",
        },
        nat: Nat {
            mapping: match report.nat.mapping {
                NatMapping::NoNat => "no_nat",
                NatMapping::EndpointIndependent => "endpoint_independent",
                NatMapping::PortIndependent => "port_independent",
                NatMapping::AddressDependent => "address_dependent",
                NatMapping::AddressAndPortDependent => "address_and_port_dependent",
                NatMapping::EndpointDependent => "endpoint_dependent",
                NatMapping::Unknown => "unknown",
            },
            filtering: match report.nat.filtering {
                NatFiltering::EndpointIndependent => "endpoint_independent",
                NatFiltering::AddressDependent => "address_dependent",
                NatFiltering::AddressAndPortDependent => "address_and_port_dependent",
                NatFiltering::Unknown => "unknown",
            },
        },
        ipv6: match report.ipv6 {
            Ipv6::Works => "works",
            Ipv6::NoAnswer => "no_answer",
            Ipv6::NotAsked => "not_asked",
            Ipv6::Absent => "absent",
        },
        stun: stun.collect(),
        relays: relays.collect(),
        left_out: report.left_out,
        took_ms: ms(report.took),
        public_address: address.map(|address| address.0.to_string()),
    })
}

fn ms(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

const fn reach_error(error: ReachError) -> &'static str {
    match error {
        ReachError::BadUrl => "bad_url",
        ReachError::NotSupported => "not_supported",
        ReachError::NameNotFound => "name_not_found",
        ReachError::NoRoute => "no_route",
        ReachError::Refused => "refused",
        ReachError::NoAnswer => "no_answer",
        ReachError::Closed => "closed",
        ReachError::Garbage => "garbage",
        ReachError::NoTls => "no_tls",
        ReachError::BadCertificate => "bad_certificate",
    }
}

const fn relay_error(error: RelayError) -> &'static str {
    match error {
        RelayError::Reach(error) => reach_error(error),
        RelayError::NoCredentials => "no_credentials",
        RelayError::WrongCredentials => "wrong_credentials",
        RelayError::Full => "full",
        RelayError::PeerForbidden => "peer_forbidden",
        RelayError::RefusedWith(_) => "refused_with",
        RelayError::NothingRelayed => "nothing_relayed",
    }
}
