//! Opens a stream to a TURN server, with TLS around it if the URL says so.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::servers::TunnelledServer;
use crate::tls::client_config;

/// How long all of it may take: the name, the connection and the handshake.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How long one address is tried alone before the next is tried too (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// What the system may hold of what we wrote. The rest waits where media can still be dropped.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// Connects, and makes sure that it is this server if the stream is encrypted.
pub(super) async fn connect(
    server: &TunnelledServer,
    extra_roots: &[CertificateDer<'static>],
) -> io::Result<Stream> {
    tokio::time::timeout(TIME_LIMIT, try_connect(server, extra_roots)).await?
}

async fn try_connect(
    server: &TunnelledServer,
    extra_roots: &[CertificateDer<'static>],
) -> io::Result<Stream> {
    let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await?;
    let connecting = first_of(addresses.take(MAX_ADDRESSES).collect());
    if !server.is_tls {
        return Ok(Stream::Plain(connecting.await?));
    }
    let name = ServerName::try_from(server.host.clone())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let (stream, config) = tokio::try_join!(connecting, client_config(extra_roots))?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Stream::Encrypted(Box::new(stream)))
}

/// The first connection to one of the addresses, each of which gets a head start on the next.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for (index, address) in addresses.into_iter().enumerate() {
        attempts.spawn(async move {
            tokio::time::sleep(ATTEMPT_DELAY * index as u32).await;
            open(address).await
        });
    }
    let mut last_error = io::Error::from(io::ErrorKind::NotFound);
    while let Some(result) = attempts.join_next().await {
        match result {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last_error = error,
            Err(error) => last_error = io::Error::other(error),
        }
    }
    Err(last_error)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}
