//! Relays behind streams: TURN over TCP and over TLS (RFC 8656 section 3.1).
//!
//! The stack of `webrtc` 0.21.1 speaks TURN over UDP alone. For each server behind a stream it is given a made-up
//! address, of the ranges for documentation, so that nobody is there. What it sends to that address rides a stream to the
//! server, and what comes back seems to come from that address. No datagram ever leaves for it.
//!
//! A stream is opened when an allocation is asked for and no better way has worked (`choice`). One that breaks takes its
//! allocation along, so it is opened again only when the stack asks for another, with growing pauses. There is no
//! fallback from TLS to plain TCP.

mod choice;
mod connect;
mod framing;
mod queue;
mod refusal;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::choice::{Choice, Verdict};
use self::framing::Cutter;
use self::queue::Outgoing;
use super::inbox::Inbox;
use super::stun::{self, Message, TransactionId};
use crate::servers::{Servers, TunnelledServer, tunnel_name};

/// Pauses before a stream is opened again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How long a server may say nothing at all, and how long it may take nothing of what we have for it.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long the last words may take when the peer closes.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);

/// The longest datagram that is passed on. The stack's are shorter; a longer one is no answer to them.
const MAX_DATAGRAM_BYTES: usize = 2000;
/// What is read at once, and about what is written at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Requests that are remembered, so that none is sent twice: over a stream nothing is lost (RFC 8489 section 6.2.2).
const MAX_REQUESTS: usize = 64;

/// All tunnels of one peer.
#[derive(Debug)]
pub(crate) struct Tunnels {
    links: Vec<Arc<Link>>,
    choice: Arc<Mutex<Choice>>,
    extra_roots: Arc<[CertificateDer<'static>]>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// One server behind a stream.
#[derive(Debug)]
struct Link {
    index: usize,
    server: TunnelledServer,
    state: Mutex<LinkState>,
    /// Something is to be written.
    outgoing: Notify,
    /// The stream must be closed, because the machine is on another network.
    reset: Notify,
}

#[derive(Debug, Default)]
struct LinkState {
    /// Who gets what comes: the local socket that asked first. The others are refused.
    owner: Option<(SocketAddr, Arc<Inbox>)>,
    queue: Outgoing,
    requests: VecDeque<TransactionId>,
    is_task_running: bool,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Tunnels {
    pub(crate) fn new(servers: &Servers, extra_roots: &[CertificateDer<'static>]) -> Self {
        let links = servers.tunnelled.iter().enumerate();
        let links = links.map(|(index, server)| {
            Arc::new(Link {
                index,
                server: server.clone(),
                state: Mutex::default(),
                outgoing: Notify::new(),
                reset: Notify::new(),
            })
        });
        Self {
            links: links.collect(),
            choice: Arc::new(Mutex::new(Choice::new(
                servers.has_udp_relay,
                servers.tunnelled.len(),
            ))),
            extra_roots: extra_roots.into(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    /// The made-up addresses of a made-up name, `name:port`; `None` if it is no such name.
    pub(super) fn resolve(&self, host: &str) -> Option<Vec<SocketAddr>> {
        let (name, _) = host.rsplit_once(':')?;
        let link = self
            .links
            .iter()
            .find(|link| tunnel_name(link.index) == name)?;
        let [v4, v6] = made_up_addresses(link.index);
        Some(vec![v4, v6])
    }

    /// Which tunnel an address stands for.
    pub(super) fn index_of(&self, address: SocketAddr) -> Option<usize> {
        self.links
            .iter()
            .position(|link| made_up_addresses(link.index).contains(&address))
    }

    /// Whether the server behind this address is reached by TLS, if it is reached through a tunnel.
    pub(crate) fn is_tls(&self, address: SocketAddr) -> Option<bool> {
        let index = self.index_of(address)?;
        self.links.get(index).map(|link| link.server.is_tls)
    }

    /// Sends a datagram through tunnel `index`, for the socket `local`. Never waits. Must be called in a tokio runtime.
    pub(super) fn send(
        &self,
        index: usize,
        local: SocketAddr,
        inbox: &Arc<Inbox>,
        datagram: &[u8],
    ) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        let request = Message::read(datagram).filter(|message| message.is_request());
        let is_wanted = request.is_some_and(|message| message.kind == stun::ALLOCATE_REQUEST);
        let now = Instant::now();
        let mut state = link.lock();
        let is_owner_gone = |(_, inbox): &(SocketAddr, Arc<Inbox>)| Arc::strong_count(inbox) == 1;
        if state.owner.as_ref().is_none_or(is_owner_gone) {
            state.owner = Some((local, Arc::clone(inbox)));
        }
        if (state.owner.as_ref()).is_some_and(|(owner, _)| *owner != local) {
            if let Some(answer) = refusal::refuse(datagram) {
                inbox.push(made_up_address(index, local), answer);
            }
            return;
        }
        if !state.is_task_running {
            // The allocation went with the stream. What belonged to it is of no use.
            let is_too_early = state.not_before.is_some_and(|instant| now < instant);
            if !is_wanted || is_too_early || self.closing.is_cancelled() {
                return;
            }
            lock(&self.choice).on_wanted(now);
            state.is_task_running = true;
            state.queue.clear();
            state.requests.clear();
            let run = Arc::clone(link).run(
                Arc::clone(&self.choice),
                Arc::clone(&self.extra_roots),
                self.closing.clone(),
            );
            self.tasks.spawn(run);
        }
        if let Some(request) = request {
            if state.requests.contains(&request.transaction) {
                return;
            }
            if state.requests.len() >= MAX_REQUESTS {
                state.requests.pop_front();
            }
            state.requests.push_back(request.transaction);
        }
        state.queue.push(datagram);
        drop(state);
        link.outgoing.notify_one();
    }

    /// A relay has granted an allocation: through tunnel `index`, or over UDP if there is none.
    pub(super) fn on_allocated(&self, index: Option<usize>) {
        let mut choice = lock(&self.choice);
        match index {
            Some(index) => {
                choice.on_stream_allocated(index);
                if let Some(link) = self.links.get(index) {
                    link.lock().pause = FIRST_PAUSE;
                }
            }
            None => choice.on_udp_allocated(),
        }
        drop(choice);
        // Those that wait for their turn look whether it will ever come.
        for link in &self.links {
            link.outgoing.notify_one();
        }
    }

    /// Closes all streams: the machine is on another network.
    pub(super) fn reset(&self) {
        lock(&self.choice).reset();
        for link in &self.links {
            let mut state = link.lock();
            state.not_before = None;
            state.pause = FIRST_PAUSE;
            if state.is_task_running {
                link.reset.notify_one();
            }
        }
    }

    /// How many datagrams had to be dropped because a stream took less than we made.
    pub(crate) fn dropped(&self) -> u64 {
        self.links
            .iter()
            .map(|link| link.lock().queue.dropped())
            .sum()
    }

    /// Writes what is left, briefly, and closes all streams.
    pub(crate) fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
    }

    /// Returns when no task is left. Call [`close`](Self::close) first.
    pub(crate) async fn closed(&self) {
        self.tasks.wait().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses that stand for tunnel `index`: of the ranges for documentation (RFC 5737, RFC 3849).
fn made_up_addresses(index: usize) -> [SocketAddr; 2] {
    let number = index as u8 + 1;
    let v4 = Ipv4Addr::new(192, 0, 2, number);
    let v6 = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, u16::from(number));
    [(v4, 3478).into(), (v6, 3478).into()]
}

fn made_up_address(index: usize, local: SocketAddr) -> SocketAddr {
    let [v4, v6] = made_up_addresses(index);
    if local.is_ipv4() { v4 } else { v6 }
}

/// Why a stream ended.
#[derive(Debug)]
enum End {
    /// It is not needed, or the peer closes.
    Unneeded,
    Failed(io::Error),
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, LinkState> {
        lock(&self.state)
    }

    /// Opens the stream when it is its turn, and carries datagrams until it ends.
    async fn run(
        self: Arc<Self>,
        choice: Arc<Mutex<Choice>>,
        extra_roots: Arc<[CertificateDer<'static>]>,
        closing: CancellationToken,
    ) {
        let end = tokio::select! {
            end = self.carry(&choice, &extra_roots, &closing) => end,
            () = self.reset.notified() => End::Unneeded,
        };
        let mut state = self.lock();
        state.is_task_running = false;
        state.queue.clear();
        if let End::Failed(error) = end {
            tracing::debug!(%error, is_tls = self.server.is_tls, "a stream to a relay ended");
            lock(&choice).on_stream_failed(self.index);
            let pause = state.pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.not_before = Some(Instant::now() + pause);
            state.pause = 2 * pause;
        }
        state.owner = None;
    }

    async fn carry(
        &self,
        choice: &Mutex<Choice>,
        extra_roots: &[CertificateDer<'static>],
        closing: &CancellationToken,
    ) -> End {
        loop {
            let verdict = lock(choice).verdict(self.index, Instant::now());
            match verdict {
                Verdict::Open => break,
                Verdict::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until.into()) => {}
                        () = self.outgoing.notified() => {}
                        () = closing.cancelled() => return End::Unneeded,
                    }
                }
                Verdict::Refuse => return self.refuse(closing).await,
            }
        }
        let connecting = connect::connect(&self.server, extra_roots);
        let stream = tokio::select! {
            result = connecting => result,
            () = closing.cancelled() => return End::Unneeded,
        };
        match stream {
            Ok(connect::Stream::Plain(stream)) => self.pump(stream, closing).await,
            Ok(connect::Stream::Encrypted(stream)) => self.pump(*stream, closing).await,
            Err(error) => End::Failed(error),
        }
    }

    /// Answers the stack's requests in the server's place, so that it knows that nothing will come of them.
    async fn refuse(&self, closing: &CancellationToken) -> End {
        let deadline = tokio::time::Instant::now() + SILENCE_LIMIT;
        loop {
            {
                let mut state = self.lock();
                while let Some(datagram) = state.queue.pop() {
                    if let (Some((local, inbox)), Some(answer)) =
                        (&state.owner, refusal::refuse(&datagram))
                    {
                        inbox.push(made_up_address(self.index, *local), answer);
                    }
                }
            }
            tokio::select! {
                () = self.outgoing.notified() => {}
                () = closing.cancelled() => return End::Unneeded,
                () = tokio::time::sleep_until(deadline) => return End::Unneeded,
            }
        }
    }

    async fn pump(&self, stream: impl AsyncRead + AsyncWrite, closing: &CancellationToken) -> End {
        let (reader, mut writer) = tokio::io::split(stream);
        let result = tokio::select! {
            result = self.read(reader) => result,
            result = self.write(&mut writer, closing) => result,
        };
        match result {
            Ok(()) => {
                let farewell = async {
                    writer.flush().await?;
                    writer.shutdown().await
                };
                if let Ok(Err(error)) = tokio::time::timeout(FAREWELL_LIMIT, farewell).await {
                    tracing::debug!(%error, "a stream to a relay was not closed in order");
                }
                End::Unneeded
            }
            Err(error) => End::Failed(error),
        }
    }

    /// Hands what comes to the stack. Ends only with an error.
    async fn read(&self, reader: impl AsyncRead) -> io::Result<()> {
        let mut reader = std::pin::pin!(reader);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut cutter = Cutter::default();
        let mut has_answered = false;
        loop {
            let len = if has_answered {
                reader.read(&mut chunk).await?
            } else {
                tokio::time::timeout(SILENCE_LIMIT, reader.read(&mut chunk)).await??
            };
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            cutter.feed(&chunk[..len]);
            let garbage = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            while let Some(datagram) = cutter.next().map_err(garbage)? {
                has_answered = true;
                if datagram.len() <= MAX_DATAGRAM_BYTES
                    && let Some((local, inbox)) = &self.lock().owner
                {
                    inbox.push(made_up_address(self.index, *local), datagram);
                }
            }
        }
    }

    /// Writes what the stack sends, until the peer closes.
    async fn write(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        closing: &CancellationToken,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        loop {
            bytes.clear();
            {
                let mut state = self.lock();
                while bytes.len() < CHUNK_BYTES
                    && let Some(datagram) = state.queue.pop()
                {
                    framing::frame(&datagram, &mut bytes);
                }
            }
            if bytes.is_empty() {
                if closing.is_cancelled() {
                    return Ok(());
                }
                tokio::select! {
                    () = self.outgoing.notified() => {}
                    () = closing.cancelled() => {}
                }
                continue;
            }
            let writing = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            let limit = if closing.is_cancelled() {
                FAREWELL_LIMIT
            } else {
                WRITE_LIMIT
            };
            tokio::time::timeout(limit, writing).await??;
        }
    }
}
