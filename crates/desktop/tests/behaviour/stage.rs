//! A window without an engine and without pixels, and what a person does to it.

use std::time::Instant;

use desktop::state::WindowState;
use desktop::window::Window;
use egui::{Event, Key, Modifiers, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{Command, Snapshot};

use crate::scenes;

/// A window, what it shows, and what the person asked for so far.
pub(crate) struct Stage {
    pub(crate) window: Window,
    pub(crate) snapshot: Snapshot,
    pub(crate) now: Instant,
    pub(crate) commands: Vec<Command>,
}

impl Stage {
    pub(crate) fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }
}

pub(crate) fn stage(snapshot: Snapshot, now: Instant) -> Harness<'static, Stage> {
    let window = Window::new(WindowState::new("ws://old.example".to_owned(), Vec::new()));
    let stage = Stage {
        window,
        snapshot,
        now,
        commands: Vec::new(),
    };
    let mut harness = Harness::builder()
        .with_size(Vec2::new(960.0, 600.0))
        .with_context_setup(desktop::theme::apply)
        .allow_missing_glyphs()
        .build_ui_state(
            |ui, stage: &mut Stage| {
                stage.window.observe(&stage.snapshot, stage.now);
                let commands = stage.window.ui(ui, &stage.snapshot, stage.now);
                stage.commands.extend(commands);
            },
            stage,
        );
    harness.run();
    harness
}

pub(crate) fn in_lobby() -> Harness<'static, Stage> {
    let now = Instant::now();
    stage(scenes::lobby(now), now)
}

pub(crate) fn in_call() -> Harness<'static, Stage> {
    let now = Instant::now();
    stage(scenes::call(now), now)
}

pub(crate) fn press(harness: &mut Harness<'_, Stage>, key: Key) -> Vec<Command> {
    harness.key_press(key);
    harness.run();
    harness.state_mut().take()
}

pub(crate) fn click(harness: &mut Harness<'_, Stage>, name: &str) -> Vec<Command> {
    harness.get_by_label(name).click();
    harness.run();
    harness.state_mut().take()
}

pub(crate) fn hold(
    harness: &mut Harness<'_, Stage>,
    key: Key,
    modifiers: Modifiers,
    repeats: usize,
) -> Vec<Command> {
    for repeat in 0..=repeats {
        harness.event(Event::Key {
            key,
            physical_key: None,
            pressed: true,
            repeat: repeat > 0,
            modifiers,
        });
        harness.run();
    }
    harness.event(Event::Key {
        key,
        physical_key: None,
        pressed: false,
        repeat: false,
        modifiers,
    });
    harness.run();
    harness.state_mut().take()
}
