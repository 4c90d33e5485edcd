//! A TURN client for tests: it does what it is told, and whatever it waits for has a deadline.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use relay::{
    Counters, PeerPolicy, Secrets, long_term_key,
    stun::{Class, Message, Writer, attribute, method},
};
use server::{RelaySettings, Running, Server, Settings, TlsSettings};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};

/// Longer than anything takes here, even on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long to listen for what must not come.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

const SECRET: &str = "north";

/// A relay at free ports, which takes private peers.
pub(crate) fn relay_settings() -> RelaySettings {
    RelaySettings {
        secrets: Secrets::new(vec![SECRET.to_owned()]),
        port: 0,
        tls_port: 0,
        limits: relay::Config {
            peers: PeerPolicy {
                allow_private: true,
                ..PeerPolicy::default()
            },
            ..relay::Config::default()
        },
        ..RelaySettings::default()
    }
}

/// Starts a server at a free port of the loopback interface.
pub(crate) async fn start(relay: RelaySettings) -> Running {
    start_with(relay, Settings::default()).await
}

pub(crate) async fn start_with(relay: RelaySettings, settings: Settings) -> Running {
    let settings = Settings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        relay: Some(relay),
        ..settings
    };
    Server::bind(settings).await.expect("free ports").start()
}

/// Waits until the counters are as expected.
pub(crate) async fn until(server: &Running, is_expected: impl Fn(&Counters) -> bool) -> Counters {
    let counted = timeout(PATIENCE, async {
        loop {
            let counters = server.relay_counters().expect("it relays");
            if is_expected(&counters) {
                return counters;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    match counted.await {
        Ok(counters) => counters,
        Err(elapsed) => panic!("{elapsed}: {:?}", server.relay_counters()),
    }
}

/// A certificate for localhost in files, and a client that trusts it.
pub(crate) struct Certificate {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) settings: TlsSettings,
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = TlsSettings {
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
        };
        let der = Self::write(&settings);
        Self {
            directory,
            settings,
            der,
        }
    }

    /// Puts a new one in its place.
    pub(crate) fn renew(&mut self) {
        self.der = Self::write(&self.settings);
    }

    fn write(settings: &TlsSettings) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&settings.certificate, made.cert.pem()).unwrap();
        std::fs::write(&settings.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    pub(crate) fn connector(&self, alpn: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config).into()
    }

    /// Connects by TLS.
    pub(crate) async fn connect(
        &self,
        addr: SocketAddr,
        alpn: &[&[u8]],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addr).await?;
        let connector = self.connector(alpn);
        let name = "localhost".try_into().unwrap();
        timeout(PATIENCE, connector.connect(name, stream))
            .await
            .expect("in time")
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

enum Link {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>, Vec<u8>),
}

pub(crate) struct TurnClient {
    link: Link,
    pub(crate) username: String,
    pub(crate) key: [u8; 16],
    pub(crate) nonce: Vec<u8>,
    transaction: u64,
}

/// What the relay sends by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Channel(u16, Vec<u8>),
    Data(SocketAddr, Vec<u8>),
}

impl TurnClient {
    fn new(link: Link, user: u64) -> Self {
        let secrets = Secrets::new(vec![SECRET.to_owned()]).unwrap();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let (username, password) = secrets.mint(now, Duration::from_mins(10), user);
        Self {
            link,
            key: long_term_key(&username, "passerby", &password),
            username,
            nonce: Vec::new(),
            transaction: 0,
        }
    }

    /// Uses what clients are told at a match.
    pub(crate) fn log_in(&mut self, username: &str, password: &str) {
        username.clone_into(&mut self.username);
        self.key = long_term_key(username, "passerby", password);
    }

    pub(crate) async fn udp(server: SocketAddr, user: u64) -> Self {
        let any: SocketAddr = if server.is_ipv4() {
            "127.0.0.1:0".parse().unwrap()
        } else {
            "[::1]:0".parse().unwrap()
        };
        let socket = UdpSocket::bind(any).await.unwrap();
        socket.connect(server).await.unwrap();
        Self::new(Link::Datagrams(socket), user)
    }

    pub(crate) async fn tcp(server: SocketAddr, user: u64) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        Self::over(stream, user)
    }

    pub(crate) fn over(stream: impl Stream + 'static, user: u64) -> Self {
        Self::new(Link::Stream(Box::new(stream), Vec::new()), user)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Datagrams(socket) => drop(socket.send(bytes).await.unwrap()),
            Link::Stream(stream, _) => {
                stream.write_all(bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    /// The next message; `None` at the end of a stream.
    pub(crate) async fn read(&mut self) -> Option<Vec<u8>> {
        let read = async {
            match &mut self.link {
                Link::Datagrams(socket) => {
                    let mut bytes = vec![0; 4096];
                    let len = socket.recv(&mut bytes).await.unwrap();
                    bytes.truncate(len);
                    Some(bytes)
                }
                Link::Stream(stream, buffer) => loop {
                    if let Some(len) = relay::framing::frame_len(buffer).expect("it speaks well")
                        && buffer.len() >= len
                    {
                        let rest = buffer.split_off(len);
                        return Some(std::mem::replace(buffer, rest));
                    }
                    match stream.read_buf(buffer).await {
                        Ok(0) | Err(_) => return None,
                        Ok(_) => {}
                    }
                },
            }
        };
        timeout(PATIENCE, read).await.expect("a message in time")
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn hears_nothing(&mut self) -> bool {
        tokio::select! {
            heard = self.read() => {
                eprintln!("heard {heard:?}");
                false
            }
            () = tokio::time::sleep(SILENCE) => true,
        }
    }

    pub(crate) async fn hears(&mut self) -> Heard {
        let bytes = self.read().await.expect("the connection is open");
        if bytes[0] >= 0x40 {
            let number = u16::from_be_bytes([bytes[0], bytes[1]]);
            let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            return Heard::Channel(number, bytes[4..4 + len].to_vec());
        }
        let message = Message::parse(&bytes).expect("it speaks well");
        assert_eq!(
            (message.class, message.method),
            (Class::Indication, method::DATA)
        );
        let peer = message.attribute(attribute::XOR_PEER_ADDRESS).unwrap();
        Heard::Data(
            message.xor_address(peer).unwrap(),
            message.attribute(attribute::DATA).unwrap().to_vec(),
        )
    }

    pub(crate) fn request(
        &mut self,
        method: u16,
        fill: impl FnOnce(Writer<'_>) -> Writer<'_>,
    ) -> Vec<u8> {
        self.transaction += 1;
        let mut transaction = [0x5a; 12];
        transaction[4..].copy_from_slice(&self.transaction.to_be_bytes());
        let mut bytes = Vec::new();
        fill(Writer::new(&mut bytes, Class::Request, method, transaction))
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .attribute(attribute::REALM, b"passerby")
            .attribute(attribute::NONCE, &self.nonce)
            .sign(&self.key)
            .fingerprint();
        bytes
    }

    /// Asks, again if the nonce is not the right one. The error code, or the answer.
    pub(crate) async fn ask(
        &mut self,
        method: u16,
        fill: impl Fn(Writer<'_>) -> Writer<'_>,
    ) -> Result<Vec<u8>, u16> {
        for _ in 0..2 {
            let request = self.request(method, &fill);
            self.write(&request).await;
            let reply = self.read().await.expect("an answer");
            let message = Message::parse(&reply).expect("it speaks well");
            assert_eq!(message.transaction, request[8..20]);
            if message.class == Class::Success {
                assert!(message.is_signed_with(&self.key), "answers are signed");
                return Ok(reply);
            }
            let code = message.attribute(attribute::ERROR_CODE).unwrap();
            match u16::from(code[2]) * 100 + u16::from(code[3]) {
                438 => self.nonce = message.attribute(attribute::NONCE).unwrap().to_vec(),
                code => return Err(code),
            }
        }
        Err(438)
    }

    pub(crate) async fn allocate(&mut self) -> Result<SocketAddr, u16> {
        self.allocate_with(|request| request).await
    }

    pub(crate) async fn allocate_with(
        &mut self,
        fill: impl Fn(Writer<'_>) -> Writer<'_>,
    ) -> Result<SocketAddr, u16> {
        let reply = self
            .ask(method::ALLOCATE, |request| {
                fill(request).attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            })
            .await?;
        let message = Message::parse(&reply).unwrap();
        let relayed = message.attribute(attribute::XOR_RELAYED_ADDRESS).unwrap();
        Ok(message.xor_address(relayed).unwrap())
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let permitted = self.ask(method::CREATE_PERMISSION, |request| {
            request.xor_address(attribute::XOR_PEER_ADDRESS, peer)
        });
        permitted.await.map(drop)
    }

    pub(crate) async fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<(), u16> {
        let number = (u32::from(number) << 16).to_be_bytes();
        let bound = self.ask(method::CHANNEL_BIND, |request| {
            request
                .attribute(attribute::CHANNEL_NUMBER, &number)
                .xor_address(attribute::XOR_PEER_ADDRESS, peer)
        });
        bound.await.map(drop)
    }

    /// Refreshes the allocation; returns the seconds that are granted.
    pub(crate) async fn refresh(&mut self, seconds: u32) -> Result<u32, u16> {
        let reply = self
            .ask(method::REFRESH, |request| {
                request.attribute(attribute::LIFETIME, &seconds.to_be_bytes())
            })
            .await?;
        Ok(Message::parse(&reply)
            .unwrap()
            .number(attribute::LIFETIME)
            .unwrap())
    }

    pub(crate) async fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Indication, method::SEND, [3; 12])
            .xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .attribute(attribute::DATA, data)
            .finish();
        self.write(&bytes).await;
    }

    pub(crate) async fn send_by_channel(&mut self, number: u16, data: &[u8]) {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(data);
        if matches!(self.link, Link::Stream(..)) {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.write(&bytes).await;
    }
}

/// A peer that is no client of the relay.
pub(crate) struct Peer(pub(crate) UdpSocket);

impl Peer {
    pub(crate) async fn new(ip: &str) -> Self {
        Self(UdpSocket::bind((ip, 0)).await.unwrap())
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) async fn hears(&self) -> (Vec<u8>, SocketAddr) {
        let mut bytes = vec![0; 4096];
        let heard = timeout(PATIENCE, self.0.recv_from(&mut bytes)).await;
        let (len, from) = heard.expect("a datagram in time").unwrap();
        bytes.truncate(len);
        (bytes, from)
    }

    pub(crate) async fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.0.send_to(bytes, to).await.unwrap();
    }
}
