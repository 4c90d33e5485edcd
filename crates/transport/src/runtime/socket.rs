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
    second_handle: Arc<UdpSocket>,
    impairment: Option<Impairment>,
}

/// What the repeating task shares with the socket.
#[derive(Debug)]
struct Handshake {
    flights: Mutex<Flights>,
    is_task_running: AtomicBool,
    /// The same socket. Sending through `inner` would take the wake-up away from the driver that waits there.
    second_handle: Arc<UdpSocket>,
    impairment: Option<Impairment>,
}

impl PeerSocket {
    pub(super) fn new(
        inner: Arc<dyn AsyncUdpSocket>,
        second_handle: Arc<UdpSocket>,
        turns: Arc<Turns>,
        repeats_handshake: bool,
        impairment: Option<Impairment>,
    ) -> Self {
        let handshake = repeats_handshake.then(|| {
            Arc::new(Handshake {
                flights: Mutex::default(),
                is_task_running: AtomicBool::new(false),
                second_handle: Arc::clone(&second_handle),
                impairment: impairment.clone(),
            })
        });
        Self {
            inner,
            turns,
            handshake,
            second_handle,
            impairment,
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
        if let Some(handshake) = &self.handshake
            && handshake.is_task_running.load(Ordering::Relaxed)
        {
            handshake.lock().on_received(from, datagram);
        }
    }
}

impl Handshake {
    fn lock(&self) -> std::sync::MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, to: SocketAddr, record: &[u8]) {
        match &self.impairment {
            Some(impairment) => impairment.send(&self.second_handle, record, to),
            None => {
                // A repeat that cannot be sent now is as good as lost on the way; another follows.
                if let Err(error) = self.second_handle.send_to(record, to) {
                    tracing::trace!(%error, "a handshake message was not repeated");
                }
            }
        }
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
            handshake.send(to, &record);
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
        let result = if let Some(impairment) = &self.impairment {
            for segment in segments.clone() {
                impairment.send(&self.second_handle, segment, transmit.destination);
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
        let result = self.inner.poll_recv(context, buffers, metas);
        if let Poll::Ready(Ok(count)) = &result {
            if self
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
