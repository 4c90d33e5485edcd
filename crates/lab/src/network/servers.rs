//! The server under test in the lab's internet, and coturn beside it where that is asked for.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::flows::Path;
use super::topology::Network;
use crate::command::{Running, TICK};
use crate::ffi;
use crate::server::program;

/// The secret that server and relay share in the lab; it protects nothing.
pub(crate) const SECRET: &str = "lab";
/// How long a server may take to listen.
const START_TIME: Duration = Duration::from_secs(10);

/// Which relay the clients are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RelayKind {
    /// The one inside `passerby-server`.
    #[default]
    Own,
    /// coturn, beside the server.
    Coturn,
}

/// `passerby-server`, and coturn if wanted. Ended when this is dropped.
#[derive(Debug)]
pub struct Servers {
    server: Option<Running>,
    coturn: Option<Running>,
    relay: RelayKind,
    folder: PathBuf,
}

impl Servers {
    /// Starts what is needed in the lab's internet, and waits until it listens.
    ///
    /// # Errors
    /// What they said, if they do not.
    pub fn start(network: &Network, relay: RelayKind) -> anyhow::Result<Self> {
        let folder = network.folder().to_owned();
        write_certificate(&folder)?;
        let mut servers = Self {
            server: None,
            coturn: None,
            relay,
            folder,
        };
        if relay == RelayKind::Coturn {
            servers.start_coturn(network)?;
        }
        servers.start_server(network)?;
        Ok(servers)
    }

    /// The URL of the signalling server, on the port that every network lets through.
    pub fn url(&self) -> String {
        let scheme = match self.relay {
            RelayKind::Own => "wss",
            RelayKind::Coturn => "ws",
        };
        format!("{scheme}://{}:443/", Network::SERVER)
    }

    /// The certificate that clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// The URL of the one server that a client needs for this way: STUN for the direct one, else TURN.
    pub fn ice_url(&self, path: Path) -> String {
        let first = Network::SERVER;
        // coturn cannot share the address and port with the signalling server.
        let tls = match self.relay {
            RelayKind::Own => first,
            RelayKind::Coturn => Network::SERVER_SECOND,
        };
        match path {
            Path::Direct => format!("stun:{first}:3478"),
            Path::RelayUdp | Path::PartnersRelay => format!("turn:{first}:3478?transport=udp"),
            Path::RelayTcp => format!("turn:{first}:3478?transport=tcp"),
            Path::RelayTls => format!("turns:{tls}:443?transport=tcp"),
        }
    }

    /// Kills the server on the spot (SIGKILL), and the relay in it.
    ///
    /// # Errors
    /// When it is not there to be killed.
    pub fn kill_server(&mut self) -> anyhow::Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.child().kill()?;
        server.child().wait()?;
        Ok(())
    }

    /// Starts the server (again) and waits until it listens.
    ///
    /// # Errors
    /// What it said, if it does not.
    pub fn start_server(&mut self, network: &Network) -> anyhow::Result<()> {
        let said = self.folder.join("server.out");
        let log = self.folder.join("server.log");
        let mut command = network.internet().command(program("passerby-server")?)?;
        for port in [443, 8080] {
            command.args(["--listen", &format!("{}:{port}", Network::SERVER)]);
        }
        match self.relay {
            RelayKind::Own => {
                command.args(["--turn-secret", SECRET]);
                command.arg("--tls-cert").arg(self.certificate());
                command.arg("--tls-key").arg(self.key());
            }
            RelayKind::Coturn => {
                command.args(["--turn-secret", SECRET]);
                command.arg(format!("--stun={}", self.ice_url(Path::Direct)));
                for path in [Path::RelayUdp, Path::RelayTcp, Path::RelayTls] {
                    command.args(["--turn", &self.ice_url(path)]);
                }
            }
        }
        command.stdout(File::create(&said)?);
        command.stderr(File::create(&log)?);
        let mut server = Running::start_helper(&mut command).context("cannot run the server")?;
        wait_until_ready("the server", &mut server, &log, || {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            said.lines()
                .filter(|line| line.starts_with("listening"))
                .count()
                >= 2
        })?;
        self.server = Some(server);
        Ok(())
    }

    fn start_coturn(&mut self, network: &Network) -> anyhow::Result<()> {
        let log = self.folder.join("coturn.log");
        let mut command = network.internet().command("turnserver")?;
        let folder = self.folder.display();
        command
            .args(["-n", "--no-cli", "--fingerprint", "--use-auth-secret"])
            .arg(format!("--static-auth-secret={SECRET}"))
            .args([
                "--realm=lab",
                "--listening-port=3478",
                "--tls-listening-port=5349",
            ])
            .args(["--min-port=50000", "--max-port=50999", "--log-file=stdout"])
            .arg(format!("--listening-ip={}", Network::SERVER))
            .arg(format!("--relay-ip={}", Network::SERVER))
            .arg(format!("--aux-server={}:443", Network::SERVER_SECOND))
            .arg(format!("--cert={}", self.certificate().display()))
            .arg(format!("--pkey={}", self.key().display()))
            .arg(format!("--pidfile={folder}/coturn.pid"))
            .arg(format!("--userdb={folder}/coturn.db"))
            .stdout(File::create(&log)?)
            .stderr(File::create(self.folder.join("coturn.err"))?);
        let mut coturn = Running::start_helper(&mut command).context("cannot run coturn")?;
        let address = (Network::SERVER, 3478);
        wait_until_ready("coturn", &mut coturn, &log, || {
            let connected = network
                .internet()
                .enter(|| std::net::TcpStream::connect(address).is_ok());
            connected.is_ok_and(|connected| connected)
        })?;
        self.coturn = Some(coturn);
        Ok(())
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }
}

/// The end of what a program has written, for an error message.
pub(crate) fn tail(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

fn wait_until_ready(
    name: &str,
    process: &mut Running,
    log: &std::path::Path,
    mut is_ready: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIME;
    while !is_ready() {
        if let Some(code) = process.exit_code()? {
            bail!("{name} ended with {code}: {}", tail(log));
        }
        if Instant::now() > deadline {
            bail!("{name} does not listen: {}", tail(log));
        }
        if ffi::is_stop_requested() {
            bail!("interrupted");
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// Makes a certificate for the server's addresses that whoever is told to can trust.
fn write_certificate(folder: &std::path::Path) -> anyhow::Result<()> {
    let names = [Network::SERVER, Network::SERVER_SECOND].map(|address| address.to_string());
    let certified = rcgen::generate_simple_self_signed(names).context("no certificate")?;
    std::fs::write(folder.join("certificate.pem"), certified.cert.pem())?;
    std::fs::write(
        folder.join("key.pem"),
        certified.signing_key.serialize_pem(),
    )?;
    Ok(())
}
