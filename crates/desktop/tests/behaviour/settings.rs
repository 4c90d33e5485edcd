//! The settings: every part, and what its switches do.

use std::time::Instant;

use desktop::settings::Settings;
use desktop::state::{Section, SettingsPage};
use egui::accesskit::{Role, Toggled};
use egui::{Event, Key, Modifiers, PointerButton};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::{CallView, Command, VideoSource, VoiceConfig};

use crate::scenes;
use crate::stage::{Stage, click, in_call, in_lobby, press, stage};

fn at(section: Section) -> Harness<'static, Stage> {
    let mut harness = in_lobby();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(section));
    harness.run();
    harness
}

fn is_on(harness: &Harness<'_, Stage>, name: &str) -> bool {
    let node = harness.get_by_role_and_label(Role::Switch, name);
    node.accesskit_node().toggled() == Some(Toggled::True)
}

/// What is found in the file when the program starts again.
fn remembered(harness: &Harness<'_, Stage>) -> Settings {
    let folder = tempfile::tempdir().expect("there is a place for it");
    let path = folder.path().join("settings.json");
    let mut settings = Settings::default();
    settings.note_window(&harness.state().window.state.preferences);
    settings.save(&path).expect("it can be written");
    Settings::load(&path).expect("it can be read")
}

#[test]
fn every_part_can_be_reached_and_says_which_one_it_is() {
    let mut harness = in_lobby();
    click(&mut harness, "Settings");
    for (part, heading) in [
        ("Network and privacy", "Server"),
        ("Calls and chat", "Being seen"),
        ("Appearance", "Appearance"),
        ("Shortcuts", "Meeting people"),
        ("About", "Licence"),
        ("Audio and video", "Your voice"),
    ] {
        harness.get_by_role_and_label(Role::Button, part).click();
        harness.run();
        harness.get_by_role_and_label(Role::Heading, heading);
        let button = harness.get_by_role_and_label(Role::Button, part);
        assert_eq!(button.accesskit_node().toggled(), Some(Toggled::True));
    }
}

#[test]
fn the_voice_is_cleaned_as_the_switches_say_and_that_is_remembered() {
    let mut harness = at(Section::AudioVideo);
    assert!(is_on(&harness, "Noise suppression"));
    let wanted = VoiceConfig {
        noise_suppression: false,
        ..VoiceConfig::default()
    };
    assert_eq!(
        click(&mut harness, "Noise suppression"),
        [Command::SetVoice(wanted)]
    );
    assert!(!is_on(&harness, "Noise suppression"));
    assert!(is_on(&harness, "Echo cancellation"));
    assert_eq!(remembered(&harness).window.voice(), wanted);
    harness.get_by_label("Save power in calls").scroll_to_me();
    harness.run();
    assert_eq!(
        click(&mut harness, "Save power in calls"),
        [Command::SetPowerSaving(true)]
    );
}

#[test]
fn devices_can_be_chosen_during_a_call_and_escape_closes_the_list_first() {
    let mut harness = in_call();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::AudioVideo));
    harness.run();
    click(&mut harness, "Camera: Integrated Camera");
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(harness.query_by_label("Logitech BRIO").is_none());
    harness.get_by_label("Close the settings");
    click(&mut harness, "Camera: Integrated Camera");
    assert_eq!(
        click(&mut harness, "Logitech BRIO"),
        [Command::ChooseVideo(VideoSource::CameraNamed(
            "Logitech BRIO".to_owned()
        ))]
    );
}

/// Pressed and let go within one frame, as touchpads and slow machines do it. What was asked for.
fn tap(harness: &mut Harness<'_, Stage>, name: &str) -> Vec<Command> {
    let pos = harness.get_by_label(name).rect().center();
    harness.event(Event::PointerMoved(pos));
    harness.run();
    let press = [true, false].map(|pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    });
    // Events that are queued come one in each frame.
    harness.input_mut().events.extend(press);
    harness.run();
    harness.state_mut().take()
}

#[test]
fn a_list_lies_above_settings_that_were_opened_again_however_short_the_tap() {
    let mut harness = in_call();
    for _ in 0..2 {
        harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::AudioVideo));
        harness.run();
        tap(&mut harness, "Camera: Integrated Camera");
        let brio = VideoSource::CameraNamed("Logitech BRIO".to_owned());
        let asked = tap(&mut harness, "Logitech BRIO");
        assert_eq!(asked, [Command::ChooseVideo(brio)]);
        tap(&mut harness, "Close the settings");
    }
}

#[test]
fn the_server_and_the_address_are_set_here_but_no_other_server_in_a_call() {
    let mut harness = at(Section::Network);
    harness
        .get_by_label_contains("Hide my network address")
        .click();
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetShield(true)]);
    let field = harness.get_by_role_and_label(Role::TextInput, "Server address");
    field.focus();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness
        .get_by_role_and_label(Role::TextInput, "Server address")
        .type_text("wss://new.example");
    harness.run();
    harness.state_mut().take();
    assert_eq!(
        click(&mut harness, "Connect"),
        [Command::SetServer("wss://new.example".to_owned())]
    );
    let now = Instant::now();
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    harness.get_by_label("You can change the server when the call is over.");
    click(&mut harness, "Check now");
    assert!(harness.state().window.state.check.is_none());
}

#[test]
fn the_connection_check_begins_from_here() {
    let mut harness = at(Section::Network);
    harness.get_by_label("Check now").click();
    // Its waves would go on.
    harness.run_steps(3);
    assert!(harness.state().window.state.settings.is_none());
    assert!(harness.state().window.state.check.is_some());
}

#[test]
fn the_text_grows_and_shrinks_by_button_and_by_key() {
    let mut harness = at(Section::Appearance);
    harness.get_by_label("100 %");
    click(&mut harness, "Larger text");
    harness.get_by_label("110 %");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Plus);
    harness.run();
    harness.get_by_label("120 %");
    assert!((harness.ctx.zoom_factor() - 1.2).abs() < 0.001);
    for _ in 0..9 {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Minus);
        harness.run();
    }
    harness.get_by_label("80 %");
    assert_eq!(remembered(&harness).window.text_percent, 80);
    harness.get_by_label("Smaller text").click();
    harness.run();
    harness.get_by_label("80 %");
}

#[test]
fn with_reduced_motion_a_search_is_drawn_once_a_second_and_not_more_often() {
    let now = Instant::now();
    let mut harness = stage(scenes::lobby(now), now);
    harness
        .state_mut()
        .window
        .state
        .preferences
        .is_motion_reduced = true;
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    harness.run();
    let delay = |harness: &Harness<'_, Stage>| {
        let output = harness.output();
        let delays = output.viewport_output.values();
        delays.map(|viewport| viewport.repaint_delay).min().unwrap()
    };
    assert!(delay(&harness).as_millis() > 500, "{:?}", delay(&harness));
    harness
        .state_mut()
        .window
        .state
        .preferences
        .is_motion_reduced = false;
    harness.run_steps(3);
    assert!(delay(&harness).as_millis() < 50, "{:?}", delay(&harness));
}

#[test]
fn who_does_not_want_it_told_that_they_write_is_not_told_of() {
    for tells in [true, false] {
        let mut harness = in_call();
        harness.state_mut().window.state.preferences.tells_typing = tells;
        press(&mut harness, Key::T);
        harness
            .get_by_role_and_label(Role::TextInput, "Message")
            .type_text("hi");
        harness.run();
        let told = harness
            .state_mut()
            .take()
            .contains(&Command::SetTyping(true));
        assert_eq!(told, tells);
    }
}

#[test]
fn the_chat_opens_with_every_call_if_that_is_wanted_and_can_still_be_closed() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.preferences.opens_chat = true;
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::call(now);
    harness.run();
    assert!(harness.state().window.state.is_chat_open);
    click(&mut harness, "Close chat panel");
    assert!(!harness.state().window.state.is_chat_open);
    harness.run();
    assert!(!harness.state().window.state.is_chat_open);
}

#[test]
fn the_file_is_named_and_where_there_is_none_that_is_said() {
    let mut harness = at(Section::About);
    harness.get_by_label("Nothing is remembered of this run.");
    harness.state_mut().window.state.settings_file = Some("/home/me/settings.json".to_owned());
    harness.run();
    harness.get_by_label("/home/me/settings.json");
    harness.get_by_label("Copy the path").click();
    harness.step();
    let copied = harness.output().platform_output.commands.iter().any(
        |command| matches!(command, egui::OutputCommand::CopyText(text) if text.ends_with("settings.json")),
    );
    assert!(copied);
}
