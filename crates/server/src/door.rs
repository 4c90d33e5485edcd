//! Where TCP connections come in, and are told apart by their first bytes: TLS, TURN, or HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::relay::framing::begins_stun;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{
    acme,
    counters::Refusal,
    place_limit::{PlaceLimit, PlaceShare},
    relay,
    routes::Entrance,
    surroundings::{Paces, Surroundings},
    tls::Tls,
};

/// How long a TCP connection may stay without becoming a WebSocket, or without saying what it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait after the system refused a connection, for instance because file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// See the module.
pub(crate) struct Door {
    /// One for each TCP connection that may be open.
    pub(crate) sockets: Arc<Semaphore>,
    /// One for each WebSocket that may be open.
    pub(crate) seats: Arc<Semaphore>,
    /// One for each client of the relay that may be there by TCP.
    pub(crate) streams: Arc<Semaphore>,
    /// For connections that are not, or not yet, signalling.
    pub(crate) others: PlaceLimit,
    /// For WebSockets.
    pub(crate) signalling: PlaceLimit,
    pub(crate) paces: Arc<Paces>,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) tasks: TaskTracker,
    pub(crate) routes: axum::Router<Entrance>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) relay: Option<relay::Handle>,
}

/// A TCP connection that has just come in.
struct Arrival {
    addr: SocketAddr,
    local_ip: IpAddr,
    socket: OwnedSemaphorePermit,
    /// None from a proxy, from whom everybody comes.
    place: Option<PlaceShare>,
}

impl Door {
    pub(crate) async fn accept(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, addr)) => self.admit(stream, addr, stop.clone()),
                    Err(error) => {
                        warn!(%error, "cannot take a connection");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, addr: SocketAddr, stop: CancellationToken) {
        let Ok(socket) = Arc::clone(&self.sockets).try_acquire_owned() else {
            debug!("no room for another TCP connection");
            return self.refuse(Refusal::Sockets);
        };
        let place = if self.surroundings.settings.proxies.trusts(addr.ip()) {
            None
        } else if let Some(place) = self.others.enter(addr.ip()) {
            Some(place)
        } else {
            debug!("too many connections from one address");
            return self.refuse(Refusal::OthersPerIp);
        };
        // Messages are small and wait for answers: Nagle's algorithm would add 40 ms to each exchange.
        let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else {
            debug!("a client went away at once");
            return;
        };
        let arrival = Arrival {
            addr,
            local_ip: local.ip(),
            socket,
            place,
        };
        let door = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = door.receive(stream, arrival) => {}
            }
        });
    }

    fn refuse(&self, why: Refusal) {
        self.surroundings.counters.refuse(why);
    }

    /// Finds out what a connection speaks, and serves it.
    async fn receive(&self, stream: TcpStream, arrival: Arrival) {
        // Before anything is computed for it.
        self.surroundings
            .put_off_handshake(arrival.addr.ip(), &self.paces)
            .await;
        let mut first = [0];
        match timeout(HANDSHAKE, stream.peek(&mut first)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return debug!("a client went away without a word"),
            Err(_) => {
                self.refuse(Refusal::HandshakeTime);
                return debug!("a client said nothing");
            }
        }
        if first != TLS_HANDSHAKE {
            return self.serve(stream, first[0], arrival).await;
        }
        let Some(tls) = &self.tls else {
            self.refuse(Refusal::Tls);
            return debug!("a client wants TLS and there is no certificate");
        };
        let secured = timeout(HANDSHAKE, async {
            let mut stream = tls.acceptor().accept(stream).await?;
            if stream.get_ref().1.alpn_protocol() == Some(acme::PROTOCOL) {
                // It has seen what it came for (RFC 8737 section 3).
                stream.shutdown().await?;
                return Ok(None);
            }
            let mut first = vec![0; FIRST_BYTES];
            let len = stream.read(&mut first).await?;
            first.truncate(len);
            Ok::<_, io::Error>(Some(Begun {
                first,
                at: 0,
                stream,
            }))
        });
        match secured.await {
            Ok(Ok(None)) => debug!("an authority has looked whether a name leads here"),
            Ok(Ok(Some(begun))) => {
                if let Some(&first) = begun.first.first() {
                    self.serve(begun, first, arrival).await;
                }
            }
            Ok(Err(error)) => {
                self.refuse(Refusal::Tls);
                debug!(%error, "bad TLS");
            }
            Err(_) => {
                self.refuse(Refusal::HandshakeTime);
                debug!("a client took too long for its TLS handshake");
            }
        }
    }

    async fn serve<S>(&self, stream: S, first: u8, arrival: Arrival)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Every TURN client begins with a request. (The first byte of channel data could be taken for that of an HTTP
        // method, but nobody has a channel yet.)
        match &self.relay {
            Some(relay) if begins_stun(first) => {
                let Ok(_stream) = self.streams.try_acquire() else {
                    self.refuse(Refusal::RelayStreams);
                    return debug!("no room for another client of the relay");
                };
                drop(arrival.socket);
                relay::serve(stream, arrival.addr, arrival.local_ip, relay).await;
                drop(arrival.place);
            }
            _ => self.serve_http(stream, arrival).await,
        }
    }

    async fn serve_http<S>(&self, stream: S, arrival: Arrival)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let entrance = Entrance {
            surroundings: Arc::clone(&self.surroundings),
            seats: Arc::clone(&self.seats),
            tasks: self.tasks.clone(),
            ip: arrival.addr.ip(),
            local_ip: arrival.local_ip,
            signalling: self.signalling.clone(),
            paces: Arc::clone(&self.paces),
            socket: Arc::new(arrival.socket),
        };
        let service = TowerToHyperService::new(self.routes.clone().with_state(entrance));
        let http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HANDSHAKE)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        match timeout(HANDSHAKE, http).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.refuse(Refusal::Http);
                debug!(%error, "bad HTTP");
            }
            Err(_) => {
                self.refuse(Refusal::HandshakeTime);
                debug!("a client took too long for its handshake");
            }
        }
        // From here on it is signalling, or gone.
        drop(arrival.place);
    }
}

/// The first byte of a TLS handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: [u8; 1] = [0x16];
/// How much is read to see what is inside TLS.
const FIRST_BYTES: usize = 1024;

/// A stream of which something was read already.
struct Begun<S> {
    first: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.first[self.at..];
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let len = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..len]);
        self.at += len;
        if self.at == self.first.len() {
            self.first = Vec::new();
            self.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_read_is_read_again_and_then_the_rest() {
        let mut begun = Begun {
            first: b"hello ".to_vec(),
            at: 0,
            stream: &b"world"[..],
        };
        let mut all = String::new();
        begun.read_to_string(&mut all).await.unwrap();

        assert_eq!(all, "hello world");
    }
}
