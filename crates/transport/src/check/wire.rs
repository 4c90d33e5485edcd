//! One connection to a server: UDP datagrams, or the same messages on a TCP or TLS stream.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use rtc::stun::message::MAGIC_COOKIE;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, Error as TlsError, RootCertStore};

use super::{ReachError, RelayTransport};

/// The longest message that a check takes. Answers have a few hundred bytes; a longer one is not meant for us.
const MESSAGE_BYTES: usize = 2048;
/// The first two bits of a message on a stream tell what it is (RFC 8656 section 12).
const KIND_MASK: u8 = 0xC0;
const KIND_STUN: u8 = 0x00;
const KIND_CHANNEL_DATA: u8 = 0x40;

/// What it takes to open TLS connections. Cheap to clone; the system's certificates are read once, and only if needed.
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
            // Reads files.
            let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let mut roots = RootCertStore::empty();
            // A system without usable certificates trusts nobody but the extra ones.
            let system = system.map(|result| result.certs).unwrap_or_default();
            roots.add_parsable_certificates(system);
            roots.add_parsable_certificates(self.extra_roots.iter().cloned());
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|_| ReachError::NoTls)?
                .with_root_certificates(roots)
                .with_no_client_auth();
            Ok(TlsConnector::from(Arc::new(config)))
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
        received: BytesMut,
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
            received: BytesMut::new(),
        })
    }

    /// Whether what is sent may be lost on the way.
    pub(super) const fn is_lossy(&self) -> bool {
        matches!(self, Self::Udp(_))
    }

    /// Sends one message, padded as the stream wants it.
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
                if let Some(message) = take_message(received)? {
                    return Ok(message);
                }
                received.reserve(MESSAGE_BYTES);
                if stream.read_buf(received).await? == 0 {
                    return Err(ReachError::Closed);
                }
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

/// Takes the first whole message off `received`.
fn take_message(received: &mut BytesMut) -> Result<Option<Vec<u8>>, ReachError> {
    let &[first, _, high, low, ..] = &**received else {
        return Ok(None);
    };
    if first & KIND_MASK == KIND_STUN
        && received.len() >= 8
        && received[4..8] != MAGIC_COOKIE.to_be_bytes()
    {
        return Err(ReachError::Garbage);
    }
    let body = usize::from(u16::from_be_bytes([high, low]));
    let (len, padded) = match first & KIND_MASK {
        KIND_STUN => (20 + body, 20 + body),
        KIND_CHANNEL_DATA => (4 + body, (4 + body).next_multiple_of(4)),
        _ => return Err(ReachError::Garbage),
    };
    if padded > MESSAGE_BYTES {
        return Err(ReachError::Garbage);
    }
    if received.len() < padded {
        return Ok(None);
    }
    let message = received[..len].to_vec();
    received.advance(padded);
    Ok(Some(message))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_cut_out_of_the_stream_and_padding_is_thrown_away() {
        let cookie = MAGIC_COOKIE.to_be_bytes();
        let stun = [&[0, 1, 0, 4][..], &cookie, &[0; 12], b"abcd"].concat();
        let data = [&[0x40, 0, 0, 5][..], b"hello\0\0\0"].concat();
        let whole = [&stun[..], &data].concat();
        let mut received = BytesMut::new();
        let mut messages = Vec::new();
        for byte in whole {
            received.extend_from_slice(&[byte]);
            messages.extend(take_message(&mut received).unwrap());
        }
        assert_eq!(messages, [stun, data[..9].to_vec()]);
        assert!(received.is_empty());
    }

    #[test]
    fn what_no_server_says_is_garbage() {
        for text in [
            &b"\x16\x03\x01 TLS?"[..],
            b"HTTP/1.1 400 Bad Request",
            b"SSH-2.0-x",
            b"\x00\x01\xff\xff",
        ] {
            let mut received = BytesMut::from(text);
            assert_eq!(
                take_message(&mut received),
                Err(ReachError::Garbage),
                "{text:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_the_buffer_stays_small(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
            let mut received = BytesMut::new();
            for chunk in bytes.chunks(700) {
                received.extend_from_slice(chunk);
                loop {
                    match take_message(&mut received) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(received.len() <= MESSAGE_BYTES, "{}", received.len());
            }
        }
    }
}
