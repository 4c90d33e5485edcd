//! A UDP socket of the stack that watches what passes.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::datagram::{Content, Datagram};
use super::flights::Flights;
use super::inbox::Inbox;
use super::stun::{self, Message};
use super::tunnel::Tunnels;
use super::turns::Turns;
use crate::Impairment;

/// How often the repeating task looks whether something is due.
const TICK: Duration = Duration::from_millis(20);

/// A socket that tells [`Turns`] and [`Flights`] what it sees, and sends what they want repeated.
#[derive(Debug)]
pub(super) struct PeerSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    turns: Arc<Turns>,
    handshake: Option<Arc<Handshake>>,
    outlet: Arc<Outlet>,
}

/// Sends at once or not at all, without the stack's socket.
///
/// Sending through that would take the wake-up away from the driver that waits there.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) local: SocketAddr,
    /// The same socket.
    pub(super) handle: Arc<UdpSocket>,
    pub(super) impairment: Option<Impairment>,
    pub(super) tunnels: Arc<Tunnels>,
    /// What the socket receives by other ways.
    pub(super) inbox: Arc<Inbox>,
}

impl Outlet {
    /// True if the datagram went into a tunnel or through an impairment: nothing is left to do.
    fn divert(&self, to: SocketAddr, datagram: &[u8]) -> bool {
        if let Some(index) = self.tunnels.index_of(to) {
            self.tunnels.send(index, self.local, &self.inbox, datagram);
        } else if let Some(impairment) = &self.impairment {
            impairment.send(&self.handle, datagram, to);
        } else {
            return false;
        }
        true
    }

    fn is_diverted(&self, to: SocketAddr) -> bool {
        self.impairment.is_some() || self.tunnels.index_of(to).is_some()
    }

    fn send(&self, to: SocketAddr, datagram: &[u8]) {
        if !self.divert(to, datagram) {
            // What cannot be sent now is as good as lost on the way.
            if let Err(error) = self.handle.send_to(datagram, to) {
                tracing::trace!(%error, "a datagram was not sent");
            }
        }
    }
}

/// What the repeating task shares with the socket.
#[derive(Debug)]
struct Handshake {
    flights: Mutex<Flights>,
    is_task_running: AtomicBool,
    outlet: Arc<Outlet>,
}

impl PeerSocket {
    pub(super) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        outlet: Outlet,
        turns: Arc<Turns>,
        repeats_handshake: bool,
    ) -> Self {
        let outlet = Arc::new(outlet);
        let handshake = repeats_handshake.then(|| {
            Arc::new(Handshake {
                flights: Mutex::default(),
                is_task_running: AtomicBool::new(false),
                outlet: Arc::clone(&outlet),
            })
        });
        Self {
            inner,
            turns,
            handshake,
            outlet,
        }
    }

    fn on_sent(&self, bytes: &[u8], to: SocketAddr) {
        let datagram = Datagram::classify(bytes);
        let now = Instant::now();
        self.turns.on_sent(datagram, now);
        if datagram.content == Content::Handshake
            && let Some(handshake) = &self.handshake
        {
            handshake.lock().on_sent(to, datagram, bytes, now);
            if !handshake.is_task_running.swap(true, Ordering::Relaxed) {
                tokio::spawn(repeat(Arc::downgrade(handshake)));
            }
        }
    }

    fn on_received(&self, bytes: &[u8], from: SocketAddr) {
        let datagram = Datagram::classify(bytes);
        self.turns.on_received(datagram, Instant::now());
        if datagram.content == Content::TurnControl
            && Message::read(bytes).is_some_and(|message| message.kind == stun::ALLOCATE_SUCCESS)
        {
            let tunnels = &self.outlet.tunnels;
            tunnels.on_allocated(tunnels.index_of(from));
        }
        if let Some(handshake) = &self.handshake
            && handshake.is_task_running.load(Ordering::Relaxed)
        {
            handshake.lock().on_received(from, datagram);
        }
    }

    /// A datagram that came by another way than the socket.
    fn poll_inbox(
        &self,
        context: &Context<'_>,
        buffer: &mut IoSliceMut<'_>,
        meta: &mut RecvMeta,
    ) -> bool {
        while let Some((from, datagram)) = self.outlet.inbox.poll(context) {
            let Some(place) = buffer.get_mut(..datagram.len()) else {
                continue;
            };
            place.copy_from_slice(&datagram);
            *meta = RecvMeta::default();
            meta.addr = from;
            meta.len = datagram.len();
            meta.stride = datagram.len().max(1);
            self.on_received(&datagram, from);
            return true;
        }
        false
    }
}

impl Handshake {
    fn lock(&self) -> std::sync::MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Repeats what is due until the handshakes are done or the socket is gone.
async fn repeat(handshake: Weak<Handshake>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(handshake) = handshake.upgrade() else {
            return;
        };
        let due = {
            let mut flights = handshake.lock();
            if !flights.is_active() {
                handshake.is_task_running.store(false, Ordering::Relaxed);
                return;
            }
            flights.due(Instant::now())
        };
        for (to, record) in due {
            handshake.outlet.send(to, &record);
        }
    }
}

impl AsyncUdpSocket for PeerSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        let segment_len = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        let segments = transmit.contents.chunks(segment_len);
        let result = if self.outlet.is_diverted(transmit.destination) {
            for segment in segments.clone() {
                self.outlet.divert(transmit.destination, segment);
            }
            Poll::Ready(Ok(transmit.contents.len()))
        } else {
            self.inner.poll_send(context, transmit)
        };
        if result.is_ready() {
            for segment in segments {
                self.on_sent(segment, transmit.destination);
            }
        }
        result
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if let ([buffer, ..], [meta, ..]) = (&mut *buffers, &mut *metas)
            && self.poll_inbox(context, buffer, meta)
        {
            return Poll::Ready(Ok(1));
        }
        let result = self.inner.poll_recv(context, buffers, metas);
        if let Poll::Ready(Ok(count)) = &result {
            if self
                .outlet
                .impairment
                .as_ref()
                .is_some_and(Impairment::are_sockets_broken)
            {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            }
            for (buffer, meta) in buffers.iter().zip(metas.iter()).take(*count) {
                for segment in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    self.on_received(segment, meta.addr);
                }
            }
        }
        result
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}
