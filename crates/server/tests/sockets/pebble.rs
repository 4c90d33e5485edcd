//! A certificate authority for tests: Pebble, with a DNS in which every name leads to this machine, both from Debian's package pebble. They
//! end with the test.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use server::AcmeSettings;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};

/// A name that it gives no certificate for.
pub(crate) const BLOCKED: &str = "blocked.example";

const PATIENCE: Duration = Duration::from_secs(20);

/// What the authority will be, before it is there.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    ports: [u16; 4],
}

/// An authority.
pub(crate) struct Pebble {
    dns: Child,
    process: Child,
    authority: Authority,
}

impl Authority {
    /// Chooses free ports, and makes the certificate with which it shows itself.
    pub(crate) fn new() -> Self {
        let free: [TcpListener; 4] = std::array::from_fn(|_| free_port());
        let ports = free.map(|it| it.local_addr().expect("bound").port());
        let folder = tempfile::tempdir().expect("a folder for the test");
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        let files = [
            ("cert.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
        ];
        for (name, pem) in files {
            fs::write(folder.path().join(name), pem).expect("it takes files");
        }
        Self { folder, ports }
    }

    /// How a server gets a certificate for these names there.
    pub(crate) fn settings(&self, domains: &[&str], folder: &Path) -> AcmeSettings {
        AcmeSettings {
            domains: domains.iter().map(|it| (*it).to_owned()).collect(),
            email: Some("admin@example.org".to_owned()),
            folder: folder.to_owned(),
            directory: format!("https://127.0.0.1:{}/dir", self.ports[0]),
            root: Some(self.path("cert.pem")),
        }
    }

    /// Starts it. It looks for the proof at this port, and its certificates are good for so long.
    pub(crate) async fn start(self, port: u16, life: Duration) -> Pebble {
        let [listen, management, dns, dns_management] =
            self.ports.map(|port| format!("127.0.0.1:{port}"));
        let config = json!({"pebble": {
            "listenAddress": listen,
            "managementListenAddress": management,
            "certificate": self.path("cert.pem"),
            "privateKey": self.path("key.pem"),
            // Nothing listens there, and nobody is sent there.
            "httpPort": 9,
            "tlsPort": port,
            "domainBlocklist": [BLOCKED],
            "certificateValidityPeriod": life.as_secs(),
        }});
        fs::write(self.path("config.json"), config.to_string()).expect("it takes files");
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        command.args([
            "-defaultIPv6",
            "",
            "-dns01",
            &dns,
            "-management",
            &dns_management,
        ]);
        let names = launch(&mut command, &self.path("dns.log"));
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.path("config.json"));
        command.args(["-dnsserver", &dns]);
        // Each order is proved anew, at once, and nothing fails by chance.
        command.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")]);
        command.env("PEBBLE_WFE_NONCEREJECT", "0");
        let pebble = Pebble {
            dns: names,
            process: launch(&mut command, &self.path("pebble.log")),
            authority: self,
        };
        for index in [0, 1, 2] {
            let addr = (Ipv4Addr::LOCALHOST, pebble.authority.ports[index]);
            let answers = timeout(PATIENCE, async {
                while TcpStream::connect(addr).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
            });
            assert!(answers.await.is_ok(), "does not start: {}", pebble.log());
        }
        pebble
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A port below those that the system gives to who asks for any: another test could get it before Pebble takes it.
fn free_port() -> TcpListener {
    let mut candidates = (0..100).map(|_| {
        let random = getrandom::u32().expect("random numbers");
        (Ipv4Addr::LOCALHOST, 20_000 + (random % 12_000) as u16)
    });
    let free = candidates.find_map(|addr| TcpListener::bind(addr).ok());
    free.expect("a free port")
}

impl Pebble {
    pub(crate) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// How many certificates it was asked for.
    pub(crate) fn orders(&self) -> usize {
        self.log().matches("POST /order-plz").count()
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.authority.path("pebble.log")).expect("it writes text")
    }

    /// Who vouches for what it gives; made anew at each start.
    pub(crate) async fn roots(&self) -> RootCertStore {
        let mut own = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.authority.path("cert.pem"));
        own.add(certificate.expect("it was made"))
            .expect("a certificate");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, self.authority.ports[1]));
        let asked = async {
            let stream = TcpStream::connect(addr).await?;
            let name = addr.ip().into();
            let mut stream = connector(own, &[]).connect(name, stream).await?;
            let request = format!("GET /roots/0 HTTP/1.0\r\nHost: {addr}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(PATIENCE, asked).await.expect("in time");
        let root = CertificateDer::from_pem_slice(&answer.expect("it answers"));
        let mut roots = RootCertStore::empty();
        roots
            .add(root.expect("a certificate"))
            .expect("a certificate");
        roots
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in [&mut self.process, &mut self.dns] {
            if process.kill().is_ok() && process.wait().is_err() {
                eprintln!("pebble cannot be waited for");
            }
        }
    }
}

/// With which one connects who trusts these.
pub(crate) fn connector(roots: RootCertStore, alpn: &[&[u8]]) -> TlsConnector {
    client_config(roots, alpn).into()
}

pub(crate) fn client_config(roots: RootCertStore, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has all versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn launch(command: &mut Command, log: &Path) -> Child {
    let file = File::create(log).expect("it takes files");
    command.stderr(file.try_clone().expect("a file"));
    command.stdout(file);
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}): apt-get install pebble")
    })
}
