//! The server as a whole: sockets in, tasks out, and a clean end.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use ::relay::{Counters as RelayCounters, Secrets};
use cluster::{NodeId, redis::Membership};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    ClusterSettings, Reload, Settings, acme,
    admin::{self, Admin},
    cluster_view::{ServerView, name_of},
    counters::{Census, Counters, Refusal, Total},
    door::Door,
    drain::Drain,
    figures::Gauges,
    hub::{self, Elsewhere, Hub},
    ice_servers::BuiltIn,
    place_limit::PlaceLimit,
    random::random_u64,
    relay::{self, Meter},
    routes::routes,
    safety::{Facts, Records, Store, StoreError, Tables, Writer},
    surroundings::{Paces, Surroundings},
    tls::{Tls, TlsError},
};

/// How many TCP connections are taken beyond the limit for WebSockets, so that a full server can say so and answer
/// health checks.
const SPARE_SOCKETS: usize = 64;
/// How long connections may take to end after a shutdown.
const FAREWELLS: Duration = Duration::from_secs(3);
/// How often it is logged what the relay has done.
const REPORT: Duration = Duration::from_mins(1);

/// A server that listens and serves nobody yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addrs: Vec<SocketAddr>,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    tls: Option<Arc<Tls>>,
    relay: Option<BuiltInRelay>,
    /// For the operator.
    admin: Option<TcpListener>,
    drain: Drain,
    records: Records,
    /// What other servers know too, and the secret.
    facts: (Facts, [u8; 32]),
    /// `None`: nothing outlasts the process.
    store: Option<Store>,
}

/// The relay inside this server, before and after it runs.
#[derive(Debug)]
struct BuiltInRelay {
    handle: relay::Handle,
    listeners: Vec<TcpListener>,
    /// At least one.
    addrs: Vec<SocketAddr>,
    told: BuiltIn,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// There was no address in the settings.
    #[error("there is no address to listen on")]
    NoAddress,
    /// Somebody else listens there.
    #[error("{0} is in use by another program: stop it or choose another --listen")]
    InUse(SocketAddr),
    /// Somebody else listens where the operator wants to look in.
    #[error("{0} is in use by another program: stop it or choose another --admin-listen")]
    AdminInUse(SocketAddr),
    /// Ports below 1024 are for the system, as a rule.
    #[error("the system does not allow this program to listen on {0}")]
    NotPermitted(SocketAddr),
    /// Somebody else relays there.
    #[error(
        "{0} is in use by another program: stop it, choose another --relay-port, or leave relaying to it \
         with --turn or --no-relay"
    )]
    RelayInUse(SocketAddr),
    /// Somebody else speaks TLS there.
    #[error("{0} is in use by another program: stop it or choose another --relay-tls-port")]
    RelayTlsInUse(SocketAddr),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The relay's thread or its sockets are more than the system gives.
    #[error("the relay cannot start")]
    Relay(#[source] io::Error),
    /// The certificate is no good.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The machine does not have this address, for instance.
    #[error("cannot listen on {addr}")]
    Other {
        /// Where.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    /// Whether the settings are wrong: it is no better the next time.
    pub fn is_wrong_setting(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Store(error) => error.stays(),
            _ => false,
        }
    }
}

impl Server {
    /// Starts to listen. Clients that connect from now on are served once the server runs.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        // First, as it makes nothing.
        let tls = settings
            .tls
            .clone()
            .map(Tls::load)
            .transpose()?
            .map(Arc::new);
        let (store, mut tables) = match &settings.store {
            Some(path) => {
                let (store, tables) = Store::open(path)?;
                (Some(store), tables)
            }
            None => (None, Tables::forgotten_soon()),
        };
        let facts = (std::mem::take(&mut tables.facts), tables.secret);
        let records = Records::new(settings.reputation, tables);
        let mut listeners = Vec::new();
        let mut addrs = Vec::new();
        for &addr in &settings.listen {
            let has_v4 = |other: &SocketAddr| other.is_ipv4() && other.port() == addr.port();
            let leaves_v4 = addr.is_ipv6() && settings.listen.iter().any(has_v4);
            let (listener, addr) = listen(addr, leaves_v4)
                .await
                .map_err(|source| refusal(addr, source, BindError::InUse))?;
            listeners.push(listener);
            addrs.push(addr);
        }
        if listeners.is_empty() {
            return Err(BindError::NoAddress);
        }
        let relay = match &settings.relay {
            Some(relay) => Some(bind_relay(relay, &addrs, tls.is_some())?),
            None => None,
        };
        let admin = match &settings.admin {
            Some(admin) => Some(
                listen(admin.listen, false)
                    .await
                    .map_err(|source| refusal(admin.listen, source, BindError::AdminInUse))?,
            ),
            None => None,
        };
        let (settings, counters) = (Arc::new(settings), Arc::new(Counters::default()));
        Ok(Self {
            listeners,
            addrs,
            settings,
            counters,
            tls,
            relay,
            admin: admin.map(|(listener, _)| listener),
            drain: Drain::new(),
            records,
            facts,
            store,
        })
    }

    /// Where the operator may look in, with the port that it got, if anywhere.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// With which the server is emptied.
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// An address at which the relay listens, by UDP and TCP, if it is on.
    pub fn relay_addr(&self) -> Option<SocketAddr> {
        self.relay.as_ref()?.addrs.first().copied()
    }

    /// All addresses at which the relay listens by UDP.
    pub fn relay_addrs(&self) -> &[SocketAddr] {
        self.relay.as_ref().map_or(&[], |relay| &relay.addrs)
    }

    /// Reads the certificate again, whenever it is called, or lets the server get one without a pause if it gets them by itself.
    /// Connections that are open keep the old one, and all do if the new one is no good. `None` if there is to be no certificate.
    pub fn certificate_reload(
        &self,
    ) -> Option<impl Fn() -> Result<Reload, TlsError> + Send + Sync + use<>> {
        let tls = self.tls.clone()?;
        Some(move || tls.reload())
    }

    /// The first address that the server listens on, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// All addresses that the server listens on, with the ports that it got; at least one.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Serves until `shutdown` completes, then says good-bye to everybody and ends within seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let serving = self.serve(stop.clone());
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = shutdown => {
                stop.cancel();
                serving.await;
            }
        }
    }

    /// Serves in the background. For tests and for programs that bring their own server.
    pub fn start(self) -> Running {
        let stop = CancellationToken::new();
        let addr = self.local_addr();
        let counters = Arc::clone(&self.counters);
        let relay_addr = self.relay_addr();
        let tls_port = self.relay.as_ref().and_then(|relay| relay.told.tls_port);
        let meter = self.relay.as_ref().map(|relay| relay.handle.meter());
        let reload = self.certificate_reload();
        let (admin_addr, drain) = (self.admin_addr(), self.drain());
        let task = tokio::spawn(self.serve(stop.clone()));
        Running {
            addr,
            relay_addr,
            relay_tls_port: tls_port,
            admin_addr,
            drain,
            meter,
            reload: reload.map(|reload| Box::new(reload) as Box<_>),
            counters,
            stop,
            task,
        }
    }

    async fn serve(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let (hub, hub_inputs) = mpsc::channel(hub::INPUTS);
        let settings = self.settings;
        let mut listeners = self.listeners;
        let (mut handle, mut told, mut max_streams) = (None, None, 0);
        if let Some(relay) = self.relay {
            max_streams = settings
                .relay
                .as_ref()
                .map_or(0, |relay| relay.limits.max_allocations);
            listeners.extend(relay.listeners);
            tasks.spawn(report(relay.handle.meter(), stop.clone()));
            (handle, told) = (Some(relay.handle), Some(relay.told));
        }
        let elsewhere = settings
            .cluster
            .as_ref()
            .map(|cluster| join(cluster, &self.counters, hub.clone(), &tasks));
        let (to_hub, written) = mpsc::channel(hub::INPUTS);
        let writer = match self.store {
            Some(store) => {
                let (writer, writes) = Writer::queue();
                // Ends with the hub, once everything is written.
                tasks.spawn_blocking(move || store.run(&writes, &to_hub));
                writer
            }
            None => Writer::nowhere(),
        };
        let hub_task = Hub::new(
            Arc::clone(&settings),
            told,
            Arc::clone(&self.counters),
            (self.records, self.facts, writer, written),
            elsewhere,
        );
        let drain = self.drain;
        tasks.spawn(hub_task.run(hub_inputs, drain.clone(), stop.clone()));
        if let Some(tls) = self.tls.clone().filter(|tls| tls.acme().is_some()) {
            tasks.spawn(acme::keep(tls, Arc::clone(&self.counters), stop.clone()));
        }
        let gauges = Gauges {
            tls: self.tls.clone(),
            counters: Arc::clone(&self.counters),
            relay: handle.as_ref().map(relay::Handle::meter),
            drain: drain.clone(),
            max_connections: settings.max_connections,
            started: (Instant::now(), SystemTime::now()),
        };
        if let (Some(listener), Some(admin)) = (self.admin, &settings.admin) {
            let admin = Admin::new(admin, gauges.clone(), settings.drain, hub.clone());
            tasks.spawn(admin::serve(listener, Arc::new(admin), stop.clone()));
        }
        let door = Arc::new(Door {
            sockets: Arc::new(Semaphore::new(settings.max_connections + SPARE_SOCKETS)),
            seats: Arc::new(Semaphore::new(settings.max_connections)),
            streams: Arc::new(Semaphore::new(max_streams)),
            others: PlaceLimit::new(settings.max_others_per_ip),
            signalling: PlaceLimit::new(settings.max_per_ip),
            paces: Arc::new(Paces::new(&settings.limits, Instant::now())),
            tls: self.tls,
            relay: handle,
            surroundings: Arc::new(Surroundings {
                settings,
                hub,
                counters: Arc::clone(&self.counters),
                gauges,
                shutdown: stop.clone(),
            }),
            tasks: tasks.clone(),
            routes: routes(),
        });
        for listener in listeners {
            tasks.spawn(Arc::clone(&door).accept(listener, stop.clone()));
        }
        info!("the server is up");

        tokio::select! {
            () = stop.cancelled() => {}
            () = drain.over() => {
                info!("the server is empty, or the time for that is up");
                stop.cancel();
            }
        }
        tasks.close();
        if timeout(FAREWELLS, tasks.wait()).await.is_err() {
            warn!(tasks = tasks.len(), "some connections did not end in time");
        }
        let Census {
            connections,
            waiting,
            rooms,
            absent: _,
        } = self.counters.census();
        let withheld_candidates = self.counters.total(Total::WithheldCandidates);
        let refused_by_ip = self.counters.refused(Refusal::ConnectionsPerIp);
        info!(
            connections,
            waiting, rooms, withheld_candidates, refused_by_ip, "the server is down"
        );
    }
}

/// Lets this server be one with others.
fn join(
    settings: &ClusterSettings,
    counters: &Arc<Counters>,
    hub: mpsc::Sender<hub::HubInput>,
    tasks: &TaskTracker,
) -> Elsewhere {
    let me = NodeId(random_u64());
    counters.cluster.is_on.store(true, Relaxed);
    let name = name_of(settings, me);
    let (figures, own_name) = (Arc::clone(counters), name.clone());
    let about_me = move || {
        let census = figures.census();
        let view = ServerView {
            is_this: true,
            name: own_name.clone(),
            connections: census.connections,
            waiting: census.waiting,
            rooms: census.rooms,
        };
        view.written()
    };
    let (orders, to_carry_out) = mpsc::channel(hub::ORDERS);
    let membership = Membership {
        address: settings.redis.clone(),
        prefix: settings.prefix.clone(),
        me,
        about_me: Arc::new(about_me),
    };
    info!("one of the servers at {}, called {name}", settings.redis);
    // Ends with the hub, which gives the orders.
    tasks.spawn(cluster::redis::run(membership, to_carry_out, hub));
    Elsewhere::new(me, orders)
}

/// Starts the relay beside a server that listens at `addrs`.
fn bind_relay(
    settings: &relay::RelaySettings,
    addrs: &[SocketAddr],
    has_tls: bool,
) -> Result<BuiltInRelay, BindError> {
    let is_tls = |addr: SocketAddr| addr.port() != 0 && addr.port() == settings.tls_port;
    let bound = relay::bind(settings, addrs, has_tls).map_err(|(addr, source)| {
        refusal(addr, source, |addr| {
            if is_tls(addr) {
                BindError::RelayTlsInUse(addr)
            } else {
                BindError::RelayInUse(addr)
            }
        })
    })?;
    let secrets = settings.secrets.clone().map_or_else(random_secret, Ok);
    let secrets = secrets.map_err(BindError::Relay)?;
    let relay_addrs = bound.addrs().map_err(BindError::Relay)?;
    let told = BuiltIn {
        secrets: secrets.clone(),
        ttl: settings.ttl,
        public_host: settings.public_host.clone(),
        port: bound.port,
        tls_port: bound.tls_port,
        is_local: bound.is_local(),
        listen: addrs.to_vec(),
    };
    if settings.relay_ips.is_empty() && !bound.is_local() {
        warn_if_behind_nat();
    }
    let relay::Bound { udp, tcp, tls, .. } = bound;
    let listeners = tcp.into_iter().chain(tls).map(TcpListener::from_std);
    let listeners = listeners
        .collect::<io::Result<_>>()
        .map_err(BindError::Relay)?;
    let handle = relay::Handle::start(settings, secrets, udp).map_err(BindError::Relay)?;
    Ok(BuiltInRelay {
        handle,
        listeners,
        addrs: relay_addrs,
        told,
    })
}

fn random_secret() -> io::Result<Secrets> {
    let secret = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
    Secrets::new(vec![secret]).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn warn_if_behind_nat() {
    let public = ::relay::PeerPolicy::default();
    if relay::default_ip().is_none_or(|ip| !public.allows(ip)) {
        warn!(
            "this machine has no public address of its own: the relay works for people in its network only, \
             unless --relay-ip says under which address others reach it"
        );
    }
}

/// Logs now and then what the relay has done.
async fn report(meter: Meter, stop: CancellationToken) {
    let mut ticks = interval(REPORT);
    let mut before = RelayCounters::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let counters = meter.counters();
        let since = counters.since(&before);
        before = counters;
        let figures: Vec<String> = since
            .each()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        if !figures.is_empty() {
            info!("the relay in the last minute: {}", figures.join(" "));
        }
    }
}

/// Why it cannot listen there.
fn refusal(
    addr: SocketAddr,
    source: io::Error,
    in_use: impl FnOnce(SocketAddr) -> BindError,
) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => in_use(addr),
        io::ErrorKind::PermissionDenied => BindError::NotPermitted(addr),
        _ => BindError::Other { addr, source },
    }
}

/// Listens there; with `leaves_v4` not for IPv4, for which there is another listener at the same port.
async fn listen(addr: SocketAddr, leaves_v4: bool) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = if leaves_v4 {
        TcpListener::from_std(relay::listening_tcp(addr, true)?)?
    } else {
        TcpListener::bind(addr).await?
    };
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// A server that runs in the background. Dropping it stops the server without waiting.
pub struct Running {
    addr: SocketAddr,
    relay_addr: Option<SocketAddr>,
    relay_tls_port: Option<u16>,
    admin_addr: Option<SocketAddr>,
    drain: Drain,
    meter: Option<Meter>,
    reload: Option<Box<dyn Fn() -> Result<Reload, TlsError> + Send + Sync>>,
    counters: Arc<Counters>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// The first address that the server listens on.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address to connect to.
    pub fn url(&self) -> String {
        format!("ws://{}/v1/signalling", self.addr)
    }

    /// An address at which the relay listens, by UDP and TCP, if it is on.
    pub const fn relay_addr(&self) -> Option<SocketAddr> {
        self.relay_addr
    }

    /// The port at which the relay speaks TLS, if it is on and there is a certificate.
    pub const fn relay_tls_port(&self) -> Option<u16> {
        self.relay_tls_port
    }

    /// Where the operator may look in, if anywhere.
    pub const fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// With which the server is emptied. It ends by itself then.
    pub const fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// What the relay has done, if it is on.
    pub fn relay_counters(&self) -> Option<RelayCounters> {
        self.meter.as_ref().map(Meter::counters)
    }

    /// Reads the certificate again, if there is to be one, or lets the server get one without a pause. If that fails, the old
    /// one stays. `None` if there is to be none.
    pub fn reload_certificate(&self) -> Result<Option<Reload>, TlsError> {
        self.reload.as_ref().map(|reload| reload()).transpose()
    }

    /// How many of each there are at this moment.
    pub fn census(&self) -> Census {
        self.counters.census()
    }

    /// How many candidates were not passed on, since they are no relay's and [`Settings::path_policy`] wants relays.
    pub fn withheld_candidates(&self) -> u64 {
        self.counters.total(Total::WithheldCandidates)
    }

    /// How many newcomers have worked before they met anybody.
    pub fn newcomers_who_worked(&self) -> u64 {
        self.counters.total(Total::WorkDone)
    }

    /// How many WebSockets were refused because their address had [`Settings::max_per_ip`].
    pub fn refused_by_ip(&self) -> u64 {
        self.counters.refused(Refusal::ConnectionsPerIp)
    }

    /// Says good-bye to everybody and waits for the end, which takes seconds at most.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            warn!(%error, "the server ended badly");
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
