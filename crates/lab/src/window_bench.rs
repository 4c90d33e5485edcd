//! What the window costs: until it is there, while nothing moves in it, in a call, and while nobody sees it.
//!
//! Everything is measured from outside: the first picture on the display itself, processor time and memory as the kernel counts
//! them, and the lines that the window logs once a second. The display is the lab's, so OpenGL is drawn by the CPU: where there
//! is a graphics card, all of it costs less.

mod screen;
mod window;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;

use crate::camera::Size;
use crate::check::Part;
use crate::command::{Running, Unavailable};
use crate::display::Display;
use crate::server::{Server, program};
use screen::Screen;
use window::{Cost, Window};

/// The display, a common laptop's.
const DISPLAY: Size = Size {
    width_px: 1366,
    height_px: 768,
};
/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What has just begun settles for so long before it is measured.
const SETTLE: Duration = Duration::from_secs(5);
/// And so long where nothing moves: until devices rest that nobody needs.
const SETTLE_TO_REST: Duration = Duration::from_secs(20);

/// Goals: the largest values that are good enough.
const FIRST_FRAME_MS: f64 = 500.0;
/// Less than this rounds to nothing.
const IDLE_PERCENT: f64 = 0.5;
/// A few for the clock, the network and the server, which is asked whether it is there.
const IDLE_WAKES: f64 = 12.0;
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
    /// Another build of the window (`passerby`), whose cost while nothing moves is printed beside this one's.
    #[arg(long)]
    beside: Option<PathBuf>,
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
        beside: options.beside.clone(),
    };
    let mut rows = vec![bench.starts(options.starts)?];
    rows.extend(bench.idle()?);
    rows.push(bench.hidden_lobby()?);
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
    /// Another program that is watched while nothing moves.
    beside: Option<PathBuf>,
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
    fn idle(&self) -> anyhow::Result<Vec<Row>> {
        let cost = self.idle_cost(&program("passerby")?, "idle")?;
        let wakes = cost.wakes_per_second();
        let mut rows = vec![
            Row {
                what: "processor while nothing moves",
                figure: format!("{:.2} % of one core", cost.percent),
                goal: "0 %",
                is_met: Some(cost.percent < IDLE_PERCENT),
            },
            Row {
                what: "wakes while nothing moves",
                figure: cost.describe_wakes(),
                goal: "at most 12 a second",
                is_met: Some(wakes <= IDLE_WAKES),
            },
        ];
        if let Some(beside) = &self.beside {
            let cost = self.idle_cost(beside, "idle-beside")?;
            rows.push(Row {
                what: "the same of the other program",
                figure: format!(
                    "{:.2} % of one core, {}",
                    cost.percent,
                    cost.describe_wakes()
                ),
                goal: "",
                is_met: None,
            });
        }
        Ok(rows)
    }

    fn idle_cost(&self, program: &Path, name: &str) -> anyhow::Result<Cost> {
        let window = self.window_of(program, &NOTHING_MOVES, name)?;
        window.wait("the lobby", |line| line.is("is_signalling_up", "true"))?;
        std::thread::sleep(SETTLE_TO_REST);
        window.cost(self.span)
    }

    /// In a lobby that nobody sees there is nothing to be seen or heard either.
    fn hidden_lobby(&self) -> anyhow::Result<Row> {
        let window = self.window(&PREVIEW, "hidden")?;
        window.wait("the lobby", |line| line.is("is_signalling_up", "true"))?;
        std::thread::sleep(SETTLE);
        let seen = window.cost(self.span)?;
        Window::minimise(self.display.name())?;
        std::thread::sleep(SETTLE_TO_REST);
        let hidden = window.cost(self.span)?;
        Ok(Row {
            what: "processor in a lobby with a preview, and hidden",
            figure: format!(
                "{:.0} % and {:.2} % of one core, with {} when hidden",
                seen.percent,
                hidden.percent,
                hidden.describe_wakes()
            ),
            goal: "0 % when hidden",
            is_met: Some(hidden.percent < IDLE_PERCENT),
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
        let seen_percent = window.cost(self.span)?.percent;
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
        let hidden_percent = window.cost(self.span)?.percent;
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
        self.window_of(&program("passerby")?, arguments, name)
    }

    fn window_of(&self, program: &Path, arguments: &[&str], name: &str) -> anyhow::Result<Window> {
        let log = self.folder.join(name);
        Window::start(program, arguments, log, self.display, self.server)
    }
}

const NOTHING_MOVES: [&str; 6] = ["--video", "none", "--audio", "none", "--speaker", "none"];
const PREVIEW: [&str; 6] = ["--video", "pattern", "--audio", "tone", "--speaker", "none"];
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
