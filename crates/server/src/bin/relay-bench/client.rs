//! A client with an allocation, and a peer to whom it has a channel.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use relay::{
    Secrets, long_term_key,
    stun::{Class, Message, Writer, attribute, method},
};
use socket2::SockRef;

use crate::servers::SECRET;

/// The channel of every client.
pub(crate) const CHANNEL: u16 = 0x4000;
/// How long to wait for an answer before asking again.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 10;
/// So that the load generator loses nothing itself.
const BUFFER: usize = 1 << 20;

/// Both ends of a stream.
pub(crate) struct Ends {
    pub(crate) client: UdpSocket,
    pub(crate) peer: UdpSocket,
}

struct Asker {
    socket: UdpSocket,
    username: String,
    password: String,
    realm: String,
    nonce: Vec<u8>,
    transaction: u64,
}

/// Makes an allocation. Every client has an address of its own, as they have on the internet.
pub(crate) fn open(server: SocketAddr, number: u16) -> anyhow::Result<Ends> {
    let [high, low] = (number + 1).to_be_bytes();
    let ip = Ipv4Addr::new(127, 1, high, low);
    let socket = UdpSocket::bind((ip, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    for socket in [&socket, &peer] {
        SockRef::from(socket).set_recv_buffer_size(BUFFER)?;
    }
    let secrets = Secrets::new(vec![SECRET.to_owned()]).context("the secret is not empty")?;
    let now = SystemTime::UNIX_EPOCH.elapsed()?;
    let (username, password) = secrets.mint(now, Duration::from_hours(1), number.into());
    let mut asker = Asker {
        socket,
        username,
        password,
        realm: String::new(),
        nonce: Vec::new(),
        transaction: u64::from(number) << 32,
    };
    let reply = asker.ask(method::ALLOCATE, |request| {
        request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    })?;
    let message = Message::parse(&reply)?;
    let relayed = message
        .attribute(attribute::XOR_RELAYED_ADDRESS)
        .and_then(|value| message.xor_address(value))
        .context("an allocation has an address")?;
    let peer_addr = peer.local_addr()?;
    asker.ask(method::CHANNEL_BIND, |request| {
        request
            .attribute(
                attribute::CHANNEL_NUMBER,
                &(u32::from(CHANNEL) << 16).to_be_bytes(),
            )
            .xor_address(attribute::XOR_PEER_ADDRESS, peer_addr)
    })?;
    peer.connect(relayed)?;
    Ok(Ends {
        client: asker.socket,
        peer,
    })
}

impl Asker {
    fn ask(
        &mut self,
        method: u16,
        fill: impl Fn(Writer<'_>) -> Writer<'_>,
    ) -> anyhow::Result<Vec<u8>> {
        for _ in 0..ATTEMPTS {
            self.transaction += 1;
            let mut transaction = [0xb1; 12];
            transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
            let mut request = Vec::new();
            let writer = Writer::new(&mut request, Class::Request, method, transaction);
            let writer = fill(writer);
            if self.nonce.is_empty() {
                writer.finish();
            } else {
                let key = long_term_key(&self.username, &self.realm, &self.password);
                writer
                    .attribute(attribute::USERNAME, self.username.as_bytes())
                    .attribute(attribute::REALM, self.realm.as_bytes())
                    .attribute(attribute::NONCE, &self.nonce)
                    .sign(&key)
                    .finish();
            }
            self.socket.send(&request)?;
            let Some(reply) = self.answer_to(transaction) else {
                continue;
            };
            let message = Message::parse(&reply)?;
            if message.class == Class::Success {
                return Ok(reply);
            }
            match (
                message.text(attribute::REALM),
                message.attribute(attribute::NONCE),
            ) {
                (Some(realm), Some(nonce)) => {
                    realm.clone_into(&mut self.realm);
                    nonce.clone_into(&mut self.nonce);
                }
                _ => bail!(
                    "refused: {:?}",
                    message.attribute(attribute::ERROR_CODE).map(<[u8]>::to_vec)
                ),
            }
        }
        bail!("no answer")
    }

    /// Waits for the answer to a request, past those to earlier ones that come late.
    fn answer_to(&self, transaction: [u8; 12]) -> Option<Vec<u8>> {
        loop {
            let mut reply = vec![0; 2048];
            let len = self.socket.recv(&mut reply).ok()?;
            reply.truncate(len);
            if Message::parse(&reply).is_ok_and(|message| message.transaction == transaction) {
                return Some(reply);
            }
        }
    }
}
