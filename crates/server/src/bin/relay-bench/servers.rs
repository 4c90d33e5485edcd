//! The servers that are compared, each in a process of its own.

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// What both are told, and the clients.
pub(crate) const SECRET: &str = "bench";
/// How long a server may take to come up.
const START: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Coturn,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "passerby",
            Self::Coturn => "coturn",
        })
    }
}

/// A server that ends with this value.
pub(crate) struct Process {
    child: Child,
    port: u16,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Process {
    pub(crate) fn start(kind: Kind) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = match kind {
            Kind::Ours => ours(port)?,
            Kind::Coturn => coturn(port),
        };
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {kind}: is it installed, or built?"))?;
        let mut process = Self { child, port };
        // Both listen by TCP too, which is how to see that they are up.
        let started = Instant::now();
        while TcpStream::connect(process.addr()).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{kind} ended at once: {status}");
            }
            if started.elapsed() > START {
                bail!("{kind} does not come up");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Time that all its threads have spent on the processor, in the kernel too.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            let ran = schedstat.split(' ').next().unwrap_or_default();
            nanos += ran.parse::<u64>().context("/proc is unlike Linux's")?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Bytes that are resident.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .context("/proc is unlike Linux's")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

/// A port that was free a moment ago, by UDP and TCP: coturn takes no port 0.
fn free_port() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = udp.local_addr()?.port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

fn ours(port: u16) -> anyhow::Result<Command> {
    let here = std::env::current_exe().context("where is this program?")?;
    let program = here.with_file_name("passerby-server");
    let mut command = Command::new(program);
    command
        .args(["--listen", "127.0.0.1:0", "--log", "warn"])
        .args(["--relay-port", &port.to_string(), "--turn-secret", SECRET])
        .args(["--relay-allow-private", "--relay-max-allocations", "5000"])
        // More than any machine carries: what is measured is not the limit.
        .args(["--relay-total-mbits", "1000000"]);
    Ok(command)
}

fn coturn(port: u16) -> Command {
    let mut command = Command::new("turnserver");
    command
        .args(["-n", "--no-cli", "--no-tls", "--no-dtls"])
        .args(["--log-file", "/dev/null", "--pidfile", "/dev/null"])
        .args(["--use-auth-secret", "--static-auth-secret", SECRET])
        .args(["--realm", "bench", "--allow-loopback-peers"])
        .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"])
        .args(["--listening-port", &port.to_string()]);
    command
}
