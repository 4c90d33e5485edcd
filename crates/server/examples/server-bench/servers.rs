//! The servers that are compared, each in a process of its own with its own limit of files.

use std::{
    fmt, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::certificate::Certificate;

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Bare,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Bare];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "passerby",
            Self::Bare => "bare",
        })
    }
}

/// A server that ends with this value.
pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Process {
    /// Starts one at `port`, or at a free one if that is 0.
    pub(crate) fn start(kind: Kind, port: u16, tls: Option<&Certificate>) -> anyhow::Result<Self> {
        let mut command = match kind {
            Kind::Ours => ours(port, tls)?,
            Kind::Bare => bare(port, tls)?,
        };
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {kind}: is it built?"))?;
        let output = child.stdout.take().context("it was asked for")?;
        let (sender, lines) = mpsc::sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, addr)) = line.split_once("://") {
                    // Later lines are for nobody.
                    drop(sender.try_send(addr.to_owned()));
                }
            }
        });
        let Ok(addr) = lines.recv_timeout(START) else {
            drop(child.kill());
            bail!("{kind} does not come up");
        };
        let addr = addr.trim().parse().context("an address is said")?;
        Ok(Self { child, addr })
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status()?;
        anyhow::ensure!(told.success(), "it cannot be told to end");
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "it ended badly: {status}");
        Ok(())
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

    /// How many files it has open.
    pub(crate) fn files(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

/// The real program with all its checks, and limits that nobody reaches. The clients come through a proxy that it believes, each with a
/// public address of its own, since addresses of the loopback are not limited.
fn ours(port: u16, tls: Option<&Certificate>) -> anyhow::Result<Command> {
    let here = std::env::current_exe().context("where is this program?")?;
    // target/release/examples/server-bench
    let folder = here.ancestors().nth(2).context("it is in a folder")?;
    let mut command = Command::new(folder.join("passerby-server"));
    command
        .args(["--listen", &format!("127.0.0.1:{port}"), "--log", "warn"])
        .args(["--relay-port", "0", "--relay-tls-port", "0"])
        .args(["--trust-proxy", "127.0.0.0/8", "--drain", "1"])
        .args(["--max-connections", "1000000"])
        .args(["--max-per-ip", "1000000", "--max-others-per-ip", "1000000"])
        .args(["--max-frames", "100000", "--max-kbytes", "1000000"])
        .args(["--max-nexts", "100000", "--max-nexts-per-ip", "1000000"])
        .args(["--max-handshakes-per-ip", "1000000"])
        // All are newcomers here, and come by the thousand: they would wait for their turn.
        .args(["--work-at", "0", "--work-at-per-ip", "0"]);
    if let Some(tls) = tls {
        command.arg("--tls-cert").arg(&tls.certificate);
        command.arg("--tls-key").arg(&tls.key);
    }
    Ok(command)
}

fn bare(port: u16, tls: Option<&Certificate>) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--serve-bare", &port.to_string()]);
    if let Some(folder) = tls.and_then(|tls| tls.certificate.parent()) {
        command.arg("--certificate").arg(folder);
    }
    Ok(command)
}

/// The soft and the hard limit of open files.
pub(crate) fn file_limits() -> anyhow::Result<(usize, usize)> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let mut words = line
        .context("/proc is unlike Linux's")?
        .split_whitespace()
        .skip(3);
    let mut next = || words.next()?.parse().ok();
    next().zip(next()).context("/proc is unlike Linux's")
}

/// Begins this program again with as many files as it may have, which its children inherit. Returns if it has them.
pub(crate) fn raise_file_limit() -> anyhow::Result<()> {
    let (soft, hard) = file_limits()?;
    if soft >= hard {
        return Ok(());
    }
    let error = Command::new("sh")
        .args(["-c", r#"ulimit -S -n "$(ulimit -H -n)" && exec "$0" "$@""#])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(error).context("cannot raise the limit of files")
}

/// The folder of this program.
pub(crate) fn beside(name: &str) -> anyhow::Result<std::path::PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(Path::new(name)))
}
