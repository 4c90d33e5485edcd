//! What happens in a call, to the millisecond: for measurements that a line a second is too coarse for.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use engine::{Engine, ReportState, SafetyView, SignallingView, Snapshot};
use media::video::{VideoFrame, read_mark};
use serde::{Deserialize, Serialize};

use crate::shots::Shots;

/// How often states are looked at: moments in the file are later by this at most, and shorter states may be left out.
const TURN: Duration = Duration::from_millis(5);

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// When it happened, in milliseconds since the Unix epoch by this machine's clock.
    pub at_ms: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The connection to the signalling server has another state: connecting, connected or away.
    Signalling {
        /// The state's name.
        state: String,
    },
    /// The call has another state: idle, searching, connecting, connected, reconnecting or ended.
    Call {
        /// The state's name.
        state: String,
    },
    /// A report or block has another state: sending, received, or why it has failed.
    Report {
        /// The state, in words.
        state: String,
    },
    /// The server does not want this stranger.
    Banned {
        /// What it says.
        words: String,
    },
    /// A picture of the partner's was shown.
    Picture {
        /// Its number, if the partner shows the test pattern.
        number: Option<u32>,
        /// When it was taken by the partner's clock, in milliseconds since the Unix epoch, if it says so.
        captured_ms: Option<f64>,
    },
    /// The partner's pictures have this size from here on, in pixels.
    Resized {
        /// Across.
        width_px: u32,
        /// Down.
        height_px: u32,
    },
    /// A picture of ours was taken that has a number. Only with `--shots`. This is written down some milliseconds later.
    Captured {
        /// Its number.
        number: u32,
    },
    /// What the screen shows at this moment was copied to the file of `--shots`.
    Shot {
        /// The picture's number, if it has a mark that can be read.
        number: Option<u32>,
        /// Across, in pixels.
        width_px: u32,
        /// Down, in pixels.
        height_px: u32,
        /// Where in the file it begins. Planar 4:2:0.
        offset_bytes: u64,
    },
}

/// A thread that writes down what happens.
#[derive(Debug)]
pub(crate) struct EventRecorder {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl EventRecorder {
    /// Begins to write down what happens to `engine`. Takes its pictures away from whoever else wants them.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn start(
        engine: Arc<Engine>,
        path: &Path,
        shots: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("{} cannot be made", path.display()))?;
        let shots = shots.map(Shots::create).transpose()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("record-events".to_owned())
            .spawn({
                let is_over = Arc::clone(&is_over);
                move || record(&engine, BufWriter::new(file), shots, &is_over)
            })
            .context("no thread to record")?;
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("the file is ended already")?;
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the recorder of events panicked"))?
    }
}

fn record(
    engine: &Engine,
    mut file: BufWriter<File>,
    mut shots: Option<Shots>,
    is_over: &AtomicBool,
) -> anyhow::Result<()> {
    let mut last: (&str, &str) = ("", "");
    let mut last_size = (0, 0);
    let mut last_safety = SafetyView::default();
    while !is_over.load(Ordering::Relaxed) {
        let picture = engine.remote_video().wait(TURN);
        let snapshot = engine.snapshot();
        let now = states(&snapshot);
        if now.0 != last.0 {
            let state = now.0.to_owned();
            write(&mut file, Event::Signalling { state })?;
        }
        if now.1 != last.1 {
            let state = now.1.to_owned();
            write(&mut file, Event::Call { state })?;
        }
        last = now;
        let safety = &snapshot.safety;
        if safety.report != last_safety.report
            && let Some(report) = safety.report
        {
            let state = report_state(report);
            write(&mut file, Event::Report { state })?;
        }
        if safety.ban != last_safety.ban
            && let Some(words) = safety.ban_words()
        {
            write(
                &mut file,
                Event::Banned {
                    words: words.to_string(),
                },
            )?;
        }
        last_safety = safety.clone();
        if let Some(frame) = picture {
            let mark = read_mark(&frame);
            let picture = Event::Picture {
                number: mark.map(|mark| mark.frame_number),
                // A clip has numbers and no times.
                captured_ms: mark
                    .filter(|mark| mark.capture_time_us > 0)
                    .map(|mark| mark.capture_time_us as f64 / 1e3),
            };
            let (width_px, height_px) = (frame.width_px(), frame.height_px());
            if (width_px, height_px) != last_size {
                last_size = (width_px, height_px);
                let resized = Event::Resized {
                    width_px,
                    height_px,
                };
                write(&mut file, resized)?;
            }
            write(&mut file, picture)?;
            if let Some(shots) = &mut shots {
                shots.show(frame);
            }
        }
        if let Some(shots) = &mut shots {
            if let Some(own) = engine.local_video().take() {
                write_captured(&mut file, &own)?;
            }
            if let Some(shot) = shots.take(Instant::now())? {
                write(&mut file, shot)?;
            }
        }
    }
    Ok(())
}

/// A picture of ours, by its number, at the moment when it was taken.
fn write_captured(file: &mut BufWriter<File>, frame: &VideoFrame) -> anyhow::Result<()> {
    match read_mark(frame) {
        Some(mark) => {
            let number = mark.frame_number;
            let at_ms = now_ms() - frame.captured_at().elapsed().as_secs_f64() * 1e3;
            write_at(file, at_ms, Event::Captured { number })
        }
        None => Ok(()),
    }
}

fn report_state(report: ReportState) -> String {
    match report {
        ReportState::Sending => "sending".to_owned(),
        ReportState::Received => "received".to_owned(),
        ReportState::Failed(problem) => problem.to_string(),
    }
}

/// The states of signalling and call, by name.
fn states(snapshot: &Snapshot) -> (&'static str, &'static str) {
    let signalling = match snapshot.signalling {
        SignallingView::Connecting => "connecting",
        SignallingView::Connected { .. } => "connected",
        SignallingView::Away { .. } => "away",
    };
    (signalling, snapshot.call.name())
}

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1e3
}

fn write(file: &mut BufWriter<File>, event: Event) -> anyhow::Result<()> {
    write_at(file, now_ms(), event)
}

fn write_at(file: &mut BufWriter<File>, at_ms: f64, event: Event) -> anyhow::Result<()> {
    let at_ms = (at_ms * 1e3).round() / 1e3;
    serde_json::to_writer(&mut *file, &EventLine { at_ms, event })
        .context("the events cannot be written")?;
    file.write_all(b"\n")?;
    // Whoever follows the file sees each event at once.
    file.flush()?;
    Ok(())
}
