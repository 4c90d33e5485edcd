//! The programs that are measured, and the files that they write.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use headless::ReportLine;

/// A folder for statistics and recordings that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("call-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).context("no folder for the recordings")?;
        Ok(Self(path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A process that is killed when it is dropped.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self(command.spawn().with_context(|| {
            format!("{} cannot be started", command.get_program().display())
        })?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self, longest: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "a peer failed: {status}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "a peer did not end in time");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Where this program lies, and others beside it.
pub(crate) fn our_folder() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().context("the bench lies in no folder")?;
    Ok(folder.to_owned())
}

/// A program of that folder.
pub(crate) fn program_in(folder: &Path, name: &str) -> Command {
    Command::new(folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// The server, and the URL that it listens at.
pub(crate) fn start_server() -> anyhow::Result<(Process, String)> {
    let mut command = program_in(&our_folder()?, "passerby-server");
    command
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Process::start(&mut command)?;
    let output = server.0.stdout.take().context("the server has no output")?;
    for line in BufReader::new(output).lines() {
        if let Some(url) = line?.strip_prefix("listening on ") {
            return Ok((server, url.trim().to_owned()));
        }
    }
    bail!("the server did not say where it listens")
}

/// A stranger that writes its statistics down.
pub(crate) fn peer(url: &str, stats: &Path) -> anyhow::Result<Command> {
    let mut command = program_in(&our_folder()?, "passerby-headless");
    command
        .args(["--server", url, "--quiet", "--stats"])
        .arg(stats);
    command.stdout(Stdio::null());
    Ok(command)
}

/// What it wrote.
pub(crate) fn lines(stats: &Path) -> anyhow::Result<Vec<ReportLine>> {
    let text = std::fs::read_to_string(stats).context("there are no statistics")?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}
