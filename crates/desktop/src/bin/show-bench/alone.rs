//! One window that shows pictures, and what it takes.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use desktop::pictures::Source;
use desktop::planes::{Render, Renderer};
use desktop::window::Window;
use egui::ViewportCommand;
use engine::Snapshot;
use media::Newest;
use media::video::{TestPattern, VideoFrame};

use crate::Figures;
use crate::scenes::SCENES;

const PICTURES_PER_SECOND: u32 = 30;
/// So many different pictures come in turn; they are drawn beforehand, since that is not what is measured.
const PICTURES: u32 = 12;
/// Until then windows open, fonts are read and shaders compiled.
const WARM_UP: Duration = Duration::from_secs(2);
/// A window that does not come to an end by itself is given up after that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u32, pub(crate) u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sides = text.split_once('x');
        let side = |text: &str| {
            let side: u32 = text.parse().ok()?;
            let sides = TestPattern::MIN_SIDE_PX..=VideoFrame::MAX_SIDE_PX;
            (side.is_multiple_of(2) && sides.contains(&side)).then_some(side)
        };
        sides
            .and_then(|(width, height)| Some(Self(side(width)?, side(height)?)))
            .ok_or_else(|| {
                format!(
                    "a size is like 640x480, its sides even and from {} to {}",
                    TestPattern::MIN_SIDE_PX,
                    VideoFrame::MAX_SIDE_PX
                )
            })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.0, self.1)
    }
}

/// Opens the window, and closes it after that many seconds.
pub(crate) fn measure(size: Size, way: Render, seconds: u32) -> anyhow::Result<Figures> {
    let started = Instant::now();
    let figures = Arc::new(Mutex::new(None));
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default().with_inner_size([1120.0, 720.0]),
        renderer: eframe::Renderer::Glow,
        dithering: false,
        ..eframe::NativeOptions::default()
    };
    let result = Arc::clone(&figures);
    let opened = eframe::run_native(
        "Passerby show-bench",
        options,
        Box::new(move |creation| {
            let seconds = Duration::from_secs(u64::from(seconds));
            Ok(Box::new(Show::new(
                creation, size, way, started, seconds, result,
            )))
        }),
    );
    if let Err(error) = opened {
        bail!("there is no window: {error}");
    }
    let taken = figures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    taken.context("the window was closed before it was measured")
}

struct Show {
    window: Window,
    snapshot: Snapshot,
    slot: Arc<Newest<Arc<VideoFrame>>>,
    is_over: Arc<AtomicBool>,
    started: Instant,
    seconds: Duration,
    first_pass: Option<Duration>,
    /// Since the warm-up.
    begun: Option<Begun>,
    passes: u32,
    pictures: u32,
    figures: Arc<Mutex<Option<Figures>>>,
}

struct Begun {
    at: Instant,
    cpu: Cpu,
    passes: u32,
    pictures: u32,
}

impl Show {
    fn new(
        creation: &eframe::CreationContext<'_>,
        Size(width_px, height_px): Size,
        way: Render,
        started: Instant,
        seconds: Duration,
        figures: Arc<Mutex<Option<Figures>>>,
    ) -> Self {
        desktop::theme::apply(&creation.egui_ctx);
        let now = Instant::now();
        let scene = SCENES.iter().find(|scene| scene.name == "call");
        let scene = scene.expect("there is a scene of a call");
        let snapshot = scene.snapshot(now);
        let window = scene.window(&creation.egui_ctx, now);
        let gl = creation.gl.as_ref();
        if let Some(renderer) = gl.and_then(|gl| Renderer::of(way, gl)) {
            window.pictures.draw_with(&renderer);
        }
        let slot = Arc::<Newest<Arc<VideoFrame>>>::default();
        let is_over = Arc::<AtomicBool>::default();
        let pattern = TestPattern::new(width_px, height_px);
        let pictures: Vec<_> = (0..PICTURES)
            .map(|number| Arc::new(pattern.draw(number * 10, 0, now)))
            .collect();
        std::thread::spawn({
            let (slot, is_over) = (Arc::clone(&slot), Arc::clone(&is_over));
            let ctx = creation.egui_ctx.clone();
            move || {
                let begun = Instant::now();
                for (number, picture) in (1..).zip(pictures.iter().cycle()) {
                    let due = begun + Duration::from_secs(1) / PICTURES_PER_SECOND * number;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    if is_over.load(Ordering::Relaxed) || begun.elapsed() > seconds + PATIENCE {
                        return;
                    }
                    slot.put(Arc::clone(picture));
                    // As the engine does: one pass for each.
                    ctx.request_repaint_after(Duration::from_nanos(1));
                }
            }
        });
        Self {
            window,
            snapshot,
            slot,
            is_over,
            started,
            seconds,
            first_pass: None,
            begun: None,
            passes: 0,
            pictures: 0,
            figures,
        }
    }

    fn measure(&mut self, ctx: &egui::Context, now: Instant) {
        let Some(begun) = &self.begun else {
            if now.saturating_duration_since(self.started) > WARM_UP {
                self.begun = Some(Begun {
                    at: now,
                    cpu: Cpu::now(),
                    passes: self.passes,
                    pictures: self.pictures,
                });
            }
            return;
        };
        let length = now.saturating_duration_since(begun.at);
        if length < self.seconds || self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let seconds = length.as_secs_f64();
        let cpu = Cpu::now();
        let way = match self.window.pictures.remote.get() {
            Some((Source::Planes(_), _)) => Render::Planes,
            Some((Source::Texture(_), _)) | None => Render::Rgba,
        };
        let figures = Figures {
            way: way.to_string(),
            seconds,
            cpu: (cpu.all_ns - begun.cpu.all_ns) / 1e9 / seconds,
            main_cpu: (cpu.main_ns - begun.cpu.main_ns) / 1e9 / seconds,
            pictures: f64::from(self.pictures - begun.pictures) / seconds,
            passes: f64::from(self.passes - begun.passes) / seconds,
            memory_mb: resident_bytes().unwrap_or_default() / 1e6,
            first_pass_ms: self.first_pass.unwrap_or_default().as_secs_f64() * 1e3,
        };
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = Some(figures);
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }
}

impl eframe::App for Show {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let now = Instant::now();
        // That of the second pass: by then the first one was drawn.
        if self.passes == 1 {
            self.first_pass = Some(now.saturating_duration_since(self.started));
        }
        self.passes += 1;
        self.window.observe(&self.snapshot, now);
        if let Some(picture) = self.slot.take() {
            self.pictures += 1;
            self.window.show_remote(ui.ctx(), &self.snapshot, picture);
        }
        self.window.ui(ui, &self.snapshot, now);
        self.measure(ui.ctx(), now);
    }
}

/// What the threads of this process have used so far, in nanoseconds.
struct Cpu {
    all_ns: f64,
    main_ns: f64,
}

impl Cpu {
    fn now() -> Self {
        let of_thread = |path: &std::path::Path| {
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        };
        let tasks = std::fs::read_dir("/proc/self/task").ok();
        let tasks = tasks.into_iter().flatten().flatten();
        let main = format!("/proc/self/task/{}", std::process::id());
        Self {
            all_ns: tasks.filter_map(|task| of_thread(&task.path())).sum(),
            main_ns: of_thread(std::path::Path::new(&main)).unwrap_or_default(),
        }
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let resident = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}
