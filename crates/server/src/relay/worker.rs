//! The thread that owns the relay and all its UDP sockets.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::Range,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use relay::{AllocationId, Client, Order, Relay, Secrets, Time};
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    random::random_u64,
    relay::{
        RelaySettings,
        batch::{Arena, Outgoing, Received},
        handle::{Input, Shared, Stream},
        sockets::{Ports, own_ips},
    },
};

/// How many datagrams are taken from one socket in a row, so that nobody waits for long.
const IN_A_ROW: usize = 32;
/// How many inputs of streams are taken in a row, each of some kilobytes, so that those who come by UDP do not wait.
const INPUTS_IN_A_ROW: usize = 32;
/// How often the worker looks around if nothing happens.
const IDLE: Duration = Duration::from_secs(1);

pub(super) const WAKER: Token = Token(usize::MAX);

/// Where something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Listener(usize),
    Relayed(AllocationId),
}

/// A socket that clients send to.
#[derive(Debug)]
struct Listener {
    socket: UdpSocket,
    ip: IpAddr,
}

impl Listener {
    const fn is_v6(&self) -> bool {
        self.ip.is_ipv6()
    }
}

/// A socket of an allocation.
#[derive(Debug)]
struct RelayedSocket {
    socket: UdpSocket,
    /// Whether it is in the list of those that have more.
    is_ready: bool,
}

pub(super) struct Worker {
    relay: Relay,
    ports: Ports,
    poll: Poll,
    listeners: Vec<Listener>,
    relayed: Vec<Option<RelayedSocket>>,
    streams: HashMap<u64, Stream>,
    inputs: mpsc::Receiver<Input>,
    shared: Arc<Shared>,
    /// Sockets that have more than was taken from them.
    ready: VecDeque<Source>,
    arena: Arena,
    received: Vec<Received>,
    /// What goes out next, with the socket that it goes through.
    outgoing: Vec<(Source, Outgoing)>,
    run: Vec<Outgoing>,
    reply: Vec<u8>,
}

impl Worker {
    pub(super) fn new(
        settings: &RelaySettings,
        secrets: Secrets,
        udp: Vec<std::net::UdpSocket>,
        poll: Poll,
        inputs: mpsc::Receiver<Input>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::from)?;
        let ports = Ports::new(settings, &udp);
        let mut limits = settings.limits.clone();
        limits.peers.own.extend(own_ips(settings, &udp));
        let mut listeners = Vec::new();
        for (at, socket) in udp.into_iter().enumerate() {
            let ip = socket.local_addr()?.ip();
            let mut socket = UdpSocket::from_std(socket);
            poll.registry()
                .register(&mut socket, Token(at), Interest::READABLE)?;
            listeners.push(Listener { socket, ip });
        }
        Ok(Self {
            relay: Relay::new(limits, secrets, &key, Instant::now()),
            ports,
            poll,
            listeners,
            relayed: Vec::new(),
            streams: HashMap::new(),
            inputs,
            shared,
            ready: VecDeque::new(),
            arena: Arena::new(),
            received: Vec::new(),
            outgoing: Vec::new(),
            run: Vec::new(),
            reply: Vec::new(),
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut has_inputs = false;
        while !self.shared.is_stopped.load(Relaxed) {
            let timeout = if has_inputs || !self.ready.is_empty() {
                Duration::ZERO
            } else {
                self.relay.poll_timeout().map_or(IDLE, |due| {
                    due.saturating_duration_since(Instant::now()).min(IDLE)
                })
            };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    warn!(%error, "the relay cannot wait for its sockets");
                    return;
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKER => has_inputs = true,
                    Token(at) => self.on_ready(at),
                }
            }
            for _ in 0..self.ready.len() {
                if let Some(source) = self.ready.pop_front() {
                    self.receive(source);
                }
            }
            if has_inputs {
                has_inputs = self.take_inputs();
            }
            self.flush();
            self.relay.handle_timeout(Instant::now());
            self.close_ended();
            let counters = self.relay.counters();
            *self
                .shared
                .counters
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = counters;
        }
    }

    fn on_ready(&mut self, token: usize) {
        if token < self.listeners.len() {
            let source = Source::Listener(token);
            if !self.ready.contains(&source) {
                // Clients first: what they ask makes way for the rest.
                self.ready.push_front(source);
            }
            return;
        }
        let at = token - self.listeners.len();
        if let Some(Some(relayed)) = self.relayed.get_mut(at)
            && !relayed.is_ready
        {
            relayed.is_ready = true;
            self.ready
                .push_back(Source::Relayed(AllocationId(at as u32)));
        }
    }

    /// Takes some datagrams from a socket.
    fn receive(&mut self, source: Source) {
        if self.arena.free() < IN_A_ROW {
            self.flush();
        }
        let (socket, is_v6) = match source {
            Source::Listener(at) => (&self.listeners[at].socket, self.listeners[at].is_v6()),
            Source::Relayed(id) => match self.relayed.get_mut(id.0 as usize) {
                Some(Some(relayed)) => {
                    relayed.is_ready = false;
                    (&relayed.socket, false)
                }
                _ => return,
            },
        };
        self.received.clear();
        match self.arena.receive(socket, IN_A_ROW, &mut self.received) {
            Ok(outcome) => {
                self.relay.counters_mut().drops_oversized += outcome.too_long;
                if outcome.has_more {
                    match source {
                        Source::Listener(_) => self.ready.push_back(source),
                        Source::Relayed(id) => self.on_ready(self.listeners.len() + id.0 as usize),
                    }
                }
            }
            // Nothing that a peer or a client can cause; the next datagram may do better.
            Err(_) => self.relay.counters_mut().drops_congested += 1,
        }
        let time = time();
        let received = std::mem::take(&mut self.received);
        for Received { slot, from, range } in received.iter().cloned() {
            let from = if is_v6 {
                SocketAddr::new(from.ip().to_canonical(), from.port())
            } else {
                from
            };
            match source {
                Source::Listener(at) => {
                    let listener = at as u16;
                    let client = Client::Datagram {
                        listener,
                        addr: from,
                    };
                    self.take(client, slot, range, time);
                }
                Source::Relayed(id) => {
                    let buffer = self.arena.slot(slot);
                    let order = self.relay.from_peer(id, from, buffer, range, time.now);
                    self.carry_out(order, slot, None);
                }
            }
        }
        self.received = received;
    }

    fn take(&mut self, client: Client, slot: usize, range: Range<usize>, time: Time) {
        let buffer = self.arena.slot(slot);
        let order = self
            .relay
            .from_client(client, buffer, range, time, &mut self.reply);
        self.carry_out(order, slot, Some(client));
    }

    fn carry_out(&mut self, order: Order, slot: usize, asker: Option<Client>) {
        match order {
            Order::Nothing => {}
            Order::Reply => {
                if let Some(client) = asker {
                    self.send_reply(client);
                }
            }
            Order::ToClient { client, range } => self.send_to_client(client, slot, range),
            Order::ToPeer {
                allocation,
                peer,
                range,
            } => {
                let outgoing = Outgoing {
                    slot,
                    to: peer,
                    range,
                };
                self.outgoing.push((Source::Relayed(allocation), outgoing));
            }
            Order::Open(opening) => {
                // What this client had before, for one: it would seem to have nothing if its end came after.
                self.close_ended();
                let client = opening.client();
                let opened = self.ports.open(&opening, self.local_ip(client), random_u64);
                let (socket, relayed) = match opened {
                    Ok((socket, addr)) => (Some(socket), Ok(addr)),
                    Err(error) => (None, Err(error)),
                };
                let id = self
                    .relay
                    .opened(opening, relayed, Instant::now(), &mut self.reply);
                if let (Some(id), Some(socket)) = (id, socket) {
                    self.keep(id, socket);
                    self.set_used(client, true);
                }
                self.send_reply(client);
            }
        }
        // Mostly none.
        self.close_ended();
    }

    /// The address that a client came to.
    fn local_ip(&self, client: Client) -> Option<IpAddr> {
        match client {
            Client::Datagram { listener, .. } => {
                Some(self.listeners.get(usize::from(listener))?.ip)
            }
            Client::Stream { id, .. } => Some(self.streams.get(&id)?.local_ip),
        }
    }

    fn keep(&mut self, id: AllocationId, socket: std::net::UdpSocket) {
        let at = id.0 as usize;
        let mut socket = UdpSocket::from_std(socket);
        let token = Token(self.listeners.len() + at);
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut socket, token, Interest::READABLE)
        {
            warn!(%error, "a relayed address is deaf");
        }
        if self.relayed.len() <= at {
            self.relayed.resize_with(at + 1, || None);
        }
        self.relayed[at] = Some(RelayedSocket {
            socket,
            is_ready: false,
        });
    }

    fn close_ended(&mut self) {
        while let Some(closed) = self.relay.poll_closed() {
            // What is still on its way goes first.
            self.send_outgoing();
            if let Some(relayed) = self.relayed.get_mut(closed.allocation.0 as usize) {
                *relayed = None;
            }
            self.set_used(closed.client, false);
        }
    }

    fn set_used(&self, client: Client, is_used: bool) {
        if let Client::Stream { id, .. } = client
            && let Some(stream) = self.streams.get(&id)
        {
            stream.outbox.is_used.store(is_used, Relaxed);
        }
    }

    fn send_reply(&mut self, client: Client) {
        match client {
            Client::Datagram { listener, addr } => {
                let Some(listener) = self.listeners.get(usize::from(listener)) else {
                    return;
                };
                let to = reachable(addr, listener.is_v6());
                if listener.socket.send_to(&self.reply, to).is_err() {
                    self.relay.counters_mut().drops_congested += 1;
                }
            }
            Client::Stream { id, .. } => {
                if let Some(stream) = self.streams.get(&id) {
                    stream.outbox.push(&self.reply, false);
                }
            }
        }
    }

    fn send_to_client(&mut self, client: Client, slot: usize, range: Range<usize>) {
        match client {
            Client::Datagram { listener, addr } => {
                let at = usize::from(listener);
                let is_v6 = self.listeners.get(at).is_some_and(Listener::is_v6);
                let to = reachable(addr, is_v6);
                let outgoing = Outgoing { slot, to, range };
                self.outgoing.push((Source::Listener(at), outgoing));
            }
            Client::Stream { id, .. } => {
                if let Some(stream) = self.streams.get(&id) {
                    let bytes = self.arena.bytes(slot, range);
                    let dropped = stream.outbox.push(bytes, true);
                    self.relay.counters_mut().drops_congested += dropped;
                }
            }
        }
    }

    /// Sends what goes out, and makes room for more to come in.
    fn flush(&mut self) {
        self.send_outgoing();
        self.arena.clear();
    }

    /// Sends what goes out, socket by socket, each in the order in which it came in.
    fn send_outgoing(&mut self) {
        self.outgoing.sort_by_key(|(through, _)| match through {
            Source::Listener(at) => (0, *at),
            Source::Relayed(id) => (1, id.0 as usize),
        });
        for same in self.outgoing.chunk_by(|(a, _), (b, _)| a == b) {
            let socket = match same[0].0 {
                Source::Listener(at) => self.listeners.get(at).map(|listener| &listener.socket),
                Source::Relayed(id) => match self.relayed.get(id.0 as usize) {
                    Some(Some(relayed)) => Some(&relayed.socket),
                    _ => None,
                },
            };
            if let Some(socket) = socket {
                self.run.clear();
                self.run
                    .extend(same.iter().map(|(_, outgoing)| outgoing.clone()));
                let failed = self.arena.send(socket, &self.run);
                self.relay.counters_mut().drops_congested += failed;
            }
        }
        self.outgoing.clear();
    }

    /// Takes what streams have brought; `true` if there is more.
    fn take_inputs(&mut self) -> bool {
        for _ in 0..INPUTS_IN_A_ROW {
            match self.inputs.try_recv() {
                Ok(Input::Opened { id, stream }) => {
                    self.streams.insert(id, stream);
                }
                Ok(Input::Frames { id, bytes }) => self.take_frames(id, &bytes),
                Ok(Input::Gone { id }) => {
                    if let Some(Stream { addr, .. }) = self.streams.remove(&id) {
                        self.relay.client_gone(Client::Stream { id, addr });
                        self.close_ended();
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }

    fn take_frames(&mut self, id: u64, mut bytes: &[u8]) {
        let Some(&Stream { addr, .. }) = self.streams.get(&id) else {
            return;
        };
        let time = time();
        while let Ok(Some(len)) = relay::framing::frame_len(bytes)
            && let Some((frame, rest)) = bytes.split_at_checked(len)
        {
            bytes = rest;
            if self.arena.free() == 0 {
                self.flush();
            }
            if let Some((slot, range)) = self.arena.put(frame) {
                self.take(Client::Stream { id, addr }, slot, range, time);
            }
        }
    }
}

/// An address as a socket wants it: one for IPv6 takes IPv4 addresses mapped.
const fn reachable(addr: SocketAddr, is_v6: bool) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if is_v6 => {
            let mapped: Ipv6Addr = ip.to_ipv6_mapped();
            SocketAddr::new(IpAddr::V6(mapped), addr.port())
        }
        _ => addr,
    }
}

fn time() -> Time {
    Time {
        now: Instant::now(),
        unix: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use relay::{
        long_term_key,
        stun::{Class, Message, Writer, attribute, method},
    };

    use super::*;
    use crate::relay::{handle::INPUTS, outbox::Outbox};

    /// A worker that does nothing by itself, with one client behind TCP.
    fn worker(limits: relay::Config) -> (Worker, Arc<Outbox>, Secrets, mpsc::Sender<Input>) {
        let secrets = Secrets::new(vec!["north".to_owned()]).unwrap();
        let settings = RelaySettings {
            limits,
            ..RelaySettings::default()
        };
        let poll = Poll::new().unwrap();
        let shared = Arc::new(Shared::new(&poll).unwrap());
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (sender, inputs) = mpsc::channel(INPUTS);
        let mut worker =
            Worker::new(&settings, secrets.clone(), vec![udp], poll, inputs, shared).unwrap();
        let outbox = Arc::new(Outbox::default());
        let stream = Stream {
            addr: "127.0.0.1:9".parse().unwrap(),
            local_ip: "127.0.0.1".parse().unwrap(),
            outbox: Arc::clone(&outbox),
        };
        worker.streams.insert(1, stream);
        (worker, outbox, secrets, sender)
    }

    async fn answer(worker: &mut Worker, outbox: &Outbox, request: &[u8]) -> Vec<u8> {
        worker.take_frames(1, request);
        let mut answer = Vec::new();
        assert!(outbox.drain(&mut answer, 1000).await);
        answer
    }

    #[test]
    fn a_flood_by_tcp_is_taken_piece_by_piece_and_all_of_it() {
        let (mut worker, _, _, inputs) = worker(relay::Config::default());
        let flood = [0x40, 0, 0, 0].repeat(1000);
        for _ in 0..INPUTS {
            let bytes = flood.clone();
            inputs.try_send(Input::Frames { id: 1, bytes }).unwrap();
        }
        let mut rounds = 0;
        while worker.take_inputs() {
            rounds += 1;
            let waiting = INPUTS - inputs.capacity();
            assert_eq!(waiting, INPUTS - rounds * INPUTS_IN_A_ROW);
        }
        assert_eq!(rounds, INPUTS / INPUTS_IN_A_ROW);
        let dropped = worker.relay.counters().drops_unbound;
        assert_eq!(dropped, 1000 * INPUTS as u64);
    }

    #[tokio::test]
    async fn one_who_asks_anew_as_his_allocation_ends_has_one_and_is_not_cut_off() {
        let short = Duration::from_millis(200);
        let (mut worker, outbox, secrets, _inputs) = worker(relay::Config {
            max_lifetime: short,
            ..relay::Config::default()
        });
        let allocate = |transaction: u8, nonce: Option<&[u8]>| {
            let (name, password) = secrets.mint(time().unix, Duration::from_hours(1), 1);
            let mut bytes = Vec::new();
            let writer = Writer::new(
                &mut bytes,
                Class::Request,
                method::ALLOCATE,
                [transaction; 12],
            )
            .attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            match nonce {
                None => writer.finish(),
                Some(nonce) => writer
                    .attribute(attribute::USERNAME, name.as_bytes())
                    .attribute(attribute::REALM, b"passerby")
                    .attribute(attribute::NONCE, nonce)
                    .sign(&long_term_key(&name, "passerby", &password))
                    .finish(),
            }
            bytes
        };
        let challenge = answer(&mut worker, &outbox, &allocate(1, None)).await;
        let challenge = Message::parse(&challenge).unwrap();
        let nonce = challenge.attribute(attribute::NONCE).unwrap();
        for transaction in 2..4 {
            let answer = answer(&mut worker, &outbox, &allocate(transaction, Some(nonce))).await;
            assert_eq!(Message::parse(&answer).unwrap().class, Class::Success);

            assert!(outbox.is_used.load(Relaxed), "{transaction}");
            assert_eq!(worker.relayed.iter().flatten().count(), 1);
            // Its time ends, and the next request is the first to show it.
            std::thread::sleep(short);
        }
    }
}
