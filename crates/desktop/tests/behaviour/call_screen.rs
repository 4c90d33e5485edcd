//! The call screen: what fades and what does not, one's own picture, and how the stranger's is shown.

use std::time::Duration;

use desktop::preferences::Corner;
use desktop::state::{Section, SettingsPage, WindowState};
use egui::accesskit::Role;
use egui::{Key, Pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command, Snapshot};

use crate::scenes;
use crate::stage::{Stage, click, in_call, press};

fn seen_call() -> Harness<'static, Stage> {
    let mut harness = in_call();
    let (ctx, now) = (harness.ctx.clone(), harness.state().now);
    let picture = scenes::remote_picture(now);
    let pictures = &mut harness.state_mut().window.pictures;
    pictures.remote.set(&ctx, picture.clone());
    pictures.local.set(&ctx, picture);
    harness.run();
    harness
}

fn wait(harness: &mut Harness<'_, Stage>, seconds: u64) -> f32 {
    harness.state_mut().now += Duration::from_secs(seconds);
    harness.run();
    harness.state().window.state.chrome
}

/// Whether something is drawn as wholly seen or wholly gone.
fn is(seen: f32, wanted: f32) -> bool {
    (seen - wanted).abs() < f32::EPSILON
}

#[test]
fn after_three_seconds_of_rest_the_picture_is_all_there_is_and_any_use_brings_the_rest_back() {
    let mut harness = seen_call();
    assert!(is(wait(&mut harness, 2), 1.0));
    assert!(is(wait(&mut harness, 2), 0.0));
    // A screen reader finds it all the same.
    harness.get_by_label("Next stranger");
    harness.hover_at(Pos2::new(400.0, 300.0));
    assert!(is(wait(&mut harness, 0), 1.0));
    assert!(is(wait(&mut harness, 4), 0.0));
    press(&mut harness, Key::M);
    assert!(is(harness.state().window.state.chrome, 1.0));
    assert!(is(wait(&mut harness, 4), 0.0));
    assert_eq!(
        press(&mut harness, Key::Escape),
        [Command::Next],
        "keys work whatever is seen"
    );
}

#[test]
fn nothing_fades_while_it_is_needed() {
    let needs: [fn(&mut WindowState, &mut Snapshot); 6] = [
        |state, _| state.is_chat_open = true,
        |state, _| state.is_statistics_open = true,
        |state, _| state.settings = Some(SettingsPage::at(Section::About)),
        |_, snapshot| snapshot.partner.is_sending_video = false,
        |_, snapshot| snapshot.devices.camera = scenes::unplugged(),
        |_, snapshot| {
            snapshot.devices.microphone_notice = Some(engine::MicrophoneNotice::SpeakingWhileMuted);
        },
    ];
    for (index, need) in needs.into_iter().enumerate() {
        let mut harness = seen_call();
        let stage = harness.state_mut();
        need(&mut stage.window.state, &mut stage.snapshot);
        harness.run();
        assert!(is(wait(&mut harness, 10), 1.0), "need {index}");
    }
}

#[test]
fn a_line_that_comes_in_brings_everything_back_for_a_while() {
    let mut harness = seen_call();
    assert!(is(wait(&mut harness, 10), 0.0));
    let now = harness.state().now;
    harness.state_mut().snapshot.chat = scenes::call_chat(now).chat;
    harness.run();
    assert!(is(wait(&mut harness, 7), 1.0));
    assert!(is(wait(&mut harness, 2), 0.0));
}

#[test]
fn what_has_the_keyboard_or_the_pointer_stays() {
    let mut harness = seen_call();
    harness.get_by_label("Next stranger").focus();
    harness.run();
    assert!(is(wait(&mut harness, 10), 1.0));
    let mut harness = seen_call();
    harness.get_by_label("Next stranger").hover();
    harness.run();
    assert!(is(wait(&mut harness, 10), 1.0));
}

#[test]
fn a_new_stranger_is_shown_with_everything_although_nobody_moved() {
    let mut harness = seen_call();
    assert!(is(wait(&mut harness, 60), 0.0));
    let now = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    harness.state_mut().snapshot = scenes::call(now);
    harness.state_mut().snapshot.call = CallView::Connected {
        since: now,
        interests: std::sync::Arc::new([]),
    };
    let ctx = harness.ctx.clone();
    harness.step();
    let picture = scenes::remote_picture(now);
    harness
        .state_mut()
        .window
        .pictures
        .remote
        .set(&ctx, picture);
    assert!(is(wait(&mut harness, 2), 1.0));
    assert!(is(wait(&mut harness, 2), 0.0));
}

#[test]
fn ones_own_picture_goes_to_the_corner_that_it_is_dragged_to() {
    let mut harness = seen_call();
    for (corner, to) in [
        (Corner::TopLeft, (120.0, 160.0)),
        (Corner::BottomLeft, (150.0, 480.0)),
        (Corner::TopRight, (800.0, 170.0)),
        (Corner::BottomRight, (860.0, 430.0)),
    ] {
        let from = harness.get_by_label("My picture").rect().center();
        harness.drag_at(from);
        harness.run();
        harness.hover_at(from + vec2(20.0, 20.0));
        harness.run();
        let to = Pos2::new(to.0, to.1);
        harness.hover_at(to);
        harness.run();
        harness.drop_at(to);
        harness.run();
        let state = &harness.state().window.state;
        assert_eq!(state.preferences.self_view, corner);
        let place = harness.get_by_label("My picture").rect().center();
        assert_eq!(
            Corner::of(place.x < 480.0, place.y < 300.0),
            corner,
            "{place:?}"
        );
    }
    assert_eq!(harness.state_mut().take(), [], "it is nobody else's matter");
}

#[test]
fn without_a_pointer_the_corner_is_chosen_in_the_settings() {
    let mut harness = in_call();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::AudioVideo));
    harness.run();
    harness.get_by_label("Top left").scroll_to_me();
    harness.run();
    click(&mut harness, "Top left");
    let state = &harness.state().window.state;
    assert_eq!(state.preferences.self_view, Corner::TopLeft);
}

#[test]
fn ones_own_picture_is_hidden_and_brought_back_by_key_and_by_button() {
    let mut harness = seen_call();
    press(&mut harness, Key::H);
    assert!(harness.query_by_label("My picture").is_none());
    click(&mut harness, "Show my picture");
    harness.get_by_label("My picture");
    click(&mut harness, "Hide my picture");
    assert!(harness.query_by_label("My picture").is_none());
    press(&mut harness, Key::H);
    harness.get_by_label("My picture");
}

#[test]
fn the_stranger_is_shown_whole_if_that_is_wanted_and_the_engine_hears_the_size() {
    let mut harness = seen_call();
    let told = |harness: &mut Harness<'_, Stage>| harness.state_mut().window.shown_size(false);
    let Some(Command::SetShownSize(filled)) = told(&mut harness) else {
        panic!("the size is not told");
    };
    press(&mut harness, Key::Z);
    assert!(harness.state().window.state.preferences.fits_picture);
    let Some(Command::SetShownSize(whole)) = told(&mut harness) else {
        panic!("the size is not told");
    };
    assert!(
        whole.0 < filled.0 && whole.1 < filled.1,
        "{whole:?} {filled:?}"
    );
    press(&mut harness, Key::Z);
    assert_eq!(told(&mut harness), Some(Command::SetShownSize(filled)));
}

#[test]
fn what_has_no_button_of_its_own_is_found_under_more() {
    let mut harness = in_call();
    click(&mut harness, "More");
    for name in [
        "Show the whole picture",
        "Settings",
        "Show connection details",
    ] {
        harness.get_by_role_and_label(Role::MenuItem, name);
    }
    click(&mut harness, "Full screen");
    assert!(harness.state().window.state.is_full_screen);
    assert!(harness.query_by_label("Show the whole picture").is_none());
    click(&mut harness, "More");
    assert_eq!(press(&mut harness, Key::Escape), [], "it closes the list");
    click(&mut harness, "More");
    harness
        .get_by_role_and_label(Role::MenuItem, "Settings")
        .click();
    harness.run();
    harness.get_by_label("Close the settings");
}
