//! Streams of 2 Mbit/s, half of them in each direction.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use mio::{Events, Interest, Poll, Token, net::UdpSocket};

use crate::client::{self, CHANNEL};

/// Bytes of payload in a packet.
const PAYLOAD: usize = 1200;
/// Bits a second of one stream.
const BITRATE: u64 = 2_000_000;
/// Between two packets of one stream.
const INTERVAL: Duration = Duration::from_nanos(PAYLOAD as u64 * 8 * 1_000_000_000 / BITRATE);
/// How long to listen for what is under way.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// What went and what came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) time: Duration,
}

impl Traffic {
    pub(crate) fn bits_received(&self) -> f64 {
        (self.received * PAYLOAD as u64 * 8) as f64
    }

    /// The share that did not arrive.
    pub(crate) fn loss(&self) -> f64 {
        1.0 - self.received as f64 / self.sent as f64
    }
}

/// Streams that are set up.
pub(crate) struct Streams {
    senders: Vec<Sender>,
    receivers: Option<Vec<UdpSocket>>,
}

struct Sender {
    socket: std::net::UdpSocket,
    packet: Vec<u8>,
    due: Duration,
}

impl Streams {
    pub(crate) fn open(server: SocketAddr, count: u16) -> anyhow::Result<Self> {
        Self::open_from(server, 0, count)
    }

    /// Opens streams whose clients are numbered from `first`.
    pub(crate) fn open_from(server: SocketAddr, first: u16, count: u16) -> anyhow::Result<Self> {
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for number in 0..count {
            let ends = client::open(server, first + number)?;
            let payload = vec![0x55; PAYLOAD];
            let (sender, receiver, packet) = if number % 2 == 0 {
                let mut packet = CHANNEL.to_be_bytes().to_vec();
                packet.extend_from_slice(&(PAYLOAD as u16).to_be_bytes());
                packet.extend_from_slice(&payload);
                (ends.client, ends.peer, packet)
            } else {
                (ends.peer, ends.client, payload)
            };
            receiver.set_nonblocking(true)?;
            receivers.push(UdpSocket::from_std(receiver));
            senders.push(Sender {
                socket: sender,
                packet,
                // Spread, as those of strangers are.
                due: INTERVAL * u32::from(number) / u32::from(count),
            });
        }
        Ok(Self {
            senders,
            receivers: Some(receivers),
        })
    }

    /// Lets all streams flow for a while.
    pub(crate) fn run(&mut self, time: Duration) -> anyhow::Result<Traffic> {
        let receivers = self.receivers.take().context("they come back each time")?;
        let is_over = Arc::new(AtomicBool::new(false));
        let listening = {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || receive(receivers, &is_over))
        };
        let start = Instant::now();
        let mut dues: Vec<Duration> = self.senders.iter().map(|sender| sender.due).collect();
        let mut sent = 0;
        while start.elapsed() < time {
            let now = start.elapsed();
            for (sender, due) in self.senders.iter().zip(&mut dues) {
                while *due <= now {
                    *due += INTERVAL;
                    sent += u64::from(sender.socket.send(&sender.packet).is_ok());
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
        let time = start.elapsed();
        thread::sleep(AFTERWARDS);
        is_over.store(true, Relaxed);
        let (receivers, received) = listening
            .join()
            .map_err(|_| anyhow::anyhow!("the receiver panicked"))??;
        self.receivers = Some(receivers);
        Ok(Traffic {
            sent,
            received,
            time,
        })
    }
}

/// Counts what comes until it is over.
fn receive(
    mut sockets: Vec<UdpSocket>,
    is_over: &AtomicBool,
) -> anyhow::Result<(Vec<UdpSocket>, u64)> {
    let mut poll = Poll::new()?;
    for (at, socket) in sockets.iter_mut().enumerate() {
        poll.registry()
            .register(socket, Token(at), Interest::READABLE)?;
    }
    let mut events = Events::with_capacity(1024);
    let mut received = 0;
    let mut bytes = [0; 2048];
    while !is_over.load(Relaxed) {
        poll.poll(&mut events, Some(Duration::from_millis(50)))?;
        for event in &events {
            while let Ok(len) = sockets[event.token().0].recv(&mut bytes) {
                received += u64::from(len >= PAYLOAD);
            }
        }
    }
    for socket in &mut sockets {
        poll.registry().deregister(socket)?;
    }
    Ok((sockets, received))
}
