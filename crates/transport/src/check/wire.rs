//! One connection to a server: UDP datagrams, or the same messages on a TCP or TLS stream.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::Error as TlsError;

use super::{ReachError, RelayTransport};
use crate::runtime::{Cutter, Garbage};
use crate::tls;

/// The longest message that a check takes. Answers have a few hundred bytes; a longer one is not meant for us.
const MESSAGE_BYTES: usize = 2048;

/// What it takes to open TLS connections. Cheap to clone; certificates are read only if they are needed.
#[derive(Clone)]
pub(super) struct Tls {
    extra_roots: Arc<Vec<CertificateDer<'static>>>,
    connector: Arc<OnceCell<TlsConnector>>,
}

impl Tls {
    /// Trusts `extra_roots` besides what the system trusts.
    pub(super) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            extra_roots: Arc::new(extra_roots),
            connector: Arc::new(OnceCell::new()),
        }
    }

    async fn connector(&self) -> Result<TlsConnector, ReachError> {
        let connector = self.connector.get_or_try_init(|| async {
            let config = tls::client_config(&self.extra_roots).await;
            Ok(TlsConnector::from(config.map_err(|_| ReachError::NoTls)?))
        });
        connector.await.cloned()
    }
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection on which STUN and TURN messages go to and fro.
pub(super) enum Wire {
    Udp(UdpSocket),
    Stream {
        stream: Box<dyn Stream>,
        received: Cutter,
    },
}

impl Wire {
    /// A UDP socket that hears nobody but `server`.
    pub(super) async fn udp(server: SocketAddr) -> Result<Self, ReachError> {
        let socket = UdpSocket::bind(wildcard(server)).await?;
        socket.connect(server).await?;
        Ok(Self::Udp(socket))
    }

    /// Connects to `server`, which is called `host` in its certificate.
    pub(super) async fn open(
        transport: RelayTransport,
        server: SocketAddr,
        host: &str,
        tls: &Tls,
    ) -> Result<Self, ReachError> {
        if transport == RelayTransport::Udp {
            return Self::udp(server).await;
        }
        let stream = TcpStream::connect(server).await?;
        // Small messages that wait for answers.
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if transport == RelayTransport::Tls {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| ReachError::BadUrl)?;
            let connecting = tls.connector().await?.connect(name, stream);
            Box::new(connecting.await.map_err(tls_problem)?)
        } else {
            Box::new(stream)
        };
        Ok(Self::Stream {
            stream,
            received: Cutter::with_limit(MESSAGE_BYTES),
        })
    }

    /// Whether what is sent may be lost on the way.
    pub(super) const fn is_lossy(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Sends one STUN message, which says its own length on a stream.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), ReachError> {
        match self {
            Self::Udp(socket) => {
                socket.send(message).await?;
            }
            Self::Stream { stream, .. } => {
                stream.write_all(message).await?;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    /// The next message. Nothing is lost if the future is dropped.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, ReachError> {
        match self {
            Self::Udp(socket) => {
                let mut message = vec![0; MESSAGE_BYTES];
                let len = socket.recv(&mut message).await?;
                message.truncate(len);
                Ok(message)
            }
            Self::Stream { stream, received } => loop {
                if let Some(message) = received.next().map_err(|Garbage| ReachError::Garbage)? {
                    return Ok(message);
                }
                let mut chunk = [0; MESSAGE_BYTES];
                let len = stream.read(&mut chunk).await?;
                if len == 0 {
                    return Err(ReachError::Closed);
                }
                received.feed(&chunk[..len]);
            },
        }
    }
}

/// Any port of this machine in the address family of `server`.
pub(super) fn wildcard(server: SocketAddr) -> SocketAddr {
    if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    }
}

fn tls_problem(error: std::io::Error) -> ReachError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(_)) => ReachError::BadCertificate,
        Some(_) => ReachError::NoTls,
        None => error.into(),
    }
}
