//! coturn as the relay, for several tests.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use protocol::IceServer;
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

/// Between looks whether it is up.
const PAUSE: Duration = Duration::from_millis(50);

/// A STUN and TURN server on loopback that ends with the test: UDP and TCP on one port, TLS on another.
pub(crate) struct Coturn {
    child: Child,
    port: u16,
    tls_port: u16,
    certificate: CertificateDer<'static>,
    _folder: TempDir,
}

impl Coturn {
    /// `None` where coturn is not installed, unless `PASSERBY_LAB=on` says that it must be.
    pub(crate) async fn start(arguments: &[&str]) -> Option<Self> {
        let port = free_ports();
        let tls_port = port + 2;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate_file = folder.path().join("certificate.pem");
        let key_file = folder.path().join("key.pem");
        std::fs::write(&certificate_file, made.cert.pem()).unwrap();
        std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
        let spawned = Command::new("turnserver")
            .args(["-n", "--no-cli", "--no-dtls", "--log-file", "stdout"])
            .args(["--lt-cred-mech", "--user", "me:secret", "--realm", "test"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
            .args(["--pidfile", "/dev/null"])
            .args(["--listening-port", &port.to_string()])
            .args(["--tls-listening-port", &tls_port.to_string()])
            .arg("--cert")
            .arg(&certificate_file)
            .arg("--pkey")
            .arg(&key_file)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let is_demanded = std::env::var("PASSERBY_LAB").is_ok_and(|value| value == "on");
                assert!(!is_demanded, "coturn cannot be started: {error}");
                eprintln!("left out: coturn cannot be started: {error}");
                return None;
            }
        };
        let server = Self {
            child,
            port,
            tls_port,
            certificate: made.cert.der().clone(),
            _folder: folder,
        };
        server.wait().await;
        Some(server)
    }

    /// Waits until it answers over UDP and listens on TCP.
    async fn wait(&self) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.address()).await.unwrap();
        // A Binding request (RFC 8489 section 5).
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
        for _ in 0..100 {
            // A refusal comes at once.
            drop(socket.send(&request).await);
            let mut answer = [0; 99];
            let answer = tokio::time::timeout(PAUSE, socket.recv(&mut answer)).await;
            let is_up = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
            match answer {
                Ok(Ok(_)) if is_up(self.port) && is_up(self.tls_port) => return,
                Err(_) => {}
                Ok(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        panic!("coturn does not come up");
    }

    /// For UDP and TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn udp_url(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=udp", self.port)
    }

    pub(crate) fn tcp_url(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=tcp", self.port)
    }

    /// By name, as its certificate has it.
    pub(crate) fn tls_url(&self) -> String {
        format!("turns:localhost:{}?transport=tcp", self.tls_port)
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The URLs with the credentials of [`Coturn`].
pub(crate) fn with_login(urls: &[String]) -> Vec<IceServer> {
    vec![IceServer {
        urls: urls.to_vec(),
        username: Some("me".into()),
        credential: Some("secret".into()),
    }]
}

/// The first of four free ports: coturn takes no port 0, and the next one of each that it is given as well (RFC 5780).
///
/// From below the range that systems give out, so that nobody takes them before coturn does.
fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let first = 20_000 + (std::process::id() % 300 * 40 + number * 4) % 12_000;
        let first = u16::try_from(first).unwrap();
        let is_free = |port| {
            let address = (Ipv4Addr::UNSPECIFIED, port);
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        };
        if (first..first + 4).all(is_free) {
            return first;
        }
    }
}
