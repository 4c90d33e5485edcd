//! All figures at one moment: what `/metrics` and `/admin` are made of.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use ::relay::Counters as RelayCounters;

use crate::{
    cluster_view::{ServerView, SharedView},
    counters::{Census, Counters, Distribution, Refusal, Total},
    drain::Drain,
    process::Process,
    relay::Meter,
    tls::{CertificateFigures, Tls},
};

/// Whether newcomers are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// So they are, but meet those of this server alone: Redis is away.
    Degraded,
    /// The server empties itself.
    Draining,
    /// It is to get a certificate, and has none yet, or one whose time is over.
    Uncertified,
    /// There are as many connections as there may be.
    Full,
}

impl Readiness {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Uncertified => "uncertified",
            Self::Full => "full",
        }
    }
}

/// Where the figures are.
#[derive(Debug, Clone)]
pub(crate) struct Gauges {
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) relay: Option<Meter>,
    pub(crate) drain: Drain,
    pub(crate) max_connections: usize,
    pub(crate) started: (Instant, SystemTime),
}

/// What is known of the servers that are one with this one.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFigures {
    /// Whether Redis is there.
    pub(crate) is_up: bool,
    /// Rooms of which another server has the other half.
    pub(crate) rooms: usize,
    /// All of them, this one too.
    pub(crate) servers: Arc<[ServerView]>,
    /// What all of them are to know.
    pub(crate) shared: Vec<SharedView>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) readiness: Readiness,
    /// How much time is left until what is left ends, while the server empties itself.
    pub(crate) drain_left: Option<Duration>,
    pub(crate) census: Census,
    pub(crate) max_connections: usize,
    /// How many are kept apart.
    pub(crate) apart: usize,
    /// How much newcomers work, in bits.
    pub(crate) work_bits: usize,
    /// How many newcomers cannot work and wait for their turn.
    pub(crate) lane: usize,
    /// The other servers, if there are to be any.
    pub(crate) cluster: Option<ClusterFigures>,
    /// How many reports, bans, blocks and keys are remembered.
    pub(crate) records: [usize; 4],
    /// `None` without TLS.
    pub(crate) certificate: Option<CertificateFigures>,
    pub(crate) totals: Vec<(&'static str, &'static str, u64)>,
    pub(crate) refusals: Vec<(&'static str, &'static str, u64)>,
    pub(crate) waits: Distribution,
    pub(crate) relay: Option<RelayCounters>,
    pub(crate) process: Option<Process>,
    pub(crate) uptime: Duration,
    pub(crate) started: SystemTime,
}

impl Figures {
    /// How often that has happened.
    pub(crate) fn total(&self, what: Total) -> u64 {
        self.totals[what as usize].2
    }
}

impl Gauges {
    pub(crate) fn readiness(&self) -> Readiness {
        if self.drain.left(Instant::now()).is_some() {
            Readiness::Draining
        } else if (self.tls.as_ref()).is_some_and(|tls| tls.is_missing(SystemTime::now())) {
            Readiness::Uncertified
        } else if self.counters.census().connections >= self.max_connections {
            Readiness::Full
        } else if self.cluster_is_away() {
            Readiness::Degraded
        } else {
            Readiness::Ready
        }
    }

    fn cluster_is_away(&self) -> bool {
        let cluster = &self.counters.cluster;
        cluster.is_on.load(Relaxed) && !cluster.is_up.load(Relaxed)
    }

    pub(crate) fn read(&self) -> Figures {
        let total = |&(what, name, help): &(Total, _, _)| (name, help, self.counters.total(what));
        let refused =
            |&(why, name, help): &(Refusal, _, _)| (name, help, self.counters.refused(why));
        Figures {
            readiness: self.readiness(),
            drain_left: self.drain.left(Instant::now()),
            census: self.counters.census(),
            max_connections: self.max_connections,
            apart: self.counters.apart.load(Relaxed),
            work_bits: self.counters.work_bits.load(Relaxed),
            lane: self.counters.lane.load(Relaxed),
            cluster: self.counters.cluster.is_on.load(Relaxed).then(|| {
                let cluster = &self.counters.cluster;
                ClusterFigures {
                    is_up: cluster.is_up.load(Relaxed),
                    rooms: cluster.rooms.load(Relaxed),
                    servers: cluster.servers(),
                    shared: cluster.shared().to_vec(),
                }
            }),
            records: self.counters.records.each_ref().map(|it| it.load(Relaxed)),
            certificate: (self.tls.as_ref()).map(|tls| tls.figures(SystemTime::now())),
            totals: Total::ALL.iter().map(total).collect(),
            refusals: Refusal::ALL.iter().map(refused).collect(),
            waits: self.counters.waits.distribution(),
            relay: self.relay.as_ref().map(Meter::counters),
            process: Process::read(),
            uptime: self.started.0.elapsed(),
            started: self.started.1,
        }
    }
}
