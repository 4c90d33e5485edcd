//! What every screen looks like.
//!
//! The pictures are kept in `tests/snapshots`. After a wanted change, renew them with
//! `UPDATE_SNAPSHOTS=1 cargo test -p desktop --test screens` and look at each one before it is committed.
//!
//! They are drawn by Mesa's software Vulkan (Debian: `mesa-vulkan-drivers`), so that every machine draws the same. Other
//! systems have other drivers and are not compared.
#![cfg(target_os = "linux")]

#[path = "made_up/scenes.rs"]
mod scenes;

use std::time::Instant;

use desktop::mini::Mini;
use desktop::pictures::Picture;
use desktop::preferences::Colors;
use desktop::text::Language;
use egui::Vec2;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use scenes::{SCENES, Scene};

const WIDE: Vec2 = Vec2::new(960.0, 600.0);
const NARROW: Vec2 = Vec2::new(400.0, 720.0);
/// The scenes that are light, if that is wanted.
const LIGHT: [&str; 9] = [
    "first-run",
    "lobby",
    "lobby-devices-in-trouble",
    "lobby-no-server",
    "check-strict",
    "settings-appearance",
    "settings-audio-video",
    "settings-shortcuts-changed",
    "after-call",
];
/// The scenes with the most words.
const LONGER: [&str; 11] = [
    "first-run",
    "lobby",
    "lobby-devices-in-trouble",
    "check-strict",
    "searching",
    "veil-down",
    "call-statistics",
    "call-diagnostics",
    "call-report",
    "ended-partner-left",
    "settings-audio-video",
];

#[test]
fn every_screen_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for scene in &SCENES {
        results.add(picture(scene, None, WIDE, scene.name.to_owned()));
    }
    results.unwrap();
}

#[test]
fn every_screen_looks_as_it_did_in_a_narrow_window() {
    let mut results = SnapshotResults::new();
    for scene in SCENES.iter().filter(|scene| !scene.name.contains("alone")) {
        results.add(picture(
            scene,
            None,
            NARROW,
            format!("{}-narrow", scene.name),
        ));
    }
    results.unwrap();
}

#[test]
fn the_list_of_what_else_there_is_looks_as_it_did() {
    let scene = scene("call");
    let mut results = SnapshotResults::new();
    for (size, name) in [(WIDE, "call-more"), (NARROW, "call-more-narrow")] {
        results.add(picture(scene, Some("More"), size, name.to_owned()));
    }
    results.unwrap();
}

/// Other languages have longer words; what has room for these has room for any.
#[test]
fn longer_languages_have_room() {
    let mut results = SnapshotResults::new();
    for name in LONGER {
        for (language, size, suffix) in [
            (Language::German, WIDE, "german"),
            (Language::Pseudo, WIDE, "pseudo"),
            (Language::Pseudo, NARROW, "pseudo-narrow"),
        ] {
            let file = format!("language/{name}-{suffix}");
            let look = Look {
                language,
                ..Look::default()
            };
            results.add(picture_in(look, scene(name), None, size, file));
        }
    }
    results.unwrap();
}

#[test]
fn light_colours_hold_outside_of_calls_and_not_in_them() {
    let mut results = SnapshotResults::new();
    for name in LIGHT {
        let look = Look {
            colors: Colors::Light,
            ..Look::default()
        };
        let file = format!("light/{name}");
        results.add(picture_in(look, scene(name), None, WIDE, file));
    }
    let light = Look {
        colors: Colors::Light,
        ..Look::default()
    };
    results.add(picture_in(
        light,
        scene("lobby"),
        None,
        NARROW,
        "light/lobby-narrow".to_owned(),
    ));
    // The same picture as with dark colours.
    results.add(picture_in(
        light,
        scene("call"),
        None,
        WIDE,
        "call".to_owned(),
    ));
    results.unwrap();
}

fn scene(name: &str) -> &'static Scene {
    let scene = SCENES.iter().find(|scene| scene.name == name);
    scene.expect("there is such a scene")
}

/// The mini window is a window of its own, and small.
#[test]
fn the_mini_window_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    let now = Instant::now();
    for (name, snapshot) in scenes::mini_scenes(now) {
        let mut mini = None;
        let mut harness = Harness::builder()
            .with_size(Vec2::new(336.0, 232.0))
            .with_context_setup(desktop::theme::apply)
            .wgpu()
            .build_ui(|ui| {
                let mini = mini.get_or_insert_with(|| {
                    let picture = Picture::default();
                    picture.set(ui.ctx(), scenes::remote_picture(now));
                    Mini::new(picture)
                });
                mini.ui(ui, &snapshot, now);
            });
        harness.run();
        results.add(harness.try_snapshot_options(name, &options()));
    }
    results.unwrap();
}

/// What a person has chosen about how the window looks.
#[derive(Clone, Copy, Default)]
struct Look {
    language: Language,
    colors: Colors,
}

fn options() -> SnapshotOptions {
    // A few pixels for the rounding of other versions of the driver; a word or an icon that moves is far more.
    SnapshotOptions::new().threshold(1.0).max_failed_pixels(40)
}

fn picture(
    scene: &Scene,
    pressed: Option<&str>,
    size: Vec2,
    name: String,
) -> Result<(), egui_kittest::SnapshotError> {
    picture_in(Look::default(), scene, pressed, size, name)
}

fn picture_in(
    look: Look,
    scene: &Scene,
    pressed: Option<&str>,
    size: Vec2,
    name: String,
) -> Result<(), egui_kittest::SnapshotError> {
    let now = Instant::now();
    let snapshot = scene.snapshot(now);
    let mut window = None;
    let mut harness = Harness::builder()
        .with_size(size)
        .with_context_setup(desktop::theme::apply)
        .wgpu()
        .build_ui(|ui| {
            let window = window.get_or_insert_with(|| {
                let mut window = scene.window(ui.ctx(), now);
                window.state.preferences.language = Some(look.language);
                window.state.preferences.colors = look.colors;
                window
            });
            window.observe(&snapshot, now);
            window.ui(ui, &snapshot, now);
        });
    harness.run();
    if let Some(pressed) = pressed {
        harness.get_by_label(pressed).click();
        harness.run();
        // Where the pointer is, a tooltip would come.
        harness.remove_cursor();
        harness.run();
    }
    harness.try_snapshot_options(name, &options())
}
