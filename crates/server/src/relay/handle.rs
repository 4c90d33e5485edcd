//! The way to the worker from the rest of the server.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use mio::{Poll, Waker};
use relay::{Counters, Secrets};
use tokio::sync::mpsc;
use tracing::warn;

use crate::relay::{
    RelaySettings,
    outbox::Outbox,
    worker::{WAKER, Worker},
};

/// How many inputs of streams may wait for the worker. Streams wait for room; the worker waits for nobody.
pub(super) const INPUTS: usize = 256;

/// A client behind TCP or TLS.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) addr: SocketAddr,
    /// The address that it came to.
    pub(super) local_ip: IpAddr,
    pub(super) outbox: Arc<Outbox>,
}

/// What streams tell the worker.
#[derive(Debug)]
pub(super) enum Input {
    /// A client has connected.
    Opened { id: u64, stream: Stream },
    /// It has sent whole messages.
    Frames { id: u64, bytes: Vec<u8> },
    /// It is gone.
    Gone { id: u64 },
}

/// The way to the worker. When the last one is dropped, the worker ends.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    inputs: mpsc::Sender<Input>,
    shared: Arc<Shared>,
    _ends: Arc<EndsWorker>,
}

/// What the worker shares with everybody.
#[derive(Debug)]
pub(super) struct Shared {
    waker: Waker,
    pub(super) is_stopped: AtomicBool,
    pub(super) counters: Mutex<Counters>,
    last_stream: AtomicU64,
}

impl Shared {
    pub(super) fn new(poll: &Poll) -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new(poll.registry(), WAKER)?,
            is_stopped: AtomicBool::new(false),
            counters: Mutex::default(),
            last_stream: AtomicU64::new(0),
        })
    }
}

/// Ends the worker when it is dropped.
#[derive(Debug)]
struct EndsWorker(Arc<Shared>);

impl Drop for EndsWorker {
    fn drop(&mut self) {
        self.0.is_stopped.store(true, Relaxed);
        if let Err(error) = self.0.waker.wake() {
            warn!(%error, "the relay cannot be woken");
        }
    }
}

/// Reads what the relay has done.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Shared>);

impl Meter {
    pub(crate) fn counters(&self) -> Counters {
        *self
            .0
            .counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// Starts the thread.
    pub(crate) fn start(
        settings: &RelaySettings,
        secrets: Secrets,
        udp: Vec<std::net::UdpSocket>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared::new(&poll)?);
        let (sender, inputs) = mpsc::channel(INPUTS);
        let worker = Worker::new(settings, secrets, udp, poll, inputs, Arc::clone(&shared))?;
        thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            inputs: sender,
            _ends: Arc::new(EndsWorker(Arc::clone(&shared))),
            shared,
        })
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter(Arc::clone(&self.shared))
    }

    /// A number that no other stream has or had.
    pub(super) fn next_stream(&self) -> u64 {
        self.shared.last_stream.fetch_add(1, Relaxed) + 1
    }

    /// Tells the worker. `false` if it has ended.
    pub(super) async fn tell(&self, input: Input) -> bool {
        let is_told = self.inputs.send(input).await.is_ok();
        // A waker that fails has no worker to wake.
        is_told && self.shared.waker.wake().is_ok()
    }
}
