//! What the check found, in plain data, and what follows from it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::{ReachError, RelayError};

/// What a call could use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionReport {
    /// Each `stun:` URL, in the order in which they were given, and once more for IPv6 if the server has both.
    pub stun: Vec<StunCheck>,
    /// Each `turn:` and `turns:` URL, in the order in which they were given.
    pub relays: Vec<RelayCheck>,
    /// Whether UDP gets through.
    pub udp: UdpReach,
    /// What kind of NAT is in between.
    pub nat: NatReport,
    /// How others see this machine, if a server said so. For the person's own eyes.
    pub public_address: Option<PublicAddress>,
    /// Whether IPv6 can be used.
    pub ipv6: Ipv6,
    /// Whether nobody but relays was asked: [`CheckConfig::relay_only`](super::CheckConfig::relay_only).
    pub is_relay_only: bool,
    /// URLs that were not checked because there were too many.
    pub left_out: usize,
    /// How long the check took.
    pub took: Duration,
}

impl ConnectionReport {
    /// What all of it means for a call.
    pub fn verdict(&self) -> Verdict {
        let works = |transport| {
            let mut relays = self.relays.iter();
            relays.any(|relay| relay.transport == transport && relay.outcome.is_ok())
        };
        let has_udp_relay = works(RelayTransport::Udp);
        let has_stream_relay = works(RelayTransport::Tcp) || works(RelayTransport::Tls);
        let has_relay = has_udp_relay || has_stream_relay;
        if self.is_relay_only {
            return match (has_udp_relay, has_stream_relay) {
                _ if self.relays.is_empty() => Verdict::NoRelay,
                (true, _) => Verdict::Relayed,
                (false, true) => Verdict::RelayOverStreamOnly,
                (false, false) => Verdict::NoConnection,
            };
        }
        if self.stun.is_empty() && self.relays.is_empty() {
            return Verdict::NothingToAsk;
        }
        match (self.udp, self.public_address.is_some()) {
            (UdpReach::Works, true) if !self.nat.mapping.is_symmetric() => Verdict::DirectLikely,
            (UdpReach::Works, true) if !has_relay => Verdict::DirectWithSomeOnly,
            (UdpReach::Works, true) => Verdict::RelayNeeded,
            (UdpReach::Works, false) if has_udp_relay => Verdict::RelayNeeded,
            _ if has_stream_relay => Verdict::RelayOverStreamOnly,
            _ => Verdict::NoConnection,
        }
    }
}

/// What to expect of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// UDP works, and the NAT, if there is one, lets most strangers in directly.
    DirectLikely,
    /// UDP works, and the NAT is symmetric or cannot be seen through: calls with some strangers need a relay, and there
    /// is one that works.
    RelayNeeded,
    /// Calls are to go over relays only, and one works over UDP.
    Relayed,
    /// Calls are to go over relays only, and there is none.
    NoRelay,
    /// As with `RelayNeeded`, but no relay works: there will be no connection with those strangers.
    DirectWithSomeOnly,
    /// Only a relay over TCP or TLS can be used: calls work, with more delay when packets are lost.
    RelayOverStreamOnly,
    /// Nothing works.
    NoConnection,
    /// There was no server to ask. On one network, calls work without.
    NothingToAsk,
}

/// What a STUN server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunCheck {
    /// As it was given.
    pub url: String,
    /// Whether it was asked over IPv6.
    pub is_ipv6: bool,
    /// What came of it.
    pub outcome: Result<StunAnswer, ReachError>,
}

/// A STUN server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StunAnswer {
    /// How long a packet took to the server and back, or `None` if every request had to be repeated.
    pub round_trip: Option<Duration>,
}

/// What a TURN server did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayCheck {
    /// As it was given.
    pub url: String,
    /// How it is reached.
    pub transport: RelayTransport,
    /// What came of it.
    pub outcome: Result<RelayAnswer, RelayError>,
}

/// How a relay is reached. What it relays is UDP in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayTransport {
    /// `turn:` over UDP.
    Udp,
    /// `turn:` over TCP.
    Tcp,
    /// `turns:` over TCP.
    Tls,
}

/// A relay works: a datagram came back through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayAnswer {
    /// The shortest round trip to the relay itself, or `None` if every request had to be repeated.
    pub round_trip: Option<Duration>,
    /// The shortest round trip of a datagram through the relay, to its own relayed address and back.
    pub relayed_round_trip: Duration,
    /// From the first packet until the relayed address could be used: TCP, TLS and authentication included.
    pub set_up: Duration,
    /// Whether it was reached over IPv6.
    pub is_ipv6: bool,
}

/// Whether UDP gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdpReach {
    /// A server answered over UDP.
    Works,
    /// No server answered over UDP, and one did over TCP.
    Blocked,
    /// No server was asked over UDP, or none answers in any way.
    Unknown,
}

/// What kind of NAT is in between, in the words of RFC 4787 and RFC 5780.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatReport {
    /// Which public address a socket of ours gets.
    pub mapping: NatMapping,
    /// From whom packets are let in.
    pub filtering: NatFiltering,
}

/// Which public address one local socket gets (RFC 4787 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatMapping {
    /// Its own: there is no NAT.
    NoNat,
    /// The same whomever it sends to.
    EndpointIndependent,
    /// The same for two ports of one server; whether also for two servers could not be seen. It usually is.
    PortIndependent,
    /// Another for each address that it sends to.
    AddressDependent,
    /// Another for each address and port that it sends to ("symmetric").
    AddressAndPortDependent,
    /// Another for each server; whether also for each port of one could not be seen.
    EndpointDependent,
    /// It could not be seen: that takes answers from two addresses or ports.
    Unknown,
}

impl NatMapping {
    /// Whether a partner cannot be told where to send to, because the address will be another one for him.
    pub const fn is_symmetric(self) -> bool {
        matches!(
            self,
            Self::AddressDependent | Self::AddressAndPortDependent | Self::EndpointDependent
        )
    }
}

/// From whom packets to our public address are let in (RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatFiltering {
    /// From everybody.
    EndpointIndependent,
    /// From the addresses that we have sent to.
    AddressDependent,
    /// From the addresses and ports that we have sent to.
    AddressAndPortDependent,
    /// It could not be seen: no server can answer from another address (RFC 5780).
    Unknown,
}

/// Whether IPv6 can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// A server answered over IPv6.
    Works,
    /// This machine has an IPv6 address, but no server answered over IPv6.
    NoAnswer,
    /// This machine has an IPv6 address, and no server has one.
    NotAsked,
    /// This machine has no IPv6 address that leads anywhere.
    Absent,
}

/// How others see this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicAddress(pub SocketAddr);

impl fmt::Debug for PublicAddress {
    /// Leaves the address out, so that no log ever holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicAddress")
    }
}

/// Whether UDP gets through, by what the servers did. `has_answer` says that some server answered over UDP besides.
pub(super) fn udp_reach(stun: &[StunCheck], relays: &[RelayCheck], has_answer: bool) -> UdpReach {
    let is_reached = |relay: &RelayCheck| match relay.outcome {
        Ok(_) => true,
        Err(error) => error.is_from_the_server(),
    };
    let over_udp = |relay: &&RelayCheck| relay.transport == RelayTransport::Udp;
    let is_asked = !stun.is_empty() || relays.iter().any(|relay| over_udp(&relay));
    if has_answer
        || stun.iter().any(|check| check.outcome.is_ok())
        || relays.iter().filter(over_udp).any(is_reached)
    {
        UdpReach::Works
    } else if is_asked && relays.iter().any(is_reached) {
        UdpReach::Blocked
    } else {
        UdpReach::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUN_WORKS: Result<StunAnswer, ReachError> = Ok(StunAnswer {
        round_trip: Some(Duration::from_millis(20)),
    });
    const RELAY_WORKS: Result<RelayAnswer, RelayError> = Ok(RelayAnswer {
        round_trip: Some(Duration::from_millis(20)),
        relayed_round_trip: Duration::from_millis(21),
        set_up: Duration::from_millis(60),
        is_ipv6: false,
    });
    const SILENT: ReachError = ReachError::NoAnswer;

    #[test]
    fn a_friendly_nat_makes_direct_calls_likely() {
        for mapping in [
            NatMapping::NoNat,
            NatMapping::EndpointIndependent,
            NatMapping::PortIndependent,
            NatMapping::Unknown,
        ] {
            let report = report(STUN_WORKS, mapping, &[]);
            assert_eq!(report.verdict(), Verdict::DirectLikely, "{mapping:?}");
        }
    }

    #[test]
    fn a_symmetric_nat_needs_a_relay() {
        use RelayTransport::{Tcp, Udp};
        let mapping = NatMapping::AddressAndPortDependent;
        let with = |relays: &[_]| report(STUN_WORKS, mapping, relays).verdict();
        assert_eq!(with(&[(Udp, RELAY_WORKS)]), Verdict::RelayNeeded);
        let broken = Err(RelayError::WrongCredentials);
        assert_eq!(with(&[(Udp, broken)]), Verdict::DirectWithSomeOnly);
        assert_eq!(with(&[]), Verdict::DirectWithSomeOnly);
        assert_eq!(
            with(&[(Udp, broken), (Tcp, RELAY_WORKS)]),
            Verdict::RelayNeeded
        );
    }

    #[test]
    fn where_udp_is_blocked_a_relay_over_a_stream_is_all_there_is() {
        use RelayTransport::{Tcp, Tls, Udp};
        let silent = Err(RelayError::Reach(SILENT));
        for stream in [Tcp, Tls] {
            let relays = [(Udp, silent), (stream, RELAY_WORKS)];
            let report = report(Err(SILENT), NatMapping::Unknown, &relays);
            assert_eq!(report.udp, UdpReach::Blocked);
            assert_eq!(report.verdict(), Verdict::RelayOverStreamOnly);
        }
        let report = report(
            Err(SILENT),
            NatMapping::Unknown,
            &[(Udp, silent), (Tcp, silent)],
        );
        assert_eq!(report.udp, UdpReach::Unknown);
        assert_eq!(report.verdict(), Verdict::NoConnection);
    }

    #[test]
    fn a_relay_that_refuses_shows_that_the_way_to_it_is_open() {
        use RelayTransport::{Tcp, Udp};
        let refused = Err(RelayError::WrongCredentials);
        let over_udp = report(Err(SILENT), NatMapping::Unknown, &[(Udp, refused)]);
        assert_eq!(over_udp.udp, UdpReach::Works);
        let over_tcp = report(Err(SILENT), NatMapping::Unknown, &[(Tcp, refused)]);
        assert_eq!(over_tcp.udp, UdpReach::Blocked);
        assert_eq!(over_tcp.verdict(), Verdict::NoConnection);
    }

    #[test]
    fn without_a_server_nothing_is_claimed() {
        let mut report = report(STUN_WORKS, NatMapping::Unknown, &[]);
        report.stun.clear();
        assert_eq!(report.verdict(), Verdict::NothingToAsk);
    }

    #[test]
    fn where_only_relays_may_be_used_nothing_is_said_of_other_ways() {
        use RelayTransport::{Tcp, Udp};
        let silent = Err(RelayError::Reach(SILENT));
        let verdict = |relays: &[_]| {
            let mut report = report(STUN_WORKS, NatMapping::NoNat, relays);
            report.is_relay_only = true;
            report.verdict()
        };
        assert_eq!(verdict(&[(Udp, RELAY_WORKS)]), Verdict::Relayed);
        assert_eq!(
            verdict(&[(Udp, silent), (Tcp, RELAY_WORKS)]),
            Verdict::RelayOverStreamOnly
        );
        assert_eq!(verdict(&[(Udp, silent)]), Verdict::NoConnection);
        assert_eq!(verdict(&[]), Verdict::NoRelay);
    }

    #[test]
    fn no_log_holds_the_public_address() {
        let mut report = report(STUN_WORKS, NatMapping::NoNat, &[]);
        report.public_address = Some(PublicAddress("192.0.2.77:4242".parse().unwrap()));
        let words = format!("{report:?}");
        assert!(!words.contains("192") && !words.contains("4242"), "{words}");
    }

    fn report(
        stun: Result<StunAnswer, ReachError>,
        mapping: NatMapping,
        relays: &[(RelayTransport, Result<RelayAnswer, RelayError>)],
    ) -> ConnectionReport {
        let public_address = stun
            .is_ok()
            .then(|| PublicAddress("192.0.2.1:5000".parse().unwrap()));
        let stun = vec![StunCheck {
            url: "stun:example.org".into(),
            is_ipv6: false,
            outcome: stun,
        }];
        let relays: Vec<_> = relays
            .iter()
            .map(|&(transport, outcome)| RelayCheck {
                url: "turn:example.org".into(),
                transport,
                outcome,
            })
            .collect();
        ConnectionReport {
            udp: udp_reach(&stun, &relays, false),
            stun,
            relays,
            nat: NatReport {
                mapping,
                filtering: NatFiltering::Unknown,
            },
            public_address,
            ipv6: Ipv6::Absent,
            is_relay_only: false,
            left_out: 0,
            took: Duration::from_secs(1),
        }
    }
}
