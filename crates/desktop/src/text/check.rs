//! Sentences about the connection check: what it asks, what it found, and what that means for calls.

use std::time::Duration;

use engine::{
    ConnectionReport, Ipv6, NatMapping, PathPolicy, ReachError, RelayError, RelayTransport,
    ServerCheck, UdpReach, Verdict,
};

use super::{Explanation, delay, signalling_problem};
use crate::connection_check::CheckProblem;

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
            tr!("Trying the relays…"),
            tr!(
                "Nobody but the server and its relays is asked, as your network address is to stay hidden."
            ),
        )
    } else {
        Explanation::new(
            tr!("Trying every way…"),
            tr!("This takes a few seconds, and longer where nobody answers."),
        )
    }
}

/// Says why a check found nothing.
pub fn check_problem(problem: &CheckProblem) -> Explanation {
    match problem {
        CheckProblem::Server(problem) => signalling_problem(problem),
        CheckProblem::BrokeOff => Explanation::new(
            tr!("The check broke off"),
            tr!("The system did not let it run. Close some programs, then try again."),
        ),
    }
}

/// What a check means for calls, and how well that is.
pub fn verdict(verdict: Verdict) -> (Explanation, Mark) {
    let (title, detail, mark) = match verdict {
        Verdict::DirectLikely => (
            tr!("You are well connected"),
            tr!("Calls will probably find a direct way to the stranger."),
            Mark::Good,
        ),
        Verdict::RelayNeeded => (
            tr!("Calls will connect"),
            tr!("With some strangers directly, with the others through a relay."),
            Mark::Good,
        ),
        Verdict::Relayed => (
            tr!("Calls will connect through a relay"),
            tr!("Your network address is to stay hidden, so nobody but relays was asked."),
            Mark::Good,
        ),
        Verdict::NoRelay => (
            tr!("Calls will not connect"),
            tr!("Your network address is to stay hidden, and this server has no relay for that."),
            Mark::Bad,
        ),
        Verdict::DirectWithSomeOnly => (
            tr!("Calls will connect with some strangers"),
            tr!("Your network needs a relay for the others, and none of the server's works."),
            Mark::Bad,
        ),
        Verdict::RelayOverStreamOnly => (
            tr!("Calls will connect through a relay"),
            tr!(
                "Your network lets no UDP through, so pictures lag more whenever packets are lost."
            ),
            Mark::Neutral,
        ),
        Verdict::NoConnection => (
            tr!("Calls will not connect"),
            tr!(
                "Nothing that was tried gets through. Use another network, or ask whoever runs this one."
            ),
            Mark::Bad,
        ),
        Verdict::NothingToAsk => (
            tr!("There is nothing to try"),
            tr!(
                "The server names no relays. Calls work within one network; beyond it, nobody can tell beforehand."
            ),
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
            name: tr!("Server"),
            words: tr!("Answers in {time}", time = delay(check.signalling)),
            mark: Mark::Good,
        },
        finding("UDP", udp(report.udp)),
        finding(tr!("Your router"), router(report)),
    ];
    findings.extend(
        [
            (RelayTransport::Udp, tr!("Relay over UDP")),
            (RelayTransport::Tcp, tr!("Relay over TCP")),
            (RelayTransport::Tls, tr!("Relay over TLS")),
        ]
        .map(|(transport, name)| relay(check, transport, name)),
    );
    findings.push(finding("IPv6", ipv6(report.ipv6)));
    let policy = match check.path_policy {
        PathPolicy::Any => None,
        PathPolicy::RelayFirst => Some(tr!("Calls begin through a relay")),
        PathPolicy::RelayOnly => Some(tr!("Calls stay on a relay")),
    };
    findings.extend(policy.map(|words| finding(tr!("Server's rule"), (words, Mark::Neutral))));
    findings
}

fn udp(reach: UdpReach) -> (&'static str, Mark) {
    match reach {
        UdpReach::Works => (tr!("Gets through"), Mark::Good),
        UdpReach::Blocked => (tr!("Blocked"), Mark::Bad),
        UdpReach::Unknown => (tr!("Unknown, no server answers"), Mark::Neutral),
    }
}

fn router(report: &ConnectionReport) -> (&'static str, Mark) {
    if report.is_relay_only {
        return (tr!("Not looked at"), Mark::Neutral);
    }
    match report.nat.mapping {
        NatMapping::NoNat => (tr!("None in between"), Mark::Good),
        NatMapping::EndpointIndependent => (tr!("Lets direct calls through"), Mark::Good),
        NatMapping::PortIndependent => (tr!("Probably lets direct calls through"), Mark::Good),
        NatMapping::AddressDependent
        | NatMapping::AddressAndPortDependent
        | NatMapping::EndpointDependent => (tr!("Strict (symmetric NAT)"), Mark::Neutral),
        NatMapping::Unknown => (tr!("Could not be told"), Mark::Neutral),
    }
}

fn ipv6(reach: Ipv6) -> (&'static str, Mark) {
    match reach {
        Ipv6::Works => (tr!("Works"), Mark::Good),
        Ipv6::NoAnswer => (tr!("There, but no server answers"), Mark::Neutral),
        Ipv6::NotAsked => (tr!("There, and not tried"), Mark::Neutral),
        Ipv6::Absent => (tr!("None"), Mark::Neutral),
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
        (tr!("Not offered").to_owned(), Mark::Neutral)
    };
    Finding { name, words, mark }
}

fn works(round_trip: Duration) -> String {
    tr!("Works, {time} there and back", time = delay(round_trip))
}

fn relay_error(error: RelayError) -> &'static str {
    match error {
        RelayError::Reach(error) => reach_error(error),
        RelayError::NoCredentials | RelayError::WrongCredentials => tr!("Refuses the password"),
        RelayError::Full => tr!("Full"),
        RelayError::PeerForbidden => tr!("Answers, but cannot be tried"),
        RelayError::RefusedWith(_) => tr!("Refuses"),
        RelayError::NothingRelayed => tr!("Lets nothing through"),
    }
}

fn reach_error(error: ReachError) -> &'static str {
    match error {
        ReachError::BadUrl => tr!("Its address makes no sense"),
        ReachError::NotSupported => tr!("Not understood by Passerby"),
        ReachError::NameNotFound => tr!("Its name is not known"),
        ReachError::NoRoute => tr!("No way to it"),
        ReachError::Refused => tr!("Refuses connections"),
        ReachError::NoAnswer => tr!("Does not answer"),
        ReachError::Closed => tr!("Hangs up"),
        ReachError::Garbage => tr!("Answers nonsense"),
        ReachError::NoTls => tr!("Speaks no proper TLS"),
        ReachError::BadCertificate => tr!("Its certificate is not trusted"),
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
