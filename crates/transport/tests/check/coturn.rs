//! coturn as the relay.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use protocol::IceServer;
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

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
        let (port, tls_port) = (free_port(), free_port());
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
        for _ in 0..100 {
            if [port, tls_port].iter().all(|&port| is_up(port)) {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("coturn does not come up");
    }

    pub(crate) fn stun_url(&self) -> String {
        format!("stun:127.0.0.1:{}", self.port)
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

/// Free a moment ago is the best that can be had: coturn takes no port 0.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    match TcpListener::bind(("127.0.0.1", port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => free_port(),
        _ => port,
    }
}

fn is_up(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
