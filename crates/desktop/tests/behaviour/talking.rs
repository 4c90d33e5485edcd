//! Push-to-talk, how loud the stranger is, and whose picture has the stage.

use desktop::actions::Action;
use desktop::keymap::Shortcut;
use desktop::state::{Section, SettingsPage};
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::Command;

use crate::scenes;
use crate::stage::{Stage, click, in_call, press};

fn in_call_with_talk_key() -> Harness<'static, Stage> {
    let mut harness = in_call();
    harness.state_mut().window.state.preferences.push_to_talk = true;
    harness.run();
    harness
}

/// The engine does at once what it is asked for.
fn obey(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.run();
    let commands = harness.state_mut().take();
    for command in &commands {
        if let Command::SetMicrophone(is_on) = command {
            harness.state_mut().snapshot.devices.is_microphone_on = *is_on;
        }
    }
    harness.run();
    commands
}

fn space(harness: &mut Harness<'_, Stage>, pressed: bool) -> Vec<Command> {
    harness.event(Event::Key {
        key: Key::Space,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    obey(harness)
}

#[test]
fn the_microphone_is_on_only_while_the_key_is_held() {
    let mut harness = in_call_with_talk_key();
    assert_eq!(obey(&mut harness), [Command::SetMicrophone(false)]);
    harness.get_by_label("Hold Space to talk");
    assert_eq!(space(&mut harness, true), [Command::SetMicrophone(true)]);
    harness.get_by_label("You can be heard");
    assert_eq!(obey(&mut harness), []);
    assert_eq!(space(&mut harness, false), [Command::SetMicrophone(false)]);
}

#[test]
fn a_window_that_loses_the_keyboard_with_the_key_held_is_muted() {
    let mut harness = in_call_with_talk_key();
    obey(&mut harness);
    space(&mut harness, true);
    harness.input_mut().focused = false;
    assert_eq!(obey(&mut harness), [Command::SetMicrophone(false)]);
    // The key was let go elsewhere, and nobody has told.
    harness.event(Event::WindowFocused(false));
    obey(&mut harness);
    harness.input_mut().focused = true;
    assert_eq!(obey(&mut harness), []);
    // Also where the window is not drawn any more.
    let mut harness = in_call_with_talk_key();
    obey(&mut harness);
    space(&mut harness, true);
    let window = &mut harness.state_mut().window;
    assert_eq!(window.let_go(), Some(Command::SetMicrophone(false)));
    assert_eq!(window.let_go(), None);
}

#[test]
fn who_writes_or_walks_through_the_window_means_no_talking_by_space() {
    let mut harness = in_call_with_talk_key();
    obey(&mut harness);
    press(&mut harness, Key::T);
    harness.run();
    assert_eq!(space(&mut harness, true), []);
    space(&mut harness, false);
    press(&mut harness, Key::Escape);
    press(&mut harness, Key::Tab);
    assert!(!space(&mut harness, true).contains(&Command::SetMicrophone(true)));
}

#[test]
fn after_the_call_the_microphone_is_as_it_was() {
    let mut harness = in_call_with_talk_key();
    obey(&mut harness);
    let now = harness.state().now;
    let is_on = harness.state().snapshot.devices.is_microphone_on;
    harness.state_mut().snapshot = scenes::lobby(now);
    harness.state_mut().snapshot.devices.is_microphone_on = is_on;
    assert_eq!(obey(&mut harness), [Command::SetMicrophone(true)]);
}

#[test]
fn without_that_mode_space_does_nothing_and_the_switch_names_the_key() {
    let mut harness = in_call();
    assert_eq!(space(&mut harness, true), []);
    space(&mut harness, false);
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::AudioVideo));
    harness.run();
    harness.get_by_label("Push-to-talk").scroll_to_me();
    harness.run();
    click(&mut harness, "Push-to-talk");
    assert!(harness.state().window.state.preferences.push_to_talk);
    click(&mut harness, "Close the settings");
    let k = Shortcut::plain(Key::K);
    let preferences = &mut harness.state_mut().window.state.preferences;
    let changed = preferences.shortcuts.change(Action::PushToTalk, k);
    assert_eq!(changed, Ok(()));
    harness.state_mut().snapshot.devices.is_microphone_on = false;
    obey(&mut harness);
    harness.get_by_label("Hold K to talk");
}

#[test]
fn the_stranger_gets_louder_and_quieter_by_key_within_bounds_and_the_next_one_is_as_usual() {
    let mut harness = in_call();
    assert_eq!(press(&mut harness, Key::Plus), [Command::SetVolume(110)]);
    harness.get_by_label("Volume 110 %");
    for _ in 0..9 {
        press(&mut harness, Key::Plus);
    }
    assert_eq!(press(&mut harness, Key::Plus), [], "200 is the most");
    for _ in 0..20 {
        press(&mut harness, Key::Minus);
    }
    harness.get_by_label("Volume 0 %");
    assert_eq!(press(&mut harness, Key::Minus), []);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::searching(now);
    harness.run_steps(2);
    assert_eq!(harness.state().window.state.volume_percent, 100);
}

#[test]
fn the_volume_stands_above_what_else_there_is_and_says_what_it_is() {
    let mut harness = in_call();
    click(&mut harness, "More");
    let slider = harness.get_by_role_and_label(Role::Slider, "Stranger's volume");
    assert_eq!(slider.accesskit_node().numeric_value(), Some(100.0));
    slider.focus();
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetVolume(105)]);
    harness.get_by_role_and_label(Role::Slider, "Stranger's volume");
}

#[test]
fn both_pictures_change_places_by_key_and_by_double_click_until_the_call_is_over() {
    let mut harness = in_call();
    give_pictures(&mut harness);
    let width = |harness: &Harness<'_, Stage>, name: &str| {
        let node = harness.get_by_role_and_label(Role::Image, name);
        node.rect().width()
    };
    let (stranger, mine) = (
        width(&harness, "The stranger's picture"),
        width(&harness, "My picture"),
    );
    assert!(stranger > 2.0 * mine);
    let large_px = harness.state().window.state.stranger_px;
    press(&mut harness, Key::X);
    assert!((width(&harness, "My picture") - stranger).abs() < 1.0);
    assert!((width(&harness, "The stranger's picture") - mine).abs() < 1.0);
    let small_px = harness.state().window.state.stranger_px;
    assert!(small_px < large_px, "the stranger need not send more");
    press(&mut harness, Key::X);
    assert!((width(&harness, "My picture") - mine).abs() < 1.0);
    let at = harness
        .get_by_role_and_label(Role::Image, "My picture")
        .rect()
        .center();
    harness.hover_at(at);
    harness.step();
    // A step takes longer than two clicks may be apart.
    let clicks = [true, false, true, false].map(|pressed| Event::PointerButton {
        pos: at,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    });
    harness.input_mut().events.extend(clicks);
    harness.run();
    assert!((width(&harness, "My picture") - stranger).abs() < 1.0);
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::searching(now);
    harness.run_steps(2);
    assert!(!harness.state().window.state.is_swapped);
}

#[test]
fn without_a_picture_of_ones_own_there_is_nothing_to_swap() {
    let mut harness = in_call();
    give_pictures(&mut harness);
    harness.state_mut().snapshot.devices.is_camera_on = false;
    press(&mut harness, Key::X);
    let picture = harness.get_by_role_and_label(Role::Image, "The stranger's picture");
    assert!(picture.rect().width() > 400.0);
}

fn give_pictures(harness: &mut Harness<'_, Stage>) {
    let ctx = harness.ctx.clone();
    let now = harness.state().now;
    let pictures = &mut harness.state_mut().window.pictures;
    pictures.remote.set(&ctx, scenes::remote_picture(now));
    pictures.local.set(&ctx, scenes::remote_picture(now));
    harness.run();
}
