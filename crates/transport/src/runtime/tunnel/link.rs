//! One stream to a relay: when it is opened, what it carries, and when it is given up.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::choice::{Choice, Verdict};
use super::framing::{self, Cutter};
use super::queue::Outgoing;
use super::{connect, lock, made_up_address, refusal};
use crate::runtime::inbox::Inbox;
use crate::runtime::stun::TransactionId;
use crate::servers::TunnelledServer;

/// Pauses before a stream is opened again: the first, and the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How long a server may say nothing at all, and how long it may take nothing of what we have for it.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long the last words may take when the peer closes.
const FAREWELL_LIMIT: Duration = Duration::from_millis(200);

/// The longest datagram that is passed on. The stack's are shorter; a longer one is no answer to them.
const MAX_DATAGRAM_BYTES: usize = 2000;
/// What is read at once, and about what is written at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// One server behind a stream.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) index: usize,
    pub(super) server: TunnelledServer,
    pub(super) state: Mutex<LinkState>,
    /// Something is to be written.
    pub(super) outgoing: Notify,
    /// The stream must be closed, because the machine is on another network.
    pub(super) reset: Notify,
}

#[derive(Debug, Default)]
pub(super) struct LinkState {
    /// Who gets what comes: the local socket that asked first. The others are refused.
    pub(super) owner: Option<(SocketAddr, Arc<Inbox>)>,
    pub(super) queue: Outgoing,
    pub(super) requests: VecDeque<TransactionId>,
    pub(super) is_task_running: bool,
    pub(super) pause: Duration,
    pub(super) not_before: Option<Instant>,
}

/// Why a stream ended.
#[derive(Debug)]
enum End {
    /// It is not needed, or the peer closes.
    Unneeded,
    Failed(io::Error),
}

impl Link {
    pub(super) fn new(index: usize, server: TunnelledServer) -> Self {
        Self {
            index,
            server,
            state: Mutex::default(),
            outgoing: Notify::new(),
            reset: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LinkState> {
        lock(&self.state)
    }

    /// Opens the stream when it is its turn, and carries datagrams until it ends.
    pub(super) async fn run(
        self: Arc<Self>,
        choice: Arc<Mutex<Choice>>,
        extra_roots: Arc<[CertificateDer<'static>]>,
        closing: CancellationToken,
    ) {
        let end = loop {
            tokio::select! {
                end = self.carry(&choice, &extra_roots, &closing) => break end,
                // From the start again.
                () = self.reset.notified() => {}
            }
        };
        let mut state = self.lock();
        state.is_task_running = false;
        state.queue.clear();
        if let End::Failed(error) = end {
            tracing::debug!(%error, is_tls = self.server.is_tls, "a stream to a relay ended");
            lock(&choice).on_stream_failed(self.index);
            let pause = state.pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.not_before = Some(Instant::now() + pause);
            state.pause = 2 * pause;
        }
        state.owner = None;
    }

    async fn carry(
        &self,
        choice: &Mutex<Choice>,
        extra_roots: &[CertificateDer<'static>],
        closing: &CancellationToken,
    ) -> End {
        loop {
            let verdict = lock(choice).verdict(self.index, Instant::now());
            match verdict {
                Verdict::Open => break,
                Verdict::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until.into()) => {}
                        () = self.outgoing.notified() => {}
                        () = closing.cancelled() => return End::Unneeded,
                    }
                }
                Verdict::Refuse => return self.refuse(closing).await,
            }
        }
        let connecting = connect::connect(&self.server, extra_roots);
        let stream = tokio::select! {
            result = connecting => result,
            () = closing.cancelled() => return End::Unneeded,
        };
        match stream {
            Ok(connect::Stream::Plain(stream)) => self.pump(stream, closing).await,
            Ok(connect::Stream::Encrypted(stream)) => self.pump(*stream, closing).await,
            Err(error) => End::Failed(error),
        }
    }

    /// Answers the stack's requests in the server's place, so that it knows that nothing will come of them.
    async fn refuse(&self, closing: &CancellationToken) -> End {
        let deadline = tokio::time::Instant::now() + SILENCE_LIMIT;
        loop {
            {
                let mut state = self.lock();
                while let Some(datagram) = state.queue.pop() {
                    if let (Some((local, inbox)), Some(answer)) =
                        (&state.owner, refusal::refuse(&datagram))
                    {
                        inbox.push(made_up_address(self.index, *local), answer);
                    }
                }
            }
            tokio::select! {
                () = self.outgoing.notified() => {}
                () = closing.cancelled() => return End::Unneeded,
                () = tokio::time::sleep_until(deadline) => return End::Unneeded,
            }
        }
    }

    async fn pump(&self, stream: impl AsyncRead + AsyncWrite, closing: &CancellationToken) -> End {
        let (reader, mut writer) = tokio::io::split(stream);
        let result = tokio::select! {
            result = self.read(reader) => result,
            result = self.write(&mut writer, closing) => result,
        };
        match result {
            Ok(()) => {
                let farewell = async {
                    writer.flush().await?;
                    writer.shutdown().await
                };
                if let Ok(Err(error)) = tokio::time::timeout(FAREWELL_LIMIT, farewell).await {
                    tracing::debug!(%error, "a stream to a relay was not closed in order");
                }
                End::Unneeded
            }
            Err(error) => End::Failed(error),
        }
    }

    /// Hands what comes to the stack. Ends only with an error.
    async fn read(&self, reader: impl AsyncRead) -> io::Result<()> {
        let mut reader = std::pin::pin!(reader);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut cutter = Cutter::default();
        let mut has_answered = false;
        loop {
            let len = if has_answered {
                reader.read(&mut chunk).await?
            } else {
                tokio::time::timeout(SILENCE_LIMIT, reader.read(&mut chunk)).await??
            };
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            cutter.feed(&chunk[..len]);
            let garbage = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            while let Some(datagram) = cutter.next().map_err(garbage)? {
                has_answered = true;
                if datagram.len() <= MAX_DATAGRAM_BYTES
                    && let Some((local, inbox)) = &self.lock().owner
                {
                    inbox.push(made_up_address(self.index, *local), datagram);
                }
            }
        }
    }

    /// Writes what the stack sends, until the peer closes.
    async fn write(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        closing: &CancellationToken,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES);
        loop {
            bytes.clear();
            {
                let mut state = self.lock();
                while bytes.len() < CHUNK_BYTES
                    && let Some(datagram) = state.queue.pop()
                {
                    framing::frame(&datagram, &mut bytes);
                }
            }
            if bytes.is_empty() {
                if closing.is_cancelled() {
                    return Ok(());
                }
                tokio::select! {
                    () = self.outgoing.notified() => {}
                    () = closing.cancelled() => {}
                }
                continue;
            }
            let writing = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            let closed = async {
                closing.cancelled().await;
                tokio::time::sleep(FAREWELL_LIMIT).await;
            };
            // A relay that takes nothing must not keep a peer from closing.
            tokio::select! {
                result = tokio::time::timeout(WRITE_LIMIT, writing) => result??,
                () = closed => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channel data (RFC 8656 section 12.4).
    fn datagram(len: u16) -> Vec<u8> {
        let header = [&[0x40, 1][..], &len.to_be_bytes()].concat();
        [header, vec![9; usize::from(len)]].concat()
    }

    fn link() -> Link {
        let server = TunnelledServer {
            host: "relay.example".into(),
            port: 3478,
            is_tls: false,
        };
        Link::new(0, server)
    }

    #[tokio::test]
    async fn a_relay_that_takes_nothing_does_not_keep_a_peer_from_closing() {
        let link = link();
        link.lock().queue.push(&datagram(1000));
        // There is room for a part of it, and nobody reads.
        let (stream, _relay) = tokio::io::duplex(64);
        let closing = CancellationToken::new();
        let close = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(link.lock().queue.pop().is_none(), "it is being written");
            closing.cancel();
        };
        let started_at = Instant::now();
        let (end, ()) = tokio::join!(link.pump(stream, &closing), close);
        assert!(matches!(end, End::Failed(_)), "{end:?}");
        assert!(started_at.elapsed() < WRITE_LIMIT, "not waited for");
    }

    #[tokio::test]
    async fn what_was_to_be_written_is_written_before_the_stream_closes() {
        let link = link();
        link.lock().queue.push(&datagram(6));
        let (stream, mut relay) = tokio::io::duplex(64);
        let closing = CancellationToken::new();
        closing.cancel();
        let end = link.pump(stream, &closing).await;
        assert!(matches!(end, End::Unneeded), "{end:?}");
        let mut written = Vec::new();
        relay.read_to_end(&mut written).await.unwrap();
        assert_eq!(written, [datagram(6), vec![0, 0]].concat());
    }
}
