//! A client of the lab: a headless stranger, and what it writes down.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use headless::{Event, EventLine, ReportLine};
use serde::de::DeserializeOwned;

use super::servers::{Servers, tail};
use super::topology::{Network, Side};
use crate::command::{Running, TICK};
use crate::ffi;
use crate::server::program;

/// How long a client may take to end.
const STOP_TIME: Duration = Duration::from_secs(10);

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions<'a> {
    /// How many calls it makes.
    pub calls: u32,
    /// How long a call lasts before it presses Next; without it, until the partner does.
    pub seconds: Option<f64>,
    /// Whether only relayed paths are used.
    pub is_relay_only: bool,
    /// How long it waits for a partner and for the connection.
    pub patience_s: u32,
    /// The size of its test pattern, in pixels.
    pub size_px: (u32, u32),
    /// The most that its pictures may have, in kbit/s.
    pub video_kbps: u32,
    /// The codec that they are to be sent in: auto, h264 or av1.
    pub video_codec: &'a str,
    /// What it sends instead of the test pattern: a `.y4m` file.
    pub pictures: Option<PathBuf>,
    /// Whether it shows the test pattern a second time, as a screen beside the camera.
    pub shares: bool,
    /// What it sends instead of a tone: a `.wav` file.
    pub sound: Option<PathBuf>,
    /// Whether it copies what its screen shows and records what it plays; see [`Client::shots`] and [`Client::heard`].
    pub takes_shots: bool,
}

impl Default for ClientOptions<'_> {
    fn default() -> Self {
        Self {
            calls: 1,
            seconds: None,
            is_relay_only: false,
            patience_s: 20,
            size_px: (320, 240),
            video_kbps: 400,
            video_codec: "auto",
            pictures: None,
            shares: false,
            sound: None,
            takes_shots: false,
        }
    }
}

/// What is logged if nothing else is wanted: beside warnings, what becomes of the connection to the server.
const LOGGED: &str = "warn,engine::signalling=info";

/// A running client. Ended when this is dropped.
#[derive(Debug)]
pub struct Client {
    running: Running,
    log: PathBuf,
    events: Lines<EventLine>,
    reports: Lines<ReportLine>,
    shots: PathBuf,
    heard: PathBuf,
}

impl Client {
    /// Starts a client on one side.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(
        network: &Network,
        servers: &Servers,
        side: Side,
        options: &ClientOptions<'_>,
    ) -> anyhow::Result<Self> {
        let file = |name: &str| network.folder().join(format!("{side:?}.{name}"));
        let (events, stats, log) = (file("events"), file("stats"), file("log"));
        for old in [&events, &stats] {
            // There is none of the first run.
            drop(std::fs::remove_file(old));
        }
        let mut command = network
            .client(side)
            .command(program("passerby-headless")?)?;
        command
            .args(["--server", &servers.url(), "--quiet"])
            .arg("--size")
            .arg(format!("{}x{}", options.size_px.0, options.size_px.1))
            .args(["--video-kbps", &options.video_kbps.to_string()])
            .args(["--video-codec", options.video_codec])
            .args(
                options
                    .shares
                    .then_some(["--share", "pattern"])
                    .into_iter()
                    .flatten(),
            )
            .args(["--calls", &options.calls.to_string()])
            .args(["--patience", &options.patience_s.to_string()])
            .arg("--events")
            .arg(&events)
            .arg("--stats")
            .arg(&stats)
            .env("SSL_CERT_FILE", servers.certificate())
            .env(
                "RUST_LOG",
                std::env::var_os("RUST_LOG").unwrap_or_else(|| LOGGED.into()),
            )
            .stdout(File::create(file("out"))?)
            .stderr(File::create(&log)?);
        if let Some(seconds) = options.seconds {
            command.args(["--seconds", &seconds.to_string()]);
        }
        for (flag, file) in [("--video", &options.pictures), ("--audio", &options.sound)] {
            if let Some(file) = file {
                command.arg(flag).arg(file);
            }
        }
        let (shots, heard) = (file("shots"), file("wav"));
        if options.takes_shots {
            command.arg("--shots").arg(&shots);
            command.arg("--record-audio").arg(&heard);
        }
        if options.is_relay_only {
            command.arg("--relay-only");
        }
        let running = Running::start_helper(&mut command).context("cannot run a client")?;
        Ok(Self {
            running,
            log,
            events: Lines::new(events),
            reports: Lines::new(stats),
            shots,
            heard,
        })
    }

    /// The file into which it copies what its screen shows, if it does.
    pub fn shots(&self) -> &Path {
        &self.shots
    }

    /// The file into which it records what it plays, if it does; whole after [`Client::stop`].
    pub fn heard(&self) -> &Path {
        &self.heard
    }

    /// Copies its events and its statistics to files of this name that end in `.events.jsonl` and `.stats.jsonl`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep(&self, name: &Path) -> anyhow::Result<()> {
        for (file, ending) in [
            (&self.events.path, "events.jsonl"),
            (&self.reports.path, "stats.jsonl"),
        ] {
            let mut kept = name.as_os_str().to_owned();
            kept.push(".");
            kept.push(ending);
            let kept = PathBuf::from(kept);
            std::fs::copy(file, &kept)
                .with_context(|| format!("{} cannot be written", kept.display()))?;
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has. Its files stay.
    ///
    /// # Errors
    /// When it does not end in time, or the lab was interrupted.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        ffi::terminate(self.running.child());
        let code = self.running.wait(STOP_TIME)?;
        code.map(drop).context("a client does not end")
    }

    /// The process.
    pub fn pid(&mut self) -> u32 {
        self.running.child().id()
    }

    /// What has happened so far.
    ///
    /// # Errors
    /// When the file holds something else.
    pub fn events(&mut self) -> anyhow::Result<&[EventLine]> {
        self.events.read()
    }

    /// The lines of statistics so far.
    ///
    /// # Errors
    /// When the file holds something else.
    pub fn reports(&mut self) -> anyhow::Result<&[ReportLine]> {
        self.reports.read()
    }

    /// Whether it has logged this.
    pub fn has_logged(&self, words: &str) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(words))
    }

    /// The last line of statistics of each call so far.
    ///
    /// # Errors
    /// When the file holds something else.
    pub fn calls(&mut self) -> anyhow::Result<Vec<ReportLine>> {
        let mut calls: Vec<ReportLine> = Vec::new();
        for line in self.reports()? {
            match calls.last_mut() {
                Some(last) if last.call == line.call => *last = line.clone(),
                _ => calls.push(line.clone()),
            }
        }
        Ok(calls)
    }

    /// Waits until `found` finds something in what has happened.
    ///
    /// # Errors
    /// When `longest` passes first, or the client ends first.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        longest: Duration,
        mut found: impl FnMut(&[EventLine]) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.wait_until(what, longest, |client| Ok(found(client.events()?)))
    }

    /// Waits until the call of this number, counted from 1, has shown pictures.
    ///
    /// # Errors
    /// See [`Client::wait_for`].
    pub fn wait_for_call(&mut self, number: u32, longest: Duration) -> anyhow::Result<()> {
        self.wait_until("the next call", longest, |client| {
            let shows = |line: &ReportLine| line.call == number && line.frames_decoded > 0;
            Ok(client.reports()?.iter().any(shows).then_some(()))
        })
    }

    /// Waits until a line of statistics, the newest at that time, is so; returns it.
    ///
    /// # Errors
    /// See [`Client::wait_for`].
    pub fn wait_for_report(
        &mut self,
        what: &str,
        longest: Duration,
        is_so: impl Fn(&ReportLine) -> bool,
    ) -> anyhow::Result<ReportLine> {
        self.wait_until(what, longest, |client| {
            Ok(client.reports()?.last().filter(|line| is_so(line)).cloned())
        })
    }

    fn wait_until<T>(
        &mut self,
        what: &str,
        longest: Duration,
        mut found: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + longest;
        loop {
            let has_ended = self.running.exit_code()?;
            if let Some(found) = found(self)? {
                return Ok(found);
            }
            if let Some(code) = has_ended {
                bail!(
                    "waiting for {what}: the client ended with {code}: {}",
                    tail(&self.log)
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{what} did not happen within {longest:?}: {}",
                    tail(&self.log)
                );
            }
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            std::thread::sleep(TICK);
        }
    }

    /// Waits until pictures have been shown for this long in the running call.
    ///
    /// # Errors
    /// See [`Client::wait_for`].
    pub fn wait_for_pictures(&mut self, length: Duration, longest: Duration) -> anyhow::Result<()> {
        let length_ms = length.as_secs_f64() * 1e3;
        self.wait_for("a call with pictures", longest, |events| {
            let mut first = None;
            let mut is_connected = false;
            for line in events {
                match &line.event {
                    Event::Call { state } => {
                        is_connected = state == "connected";
                        first = None;
                    }
                    Event::Picture { .. }
                        if is_connected
                            && line.at_ms - *first.get_or_insert(line.at_ms) >= length_ms =>
                    {
                        return Some(());
                    }
                    _ => {}
                }
            }
            None
        })
    }

    /// The moments at which pictures were shown, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When the file holds something else.
    pub fn pictures_ms(&mut self) -> anyhow::Result<Vec<f64>> {
        let pictures = self.events()?.iter().filter_map(|line| match line.event {
            Event::Picture { .. } => Some(line.at_ms),
            _ => None,
        });
        Ok(pictures.collect())
    }

    /// Waits for the end; returns the exit code, or `None` if `longest` passes first.
    ///
    /// # Errors
    /// When the lab was interrupted.
    pub fn wait(&mut self, longest: Duration) -> anyhow::Result<Option<u8>> {
        self.running.wait(longest)
    }

    /// Whether the client has said this in its log.
    pub fn has_said(&self, words: &str) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(words))
    }

    /// What the client has said at last, for a message.
    pub fn last_words(&self) -> String {
        tail(&self.log)
    }
}

/// Now, in milliseconds since the Unix epoch, as clients write it.
pub(crate) fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}

/// A file of JSON lines that somebody is still writing.
#[derive(Debug)]
struct Lines<T> {
    path: PathBuf,
    /// How much of the file has become lines.
    read_bytes: u64,
    read: Vec<T>,
}

impl<T: DeserializeOwned> Lines<T> {
    const fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            read: Vec::new(),
        }
    }

    fn read(&mut self) -> anyhow::Result<&[T]> {
        for line in new_lines(&self.path, &mut self.read_bytes)?.lines() {
            let line = serde_json::from_str(line)
                .with_context(|| format!("{} holds {line:?}", self.path.display()))?;
            self.read.push(line);
        }
        Ok(&self.read)
    }
}

/// The whole lines that were added to the file.
fn new_lines(path: &Path, read_bytes: &mut u64) -> anyhow::Result<String> {
    // It is made when the client gets there.
    let Ok(mut file) = File::open(path) else {
        return Ok(String::new());
    };
    file.seek(SeekFrom::Start(*read_bytes))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    *read_bytes += text.len() as u64;
    Ok(text)
}
