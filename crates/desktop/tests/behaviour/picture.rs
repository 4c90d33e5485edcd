//! The stranger's picture: how long it may be seen.

use std::time::{Duration, Instant};

use desktop::state::WindowState;
use desktop::window::Window;
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command, EndReason};

use crate::scenes;
use crate::stage::{Stage, in_call, press, stage};

#[test]
fn the_stranger_cannot_be_seen_when_the_call_is_over() {
    let now = Instant::now();
    let mut harness = stage(scenes::call(now), now);
    let frame = scenes::remote_picture(now);
    let ctx = harness.ctx.clone();
    let stage = harness.state_mut();
    stage
        .window
        .show_remote(&ctx, &stage.snapshot, frame.clone());
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    harness.run();
    // A picture that was still under way comes too late.
    let stage = harness.state_mut();
    stage.window.show_remote(&ctx, &stage.snapshot, frame);
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn a_call_that_is_being_reconnected_keeps_its_last_picture_until_the_engine_ends_it() {
    let mut harness = in_call();
    show_stranger(&mut harness);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::reconnecting(now);
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.get_by_label("Reconnecting…. Finding the way back to the stranger.");
    harness.state_mut().now = now + Duration::from_secs(26);
    harness.run();
    harness.get_by_label("The stranger's picture");
    harness.get_by_label_contains("Still trying");
    assert!(harness.query_by_label("Meet a stranger").is_none());
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);

    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    harness.get_by_label("The stranger's picture");
    assert!(harness.query_by_label_contains("Reconnecting").is_none());
    harness.state_mut().snapshot.call = CallView::Ended {
        reason: EndReason::ConnectionLost,
    };
    harness.run();
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn a_stranger_whose_camera_is_off_is_not_shown_again_by_an_interruption() {
    let mut harness = in_call();
    show_stranger(&mut harness);
    harness.state_mut().snapshot.partner.is_sending_video = false;
    harness.run();
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::reconnecting(now);
    harness.state_mut().snapshot.partner.is_sending_video = false;
    harness.run();
    harness.get_by_label_contains("Reconnecting");
    assert!(harness.query_by_label("The stranger's picture").is_none());
}

#[test]
fn the_engine_hears_how_large_the_stranger_is_shown_and_that_a_window_is_hidden() {
    let mut harness = in_call();
    show_stranger(&mut harness);
    let Some(Command::SetShownSize((width, height))) = told(&mut harness, false) else {
        panic!("the size is not told");
    };
    // All of the picture, with what is cut off at its sides: it is wider than the stage in this window of 960x600.
    let is_all = (960..1060).contains(&width) && (540..600).contains(&height);
    assert!(is_all, "{width}x{height}");
    let frame = scenes::remote_picture(harness.state().now);
    let shape = |width, height| f64::from(width) / f64::from(height);
    let difference = shape(width, height) - shape(frame.width_px(), frame.height_px());
    assert!(difference.abs() < 0.01, "{width}x{height}");
    harness.run();
    assert_eq!(told(&mut harness, false), None, "it is known");

    harness.set_pixels_per_point(2.0);
    harness.set_size(egui::Vec2::new(480.0, 300.0));
    harness.run();
    let Some(Command::SetShownSize(on_a_fine_screen)) = told(&mut harness, false) else {
        panic!("the size is not told");
    };
    assert!(on_a_fine_screen.0 > 900, "{on_a_fine_screen:?}");

    assert_eq!(
        told(&mut harness, true),
        Some(Command::SetShownSize((0, 0)))
    );
    assert_eq!(told(&mut harness, true), None, "it is known");
    harness.run();
    assert_eq!(
        told(&mut harness, false),
        Some(Command::SetShownSize(on_a_fine_screen))
    );
}

#[test]
fn outside_of_a_call_there_is_no_size_to_tell() {
    let mut harness = in_call();
    assert!(told(&mut harness, false).is_some());
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    assert_eq!(told(&mut harness, false), None);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    assert_eq!(told(&mut harness, false), None, "the last one holds");
}

fn told(harness: &mut Harness<'_, Stage>, is_hidden: bool) -> Option<Command> {
    harness.state_mut().window.shown_size(is_hidden)
}

fn show_stranger(harness: &mut Harness<'_, Stage>) {
    let ctx = harness.ctx.clone();
    let stage = harness.state_mut();
    let frame = scenes::remote_picture(stage.now);
    stage.window.show_remote(&ctx, &stage.snapshot, frame);
    harness.run();
    harness.get_by_label("The stranger's picture");
}

/// As after a graphics card was lost.
#[test]
fn a_window_goes_on_in_another_context_as_it_was() {
    let mut harness = in_call();
    harness.state_mut().window.state.preferences.text_percent = 140;
    show_stranger(&mut harness);
    let place = &mut harness.state_mut().window;
    let mut window = std::mem::replace(place, Window::new(WindowState::new(String::new(), vec![])));
    window.begin_anew();
    let mut other = in_call();
    other.state_mut().window = window;
    other.run();
    assert!((other.ctx.zoom_factor() - 1.4).abs() < 0.001);
    assert!(other.query_by_label("The stranger's picture").is_none());
    show_stranger(&mut other);
}
