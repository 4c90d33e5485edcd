//! The window on the screen: carries snapshots and pictures from the engine to [`Window`], and wishes back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use eframe::{CreationContext, Frame};
use egui::{Context, Ui, UserAttentionType, ViewportCommand, ViewportId};
use engine::{Command, Config, Engine, EngineError, Snapshot};

use crate::actions::{self, Action};
use crate::connection_check::Checker;
use crate::drawing::Drawing;
use crate::instance::Instance;
use crate::keep_awake::{self, KeepAwake};
use crate::log_tail::LogTail;
use crate::mini::Mini;
use crate::planes::{Render, Renderer};
use crate::settings::Settings;
use crate::state::WindowState;
use crate::text::Language;
use crate::theme;
use crate::window::Window;

/// How long what is new may wait while nobody sees the window: it is kept in mind, and not drawn.
const HIDDEN_WAKE: Duration = Duration::from_millis(500);

/// What the window starts with.
#[derive(Debug)]
pub struct Launch {
    /// What the engine starts with.
    pub config: Config,
    /// What the person likes to talk about.
    pub interests: Vec<String>,
    /// Whether to look for somebody at once, or as soon as the rules are agreed to.
    pub is_searching: bool,
    /// Whether the rules were agreed to on the command line, for this run.
    pub has_agreed: bool,
    /// What is remembered so far.
    pub settings: Settings,
    /// Where it is remembered; nowhere if there is no such place.
    pub settings_path: Option<PathBuf>,
    /// Where settings that could not be read were put.
    pub set_aside: Option<PathBuf>,
    /// Who turns pictures into colours.
    pub render: Render,
    /// The newest lines of the log.
    pub log: LogTail,
    /// The place of the only window, if it is held.
    pub instance: Option<Instance>,
    /// The link that the program was given.
    pub link: Option<String>,
}

/// The application, as eframe drives it.
pub struct App {
    engine: Arc<Engine>,
    snapshot: Arc<Snapshot>,
    window: Window,
    /// Where it is drawn, for the threads that wake it.
    screen: Screen,
    render: Render,
    /// Whether the window is minimised or covered, for the threads that wake it.
    is_hidden: Arc<AtomicBool>,
    /// Whether the engine takes it that somebody sees a window.
    is_seen: bool,
    /// The mini window, while there is one.
    mini: Option<Arc<Mutex<Mini>>>,
    /// The same, for the threads that wake it.
    has_mini: Arc<AtomicBool>,
    checker: Checker,
    keep_awake: KeepAwake,
    drawing: Drawing,
    settings: Settings,
    settings_path: Option<PathBuf>,
    /// The newest link that the program was given, at its start or later, and that is not shown yet.
    link: Arc<Mutex<Option<String>>>,
    /// Held for as long as the window is there.
    _instance: Option<Instance>,
}

/// The egui context of the window that there is. It is another one after a graphics card was lost.
#[derive(Clone)]
struct Screen(Arc<Mutex<Context>>);

impl Screen {
    fn new(ctx: &Context) -> Self {
        Self(Arc::new(Mutex::new(ctx.clone())))
    }

    fn ctx(&self) -> Context {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, ctx: &Context) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ctx.clone();
    }
}

impl App {
    /// Starts the engine and the window.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot start.
    pub fn new(creation: &CreationContext<'_>, launch: Launch) -> Result<Self, EngineError> {
        let mut state = WindowState::new(launch.config.server.clone(), launch.interests);
        let screen = Screen::new(&creation.egui_ctx);
        let is_hidden = Arc::<AtomicBool>::default();
        let has_mini = Arc::<AtomicBool>::default();
        let wake = {
            let (is_hidden, has_mini) = (Arc::clone(&is_hidden), Arc::clone(&has_mini));
            let screen = screen.clone();
            move || {
                let ctx = screen.ctx();
                // `request_repaint` asks for two passes, which doubles the work of every picture; this asks for one.
                let delay = if is_hidden.load(Ordering::Relaxed) {
                    HIDDEN_WAKE
                } else {
                    Duration::from_nanos(1)
                };
                ctx.request_repaint_after(delay);
                if has_mini.load(Ordering::Relaxed) {
                    ctx.request_repaint_after_for(Duration::from_nanos(1), Mini::viewport());
                }
            }
        };
        let link = Arc::new(Mutex::new(launch.link));
        if let Some(instance) = &launch.instance {
            let screen = screen.clone();
            let slot = Arc::clone(&link);
            let knocked = move |link: Option<String>| {
                if link.is_some() {
                    *lock(&slot) = link;
                }
                raise(&screen.ctx());
            };
            if let Err(error) = instance.on_knock(knocked) {
                tracing::warn!(%error, "a second start will not find this window");
            }
        }
        let checker = Checker::new(wake.clone());
        let engine = Arc::new(Engine::start(launch.config, wake)?);
        let snapshot = engine.snapshot();
        state.preferences.clone_from(&launch.settings.window);
        state.system_language = language_of_system();
        state.log = launch.log;
        let path = launch.settings_path.as_deref();
        state.settings_file = path.map(|path| path.display().to_string());
        let aside = launch.set_aside.as_deref();
        state.settings_set_aside = aside.map(|path| path.display().to_string());
        state.is_welcome_open = !launch.has_agreed && !state.preferences.has_agreed();
        state.starts_when_agreed = launch.is_searching;
        if launch.is_searching && !state.is_welcome_open {
            let mut commands = Vec::new();
            Action::Start.perform(&snapshot, &mut state, &mut commands);
            for command in commands {
                engine.send(command);
            }
        }
        let mut app = Self {
            engine,
            snapshot,
            window: Window::new(state),
            screen,
            render: launch.render,
            is_hidden,
            is_seen: true,
            mini: None,
            has_mini,
            checker,
            keep_awake: KeepAwake::default(),
            drawing: Drawing::default(),
            settings: launch.settings,
            settings_path: launch.settings_path,
            link,
            _instance: launch.instance,
        };
        app.move_to(creation);
        Ok(app)
    }

    /// Goes on in a window that has just been made.
    pub fn move_to(&mut self, creation: &CreationContext<'_>) {
        theme::apply(&creation.egui_ctx);
        self.screen.set(&creation.egui_ctx);
        self.window.begin_anew();
        // If it is wanted, it is opened with the first pass.
        self.mini = None;
        let gl = creation.gl.as_ref();
        if let Some(renderer) = gl.and_then(|gl| Renderer::of(self.render, gl)) {
            self.window.pictures.draw_with(&renderer);
        }
    }

    fn carry_out(&mut self, command: Command) {
        if self.settings.note(&command) {
            self.remember();
        }
        self.engine.send(command);
    }

    fn remember(&self) {
        if let Some(path) = &self.settings_path
            && let Err(error) = self.settings.save(path)
        {
            tracing::warn!(%error, "the settings cannot be saved");
        }
    }
}

impl App {
    /// Takes note of what has become of the mini window, which is drawn by itself.
    fn follow_mini(&mut self, ctx: &Context) {
        let Some(mini) = &self.mini else {
            return;
        };
        let mut mini = lock(mini);
        mini.follow(&self.window.state.preferences);
        let is_left = ctx.input(|input| {
            let viewport = input.raw.viewports.get(&Mini::viewport());
            viewport.is_none_or(|viewport| viewport.focused == Some(false))
        });
        if is_left && let Some(command) = mini.let_go() {
            self.engine.send(command);
        }
        self.window.mini_px = mini.stranger_px();
        if !mini.is_open() {
            self.window.state.is_mini_open = false;
            if mini.wants_main() {
                raise(ctx);
            }
        }
        drop(mini);
        if !self.window.state.is_mini_open {
            self.has_mini.store(false, Ordering::Relaxed);
            self.window.mini_px = None;
            self.mini = None;
        }
    }

    /// Keeps the mini window there, if it is wanted.
    fn show_mini(&mut self, ctx: &Context) {
        if !self.window.state.is_mini_open {
            return;
        }
        let picture = &self.window.pictures.remote;
        let mini = self
            .mini
            .get_or_insert_with(|| Arc::new(Mutex::new(Mini::new(picture.clone()))));
        // The engine ends with the main window, whatever egui still holds of this one.
        let (mini, engine) = (Arc::clone(mini), Arc::downgrade(&self.engine));
        ctx.show_viewport_deferred(Mini::viewport(), Mini::builder(), move |ui, _| {
            if let Some(engine) = engine.upgrade() {
                mini_ui(ui, &engine, &mut lock(&mini));
            }
        });
        self.has_mini.store(true, Ordering::Relaxed);
    }
}

impl App {
    /// A line a second, while something is drawn, for those who watch a program from outside (`cargo xtask bench --window`).
    fn count_drawing(&mut self, ctx: &Context, pictures: u32) {
        let passes = ctx.cumulative_pass_nr();
        if let Some(drawn) = self.drawing.note(pictures, passes, Instant::now()) {
            tracing::debug!(
                target: "desktop::drawing",
                span_ms = drawn.span.as_millis(),
                passes = drawn.passes,
                pictures = drawn.pictures,
            );
        }
    }
}

/// The language of the system, or English if the window does not speak it.
fn language_of_system() -> Language {
    actions::language().map_or_else(Language::default, |tag| Language::of_tag(&tag))
}

/// Brings the main window to the front.
fn raise(ctx: &Context) {
    ctx.send_viewport_cmd_to(ViewportId::ROOT, ViewportCommand::Minimized(false));
    ctx.send_viewport_cmd_to(ViewportId::ROOT, ViewportCommand::Focus);
    ctx.request_repaint_of(ViewportId::ROOT);
}

/// Draws the mini window. Runs also while the main window is hidden and runs nothing but its logic.
fn mini_ui(ui: &mut Ui, engine: &Engine, mini: &mut Mini) {
    let snapshot = engine.snapshot();
    if let Some(frame) = engine.remote_video().take() {
        mini.show_remote(ui, &snapshot, frame);
    }
    for command in mini.ui(ui, &snapshot, Instant::now()) {
        engine.send(command);
    }
    if !mini.is_open() {
        // The main window lets go of it in its next pass, for which it may have to be seen first.
        ui.ctx().send_viewport_cmd(ViewportCommand::Visible(false));
        ui.ctx().request_repaint_of(ViewportId::ROOT);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl eframe::App for App {
    /// Runs for a hidden window too.
    fn logic(&mut self, ctx: &Context, _: &mut Frame) {
        let is_hidden = ctx.input(|input| input.viewport().visible() == Some(false));
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
        self.follow_mini(ctx);
        let is_seen = !is_hidden || self.mini.is_some();
        if std::mem::replace(&mut self.is_seen, is_seen) != is_seen {
            self.engine.send(Command::SetSeen(is_seen));
        }
        if is_hidden && let Some(command) = self.window.shown_size(true) {
            self.carry_out(command);
        }
        self.snapshot = self.engine.snapshot();
        self.window.state.time_of_day = SystemTime::now();
        self.window.observe(&self.snapshot, Instant::now());
        if let Some(link) = lock(&self.link).take() {
            self.window.state.open_link(&link, Instant::now());
        }
        self.keep_awake.set(keep_awake::is_wanted(&self.snapshot));
        let is_focused = ctx.input(|input| input.viewport().focused == Some(true));
        let is_left = ctx.input(|input| input.viewport().focused == Some(false));
        if (is_hidden || is_left)
            && let Some(command) = self.window.let_go()
        {
            self.carry_out(command);
        }
        if self.window.state.take_attention(is_focused) {
            let request = ViewportCommand::RequestUserAttention(UserAttentionType::Informational);
            ctx.send_viewport_cmd_to(ViewportId::ROOT, request);
        }
        if let Some(outcome) = self.checker.take() {
            self.window.state.end_check(outcome);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut Frame) {
        // Pictures are taken here and not in `logic`: while nobody sees the window they need not be converted.
        let mut pictures = 0;
        if let Some(frame) = self.engine.remote_screen().take() {
            pictures += 1;
            self.window
                .show_remote_screen(ui.ctx(), &self.snapshot, frame);
        }
        if let Some(frame) = self.engine.local_screen().take() {
            pictures += 1;
            self.window
                .show_local_screen(ui.ctx(), &self.snapshot, frame);
        }
        if let Some(frame) = self.engine.remote_video().take() {
            pictures += 1;
            self.window.show_remote(ui.ctx(), &self.snapshot, frame);
        }
        if let Some(frame) = self.engine.local_video().take() {
            pictures += 1;
            self.window.show_local(ui.ctx(), &self.snapshot, frame);
        }
        if let Some(previews) = self.engine.previews().take() {
            self.window.show_previews(ui.ctx(), &previews);
        }
        for command in self.window.ui(ui, &self.snapshot, Instant::now()) {
            self.carry_out(command);
        }
        if let Some(command) = self.window.shown_size(false) {
            self.carry_out(command);
        }
        self.show_mini(ui.ctx());
        if self.settings.note_window(&self.window.state.preferences) {
            self.remember();
        }
        self.count_drawing(ui.ctx(), pictures);
        if let Some(question) = self.window.state.take_question(&self.snapshot) {
            self.checker.start(question);
        }
    }
}
