//! The veil over both pictures.

use std::time::{Duration, Instant};

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use engine::{Command, Snapshot};

use crate::scenes;
use crate::stage::{Stage, click, in_call, press, stage};

#[test]
fn the_veil_is_lifted_and_let_down_by_mouse_and_by_key() {
    let now = Instant::now();
    let mut harness = stage(scenes::veil_down(now), now);
    harness.get_by_label_contains("only each other's colours");
    assert_eq!(
        click(&mut harness, "Lift the veil"),
        [Command::LiftVeil(true)]
    );
    assert_eq!(press(&mut harness, Key::U), [Command::LiftVeil(true)]);
    show(&mut harness, scenes::veil_asked(now));
    harness.get_by_label_contains("would like to see you");
    show(&mut harness, scenes::veil_waiting(now));
    harness.get_by_label_contains("Waiting for the stranger");
    assert_eq!(press(&mut harness, Key::U), [Command::LiftVeil(false)]);
    assert_eq!(press(&mut in_call(), Key::U), [], "this call has none");
}

#[test]
fn the_card_stays_as_long_as_the_veil_is_down() {
    let now = Instant::now();
    let mut harness = stage(scenes::veil_down(now), now);
    let ctx = harness.ctx.clone();
    let shown = harness.state_mut();
    let colours = scenes::veiled_picture(now);
    shown.window.show_remote(&ctx, &shown.snapshot, colours);
    shown.now = now + Duration::from_mins(1);
    harness.run();
    harness.get_by_label("The stranger's picture");
    assert!((harness.state().window.state.chrome - 1.0).abs() < f32::EPSILON);
    show(&mut harness, scenes::call(now));
    assert!(harness.query_by_label("Lift the veil").is_none());
}

#[test]
fn nothing_clear_is_shown_behind_the_veil_whatever_comes() {
    let now = Instant::now();
    let mut harness = stage(scenes::veil_waiting(now), now);
    let ctx = harness.ctx.clone();
    let shown = harness.state_mut();
    let clear = scenes::remote_picture(now);
    shown
        .window
        .show_remote(&ctx, &shown.snapshot, clear.clone());
    harness.run();
    assert!(harness.query_by_label("The stranger's picture").is_none());
    // Nor what was seen before it was let down again.
    show(&mut harness, scenes::call(now));
    let shown = harness.state_mut();
    shown.window.show_remote(&ctx, &shown.snapshot, clear);
    harness.run();
    harness.get_by_label("The stranger's picture");
    show(&mut harness, scenes::veil_down(now));
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn who_wants_that_is_seen_as_soon_as_the_stranger_is_once() {
    let now = Instant::now();
    let mut harness = stage(scenes::veil_down(now), now);
    harness
        .state_mut()
        .window
        .state
        .preferences
        .unveils_by_itself = true;
    harness.run();
    assert_eq!(harness.state_mut().take(), []);
    show(&mut harness, scenes::veil_asked(now));
    assert_eq!(harness.state_mut().take(), [Command::LiftVeil(true)]);
    harness.run();
    assert_eq!(harness.state_mut().take(), []);
}

fn show(harness: &mut egui_kittest::Harness<'_, Stage>, snapshot: Snapshot) {
    harness.state_mut().snapshot = snapshot;
    harness.run();
}
