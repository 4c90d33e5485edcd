//! The window on the screen: carries snapshots and pictures from the engine to [`Window`], and wishes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eframe::{CreationContext, Frame};
use egui::{Context, Ui};
use engine::{Command, Config, Engine, EngineError, Snapshot};

use crate::actions::Action;
use crate::connection_check::Checker;
use crate::settings::Settings;
use crate::state::WindowState;
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
}

/// The application, as eframe drives it.
pub struct App {
    engine: Engine,
    snapshot: Arc<Snapshot>,
    window: Window,
    /// Whether the window is minimised or covered, for the threads that wake it.
    is_hidden: Arc<AtomicBool>,
    checker: Checker,
    settings: Settings,
    settings_path: Option<PathBuf>,
}

impl App {
    /// Starts the engine and the window.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot start.
    pub fn new(creation: &CreationContext<'_>, launch: Launch) -> Result<Self, EngineError> {
        theme::apply(&creation.egui_ctx);
        let mut state = WindowState::new(launch.config.server.clone(), launch.interests);
        let ctx = creation.egui_ctx.clone();
        let is_hidden = Arc::<AtomicBool>::default();
        let wake = {
            let is_hidden = Arc::clone(&is_hidden);
            move || {
                // `request_repaint` asks for two passes, which doubles the work of every picture; this asks for one.
                let delay = if is_hidden.load(Ordering::Relaxed) {
                    HIDDEN_WAKE
                } else {
                    Duration::from_nanos(1)
                };
                ctx.request_repaint_after(delay);
            }
        };
        let checker = Checker::new(wake.clone());
        let engine = Engine::start(launch.config, wake)?;
        let snapshot = engine.snapshot();
        state.preferences.clone_from(&launch.settings.window);
        let path = launch.settings_path.as_deref();
        state.settings_file = path.map(|path| path.display().to_string());
        state.is_welcome_open = !launch.has_agreed && !state.preferences.has_agreed();
        state.starts_when_agreed = launch.is_searching;
        if launch.is_searching && !state.is_welcome_open {
            let mut commands = Vec::new();
            Action::Start.perform(&snapshot, &mut state, &mut commands);
            for command in commands {
                engine.send(command);
            }
        }
        let window = Window::new(state);
        Ok(Self {
            engine,
            snapshot,
            window,
            is_hidden,
            checker,
            settings: launch.settings,
            settings_path: launch.settings_path,
        })
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

impl eframe::App for App {
    /// Runs for a hidden window too.
    fn logic(&mut self, ctx: &Context, _: &mut Frame) {
        let is_hidden = ctx.input(|input| input.viewport().visible() == Some(false));
        self.is_hidden.store(is_hidden, Ordering::Relaxed);
        if is_hidden && let Some(command) = self.window.shown_size(true) {
            self.carry_out(command);
        }
        self.snapshot = self.engine.snapshot();
        self.window.observe(&self.snapshot, Instant::now());
        if let Some(outcome) = self.checker.take() {
            self.window.state.end_check(outcome);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut Frame) {
        // Pictures are taken here and not in `logic`: while nobody sees the window they need not be converted.
        if let Some(frame) = self.engine.remote_video().take() {
            self.window.show_remote(ui.ctx(), &self.snapshot, &frame);
        }
        if let Some(frame) = self.engine.local_video().take() {
            self.window.show_local(ui.ctx(), &self.snapshot, &frame);
        }
        for command in self.window.ui(ui, &self.snapshot, Instant::now()) {
            self.carry_out(command);
        }
        if let Some(command) = self.window.shown_size(false) {
            self.carry_out(command);
        }
        if self.settings.note_window(&self.window.state.preferences) {
            self.remember();
        }
        if let Some(question) = self.window.state.take_question(&self.snapshot) {
            self.checker.start(question);
        }
    }
}
