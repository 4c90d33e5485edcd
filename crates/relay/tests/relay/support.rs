//! A relay, a clock, and clients that know what to say.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use relay::{
    Client, Closed, Config, Counters, Family, HEADROOM, Order, PeerPolicy, Relay, Secrets,
    TAILROOM, Time, long_term_key,
    stun::{Class, Message, Writer, attribute, method},
};

/// 2023-11-14.
const UNIX: Duration = Duration::from_secs(1_700_000_000);
/// The relay's own addresses.
pub(crate) const OWN: &str = "203.0.114.1:0";
pub(crate) const OWN_V6: &str = "[2a00::1]:0";
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// What came of something that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    Reply(Vec<u8>),
    ToClient(Client, Vec<u8>),
    ToPeer(SocketAddr, Vec<u8>),
}

pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) now: Instant,
    start: Instant,
    secrets: Secrets,
    next_port: u16,
    /// The sockets that are open.
    pub(crate) sockets: std::collections::BTreeMap<relay::AllocationId, SocketAddr>,
}

/// One who speaks STUN.
#[derive(Debug, Clone)]
pub(crate) struct Speaker {
    pub(crate) client: Client,
    pub(crate) username: String,
    pub(crate) key: [u8; 16],
    pub(crate) nonce: Vec<u8>,
    transaction: u64,
}

pub(crate) fn config() -> Config {
    Config {
        peers: PeerPolicy {
            own: vec![addr(OWN).ip(), addr(OWN_V6).ip()],
            allow_private: false,
        },
        ..Config::default()
    }
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn udp(text: &str) -> Client {
    Client::Datagram {
        listener: 0,
        addr: addr(text),
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::now();
        let secrets = Secrets::new(vec!["north".to_owned()]).unwrap();
        Self {
            relay: Relay::new(config, secrets.clone(), &[7; 32], now),
            now,
            start: now,
            secrets,
            next_port: 50_000,
            sockets: std::collections::BTreeMap::new(),
        }
    }

    pub(crate) fn time(&self) -> Time {
        Time {
            now: self.now,
            unix: UNIX + (self.now - self.start),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.relay.counters()
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.relay.handle_timeout(self.now);
        self.close_sockets();
    }

    fn close_sockets(&mut self) {
        while let Some(Closed { allocation, .. }) = self.relay.poll_closed() {
            assert!(self.sockets.remove(&allocation).is_some(), "it was open");
        }
    }

    /// One with fresh credentials that are good for an hour.
    pub(crate) fn speaker(&self, client: Client, user: u64) -> Speaker {
        let (username, password) =
            self.secrets
                .mint(self.time().unix, Duration::from_hours(1), user);
        Speaker {
            client,
            key: long_term_key(&username, "passerby", &password),
            username,
            nonce: Vec::new(),
            transaction: user << 32,
        }
    }

    /// One who has an allocation, and its address.
    pub(crate) fn allocated(&mut self, client: Client, user: u64) -> (Speaker, SocketAddr) {
        let mut speaker = self.speaker(client, user);
        let relayed = speaker.allocate(self).expect("an allocation");
        (speaker, relayed)
    }

    pub(crate) fn client_sends(&mut self, client: Client, bytes: &[u8]) -> Came {
        let (mut buffer, range) = laid_out(bytes);
        let mut reply = Vec::new();
        let time = self.time();
        let order = self
            .relay
            .from_client(client, &mut buffer, range, time, &mut reply);
        let came = self.carry_out(order, &buffer, &mut reply);
        self.close_sockets();
        came
    }

    /// Bytes that a peer sends to a relayed address.
    pub(crate) fn peer_sends(
        &mut self,
        peer: SocketAddr,
        relayed: SocketAddr,
        bytes: &[u8],
    ) -> Came {
        let Some((&id, _)) = self.sockets.iter().find(|(_, addr)| **addr == relayed) else {
            return Came::Nothing;
        };
        let (mut buffer, range) = laid_out(bytes);
        let order = self.relay.from_peer(id, peer, &mut buffer, range, self.now);
        let came = self.carry_out(order, &buffer, &mut Vec::new());
        self.close_sockets();
        came
    }

    fn carry_out(&mut self, order: Order, buffer: &[u8], reply: &mut Vec<u8>) -> Came {
        match order {
            Order::Nothing => Came::Nothing,
            Order::Reply => Came::Reply(reply.clone()),
            Order::ToClient { client, range } => Came::ToClient(client, buffer[range].to_vec()),
            Order::ToPeer {
                allocation,
                peer,
                range,
            } => {
                assert!(self.sockets.contains_key(&allocation), "its socket is open");
                Came::ToPeer(peer, buffer[range].to_vec())
            }
            Order::Open(opening) => {
                self.next_port = self.next_port.wrapping_add(1).max(1024);
                let ip = match opening.family() {
                    Family::V4 => addr(OWN).ip(),
                    Family::V6 => addr(OWN_V6).ip(),
                };
                let relayed = SocketAddr::new(ip, self.next_port);
                let opened = self.relay.opened(opening, Ok(relayed), self.now, reply);
                if let Some(id) = opened {
                    let before = self.sockets.insert(id, relayed);
                    assert_eq!(before, None, "the number was free");
                }
                Came::Reply(reply.clone())
            }
        }
    }
}

/// Bytes with room around them.
fn laid_out(bytes: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let mut buffer = vec![0xee; HEADROOM];
    buffer.extend_from_slice(bytes);
    buffer.extend_from_slice(&[0xee; TAILROOM]);
    (buffer, HEADROOM..HEADROOM + bytes.len())
}

impl Speaker {
    pub(crate) fn transaction(&mut self) -> [u8; 12] {
        self.transaction += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        transaction
    }

    /// A signed request.
    pub(crate) fn request(
        &mut self,
        method: u16,
        fill: impl FnOnce(Writer<'_>) -> Writer<'_>,
    ) -> Vec<u8> {
        let transaction = self.transaction();
        let mut bytes = Vec::new();
        let writer = Writer::new(&mut bytes, Class::Request, method, transaction);
        fill(writer)
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .attribute(attribute::REALM, b"passerby")
            .attribute(attribute::NONCE, &self.nonce)
            .sign(&self.key)
            .fingerprint();
        bytes
    }

    /// Asks, again if the nonce is not the right one. The error code, or the answer.
    pub(crate) fn ask(
        &mut self,
        world: &mut World,
        method: u16,
        fill: impl Fn(Writer<'_>) -> Writer<'_>,
    ) -> Result<Vec<u8>, u16> {
        for _ in 0..2 {
            let request = self.request(method, &fill);
            let Came::Reply(reply) = world.client_sends(self.client, &request) else {
                return Err(0);
            };
            let message = Message::parse(&reply).expect("it speaks well");
            assert_eq!(message.transaction, request[8..20]);
            match code_of(&message) {
                None => {
                    assert!(message.is_signed_with(&self.key), "answers are signed");
                    return Ok(reply);
                }
                Some(438) => {
                    self.nonce = message.attribute(attribute::NONCE).unwrap().to_vec();
                }
                Some(code) => return Err(code),
            }
        }
        Err(438)
    }

    pub(crate) fn allocate(&mut self, world: &mut World) -> Result<SocketAddr, u16> {
        self.allocate_as(world, Family::V4)
    }

    /// Asks for an address of a kind.
    pub(crate) fn allocate_as(
        &mut self,
        world: &mut World,
        family: Family,
    ) -> Result<SocketAddr, u16> {
        let number = if family == Family::V4 { 1 } else { 2 };
        let reply = self.ask(world, method::ALLOCATE, |request| {
            request
                .attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
                .attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[number, 0, 0, 0])
        })?;
        Ok(relayed_in(&reply))
    }

    /// Permits peers.
    pub(crate) fn permit(&mut self, world: &mut World, peers: &[SocketAddr]) -> Result<(), u16> {
        self.ask(world, method::CREATE_PERMISSION, |mut request| {
            for peer in peers {
                request = request.xor_address(attribute::XOR_PEER_ADDRESS, *peer);
            }
            request
        })
        .map(drop)
    }

    pub(crate) fn bind(
        &mut self,
        world: &mut World,
        number: u16,
        peer: SocketAddr,
    ) -> Result<(), u16> {
        self.ask(world, method::CHANNEL_BIND, |request| {
            request
                .attribute(
                    attribute::CHANNEL_NUMBER,
                    &(u32::from(number) << 16).to_be_bytes(),
                )
                .xor_address(attribute::XOR_PEER_ADDRESS, peer)
        })
        .map(drop)
    }

    /// Refreshes the allocation; returns what is granted.
    pub(crate) fn refresh(&mut self, world: &mut World, seconds: u32) -> Result<Duration, u16> {
        let reply = self.ask(world, method::REFRESH, |request| {
            request.attribute(attribute::LIFETIME, &seconds.to_be_bytes())
        })?;
        let granted = Message::parse(&reply).unwrap().number(attribute::LIFETIME);
        Ok(Duration::from_secs(granted.unwrap().into()))
    }

    pub(crate) fn send(&mut self, world: &mut World, peer: SocketAddr, data: &[u8]) -> Came {
        let transaction = self.transaction();
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Indication, method::SEND, transaction)
            .xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .attribute(attribute::DATA, data)
            .fingerprint();
        world.client_sends(self.client, &bytes)
    }

    pub(crate) fn send_by_channel(&self, world: &mut World, number: u16, data: &[u8]) -> Came {
        world.client_sends(self.client, &channel_data(number, data))
    }
}

pub(crate) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The code in an error.
pub(crate) fn code_of(message: &Message<'_>) -> Option<u16> {
    assert!(matches!(message.class, Class::Success | Class::Error));
    let value = message.attribute(attribute::ERROR_CODE)?;
    Some(u16::from(value[2]) * 100 + u16::from(value[3]))
}

pub(crate) fn relayed_in(reply: &[u8]) -> SocketAddr {
    let message = Message::parse(reply).unwrap();
    let value = message.attribute(attribute::XOR_RELAYED_ADDRESS).unwrap();
    message.xor_address(value).unwrap()
}
