//! Sentences about the connection check: what it asks, what it found, and what that means for calls.

use std::time::Duration;

use engine::{
    ConnectionReport, Ipv6, NatMapping, PathPolicy, ReachError, RelayError, RelayTransport,
    ServerCheck, UdpReach, Verdict,
};

use super::{Explanation, delay};

/// How well a thing does that the check looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Calls suffer from it, or need another way.
    Bad,
    /// Neither good nor bad, or not known.
    Neutral,
}

/// One thing that the check looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub words: String,
    /// How well it does.
    pub mark: Mark,
}

/// Says that a check is under way, and whom it asks.
pub fn check_under_way(is_shielded: bool) -> Explanation {
    if is_shielded {
        Explanation::new(
            "Trying the relays…",
            "Nobody but the server and its relays is asked, as your network address is to stay hidden.",
        )
    } else {
        Explanation::new(
            "Trying every way…",
            "This takes a few seconds, and longer where nobody answers.",
        )
    }
}

/// Says that a check ended without an outcome.
pub fn check_broke_off() -> Explanation {
    Explanation::new(
        "The check broke off",
        "The system did not let it run. Close some programs, then try again.",
    )
}

/// What a check means for calls, and how well that is.
pub fn verdict(verdict: Verdict) -> (Explanation, Mark) {
    let (title, detail, mark) = match verdict {
        Verdict::DirectLikely => (
            "You are well connected",
            "Calls will probably find a direct way to the stranger.",
            Mark::Good,
        ),
        Verdict::RelayNeeded => (
            "Calls will connect",
            "With some strangers directly, with the others through a relay.",
            Mark::Good,
        ),
        Verdict::Relayed => (
            "Calls will connect through a relay",
            "Your network address is to stay hidden, so nobody but relays was asked.",
            Mark::Good,
        ),
        Verdict::NoRelay => (
            "Calls will not connect",
            "Your network address is to stay hidden, and this server has no relay for that.",
            Mark::Bad,
        ),
        Verdict::DirectWithSomeOnly => (
            "Calls will connect with some strangers",
            "Your network needs a relay for the others, and none of the server's works.",
            Mark::Bad,
        ),
        Verdict::RelayOverStreamOnly => (
            "Calls will connect through a relay",
            "Your network lets no UDP through, so pictures lag more whenever packets are lost.",
            Mark::Neutral,
        ),
        Verdict::NoConnection => (
            "Calls will not connect",
            "Nothing that was tried gets through. Use another network, or ask whoever runs this one.",
            Mark::Bad,
        ),
        Verdict::NothingToAsk => (
            "There is nothing to try",
            "The server names no relays. Calls work within one network; beyond it, nobody can tell beforehand.",
            Mark::Neutral,
        ),
    };
    (Explanation::new(title, detail), mark)
}

/// Everything that a check found, line by line.
pub fn findings(check: &ServerCheck) -> Vec<Finding> {
    let report = &check.connection;
    let finding = |name, (words, mark): (&str, Mark)| Finding {
        name,
        words: words.to_owned(),
        mark,
    };
    let mut findings = vec![
        Finding {
            name: "Server",
            words: format!("Answers in {}", delay(check.signalling)),
            mark: Mark::Good,
        },
        finding("UDP", udp(report.udp)),
        finding("Your router", router(report)),
    ];
    findings.extend(
        [
            (RelayTransport::Udp, "Relay over UDP"),
            (RelayTransport::Tcp, "Relay over TCP"),
            (RelayTransport::Tls, "Relay over TLS"),
        ]
        .map(|(transport, name)| relay(check, transport, name)),
    );
    findings.push(finding("IPv6", ipv6(report.ipv6)));
    let policy = match check.path_policy {
        PathPolicy::Any => None,
        PathPolicy::RelayFirst => Some("Calls begin through a relay"),
        PathPolicy::RelayOnly => Some("Calls stay on a relay"),
    };
    findings.extend(policy.map(|words| finding("Server's rule", (words, Mark::Neutral))));
    findings
}

const fn udp(reach: UdpReach) -> (&'static str, Mark) {
    match reach {
        UdpReach::Works => ("Gets through", Mark::Good),
        UdpReach::Blocked => ("Blocked", Mark::Bad),
        UdpReach::Unknown => ("Unknown, no server answers", Mark::Neutral),
    }
}

const fn router(report: &ConnectionReport) -> (&'static str, Mark) {
    if report.is_relay_only {
        return ("Not looked at", Mark::Neutral);
    }
    match report.nat.mapping {
        NatMapping::NoNat => ("None in between", Mark::Good),
        NatMapping::EndpointIndependent => ("Lets direct calls through", Mark::Good),
        NatMapping::PortIndependent => ("Probably lets direct calls through", Mark::Good),
        NatMapping::AddressDependent
        | NatMapping::AddressAndPortDependent
        | NatMapping::EndpointDependent => ("Strict (symmetric NAT)", Mark::Neutral),
        NatMapping::Unknown => ("Could not be told", Mark::Neutral),
    }
}

const fn ipv6(reach: Ipv6) -> (&'static str, Mark) {
    match reach {
        Ipv6::Works => ("Works", Mark::Good),
        Ipv6::NoAnswer => ("There, but no server answers", Mark::Neutral),
        Ipv6::NotAsked => ("There, and not tried", Mark::Neutral),
        Ipv6::Absent => ("None", Mark::Neutral),
    }
}

/// The best relay of this kind, or why none works.
fn relay(check: &ServerCheck, transport: RelayTransport, name: &'static str) -> Finding {
    let outcomes = || {
        let relays = check.connection.relays.iter();
        relays
            .filter(move |relay| relay.transport == transport)
            .map(|relay| relay.outcome)
    };
    let round_trips = outcomes()
        .flatten()
        .map(|answer| answer.round_trip.unwrap_or(answer.relayed_round_trip));
    let (words, mark) = if let Some(best) = round_trips.min() {
        (works(best), Mark::Good)
    } else if let Some(error) = outcomes().find_map(Result::err) {
        (relay_error(error).to_owned(), Mark::Bad)
    } else {
        ("Not offered".to_owned(), Mark::Neutral)
    };
    Finding { name, words, mark }
}

fn works(round_trip: Duration) -> String {
    format!("Works, {} there and back", delay(round_trip))
}

const fn relay_error(error: RelayError) -> &'static str {
    match error {
        RelayError::Reach(error) => reach_error(error),
        RelayError::NoCredentials | RelayError::WrongCredentials => "Refuses the password",
        RelayError::Full => "Full",
        RelayError::PeerForbidden => "Answers, but cannot be tried",
        RelayError::RefusedWith(_) => "Refuses",
        RelayError::NothingRelayed => "Lets nothing through",
    }
}

const fn reach_error(error: ReachError) -> &'static str {
    match error {
        ReachError::BadUrl => "Its address makes no sense",
        ReachError::NotSupported => "Not understood by Passerby",
        ReachError::NameNotFound => "Its name is not known",
        ReachError::NoRoute => "No way to it",
        ReachError::Refused => "Refuses connections",
        ReachError::NoAnswer => "Does not answer",
        ReachError::Closed => "Hangs up",
        ReachError::Garbage => "Answers nonsense",
        ReachError::NoTls => "Speaks no proper TLS",
        ReachError::BadCertificate => "Its certificate is not trusted",
    }
}

#[cfg(test)]
mod tests {
    use engine::{NatFiltering, NatReport, RelayAnswer, RelayCheck};

    use super::*;

    #[test]
    fn of_several_relays_the_best_one_is_told_and_a_broken_one_only_if_none_works() {
        let relay = |outcome| RelayCheck {
            url: String::new(),
            transport: RelayTransport::Udp,
            outcome,
        };
        let answer = |ms| {
            Ok(RelayAnswer {
                round_trip: Some(Duration::from_millis(ms)),
                relayed_round_trip: Duration::from_millis(ms + 1),
                set_up: Duration::from_millis(ms * 3),
                is_ipv6: false,
            })
        };
        let broken = Err(RelayError::Reach(ReachError::NoAnswer));
        let told = |relays| {
            let check = check(relays);
            let udp = findings(&check)
                .into_iter()
                .find(|finding| finding.name == "Relay over UDP");
            udp.map(|finding| (finding.words, finding.mark))
        };
        assert_eq!(
            told(vec![relay(broken), relay(answer(80)), relay(answer(20))]),
            Some(("Works, 20 ms there and back".to_owned(), Mark::Good))
        );
        assert_eq!(
            told(vec![relay(broken)]),
            Some(("Does not answer".to_owned(), Mark::Bad))
        );
        assert_eq!(
            told(Vec::new()),
            Some(("Not offered".to_owned(), Mark::Neutral))
        );
    }

    #[test]
    fn of_an_address_that_stays_hidden_nothing_is_said_that_was_not_looked_at() {
        let mut check = check(Vec::new());
        check.connection.is_relay_only = true;
        let router = findings(&check)
            .into_iter()
            .find(|finding| finding.name == "Your router");
        assert_eq!(router.unwrap().words, "Not looked at");
        let (explanation, mark) = verdict(check.connection.verdict());
        assert!(explanation.detail.contains("no relay"), "{explanation:?}");
        assert_eq!(mark, Mark::Bad);
    }

    fn check(relays: Vec<RelayCheck>) -> ServerCheck {
        ServerCheck {
            signalling: Duration::from_millis(90),
            path_policy: PathPolicy::Any,
            connection: ConnectionReport {
                stun: Vec::new(),
                relays,
                udp: UdpReach::Works,
                nat: NatReport {
                    mapping: NatMapping::Unknown,
                    filtering: NatFiltering::Unknown,
                },
                public_address: None,
                ipv6: Ipv6::Absent,
                is_relay_only: false,
                left_out: 0,
                took: Duration::from_secs(1),
            },
        }
    }
}
