//! The page of shortcuts, and keys that were changed.

use std::time::Instant;

use desktop::actions::Action;
use desktop::keymap::Shortcut;
use desktop::state::{Section, SettingsPage};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command};

use crate::scenes;
use crate::stage::{Stage, click, hold, in_call, in_lobby, press};

fn on_the_page() -> Harness<'static, Stage> {
    let mut harness = in_call();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Shortcuts));
    harness.run();
    harness
}

fn chord(harness: &mut Harness<'_, Stage>, modifiers: Modifiers, key: Key) -> Vec<Command> {
    harness.key_press_modifiers(modifiers, key);
    harness.run();
    harness.state_mut().take()
}

#[test]
fn every_action_stands_on_the_page_with_its_key() {
    let harness = on_the_page();
    for action in Action::ALL {
        let entry = action.entry();
        let name = format!("{}: {}", entry.title.text(), entry.shortcut.label());
        harness.get_by_label_contains(&name);
    }
}

#[test]
fn the_settings_open_and_close_by_button_and_key() {
    let mut harness = in_lobby();
    click(&mut harness, "Settings");
    harness.get_by_label("Close the settings");
    press(&mut harness, Key::Escape);
    assert!(harness.query_by_label("Close the settings").is_none());
    chord(&mut harness, Modifiers::COMMAND, Key::Comma);
    harness.get_by_label("Close the settings");
    chord(&mut harness, Modifiers::COMMAND, Key::Comma);
    assert!(harness.query_by_label("Close the settings").is_none());
}

#[test]
fn over_a_call_the_keys_belong_to_the_settings() {
    let mut harness = on_the_page();
    assert_eq!(press(&mut harness, Key::M), []);
    assert_eq!(
        press(&mut harness, Key::Escape),
        [],
        "it closes the settings and skips nobody"
    );
    assert!(harness.state().window.state.settings.is_none());
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn a_key_is_changed_by_pressing_another_one() {
    let mut harness = on_the_page();
    click(&mut harness, "Mute or unmute the microphone: M");
    harness.get_by_label_contains("Press the new key for: Mute or unmute the microphone");
    assert_eq!(press(&mut harness, Key::K), []);
    harness.get_by_label("Mute or unmute the microphone: K");
    press(&mut harness, Key::Escape);
    assert_eq!(press(&mut harness, Key::M), []);
    assert_eq!(press(&mut harness, Key::K), [Command::SetMicrophone(false)]);
    let hint =
        Action::ToggleMicrophone.hint(&harness.state().snapshot, &harness.state().window.state);
    assert!(hint.ends_with("(K)"), "tooltips say the new key: {hint}");
}

#[test]
fn a_key_that_is_taken_is_told_and_nothing_changes() {
    let mut harness = on_the_page();
    begin_to_change(&mut harness, "Open or close the chat: T");
    press(&mut harness, Key::M);
    harness.get_by_label_contains("This key is taken: Mute or unmute the microphone.");
    harness.get_by_label("Open or close the chat: T");
    begin_to_change(&mut harness, "Open or close the chat: T");
    press(&mut harness, Key::Tab);
    harness.get_by_label_contains("This key is needed for writing");
    assert!(
        !harness
            .state()
            .window
            .state
            .preferences
            .shortcuts
            .has_changes()
    );
}

#[test]
fn escape_leaves_the_key_as_it_is_and_the_page_open() {
    let mut harness = on_the_page();
    begin_to_change(&mut harness, "Open or close the chat: T");
    press(&mut harness, Key::Escape);
    harness.get_by_label("Open or close the chat: T");
    harness.get_by_label("Close the settings");
}

#[test]
fn changed_keys_can_be_set_back_one_by_one_and_together() {
    let mut harness = on_the_page();
    let keymap = &mut harness.state_mut().window.state.preferences.shortcuts;
    for (action, key) in [(Action::ToggleMicrophone, Key::K), (Action::Next, Key::N)] {
        keymap.change(action, Shortcut::plain(key)).unwrap();
    }
    harness.run();
    click(&mut harness, "Set back: Mute or unmute the microphone");
    harness.get_by_label("Mute or unmute the microphone: M");
    harness.get_by_label("Set all keys back").scroll_to_me();
    harness.run();
    click(&mut harness, "Set all keys back");
    harness.get_by_label("Next stranger, or cancel the search: Esc");
    assert!(harness.query_by_label("Set all keys back").is_none());
}

#[test]
fn a_held_key_skips_one_stranger_only_even_if_the_next_one_comes_meanwhile_and_the_key_was_changed()
{
    for key in [Key::Escape, Key::N] {
        let mut harness = in_call();
        let keymap = &mut harness.state_mut().window.state.preferences.shortcuts;
        keymap.change(Action::Next, Shortcut::plain(key)).unwrap();
        let press = |harness: &mut Harness<'_, Stage>, repeat| {
            harness.event(egui::Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat,
                modifiers: Modifiers::NONE,
            });
            harness.run();
        };
        press(&mut harness, false);
        for _ in 0..5 {
            let now = Instant::now();
            harness.state_mut().snapshot.call = CallView::Searching { since: now };
            press(&mut harness, true);
            harness.state_mut().snapshot = scenes::call(now);
            press(&mut harness, true);
        }
        assert_eq!(harness.state_mut().take(), [Command::Next], "{key:?}");
    }
}

#[test]
fn full_screen_has_two_keys_and_the_letter_rests_in_a_message() {
    let mut harness = in_call();
    for key in [Key::F, Key::F11] {
        let was = harness.state().window.state.is_full_screen;
        press(&mut harness, key);
        assert_ne!(harness.state().window.state.is_full_screen, was, "{key:?}");
    }
    press(&mut harness, Key::T);
    press(&mut harness, Key::F);
    assert!(!harness.state().window.state.is_full_screen);
    press(&mut harness, Key::F11);
    assert!(harness.state().window.state.is_full_screen);
}

#[test]
fn a_held_key_changes_a_switch_once() {
    let mut harness = in_call();
    hold(&mut harness, Key::F, Modifiers::NONE, 7);
    assert!(harness.state().window.state.is_full_screen);
}

/// Presses a line of the page, wherever it stands.
fn begin_to_change(harness: &mut egui_kittest::Harness<'_, crate::stage::Stage>, line: &str) {
    harness.get_by_label(line).scroll_to_me();
    harness.run();
    click(harness, line);
}
