//! A real `passerby-server` on this machine.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::command::Running;

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A signalling server, until this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) url: String,
    _process: Running,
}

impl Server {
    /// Starts it on this port, or on a free one if that is 0.
    ///
    /// # Errors
    /// If it is not built or does not come up.
    pub(crate) fn start(port: u16) -> anyhow::Result<Self> {
        let mut command = Command::new(program("passerby-server")?);
        command
            .args([
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--relay-port",
                "0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Running::start_helper(&mut command)?;
        let output = process.child().stdout.take().context("it is piped")?;
        let (sender, lines) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("listening on ") {
                    // Nobody waits any more if it took too long.
                    sender.try_send(url.trim().to_owned()).ok();
                }
            }
        });
        let url = lines
            .recv_timeout(PATIENCE)
            .context("the server does not come up")?;
        Ok(Self {
            url,
            _process: process,
        })
    }

    /// The port at which it listens.
    pub(crate) fn port(&self) -> anyhow::Result<u16> {
        let authority = self.url.trim_end_matches('/');
        let port = authority.rsplit(':').next().context("a URL with a port")?;
        Ok(port.parse()?)
    }
}

/// Where cargo has put a program of the workspace: beside this one, or beside the folder of this test.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("cannot find myself")?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built: cargo build --workspace --bins"))
}
