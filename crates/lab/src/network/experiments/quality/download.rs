//! Somebody at A's who downloads while the call goes on: one TCP connection of the kernel's from the internet.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use crate::network::{Network, Side};

/// It goes by losses and fills every queue, and every kernel has it. At some Mbit/s over some tens of milliseconds CUBIC does the same (RFC 9438, section 4.3).
const CONTROL: &str = "reno";
/// How long a read or a write may take before it is looked whether to go on.
const LOOK: Duration = Duration::from_millis(200);
/// At most so much is read or written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A download that goes on until it is dropped.
pub(super) struct Download {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    received_bytes: AtomicU64,
}

impl Download {
    /// Begins.
    ///
    /// # Errors
    /// When the kernel lacks the congestion control, or no connection comes about.
    pub(super) fn start(network: &Network) -> anyhow::Result<Self> {
        let internet = network.internet();
        internet
            .set("net/ipv4/tcp_congestion_control", CONTROL)
            .context("a download goes by losses")?;
        let listener = internet.enter(|| TcpListener::bind((Network::SERVER, 0)))??;
        let address = listener.local_addr()?;
        let receiver = network
            .client(Side::A)
            .enter(move || TcpStream::connect_timeout(&address, Duration::from_secs(5)))??;
        let sender = accept(&listener, &receiver)?;
        receiver.set_read_timeout(Some(LOOK))?;
        sender.set_write_timeout(Some(LOOK))?;
        let state = Arc::<State>::default();
        let (sending, receiving) = (state.clone(), state.clone());
        let threads = vec![
            std::thread::spawn(move || send(sender, &sending)),
            std::thread::spawn(move || receive(receiver, &receiving)),
        ];
        Ok(Self { state, threads })
    }

    /// What has arrived of it, headers not counted.
    pub(super) fn received_bytes(&self) -> u64 {
        self.state.received_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has ended, too, and has said why.
            drop(thread.join());
        }
    }
}

/// The other end of this connection: nobody else knows the port.
fn accept(listener: &TcpListener, receiver: &TcpStream) -> anyhow::Result<TcpStream> {
    let (sender, _): (TcpStream, SocketAddr) = listener
        .accept()
        .with_context(|| format!("{:?} did not arrive", receiver.local_addr()))?;
    Ok(sender)
}

fn send(mut stream: TcpStream, state: &State) {
    let piece = vec![0; PIECE_BYTES];
    while !state.is_over.load(Ordering::Relaxed) {
        match stream.write(&piece) {
            Err(error) if !is_late(error.kind()) => return,
            _ => {}
        }
    }
}

fn receive(mut stream: TcpStream, state: &State) {
    let mut piece = vec![0; PIECE_BYTES];
    while !state.is_over.load(Ordering::Relaxed) {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(bytes) => {
                state
                    .received_bytes
                    .fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Err(error) if is_late(error.kind()) => {}
            Err(_) => return,
        }
    }
}

fn is_late(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
