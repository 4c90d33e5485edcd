//! The one owner of all allocations, and the way of a packet through it.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    Bucket, Config, Counters, Secrets,
    allocation::Allocation,
    nonce::Nonces,
    sources::{Place, Sources},
    stun::{self, Class, Message, TransactionId, attribute, method},
};

/// How many bytes there must be in front of what was received, so that a header finds room: as many as the header of a
/// Data indication for an IPv6 peer has.
pub const HEADROOM: usize = 48;
/// How many bytes there must be behind what was received, for padding.
pub const TAILROOM: usize = 3;
/// The longest payload that is relayed: longer than a media packet is on any network. What is longer is dropped.
pub const MAX_PAYLOAD: usize = 2048;

/// A client's transport address (RFC 8656 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Over UDP.
    Datagram {
        /// Which of the relay's sockets it speaks to.
        listener: u16,
        /// Where it is. An IPv4 address is one, never mapped into IPv6.
        addr: SocketAddr,
    },
    /// Over TCP or TLS.
    Stream {
        /// A number that no other connection has or had.
        id: u64,
        /// Where it is. An IPv4 address is one, never mapped into IPv6.
        addr: SocketAddr,
    },
}

impl Client {
    /// Where it is.
    pub const fn addr(self) -> SocketAddr {
        match self {
            Self::Datagram { addr, .. } | Self::Stream { addr, .. } => addr,
        }
    }
}

/// What time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// For everything that lasts.
    pub now: Instant,
    /// Since 1970, for the expiry of credentials.
    pub unix: Duration,
}

/// Number of an allocation. Given again after it was told that the allocation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub u32);

/// Kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What to do with what came in. Ranges are in the buffer that it came in.
#[derive(Debug)]
#[must_use]
pub enum Order {
    /// Nothing.
    Nothing,
    /// Send the reply to the client that asked.
    Reply,
    /// Send these bytes to a client.
    ToClient {
        /// To whom.
        client: Client,
        /// Which bytes.
        range: Range<usize>,
    },
    /// Send these bytes from the socket of an allocation.
    ToPeer {
        /// Whose socket.
        allocation: AllocationId,
        /// To whom.
        peer: SocketAddr,
        /// Which bytes.
        range: Range<usize>,
    },
    /// Close the sockets that [`Relay::poll_closed`] tells of, then open one and say so by [`Relay::opened`].
    Open(Opening),
}

/// An allocation that wants a socket.
#[derive(Debug)]
pub struct Opening {
    pub(crate) client: Client,
    pub(crate) username: Box<str>,
    pub(crate) key: [u8; 16],
    pub(crate) transaction: TransactionId,
    pub(crate) lifetime: Duration,
    pub(crate) family: Family,
    pub(crate) wants_even_port: bool,
    pub(crate) wants_second_family: bool,
    pub(crate) has_fingerprint: bool,
}

impl Opening {
    /// Who asked.
    pub const fn client(&self) -> Client {
        self.client
    }

    /// Whether the port must be an even one.
    pub const fn wants_even_port(&self) -> bool {
        self.wants_even_port
    }

    /// Which kind of address is wanted.
    pub const fn family(&self) -> Family {
        self.family
    }
}

/// Why there is no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// This machine has no address of that kind (440).
    NoSuchFamily,
    /// No port is free, or the system gives no socket (508).
    NoCapacity,
}

/// An allocation that has ended: its socket is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub allocation: AllocationId,
    /// Whose it was.
    pub client: Client,
}

/// See the crate.
#[derive(Debug)]
pub struct Relay {
    pub(crate) config: Config,
    pub(crate) secrets: Secrets,
    pub(crate) nonces: Nonces,
    pub(crate) sources: Sources,
    pub(crate) counters: Counters,
    allocations: Vec<Option<Allocation>>,
    free: Vec<AllocationId>,
    by_client: HashMap<Client, AllocationId>,
    by_relayed: HashMap<SocketAddr, AllocationId>,
    per_user: HashMap<Box<str>, usize>,
    per_place: HashMap<Place, usize>,
    deadlines: BTreeSet<(Instant, AllocationId)>,
    closed: VecDeque<Closed>,
    total: Bucket,
    last_indication: u64,
}

impl Relay {
    /// A relay without allocations. `key` is random; nonces are made with it.
    pub fn new(config: Config, secrets: Secrets, key: &[u8; 32], now: Instant) -> Self {
        Self {
            nonces: Nonces::new(key, config.nonce_lifetime, now),
            sources: Sources::new(config.unproven_requests, now),
            counters: Counters::default(),
            allocations: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            by_relayed: HashMap::new(),
            per_user: HashMap::new(),
            per_place: HashMap::new(),
            deadlines: BTreeSet::new(),
            closed: VecDeque::new(),
            total: Bucket::new(now),
            last_indication: 0,
            config,
            secrets,
        }
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            allocations: self.by_client.len() as u64,
            ..self.counters
        }
    }

    /// For what only the shell sees: packets that no socket took, and the like.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// A client has sent `message`, which lies in `buffer` with [`HEADROOM`] in front of it and [`TAILROOM`] behind it.
    /// `reply` is overwritten if the order is to reply.
    pub fn from_client(
        &mut self,
        client: Client,
        buffer: &mut [u8],
        message: Range<usize>,
        time: Time,
        reply: &mut Vec<u8>,
    ) -> Order {
        self.handle_timeout(time.now);
        let Some(bytes) = buffer.get(message.clone()) else {
            return self.malformed();
        };
        if let [0x40..=0x7f, low, len_high, len_low, payload @ ..] = bytes {
            let number = u16::from_be_bytes([bytes[0], *low]);
            let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
            if payload.len() < len {
                return self.malformed();
            }
            let start = message.start + 4;
            return self.on_channel_data(client, number, buffer, start..start + len, time.now);
        }
        let Ok(parsed) = Message::parse(bytes) else {
            return self.malformed();
        };
        match (parsed.class, parsed.method) {
            (Class::Request, _) => self.on_request(client, &parsed, time, reply),
            (Class::Indication, method::SEND) => {
                let Some((peer, payload)) = read_send(&parsed, bytes) else {
                    return self.malformed();
                };
                let start = message.start + payload.start;
                let payload = start..start + payload.len();
                self.on_send(client, peer, buffer, payload, time.now)
            }
            // Keepalives (RFC 8445 §11), and answers that nobody asked for.
            _ => Order::Nothing,
        }
    }

    /// The socket of an allocation has received `payload` from a peer, which lies in `buffer` with [`HEADROOM`] in front
    /// of it and [`TAILROOM`] behind it.
    pub fn from_peer(
        &mut self,
        id: AllocationId,
        peer: SocketAddr,
        buffer: &mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Order {
        self.handle_timeout(now);
        let len = payload.len() as u64;
        let Some(allocation) = lookup(&mut self.allocations, id) else {
            self.counters.drops_unbound += 1;
            return Order::Nothing;
        };
        if !allocation.permits(peer.ip(), now) {
            self.counters.drops_unpermitted += 1;
            return Order::Nothing;
        }
        if payload.len() > MAX_PAYLOAD {
            self.counters.drops_oversized += 1;
            return Order::Nothing;
        }
        let Config {
            allocation_bytes,
            allocation_packets,
            total_bytes,
            ..
        } = self.config;
        if !allocation.to_clients.take(len, allocation_bytes, now)
            || !allocation.packets.take(1, allocation_packets, now)
        {
            self.counters.drops_allocation_rate += 1;
            return Order::Nothing;
        }
        if !self.total.take(len, total_bytes, now) {
            self.counters.drops_total_rate += 1;
            return Order::Nothing;
        }
        let client = allocation.client;
        let channel = allocation.channel_of(peer, now);
        let Some(range) = self.wrap(client, peer, channel, buffer, payload) else {
            return self.malformed();
        };
        self.counters.packets_to_clients += 1;
        self.counters.bytes_to_clients += len;
        Order::ToClient { client, range }
    }

    /// Puts the header in front of a payload for a client. `None` if there is no room, which is the caller's mistake.
    fn wrap(
        &mut self,
        client: Client,
        peer: SocketAddr,
        channel: Option<u16>,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        let header = channel.map_or(stun::data_header_len(peer), |_| 4);
        let start = payload.start.checked_sub(header)?;
        // A datagram ends where it ends; in a stream channel data is padded (RFC 8656 §12.5).
        let is_padded = channel.is_none() || matches!(client, Client::Stream { .. });
        let end = if is_padded {
            payload.start + payload.len().next_multiple_of(4)
        } else {
            payload.end
        };
        buffer.get_mut(payload.end..end)?.fill(0);
        let header = buffer.get_mut(start..payload.start)?;
        if let Some(number) = channel {
            header[..2].copy_from_slice(&number.to_be_bytes());
            header[2..].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        } else {
            // Nobody answers an indication: its transaction only has to be another one each time.
            self.last_indication += 1;
            let mut transaction = [0; 12];
            transaction[4..].copy_from_slice(&self.last_indication.to_be_bytes());
            stun::write_data_header(header, peer, payload.len(), transaction);
        }
        Some(start..end)
    }

    fn on_channel_data(
        &mut self,
        client: Client,
        number: u16,
        buffer: &mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Order {
        let bound = self.allocation_of(client).and_then(|id| {
            let peer = lookup(&mut self.allocations, id)?.peer_of(number, now)?;
            Some((id, peer))
        });
        if let Some((id, peer)) = bound {
            self.relay_to_peer(id, peer, buffer, payload, now)
        } else {
            self.counters.drops_unbound += 1;
            Order::Nothing
        }
    }

    fn on_send(
        &mut self,
        client: Client,
        peer: SocketAddr,
        buffer: &mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Order {
        if let Some(id) = self.allocation_of(client) {
            self.relay_to_peer(id, peer, buffer, payload, now)
        } else {
            self.counters.drops_unbound += 1;
            Order::Nothing
        }
    }

    /// The way of a payload from a client, by channel or by indication, to its peer.
    fn relay_to_peer(
        &mut self,
        id: AllocationId,
        peer: SocketAddr,
        buffer: &mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Order {
        let Some(allocation) = lookup(&mut self.allocations, id) else {
            return Order::Nothing;
        };
        let relayed = allocation.relayed;
        if !allocation.permits(peer.ip(), now) || Family::of(peer.ip()) != Family::of(relayed.ip())
        {
            self.counters.drops_unpermitted += 1;
            return Order::Nothing;
        }
        if payload.len() > MAX_PAYLOAD {
            self.counters.drops_oversized += 1;
            return Order::Nothing;
        }
        let len = payload.len() as u64;
        if !allocation
            .to_peers
            .take(len, self.config.allocation_bytes, now)
            || !allocation
                .packets
                .take(1, self.config.allocation_packets, now)
        {
            self.counters.drops_allocation_rate += 1;
            return Order::Nothing;
        }
        if !self.total.take(len, self.config.total_bytes, now) {
            self.counters.drops_total_rate += 1;
            return Order::Nothing;
        }
        // Whoever is on this relay too is reached without a way around through the network, which a machine behind NAT
        // might not have.
        if let Some(&neighbour) = self.by_relayed.get(&peer) {
            self.counters.packets_to_peers += 1;
            self.counters.bytes_to_peers += len;
            self.counters.packets_between_clients += 1;
            return self.from_peer(neighbour, relayed, buffer, payload, now);
        }
        if !self.config.peers.may_leave(relayed.ip(), peer.ip()) {
            self.counters.drops_unpermitted += 1;
            return Order::Nothing;
        }
        self.counters.packets_to_peers += 1;
        self.counters.bytes_to_peers += len;
        Order::ToPeer {
            allocation: id,
            peer,
            range: payload,
        }
    }

    /// A client's connection is closed: what it had ends.
    pub fn client_gone(&mut self, client: Client) {
        if let Some(id) = self.allocation_of(client) {
            self.close(id);
        }
    }

    /// Ends everything whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.deadlines.first()
            && due <= now
        {
            self.deadlines.remove(&(due, id));
            self.close(id);
        }
    }

    /// When to call [`Self::handle_timeout`] if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(due, _)| due)
    }

    /// The next allocation that has ended. To be asked after every call, until `None`. Its number is nobody else's until
    /// it was told here: closing a socket by number never hits that of another allocation.
    pub fn poll_closed(&mut self) -> Option<Closed> {
        let closed = self.closed.pop_front()?;
        self.free.push(closed.allocation);
        Some(closed)
    }

    pub(crate) fn allocation_of(&self, client: Client) -> Option<AllocationId> {
        self.by_client.get(&client).copied()
    }

    pub(crate) fn allocation_ref(&self, id: AllocationId) -> Option<&Allocation> {
        self.allocations.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn allocation(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        lookup(&mut self.allocations, id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    pub(crate) fn count_of_user(&self, user: &str) -> usize {
        self.per_user.get(user).copied().unwrap_or(0)
    }

    pub(crate) fn count_of_place(&self, ip: IpAddr) -> usize {
        self.per_place.get(&Place::from(ip)).copied().unwrap_or(0)
    }

    /// Adds an allocation, whose client has none and whose relayed address is nobody else's. `None` if that is not so.
    pub(crate) fn insert(&mut self, allocation: Allocation) -> Option<AllocationId> {
        let (client, relayed) = (allocation.client, allocation.relayed);
        if self.by_client.contains_key(&client) || self.by_relayed.contains_key(&relayed) {
            return None;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.allocations.push(None);
            AllocationId(self.allocations.len() as u32 - 1)
        });
        self.by_client.insert(client, id);
        self.by_relayed.insert(relayed, id);
        *self
            .per_user
            .entry(user_part(&allocation.username).into())
            .or_default() += 1;
        *self.per_place.entry(client.addr().ip().into()).or_default() += 1;
        self.deadlines.insert((allocation.expires_at, id));
        self.allocations[id.0 as usize] = Some(allocation);
        self.counters.allocations_opened += 1;
        Some(id)
    }

    /// Lets an allocation live until `expires_at`.
    pub(crate) fn prolong(&mut self, id: AllocationId, expires_at: Instant) {
        if let Some(allocation) = lookup(&mut self.allocations, id) {
            self.deadlines.remove(&(allocation.expires_at, id));
            allocation.expires_at = expires_at;
            self.deadlines.insert((expires_at, id));
        }
    }

    /// Ends an allocation.
    pub(crate) fn close(&mut self, id: AllocationId) {
        let Some(allocation) = self
            .allocations
            .get_mut(id.0 as usize)
            .and_then(Option::take)
        else {
            return;
        };
        let client = allocation.client;
        self.deadlines.remove(&(allocation.expires_at, id));
        self.by_client.remove(&client);
        self.by_relayed.remove(&allocation.relayed);
        decrement(&mut self.per_user, user_part(&allocation.username));
        decrement(&mut self.per_place, &Place::from(client.addr().ip()));
        self.counters.allocations_closed += 1;
        self.closed.push_back(Closed {
            allocation: id,
            client,
        });
    }

    pub(crate) const fn malformed(&mut self) -> Order {
        self.counters.malformed += 1;
        Order::Nothing
    }
}

fn lookup(allocations: &mut [Option<Allocation>], id: AllocationId) -> Option<&mut Allocation> {
    allocations.get_mut(id.0 as usize)?.as_mut()
}

/// The part of a name behind its expiry.
fn user_part(username: &str) -> &str {
    username.split_once(':').map_or(username, |(_, user)| user)
}

fn decrement<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Peer and payload of a Send indication; `None` if one is missing, or if it asks for something that is not done.
fn read_send(message: &Message<'_>, bytes: &[u8]) -> Option<(SocketAddr, Range<usize>)> {
    if message.attribute(attribute::DONT_FRAGMENT).is_some() {
        return None;
    }
    let peer = message.xor_address(message.attribute(attribute::XOR_PEER_ADDRESS)?)?;
    let payload = message.attribute(attribute::DATA)?;
    let start = payload.as_ptr() as usize - bytes.as_ptr() as usize;
    Some((peer, start..start + payload.len()))
}
