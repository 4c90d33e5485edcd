//! The connection check: what a call could use, found out before the call.
//!
//! [`check_connection`] asks every STUN and TURN server at the same time, each in its own way, and is over within
//! [`CheckConfig::limit`] whatever the servers do. It measures what the network does, not what was configured: a relay
//! counts only once a datagram has come back through it.
//!
//! ```text
//!   target.rs    URLs → where to ask and how            report.rs    what comes out, and the verdict
//!   stun.rs      is a STUN server there?                nat.rs       what kind of NAT is in between?
//!   relay.rs     does a TURN server relay?              ipv6.rs      is there IPv6?
//!                     │
//!   exchange.rs  one request and its answer    message.rs  their bytes    wire.rs  UDP, TCP or TLS under them
//! ```

mod error;
mod exchange;
mod ipv6;
mod message;
mod nat;
mod relay;
mod report;
mod stun;
mod target;
mod wire;

use std::time::Duration;

use protocol::IceServer;
use rustls_pki_types::CertificateDer;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use error::{ReachError, RelayError};
pub use report::{
    ConnectionReport, Ipv6, NatFiltering, NatMapping, NatReport, PublicAddress, RelayAnswer,
    RelayCheck, RelayTransport, StunAnswer, StunCheck, UdpReach, Verdict,
};

use target::{Service, Target};
use wire::Tls;

/// How a connection is checked.
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// How long the whole check may take. At least [`CheckConfig::SHORTEST`] is taken.
    ///
    /// Shorter: servers far away seem silent. Longer: a person waits for servers that are.
    pub limit: Duration,
    /// Certificates that TLS servers may show besides those that the system trusts.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Asks relays and nobody else, as a person wants it whose address is to stay hidden: no STUN server hears of this
    /// machine, and the kind of NAT is not looked at, for nothing would come of it.
    pub relay_only: bool,
}

impl CheckConfig {
    /// The shortest limit that leaves room to release what was allocated.
    pub const SHORTEST: Duration = Duration::from_millis(500);
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(5),
            extra_roots: Vec::new(),
            relay_only: false,
        }
    }
}

/// Most URLs that are checked: each costs sockets, and an allocation on its server.
const MAX_URLS: usize = 16;

enum Finding {
    Stun(usize, Vec<StunCheck>),
    Relay(usize, RelayCheck),
    Nat(nat::Discovered),
    Ipv6(ipv6::Local),
}

/// Finds out what a call could use of `servers`, and whether strangers can probably be reached.
///
/// Takes no longer than `config.limit`. Nothing that a server does is an error: it is what the report is about.
pub async fn check_connection(servers: &[IceServer], config: CheckConfig) -> ConnectionReport {
    let began = Instant::now();
    let deadline = began + config.limit.max(CheckConfig::SHORTEST);
    let (targets, left_out) = target::targets(servers, config.relay_only, MAX_URLS);
    let tls = Tls::new(config.extra_roots);

    let mut checks = JoinSet::new();
    if !config.relay_only {
        let udp_servers: Vec<Target> = targets
            .iter()
            .filter(|target| target.is_udp())
            .cloned()
            .collect();
        checks.spawn(async move { Finding::Nat(nat::discover(udp_servers, deadline).await) });
    }
    checks.spawn(async { Finding::Ipv6(ipv6::look().await) });
    for (number, target) in targets.into_iter().enumerate() {
        let tls = tls.clone();
        checks.spawn(async move {
            match target.service {
                Service::Stun => Finding::Stun(number, stun::check(&target, deadline).await),
                Service::Relay { .. } => {
                    Finding::Relay(number, relay::check(&target, &tls, deadline).await)
                }
            }
        });
    }

    let (mut stun, mut relays) = (Vec::new(), Vec::new());
    let mut discovered = nat::Discovered::default();
    let mut local = ipv6::Local::default();
    while let Some(finding) = checks.join_next().await {
        match finding {
            Ok(Finding::Stun(number, checks)) => stun.push((number, checks)),
            Ok(Finding::Relay(number, check)) => relays.push((number, check)),
            Ok(Finding::Nat(found)) => discovered = found,
            Ok(Finding::Ipv6(found)) => local = found,
            Err(error) => tracing::error!(%error, "a part of the connection check failed"),
        }
    }
    stun.sort_by_key(|&(number, _)| number);
    relays.sort_by_key(|&(number, _)| number);
    let stun: Vec<StunCheck> = stun.into_iter().flat_map(|(_, checks)| checks).collect();
    let relays: Vec<RelayCheck> = relays.into_iter().map(|(_, check)| check).collect();
    ConnectionReport {
        udp: report::udp_reach(&stun, &relays, discovered.has_answer),
        nat: discovered.nat,
        public_address: discovered.public_address,
        ipv6: ipv6::reach(local, &stun, &relays),
        stun,
        relays,
        is_relay_only: config.relay_only,
        left_out,
        took: began.elapsed(),
    }
}
