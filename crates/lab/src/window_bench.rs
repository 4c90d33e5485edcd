//! What the window costs: until it is there, while nothing moves in it, in a call, and while nobody sees it.
//!
//! Everything is measured from outside: the first picture on the display itself, processor time and memory as the kernel counts
//! them, and the lines that the window logs once a second. The display is the lab's, so OpenGL is drawn by the CPU: where there
//! is a graphics card, all of it costs less.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use headless::measure::process::cpu_time;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat};
use x11rb::rust_connection::RustConnection;

use crate::camera::Size;
use crate::check::Part;
use crate::command::{Running, Unavailable};
use crate::display::Display;
use crate::ffi;
use crate::server::{Server, program};

/// The display, a common laptop's.
const DISPLAY: Size = Size {
    width_px: 1366,
    height_px: 768,
};
/// A window that is drawn has at least so many colours in the strip that is looked at.
const COLOURS: usize = 8;
/// Between two looks at the display.
const LOOK: Duration = Duration::from_millis(2);
/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What has just begun settles for so long before it is measured.
const SETTLE: Duration = Duration::from_secs(5);

/// Goals: the largest values that are good enough.
const FIRST_FRAME_MS: f64 = 500.0;
/// Less than this rounds to nothing.
const IDLE_PERCENT: f64 = 0.5;
/// Hardly ever more often than there is something new.
const PASSES_PER_PICTURE: f64 = 1.1;
const CALL_MB: f64 = 250.0;

/// How the window is measured.
#[derive(Debug, Clone, Args)]
pub struct WindowBenchOptions {
    /// For how many seconds each state is watched.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How often the window is started to see how long that takes.
    #[arg(long, default_value_t = 5)]
    starts: usize,
}

/// Measures, prints a table, and returns 1 if a goal was missed.
///
/// # Errors
/// [`Unavailable`] without a display; else if something cannot be measured.
pub fn run(options: &WindowBenchOptions) -> anyhow::Result<u8> {
    if let Some(reason) = Part::Display.why_impossible() {
        return Err(Unavailable(reason).into());
    }
    ensure!(options.seconds > 0, "--seconds must be at least 1");
    ensure!(options.starts > 0, "--starts must be at least 1");
    let folder = tempfile::Builder::new()
        .prefix("passerby-window")
        .tempdir()?;
    let display = Display::start(DISPLAY)?;
    let server = Server::start(0)?;
    let bench = Bench {
        folder: folder.path().to_owned(),
        display: &display,
        server: &server,
        span: Duration::from_secs(options.seconds),
    };
    let mut rows = vec![bench.starts(options.starts)?];
    rows.push(bench.idle()?);
    rows.extend(bench.call()?);
    Ok(print(&rows))
}

/// A figure and its goal.
#[derive(Debug, PartialEq)]
struct Row {
    what: &'static str,
    /// What was measured, in words.
    figure: String,
    goal: &'static str,
    /// Nothing where there is no goal.
    is_met: Option<bool>,
}

fn print(rows: &[Row]) -> u8 {
    println!("| what | measured | goal | |\n|---|---|---|---|");
    for row in rows {
        let verdict = match row.is_met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        println!(
            "| {} | {} | {} | {verdict} |",
            row.what, row.figure, row.goal
        );
    }
    u8::from(rows.iter().any(|row| row.is_met == Some(false)))
}

struct Bench<'a> {
    folder: PathBuf,
    display: &'a Display,
    server: &'a Server,
    span: Duration,
}

impl Bench<'_> {
    /// From the start of the program to the first picture of its window, again and again.
    fn starts(&self, count: usize) -> anyhow::Result<Row> {
        let screen = Screen::open(self.display.name())?;
        let mut times = Vec::new();
        for _ in 0..count {
            screen.wait(false)?;
            let began = Instant::now();
            let _window = self.window(&NOTHING_MOVES, "start")?;
            screen.wait(true)?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        let middle = times[times.len() / 2];
        let (best, worst) = (times[0], times[times.len() - 1]);
        Ok(Row {
            what: "from the start to the first drawn frame",
            figure: format!("{middle:.0} ms ({best:.0} to {worst:.0}, {count} starts)"),
            goal: "at most 500 ms",
            is_met: Some(middle <= FIRST_FRAME_MS),
        })
    }

    /// In the lobby without camera and microphone nothing moves.
    fn idle(&self) -> anyhow::Result<Row> {
        let window = self.window(&NOTHING_MOVES, "idle")?;
        window.wait("the lobby", |line| line.is("is_signalling_up", "true"))?;
        std::thread::sleep(SETTLE);
        let percent = window.processor_percent(self.span)?;
        Ok(Row {
            what: "processor while nothing moves",
            figure: format!("{percent:.2} % of one core"),
            goal: "0 %",
            is_met: Some(percent < IDLE_PERCENT),
        })
    }

    /// A call, seen and then hidden.
    fn call(&self) -> anyhow::Result<Vec<Row>> {
        let mut stranger = Command::new(program("passerby-headless")?);
        stranger
            .args(["--server", &self.server.url, "--video", "pattern"])
            .args(["--audio", "tone", "--calls", "0", "--quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let _stranger = Running::start_helper(&mut stranger)?;
        let window = self.window(&IN_A_CALL, "call")?;
        window.wait("pictures", |line| line.number("received_fps") > 20.0)?;
        std::thread::sleep(SETTLE);
        let before = window.lines("desktop::drawing").len();
        let seen_percent = window.processor_percent(self.span)?;
        let drawn = &window.lines("desktop::drawing")[before..];
        let sum = |name: &str| drawn.iter().map(|line| line.number(name)).sum::<f64>();
        let (passes, pictures, span_ms) = (sum("passes"), sum("pictures"), sum("span_ms"));
        ensure!(pictures > 0.0, "no picture was drawn in the call");
        let per_second = |count: f64| count * 1000.0 / span_ms;
        let ratio = passes / pictures;
        let memory = window.memory_mb()?;

        Window::minimise(self.display.name())?;
        window.wait("nothing to be received while it is hidden", |line| {
            line.is("state", "connected") && line.is("received_fps", "0")
        })?;
        let before = window.lines("engine::statistics").len();
        let hidden_percent = window.processor_percent(self.span)?;
        let lines = &window.lines("engine::statistics")[before..];
        ensure!(!lines.is_empty(), "the hidden window says nothing");
        let is_connected = lines.iter().all(|line| line.is("state", "connected"));
        ensure!(
            is_connected,
            "the call has ended while the window was hidden"
        );
        let decoded: f64 = lines.iter().map(|line| line.number("received_fps")).sum();
        let is_none = decoded == 0.0;
        Ok(vec![
            Row {
                what: "passes of the window for each new picture, in a call",
                figure: format!(
                    "{ratio:.2} ({:.1} passes and {:.1} pictures a second)",
                    per_second(passes),
                    per_second(pictures)
                ),
                goal: "one",
                is_met: Some(ratio <= PASSES_PER_PICTURE),
            },
            Row {
                what: "memory in a call",
                figure: format!(
                    "{:.0} MB ({:.0} MB its own)",
                    memory.resident, memory.private
                ),
                goal: "at most 250 MB",
                is_met: Some(memory.resident <= CALL_MB),
            },
            Row {
                what: "pictures decoded while the window is hidden",
                figure: format!("{decoded:.0} in {} s", self.span.as_secs()),
                goal: "none",
                is_met: Some(is_none),
            },
            Row {
                what: "processor in a call, and hidden in it",
                figure: format!("{seen_percent:.0} % and {hidden_percent:.0} % of one core"),
                goal: "",
                is_met: None,
            },
        ])
    }

    fn window(&self, arguments: &[&str], name: &str) -> anyhow::Result<Window> {
        let log = self.folder.join(name);
        let mut command = Command::new(program("passerby")?);
        command
            .args(["--server", &self.server.url, "--no-settings", "--agree"])
            .args(arguments)
            .args([
                "--log",
                "info,engine::statistics=debug,desktop::drawing=debug",
            ])
            .envs(self.display.variables())
            .env("LC_ALL", "en_US.UTF-8")
            .env("NO_COLOR", "1")
            // Nobody's session is to be found.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let mut running = Running::start_helper(&mut command)?;
        Ok(Window {
            program: running.child().id(),
            log,
            _running: running,
        })
    }
}

const NOTHING_MOVES: [&str; 6] = ["--video", "none", "--audio", "none", "--speaker", "none"];
const IN_A_CALL: [&str; 8] = [
    "--video",
    "pattern",
    "--audio",
    "tone",
    "--speaker",
    "none",
    "--start",
    "--unveiled",
];

/// A window that is measured.
struct Window {
    program: u32,
    log: PathBuf,
    _running: Running,
}

/// How much memory a process has, in megabytes of a million bytes.
struct Memory {
    /// All of its pages that are in memory, those included that it shares with others.
    resident: f64,
    /// Those that nobody else has.
    private: f64,
}

impl Window {
    /// Waits until the newest line of figures is like this.
    fn wait(&self, what: &str, is_true: impl Fn(&Line) -> bool) -> anyhow::Result<()> {
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
    fn lines(&self, target: &str) -> Vec<Line> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains(target));
        lines.map(Line::read).collect()
    }

    /// The processor time that it takes in `span`, in per cent of one core.
    fn processor_percent(&self, span: Duration) -> anyhow::Result<f64> {
        let used = || cpu_time(self.program).context("the window is gone");
        let (began, before) = (Instant::now(), used()?);
        while began.elapsed() < span {
            if ffi::is_stop_requested() {
                bail!("interrupted");
            }
            std::thread::sleep(Duration::from_millis(50).min(span));
        }
        let used = used()?.saturating_sub(before);
        Ok(used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0)
    }

    fn memory_mb(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.program);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        memory(&text).with_context(|| format!("{path} has no figures"))
    }

    fn minimise(display: &str) -> anyhow::Result<()> {
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
struct Line(BTreeMap<String, String>);

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

    fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|it| it == value)
    }

    /// Zero where there is no such number.
    fn number(&self, name: &str) -> f64 {
        let value = self.0.get(name).and_then(|value| value.parse().ok());
        value.unwrap_or(0.0)
    }
}

/// A display that is looked at.
struct Screen {
    connection: RustConnection,
    root: u32,
}

impl Screen {
    fn open(display: &str) -> anyhow::Result<Self> {
        let (connection, number) = x11rb::connect(Some(display))?;
        let root = connection.setup().roots.get(number);
        let root = root.context("the display has no screen")?.root;
        Ok(Self { connection, root })
    }

    /// Waits until a window is drawn on it, or until none is.
    fn wait(&self, is_drawn: bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_drawn()? != is_drawn {
            ensure!(Instant::now() < deadline, "nothing changes on the display");
            ensure!(!ffi::is_stop_requested(), "interrupted");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether there is more than a bare display in the strip across its middle.
    fn is_drawn(&self) -> anyhow::Result<bool> {
        let (width, height) = (DISPLAY.width_px as u16, DISPLAY.height_px as i16);
        let image = self
            .connection
            .get_image(
                ImageFormat::Z_PIXMAP,
                self.root,
                0,
                height / 2,
                width,
                24,
                !0,
            )?
            .reply()?;
        let mut colours: Vec<&[u8]> = Vec::new();
        for pixel in image.data.chunks_exact(4) {
            if !colours.contains(&pixel) {
                colours.push(pixel);
            }
            if colours.len() >= COLOURS {
                return Ok(true);
            }
        }
        Ok(false)
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
    fn a_missed_goal_is_an_exit_code_and_a_figure_without_one_is_not() {
        let row = |is_met| Row {
            what: "a thing",
            figure: "7".to_owned(),
            goal: "6",
            is_met,
        };
        assert_eq!(print(&[row(None), row(Some(true))]), 0);
        assert_eq!(print(&[row(Some(true)), row(Some(false))]), 1);
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
