//! What connections share, and what of it depends on where a client is.

use std::{net::IpAddr, sync::Arc, time::Instant};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    counters::{Counters, Refusal},
    figures::Gauges,
    hub::HubInput,
    pace::PlacePaces,
    settings::Limits,
};

/// What connections share.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) settings: Arc<Settings>,
    pub(crate) hub: mpsc::Sender<HubInput>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) gauges: Gauges,
    pub(crate) shutdown: CancellationToken,
}

impl Surroundings {
    /// Whether an address is limited by itself. Private ones are not, since everybody comes from one of them where a proxy
    /// stands in front.
    pub(crate) fn limits(&self, ip: IpAddr) -> bool {
        let is_public = ::relay::PeerPolicy::default().allows(ip.to_canonical());
        (is_public || self.settings.limits_private_ips) && !self.settings.proxies.trusts(ip)
    }

    /// Lets a connection wait whose address makes too many.
    pub(crate) async fn put_off_handshake(&self, ip: IpAddr, paces: &Paces) {
        if !self.limits(ip) {
            return;
        }
        let delay = paces.handshakes.delay(ip, Instant::now());
        if !delay.is_zero() {
            self.counters.refuse(Refusal::Handshakes);
            sleep(delay).await;
        }
    }
}

/// How a client came here.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    /// The name by which it found the server.
    pub(crate) host: Box<str>,
    /// Where it is.
    pub(crate) ip: IpAddr,
    pub(crate) paces: Arc<Paces>,
}

/// How fast addresses may ask.
#[derive(Debug)]
pub(crate) struct Paces {
    handshakes: PlacePaces,
    pub(crate) nexts: PlacePaces,
}

impl Paces {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            handshakes: PlacePaces::new(limits.handshakes_per_ip, now),
            nexts: PlacePaces::new(limits.nexts_per_ip, now),
        }
    }
}
