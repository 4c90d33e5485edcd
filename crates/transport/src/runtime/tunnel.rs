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
mod link;
mod queue;
mod refusal;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::choice::Choice;
pub(crate) use self::framing::{Cutter, Garbage};
use self::link::{FIRST_PAUSE, Link};
use super::inbox::Inbox;
use super::stun::{self, Message};
use crate::servers::{Servers, tunnel_name};

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

impl Tunnels {
    pub(crate) fn new(servers: &Servers, extra_roots: &[CertificateDer<'static>]) -> Self {
        let links = servers.tunnelled.iter().enumerate();
        let links = links.map(|(index, server)| Arc::new(Link::new(index, server.clone())));
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
        if is_wanted {
            lock(&self.choice).on_wanted(now);
        }
        if !state.is_task_running {
            // The allocation went with the stream. What belonged to it is of no use.
            let is_too_early = state.not_before.is_some_and(|instant| now < instant);
            if !is_wanted || is_too_early || self.closing.is_cancelled() {
                return;
            }
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
        // One lock at a time: `send` takes them the other way round.
        match index {
            Some(index) => {
                lock(&self.choice).on_stream_allocated(index);
                if let Some(link) = self.links.get(index) {
                    link.lock().pause = FIRST_PAUSE;
                }
            }
            None => lock(&self.choice).on_udp_allocated(),
        }
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
            state.queue.clear();
            state.requests.clear();
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
