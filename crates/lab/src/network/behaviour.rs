//! What a NAT box does with UDP, found out from outside as in RFC 5780, and whether two of them can be punched through.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::namespace::Namespace;
use super::topology::{Network, Side};

/// The ports of the responder, on each of the server's addresses.
const PORTS: [u16; 2] = [7000, 7001];
/// How long an answer is waited for. The cables are short.
const ANSWER_TIME: Duration = Duration::from_millis(200);
const ATTEMPTS: u32 = 2;
/// How long two clients try to reach each other.
const PUNCH_TIME: Duration = Duration::from_millis(1500);
const PUNCH_INTERVAL: Duration = Duration::from_millis(40);

/// How the public address of a client depends on whom it talks to (RFC 4787 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// One for all.
    EndpointIndependent,
    /// One for each address.
    AddressDependent,
    /// One for each address and port.
    AddressAndPortDependent,
}

/// Whose packets are let in (RFC 4787 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtering {
    /// Everybody's.
    EndpointIndependent,
    /// Those from addresses that the client has sent to.
    AddressDependent,
    /// Those from addresses and ports that the client has sent to.
    AddressAndPortDependent,
}

/// What a NAT box does with UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// How it maps.
    pub mapping: Mapping,
    /// How it filters.
    pub filtering: Filtering,
}

/// From which of its sockets the responder is asked to answer.
#[derive(Debug, Clone, Copy)]
enum AnswerFrom {
    Same,
    OtherPort,
    OtherAddress,
}

/// Tells whoever asks from which address the question came. Runs in the internet, on two addresses with two ports each.
#[derive(Debug)]
pub struct Responder {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Responder {
    /// Begins to answer.
    ///
    /// # Errors
    /// When the ports are taken.
    pub fn start(network: &Network) -> anyhow::Result<Self> {
        let sockets = network.internet().enter(|| {
            endpoints()
                .map(|endpoint| {
                    let socket = UdpSocket::bind(endpoint)?;
                    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
                    Ok(socket)
                })
                .into_iter()
                .collect::<std::io::Result<Vec<_>>>()
        })?;
        let sockets = Arc::new(sockets.context("the responder's ports are taken")?);
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = (0..sockets.len())
            .map(|index| {
                let (sockets, is_over) = (Arc::clone(&sockets), Arc::clone(&is_over));
                std::thread::spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        answer_one(&sockets, index);
                    }
                })
            })
            .collect();
        Ok(Self { is_over, threads })
    }

    /// What the client's box does with UDP; `None` if none passes.
    ///
    /// # Errors
    /// When the client's machine has no socket for us.
    pub fn observe(&self, network: &Network, side: Side) -> anyhow::Result<Option<Behaviour>> {
        let client = network.client(side);
        let socket = socket(client)?;
        let mapped = endpoints().map(|endpoint| ask(&socket, endpoint, AnswerFrom::Same));
        let [Some(first), second, third, fourth] = mapped else {
            return Ok(None);
        };
        let mapping = if [second, third, fourth] == [Some(first); 3] {
            Mapping::EndpointIndependent
        } else if second == Some(first) && third == fourth {
            Mapping::AddressDependent
        } else {
            Mapping::AddressAndPortDependent
        };
        // With a new socket for each question: what one has opened must not help the next.
        let is_answered = |from| -> anyhow::Result<bool> {
            Ok(ask(&self::socket(client)?, endpoints()[0], from).is_some())
        };
        let filtering = if is_answered(AnswerFrom::OtherAddress)? {
            Filtering::EndpointIndependent
        } else if is_answered(AnswerFrom::OtherPort)? {
            Filtering::AddressDependent
        } else {
            Filtering::AddressAndPortDependent
        };
        Ok(Some(Behaviour { mapping, filtering }))
    }

    /// Whether the clients reach each other both ways, when each sends to the public address that the other has learned.
    ///
    /// # Errors
    /// When a client's machine has no socket for us.
    pub fn punch(&self, network: &Network) -> anyhow::Result<bool> {
        let sockets = [
            socket(network.client(Side::A))?,
            socket(network.client(Side::B))?,
        ];
        let [Some(a), Some(b)] = sockets
            .each_ref()
            .map(|socket| ask(socket, endpoints()[0], AnswerFrom::Same))
        else {
            return Ok(false);
        };
        let [a_socket, b_socket] = &sockets;
        std::thread::scope(|scope| {
            let a_side = scope.spawn(|| is_reached(a_socket, b));
            let b_side = scope.spawn(|| is_reached(b_socket, a));
            Ok(a_side.join().is_ok_and(|reached| reached)
                && b_side.join().is_ok_and(|reached| reached))
        })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing to say but that it panicked, and it has said so.
            drop(thread.join());
        }
    }
}

/// In an order in which the other port is one step and the other address two steps away.
fn endpoints() -> [SocketAddrV4; 4] {
    let at = |address: Ipv4Addr, port| SocketAddrV4::new(address, port);
    [
        at(Network::SERVER, PORTS[0]),
        at(Network::SERVER, PORTS[1]),
        at(Network::SERVER_SECOND, PORTS[0]),
        at(Network::SERVER_SECOND, PORTS[1]),
    ]
}

fn answer_one(sockets: &[UdpSocket], index: usize) {
    let mut question = [0; 16];
    let Ok((len, from)) = sockets[index].recv_from(&mut question) else {
        return;
    };
    let step = match question[..len] {
        [_, 0] => 0,
        [_, 1] => 1,
        _ => 2,
    };
    let answer = format!("{}{from}", char::from(question[0]));
    // A lost answer is asked for again.
    drop(sockets[index ^ step].send_to(answer.as_bytes(), from));
}

fn socket(client: &Namespace) -> anyhow::Result<UdpSocket> {
    let socket = client
        .enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?
        .context("a client has no socket")?;
    socket.set_read_timeout(Some(PUNCH_INTERVAL))?;
    Ok(socket)
}

/// The public address of `socket` as `endpoint` sees it, if an answer comes.
fn ask(socket: &UdpSocket, endpoint: SocketAddrV4, from: AnswerFrom) -> Option<SocketAddrV4> {
    // Tells answers to this question from late ones to others.
    let number = b'a' + (endpoint.port() % 2) as u8 * 2 + endpoint.ip().octets()[3] % 2;
    for _ in 0..ATTEMPTS {
        // A refused packet is as good as a lost one.
        drop(socket.send_to(&[number, from as u8], endpoint));
        let deadline = Instant::now() + ANSWER_TIME;
        while Instant::now() < deadline {
            let mut answer = [0; 64];
            if let Ok((len, _)) = socket.recv_from(&mut answer)
                && answer[0] == number
                && let Ok(text) = std::str::from_utf8(&answer[1..len])
                && let Ok(address) = text.parse()
            {
                return Some(address);
            }
        }
    }
    None
}

/// Sends to the partner, and to wherever its packets really come from, until it says that ours arrive.
fn is_reached(socket: &UdpSocket, partner: SocketAddrV4) -> bool {
    const HELLO: &[u8] = b"hello";
    const HEARD: &[u8] = b"heard";
    let (mut real, mut is_reached) = (None, false);
    let deadline = Instant::now() + PUNCH_TIME;
    while Instant::now() < deadline {
        let word = if real.is_some() { HEARD } else { HELLO };
        let partner = partner.into();
        let elsewhere = real.filter(|real| *real != partner);
        for target in std::iter::once(partner).chain(elsewhere) {
            drop(socket.send_to(word, target));
        }
        let turn_ends = Instant::now() + PUNCH_INTERVAL;
        while Instant::now() < turn_ends {
            let mut heard = [0; 64];
            if let Ok((len, from)) = socket.recv_from(&mut heard)
                && (heard[..len] == *HELLO || heard[..len] == *HEARD)
            {
                real = Some(from);
                is_reached |= heard[..len] == *HEARD;
            }
        }
        if is_reached && deadline - Instant::now() > PUNCH_INTERVAL * 4 {
            // The other side may still need to hear it; a few more turns are enough on a short cable.
            for _ in 0..3 {
                drop(real.map(|real| socket.send_to(HEARD, real)));
                std::thread::sleep(PUNCH_INTERVAL);
            }
            return true;
        }
    }
    is_reached
}
