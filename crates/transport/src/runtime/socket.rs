//! A UDP socket of the stack that watches what passes, and can be moved to another address.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::datagram::{Content, Datagram};
use super::flights::Flights;
use super::inbox::Inbox;
use super::paths::{Fate, Paths};
use super::stun::{self, Message};
use super::tunnel::Tunnels;
use super::turns::Turns;
use crate::Impairment;

/// How often the repeating task looks whether something is due.
const TICK: Duration = Duration::from_millis(5);

/// How long a socket that was left may still send its farewells.
const FAREWELL_TIME: Duration = Duration::from_secs(2);

/// A socket that tells others what it sees, and sends what they want sent.
///
/// To the stack it has one address for good; where it really is may change.
#[derive(Debug)]
pub(super) struct PeerSocket {
    turns: Arc<Turns>,
    handshake: Option<Arc<Handshake>>,
    pub(super) outlet: Arc<Outlet>,
}

/// Sends at once or not at all, without the stack's socket.
///
/// Sending through that would take the wake-up away from the driver that waits there.
#[derive(Debug)]
pub(super) struct Outlet {
    /// The address that the stack knows.
    pub(super) local: SocketAddr,
    pub(super) place: Mutex<Place>,
    pub(super) impairment: Option<Impairment>,
    pub(super) tunnels: Arc<Tunnels>,
    pub(super) paths: Arc<Paths>,
    /// What the socket receives by other ways.
    pub(super) inbox: Arc<Inbox>,
}

/// Where a socket is, and where it was a moment ago.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) socket: SystemSocket,
    previous: Option<(Arc<UdpSocket>, Instant)>,
    is_broken: bool,
}

/// A socket of the system, twice: as the stack's runtime wants it, and to send at once.
#[derive(Debug, Clone)]
pub(super) struct SystemSocket {
    pub(super) io: Arc<dyn AsyncUdpSocket>,
    pub(super) handle: Arc<UdpSocket>,
}

impl Place {
    pub(super) fn new(socket: SystemSocket) -> Self {
        Self {
            socket,
            previous: None,
            is_broken: false,
        }
    }
}

impl Outlet {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that it is really at.
    pub(super) fn address(&self) -> SocketAddr {
        let address = self.place().socket.handle.local_addr();
        address.unwrap_or(self.local)
    }

    /// Moves to another socket of the system.
    pub(super) fn move_to(&self, socket: SystemSocket, now: Instant) {
        let mut place = self.place();
        let left = std::mem::replace(&mut place.socket, socket);
        place.previous = Some((left.handle, now));
        place.is_broken = false;
        drop(place);
        self.inbox.wake();
    }

    /// True if nothing is left to do: the datagram must not leave, or left by another way than the stack's socket.
    fn divert(&self, to: SocketAddr, datagram: &[u8]) -> bool {
        if let Some(index) = self.tunnels.index_of(to) {
            self.tunnels.send(index, self.local, &self.inbox, datagram);
            return true;
        }
        if !self.paths.may_send(to) {
            return true;
        }
        if self.impairment.is_none() && !is_farewell(datagram) {
            return false;
        }
        let mut place = self.place();
        let now = Instant::now();
        place.previous = place
            .previous
            .take()
            .filter(|(_, left_at)| now.saturating_duration_since(*left_at) < FAREWELL_TIME);
        // An allocation is given back from the address that it was made from.
        let previous = place.previous.as_ref().filter(|_| is_farewell(datagram));
        let handle = previous.map_or(&place.socket.handle, |(handle, _)| handle);
        if let Some(impairment) = &self.impairment {
            impairment.send(handle, datagram, to);
        } else {
            send_now(handle, datagram, to);
        }
        true
    }

    pub(super) fn send(&self, to: SocketAddr, datagram: &[u8]) {
        if !self.divert(to, datagram) {
            send_now(&self.place().socket.handle, datagram, to);
        }
    }
}

/// What cannot be sent now is as good as lost on the way.
fn send_now(handle: &UdpSocket, datagram: &[u8], to: SocketAddr) {
    if let Err(error) = handle.send_to(datagram, to) {
        tracing::trace!(%error, "a datagram was not sent");
    }
}

/// A Refresh request that ends an allocation (RFC 8656 section 8).
fn is_farewell(datagram: &[u8]) -> bool {
    Message::read(datagram).is_some_and(|message| {
        message.kind == stun::REFRESH_REQUEST && message.attribute(stun::LIFETIME) == Some(&[0; 4])
    })
}

/// What the repeating task shares with the socket.
#[derive(Debug)]
struct Handshake {
    flights: Mutex<Flights>,
    is_task_running: AtomicBool,
    outlet: Arc<Outlet>,
}

impl PeerSocket {
    pub(super) fn new(outlet: Arc<Outlet>, turns: Arc<Turns>, repeats_handshake: bool) -> Self {
        let handshake = repeats_handshake.then(|| {
            Arc::new(Handshake {
                flights: Mutex::default(),
                is_task_running: AtomicBool::new(false),
                outlet: Arc::clone(&outlet),
            })
        });
        Self {
            turns,
            handshake,
            outlet,
        }
    }

    fn on_sent(&self, bytes: &[u8], to: SocketAddr) {
        let datagram = Datagram::classify(bytes);
        let now = Instant::now();
        self.turns.on_sent(datagram, now);
        let (inbox, local) = (&self.outlet.inbox, self.outlet.local);
        let sequel = (self.outlet.paths).on_sent(inbox, local, to, datagram, bytes, now);
        if let Some(sequel) = sequel {
            self.outlet.send(to, &sequel);
        }
        if datagram.content == Content::Handshake
            && let Some(handshake) = &self.handshake
        {
            let round_trip = self.outlet.paths.round_trip();
            handshake
                .lock()
                .on_sent(to, datagram, bytes, now, round_trip);
            if !handshake.is_task_running.swap(true, Ordering::Relaxed) {
                tokio::spawn(repeat(Arc::downgrade(handshake)));
            }
        }
    }

    /// What the stack gets instead of a message of the handshake leaving.
    fn answer_hello(&self, transmit: &Transmit<'_>) -> Option<Vec<u8>> {
        let bytes = transmit.contents;
        let is_one = transmit.segment_size.is_none_or(|len| len >= bytes.len());
        let datagram = Datagram::classify(bytes);
        if !is_one || datagram.content != Content::Handshake {
            return None;
        }
        let answer = self.outlet.paths.answer_hello(bytes)?;
        self.turns.on_received(datagram, Instant::now());
        Some(answer)
    }

    /// Whether the stack gets it.
    fn admit(&self, bytes: &[u8], from: SocketAddr) -> bool {
        let datagram = Datagram::classify(bytes);
        let now = Instant::now();
        let (paths, inbox) = (&self.outlet.paths, &self.outlet.inbox);
        let fate = paths.on_received(inbox, self.outlet.local, from, datagram, bytes, now);
        if fate == Fate::Drop {
            return false;
        }
        self.turns.on_received(datagram, now);
        // From anybody else it says nothing, and would keep streams from being tried.
        if datagram.content == Content::TurnControl
            && paths.is_server(from)
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
        fate == Fate::Pass
    }

    /// A datagram that came by another way than the socket.
    fn poll_inbox(
        &self,
        context: &Context<'_>,
        buffer: &mut IoSliceMut<'_>,
        meta: &mut RecvMeta,
    ) -> bool {
        while let Some(arrival) = self.outlet.inbox.poll(context) {
            let Some(place) = buffer.get_mut(..arrival.bytes.len()) else {
                continue;
            };
            if !arrival.is_admitted && !self.admit(&arrival.bytes, arrival.from) {
                continue;
            }
            place.copy_from_slice(&arrival.bytes);
            *meta = RecvMeta::default();
            meta.addr = arrival.from;
            meta.len = arrival.bytes.len();
            meta.stride = arrival.bytes.len().max(1);
            return true;
        }
        false
    }

    /// Whether the stack gets all of one message, which may be several datagrams. What it gets of one that it does not
    /// get as a whole goes to the inbox.
    fn admit_all(&self, buffer: &[u8], meta: &RecvMeta) -> bool {
        let segments = || buffer[..meta.len].chunks(meta.stride.max(1));
        let admitted: Vec<&[u8]> = segments()
            .filter(|segment| self.admit(segment, meta.addr))
            .collect();
        if admitted.len() == segments().len() {
            return true;
        }
        for segment in admitted {
            (self.outlet.inbox).push_admitted(meta.addr, segment.to_vec());
        }
        false
    }
}

impl Handshake {
    fn lock(&self) -> MutexGuard<'_, Flights> {
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

/// Errors that a socket tells of one partner, and that leave it usable for others.
///
/// Windows also has one for a datagram that was longer than the buffer, which anybody can send (`WSAEMSGSIZE`), and one
/// for a router's word that a datagram of ours went too far (`WSAENETRESET`).
fn is_passing(error: &io::Error) -> bool {
    const WINDOWS_MESSAGE_TOO_LONG: i32 = 10_040;
    const WINDOWS_NETWORK_RESET: i32 = 10_052;
    let is_of_windows = cfg!(windows)
        && matches!(
            error.raw_os_error(),
            Some(WINDOWS_MESSAGE_TOO_LONG | WINDOWS_NETWORK_RESET)
        );
    is_of_windows
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
        )
}

impl AsyncUdpSocket for PeerSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.outlet.local)
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        let to = transmit.destination;
        let len = transmit.contents.len();
        if let Some(answer) = self.answer_hello(transmit) {
            self.outlet.inbox.push_admitted(to, answer);
            return Poll::Ready(Ok(len));
        }
        let rewritten =
            (self.outlet.paths).rewrite(self.outlet.local, to, transmit.contents, Instant::now());
        let rewritten = rewritten.as_deref().map(|contents| Transmit {
            destination: to,
            ecn: transmit.ecn,
            contents,
            segment_size: None,
            src_ip: transmit.src_ip,
        });
        let transmit = rewritten.as_ref().unwrap_or(transmit);
        let segment_len = transmit
            .segment_size
            .unwrap_or(transmit.contents.len())
            .max(1);
        let segments = || transmit.contents.chunks(segment_len);
        // All segments go the same way.
        let is_diverted = segments()
            .filter(|segment| self.outlet.divert(to, segment))
            .count()
            > 0;
        let result = if is_diverted {
            Poll::Ready(Ok(len))
        } else {
            let io = Arc::clone(&self.outlet.place().socket.io);
            io.poll_send(context, transmit).map_ok(|_| len)
        };
        if result.is_ready() && self.outlet.paths.may_send(to) {
            for segment in segments() {
                self.on_sent(segment, to);
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
        let ([buffer, ..], [meta, ..]) = (buffers, metas) else {
            return Poll::Ready(Ok(0));
        };
        loop {
            if self.poll_inbox(context, buffer, meta) {
                return Poll::Ready(Ok(1));
            }
            let io = {
                let place = self.outlet.place();
                if place.is_broken {
                    // Woken when it moves.
                    return Poll::Pending;
                }
                Arc::clone(&place.socket.io)
            };
            let one_buffer = std::slice::from_mut(buffer);
            match io.poll_recv(context, one_buffer, std::slice::from_mut(meta)) {
                Poll::Ready(Ok(_)) => {
                    let impairment = self.outlet.impairment.as_ref();
                    if impairment.is_some_and(Impairment::are_sockets_broken) {
                        return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                    }
                    if self.admit_all(buffer, meta) {
                        return Poll::Ready(Ok(1));
                    }
                }
                Poll::Ready(Err(error)) if !is_passing(&error) => {
                    // The stack would give up this address for good.
                    tracing::debug!(%error, "a socket is broken");
                    let mut place = self.outlet.place();
                    // It may have been moved to another one meanwhile.
                    place.is_broken |= Arc::ptr_eq(&place.socket.io, &io);
                }
                other => return other,
            }
        }
    }

    fn max_gso_segments(&self) -> usize {
        self.outlet.place().socket.io.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.outlet.place().socket.io.max_gro_segments()
    }
}
