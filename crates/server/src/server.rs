//! The server as a whole: sockets in, tasks out, and a clean end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use matchmaker::PeerId;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    Settings,
    connection::Surroundings,
    hub::{self, Hub},
    routes::{Entrance, routes},
};

/// How long a TCP connection may stay without becoming a WebSocket.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many TCP connections are taken beyond the limit for WebSockets, so that a full server can say so and answer
/// health checks.
const SPARE_SOCKETS: usize = 64;
/// How long connections may take to end after a shutdown.
const DRAIN: Duration = Duration::from_secs(3);
/// How long to wait after the system refused a connection, for instance because file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that listens and serves nobody yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addrs: Vec<SocketAddr>,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
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
    /// Ports below 1024 are for the system, as a rule.
    #[error("the system does not allow this program to listen on {0}")]
    NotPermitted(SocketAddr),
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

/// How many of each there are. Taken without stopping anything, so that the figures may differ by a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Open WebSockets.
    pub connections: usize,
    /// People who wait for a partner.
    pub waiting: usize,
    /// Pairs.
    pub rooms: usize,
    /// People whose connection is lost and who may come back.
    pub absent: usize,
}

/// The census as it is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
    pub(crate) rooms: AtomicUsize,
    pub(crate) absent: AtomicUsize,
    /// Candidates that were not passed on, since they are no relay's.
    pub(crate) withheld_candidates: AtomicU64,
    last_peer: AtomicU64,
}

impl Counters {
    /// A number that no other client has or had.
    pub(crate) fn next_peer(&self) -> PeerId {
        PeerId(self.last_peer.fetch_add(1, Relaxed) + 1)
    }

    fn census(&self) -> Census {
        Census {
            connections: self.connections.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            rooms: self.rooms.load(Relaxed),
            absent: self.absent.load(Relaxed),
        }
    }
}

impl Server {
    /// Starts to listen. Clients that connect from now on are served once the server runs.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        let mut listeners = Vec::new();
        let mut addrs = Vec::new();
        for &addr in &settings.listen {
            let (listener, addr) = listen(addr).await.map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => BindError::InUse(addr),
                io::ErrorKind::PermissionDenied => BindError::NotPermitted(addr),
                _ => BindError::Other { addr, source },
            })?;
            listeners.push(listener);
            addrs.push(addr);
        }
        if listeners.is_empty() {
            return Err(BindError::NoAddress);
        }
        let (settings, counters) = (Arc::new(settings), Arc::new(Counters::default()));
        Ok(Self {
            listeners,
            addrs,
            settings,
            counters,
        })
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
        let task = tokio::spawn(self.serve(stop.clone()));
        Running {
            addr,
            counters,
            stop,
            task,
        }
    }

    async fn serve(self, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let (hub, hub_inputs) = mpsc::channel(hub::INPUTS);
        let settings = self.settings;
        tasks.spawn(
            Hub::new(Arc::clone(&settings), Arc::clone(&self.counters))
                .run(hub_inputs, stop.clone()),
        );
        let door = Arc::new(Door {
            sockets: Arc::new(Semaphore::new(settings.max_connections + SPARE_SOCKETS)),
            seats: Arc::new(Semaphore::new(settings.max_connections)),
            surroundings: Arc::new(Surroundings {
                settings,
                hub,
                counters: Arc::clone(&self.counters),
                shutdown: stop.clone(),
            }),
            tasks: tasks.clone(),
            routes: routes(),
        });
        for listener in self.listeners {
            tasks.spawn(Arc::clone(&door).accept(listener, stop.clone()));
        }
        info!("the server is up");

        stop.cancelled().await;
        tasks.close();
        if timeout(DRAIN, tasks.wait()).await.is_err() {
            warn!(tasks = tasks.len(), "some connections did not end in time");
        }
        let Census {
            connections,
            waiting,
            rooms,
            absent: _,
        } = self.counters.census();
        let withheld_candidates = self.counters.withheld_candidates.load(Relaxed);
        info!(
            connections,
            waiting, rooms, withheld_candidates, "the server is down"
        );
    }
}

async fn listen(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Where TCP connections come in.
struct Door {
    /// One for each TCP connection that may be open.
    sockets: Arc<Semaphore>,
    /// One for each WebSocket that may be open.
    seats: Arc<Semaphore>,
    surroundings: Arc<Surroundings>,
    tasks: TaskTracker,
    routes: axum::Router<Entrance>,
}

impl Door {
    async fn accept(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream, stop.clone()),
                    Err(error) => {
                        warn!(%error, "cannot take a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn admit(&self, stream: TcpStream, stop: CancellationToken) {
        let Ok(socket) = Arc::clone(&self.sockets).try_acquire_owned() else {
            debug!("no room for another TCP connection");
            return;
        };
        // Messages are small and wait for answers: Nagle's algorithm would add 40 ms to each exchange.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a client went away at once");
            return;
        }
        let entrance = Entrance {
            surroundings: Arc::clone(&self.surroundings),
            seats: Arc::clone(&self.seats),
            tasks: self.tasks.clone(),
            socket: Arc::new(socket),
        };
        let service = TowerToHyperService::new(self.routes.clone().with_state(entrance));
        self.tasks.spawn(async move {
            let http = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HANDSHAKE)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            tokio::select! {
                () = stop.cancelled() => {}
                served = timeout(HANDSHAKE, http) => match served {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => debug!(%error, "bad HTTP"),
                    Err(_) => debug!("a client took too long for its handshake"),
                },
            }
        });
    }
}

/// A server that runs in the background. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
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

    /// How many of each there are at this moment.
    pub fn census(&self) -> Census {
        self.counters.census()
    }

    /// How many candidates were not passed on, since they are no relay's and [`Settings::path_policy`] wants relays.
    pub fn withheld_candidates(&self) -> u64 {
        self.counters.withheld_candidates.load(Relaxed)
    }

    /// Says good-bye to everybody and waits for the end, which takes seconds at most.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            warn!(%error, "the server ended badly");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
