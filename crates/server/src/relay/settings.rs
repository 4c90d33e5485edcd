//! What an operator decides about the relay.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use relay::Secrets;

/// What an operator decides about the relay. Its limits are in [`relay::Config`].
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// What credentials are made with; without it, a random secret that is forgotten at the end.
    pub secrets: Option<Secrets>,
    /// For how long credentials are good; by default for as long as an allocation may last. Too short: a client whose
    /// network changes late in a call is refused, since it has those of the match and no others.
    pub ttl: Duration,
    /// Where to listen; if empty, at the addresses of [`Settings::listen`](crate::Settings::listen).
    pub listen: Vec<IpAddr>,
    /// The port for UDP and TCP; 0 takes a free one.
    pub port: u16,
    /// The port for TLS, if there is a certificate; 0 takes a free one.
    pub tls_port: u16,
    /// The ports of relayed addresses. Each allocation takes one.
    pub relay_ports: RangeInclusive<u16>,
    /// The addresses under which this machine is known, at most one of each family; for a machine behind 1:1 NAT.
    pub relay_ips: Vec<IpAddr>,
    /// What clients are told the relay's name is; without it, the name by which they found the server.
    pub public_host: Option<String>,
    /// Its limits, and which peers it sends to.
    pub limits: relay::Config,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            secrets: None,
            ttl: Duration::from_hours(12),
            listen: Vec::new(),
            port: 3478,
            tls_port: 5349,
            relay_ports: 49_152..=65_535,
            relay_ips: Vec::new(),
            public_host: None,
            limits: relay::Config::default(),
        }
    }
}
