//! Servers that do what a test wants.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// A socket that says nothing, and its address.
pub(crate) async fn silent_udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Answers each datagram with those that `answer` makes of it.
pub(crate) async fn udp(
    address: &str,
    mut answer: impl FnMut(&[u8], SocketAddr) -> Vec<Vec<u8>> + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind(address).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((len, client)) = socket.recv_from(&mut buffer).await {
            for datagram in answer(&buffer[..len], client) {
                drop(socket.send_to(&datagram, client).await);
            }
        }
    });
    address
}

/// Says `words` to whoever connects, once he has said something, and closes if that is wanted.
pub(crate) async fn tcp(words: &'static [u8], closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1500];
            if stream.read(&mut buffer).await.is_ok() {
                drop(stream.write_all(words).await);
            }
            if !closes {
                open.push(stream);
            }
        }
    });
    address
}

/// Accepts TLS connections with a certificate for `name`, and says nothing in them.
pub(crate) async fn tls(name: &str) -> (SocketAddr, rustls_pki_types::CertificateDer<'static>) {
    use rustls_pki_types::PrivateKeyDer;
    use std::sync::Arc;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::{ServerConfig, crypto::ring};

    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.extend(acceptor.accept(stream).await.ok());
        }
    });
    (address, certificate)
}

/// A STUN response of the given type, to the request whose header is given.
pub(crate) fn response(kind: [u8; 2], request: &[u8], attributes: &[u8]) -> Vec<u8> {
    let length = (attributes.len() as u16).to_be_bytes();
    [
        &kind[..],
        &length,
        &MAGIC_COOKIE,
        &request[8..20],
        attributes,
    ]
    .concat()
}

/// The attribute that says how the client is seen: XOR-MAPPED-ADDRESS with an IPv4 address.
pub(crate) fn seen_as(address: std::net::SocketAddrV4) -> Vec<u8> {
    let port = address.port() ^ 0x2112;
    let octets = address.ip().octets();
    let masked: Vec<u8> = octets
        .iter()
        .zip(MAGIC_COOKIE)
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    [&[0, 0x20, 0, 8, 0, 1][..], &port.to_be_bytes(), &masked].concat()
}

/// The attribute that says why not: ERROR-CODE.
pub(crate) fn error_code(code: u16) -> Vec<u8> {
    vec![0, 9, 0, 4, 0, 0, (code / 100) as u8, (code % 100) as u8]
}
