//! A window that runs in a process of its own, and what it costs, as the kernel and its own log tell.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use headless::measure::process::{Sleeper, cpu_time, sleepers};

use super::PATIENCE;
use crate::command::Running;
use crate::display::Display;
use crate::ffi;
use crate::server::Server;

/// So many kinds of threads are told by name, those that wake most often.
const TOLD_THREADS: usize = 4;

/// A window that is measured.
pub(super) struct Window {
    program: u32,
    log: PathBuf,
    _running: Running,
}

/// What a window costs while it is watched.
pub(super) struct Cost {
    /// Processor time, in per cent of one core.
    pub(super) percent: f64,
    /// How often threads of each name wake in a second, those first that wake most often.
    pub(super) wakes: Vec<(String, f64)>,
}

impl Cost {
    /// How often any thread wakes in a second.
    pub(super) fn wakes_per_second(&self) -> f64 {
        self.wakes.iter().map(|(_, wakes)| wakes).sum()
    }

    /// That in words, with those who wake most often.
    pub(super) fn describe_wakes(&self) -> String {
        let told = self.wakes.iter().take(TOLD_THREADS);
        let told: Vec<_> = told
            .filter(|(_, wakes)| *wakes >= 0.05)
            .map(|(name, wakes)| format!("{name} {wakes:.1}"))
            .collect();
        format!(
            "{:.1} a second ({})",
            self.wakes_per_second(),
            told.join(", ")
        )
    }
}

/// How often threads of each name woke in a second. Those that have ended meanwhile are left out.
fn wakes(
    before: &BTreeMap<u32, Sleeper>,
    after: &BTreeMap<u32, Sleeper>,
    seconds: f64,
) -> Vec<(String, f64)> {
    let mut by_name = BTreeMap::<&str, u64>::new();
    for (thread, now) in after {
        let then = before.get(thread).map_or(0, |then| then.sleeps);
        *by_name.entry(&now.name).or_default() += now.sleeps.saturating_sub(then);
    }
    let mut wakes: Vec<_> = by_name
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count as f64 / seconds))
        .collect();
    wakes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    wakes
}

/// How much memory a process has, in megabytes of a million bytes.
pub(super) struct Memory {
    /// All of its pages that are in memory, those included that it shares with others.
    pub(super) resident: f64,
    /// Those that nobody else has.
    pub(super) private: f64,
}

impl Window {
    /// Starts `program` with these arguments, and a log at `log`.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        log: PathBuf,
        display: &Display,
        server: &Server,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["--server", &server.url, "--no-settings", "--agree"])
            .args(arguments)
            .args([
                "--log",
                "info,engine::statistics=debug,desktop::drawing=debug",
            ])
            .envs(display.variables())
            .env("LC_ALL", "en_US.UTF-8")
            .env("NO_COLOR", "1")
            // Nobody's session is to be found.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let started = Running::start_helper(&mut command);
        let mut running = started.with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self {
            program: running.child().id(),
            log,
            _running: running,
        })
    }

    /// Waits until the newest line of figures is like this.
    pub(super) fn wait(&self, what: &str, is_true: impl Fn(&Line) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self
            .lines("engine::statistics")
            .last()
            .is_some_and(&is_true)
        {
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("waited for {what} in vain; the log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// What it logged under this name so far.
    pub(super) fn lines(&self, target: &str) -> Vec<Line> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains(target));
        lines.map(Line::read).collect()
    }

    /// What it costs in `span`.
    pub(super) fn cost(&self, span: Duration) -> anyhow::Result<Cost> {
        let used = || cpu_time(self.program).context("the window is gone");
        let asleep = || sleepers(self.program).context("the window is gone");
        let (began, used_before, asleep_before) = (Instant::now(), used()?, asleep()?);
        while began.elapsed() < span {
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            std::thread::sleep(Duration::from_millis(50).min(span));
        }
        let seconds = began.elapsed().as_secs_f64();
        let used = used()?.saturating_sub(used_before);
        Ok(Cost {
            percent: used.as_secs_f64() / seconds * 100.0,
            wakes: wakes(&asleep_before, &asleep()?, seconds),
        })
    }

    pub(super) fn memory_mb(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.program);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        memory(&text).with_context(|| format!("{path} has no figures"))
    }

    pub(super) fn minimise(display: &str) -> anyhow::Result<()> {
        let status = Command::new("xdotool")
            .args([
                "search",
                "--onlyvisible",
                "--name",
                "^Passerby$",
                "windowminimize",
            ])
            .env("DISPLAY", display)
            .status()
            .context("xdotool")?;
        ensure!(status.success(), "the window cannot be minimised");
        Ok(())
    }
}

/// Reads what the kernel sums up of a process's memory.
fn memory(rollup: &str) -> Option<Memory> {
    let megabytes = |name: &str| {
        let mut lines = rollup.lines();
        let rest = lines.find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 = rest.split_whitespace().next()?.parse().ok()?;
        Some(kilobytes * 1024.0 / 1e6)
    };
    Some(Memory {
        resident: megabytes("Rss:")?,
        private: megabytes("Private_Clean:")? + megabytes("Private_Dirty:")?,
    })
}

/// A line of the log, as names and values.
pub(super) struct Line(BTreeMap<String, String>);

impl Line {
    fn read(line: &str) -> Self {
        let pairs = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let value = |value: &str| value.trim_matches('"').to_owned();
        Self(
            pairs
                .map(|(name, text)| (name.to_owned(), value(text)))
                .collect(),
        )
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|it| it == value)
    }

    /// Zero where there is no such number.
    pub(super) fn number(&self, name: &str) -> f64 {
        let value = self.0.get(name).and_then(|value| value.parse().ok());
        value.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_megabytes_of_a_million_bytes() {
        let rollup = "aaaa-bbbb ---p 00000000 00:00 0 [rollup]\nRss:     200000 kB\nPss: 1 kB\n\
                      Private_Clean:   1000 kB\nPrivate_Dirty:   99000 kB\n";
        let read = memory(rollup).unwrap();
        assert!((read.resident - 204.8).abs() < 1e-9, "{}", read.resident);
        assert!((read.private - 102.4).abs() < 1e-9, "{}", read.private);
        assert!(memory("nothing").is_none());
    }

    #[test]
    fn wakes_are_summed_by_name_and_counted_from_the_first_look_on() {
        let of = |threads: &[(u32, &str, u64)]| -> BTreeMap<u32, Sleeper> {
            let sleeper = |&(number, name, sleeps): &(u32, &str, u64)| {
                let name = name.to_owned();
                (number, Sleeper { name, sleeps })
            };
            threads.iter().map(sleeper).collect()
        };
        let before = of(&[(1, "passerby", 100), (2, "engine", 50), (3, "gone", 7)]);
        let after = of(&[(1, "passerby", 100), (2, "engine", 60), (4, "engine", 10)]);
        let wakes = wakes(&before, &after, 2.0);
        assert_eq!(
            wakes,
            [("engine".to_owned(), 10.0), ("passerby".to_owned(), 0.0)]
        );
        let cost = Cost {
            percent: 0.0,
            wakes,
        };
        assert_eq!(cost.describe_wakes(), "10.0 a second (engine 10.0)");
    }

    #[test]
    fn a_line_of_figures_is_read_by_its_names() {
        let line =
            Line::read(r#"12:00 DEBUG engine::statistics: state="connected" received_fps=29.5"#);
        assert!(line.is("state", "connected") && !line.is("state", "idle"));
        assert!((line.number("received_fps") - 29.5).abs() < 1e-9);
        assert!(line.number("nothing").abs() < 1e-9);
    }
}
