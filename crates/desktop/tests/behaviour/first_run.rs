//! The first screen: nothing starts before somebody has agreed to the rules.

use desktop::actions::Action;
use desktop::preferences::RULES_VERSION;
use desktop::settings::Settings;
use desktop::text;
use egui::accesskit::{Role, Toggled};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::{CallView, Command};

use crate::stage::{Stage, click, in_lobby, press};

fn first_run() -> Harness<'static, Stage> {
    let mut harness = in_lobby();
    harness.state_mut().window.state.is_welcome_open = true;
    harness.run();
    harness
}

#[test]
fn the_screen_says_what_this_is_and_every_rule() {
    let harness = first_run();
    harness.get_by_role_and_label(Role::Heading, "Welcome to Passerby");
    harness.get_by_label(text::PITCH.text());
    for rule in text::rules() {
        harness.get_by_label(&rule.title);
        harness.get_by_label(&rule.detail);
    }
}

#[test]
fn settings_that_were_set_aside_are_told_of_with_their_place() {
    let mut harness = first_run();
    let place = "/home/me/settings.json.broken";
    harness.state_mut().window.state.settings_set_aside = Some(place.to_owned());
    harness.run();
    harness.get_by_label(&text::settings_set_aside(place));
}

#[test]
fn nothing_can_be_started_before_the_box_is_ticked() {
    let mut harness = first_run();
    assert_eq!(press(&mut harness, Key::Enter), []);
    assert_eq!(click(&mut harness, "Continue"), []);
    assert!(harness.state().window.state.is_welcome_open);
    for action in [Action::Start, Action::Next, Action::ToggleSettings] {
        let mut out = Vec::new();
        let stage = harness.state_mut();
        action.perform(&stage.snapshot, &mut stage.window.state, &mut out);
        assert_eq!(out, [], "{action:?}");
    }
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    harness.run();
    assert!(harness.query_by_label("Close the settings").is_none());
}

#[test]
fn consent_and_the_choice_about_the_address_are_taken_together_and_remembered() {
    let mut harness = first_run();
    assert!(is_on(&harness, "Connect directly"));
    harness
        .get_by_label_contains("Hide my network address")
        .click();
    harness.run();
    let mut wishes = harness.state_mut().take();
    assert!(
        is_on(&harness, "Hide my network address"),
        "although the engine has not answered yet"
    );
    click(&mut harness, text::CONSENT.text());
    assert!(is_on(&harness, text::CONSENT.text()));
    wishes.extend(click(&mut harness, "Continue"));
    assert_eq!(wishes, [Command::SetShield(true), Command::SetShield(true)]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let mut settings = Settings::default();
    for wish in &wishes {
        settings.note(wish);
    }
    assert!(settings.note_window(&harness.state().window.state.preferences));
    settings.save(&path).unwrap();
    let back = Settings::load(&path).unwrap();
    assert_eq!(back.shield, Some(true));
    assert!(back.window.has_agreed());

    let wishes = press(&mut harness, Key::Enter);
    assert!(
        matches!(wishes.as_slice(), [Command::Start { .. }]),
        "{wishes:?}"
    );
}

#[test]
fn who_leaves_the_address_as_it_is_marked_has_chosen_that() {
    let mut harness = first_run();
    click(&mut harness, text::CONSENT.text());
    assert_eq!(click(&mut harness, "Continue"), [Command::SetShield(false)]);
}

#[test]
fn a_start_asked_for_on_the_command_line_waits_for_the_consent() {
    let mut harness = first_run();
    harness.state_mut().window.state.starts_when_agreed = true;
    assert_eq!(press(&mut harness, Key::Enter), []);
    click(&mut harness, text::CONSENT.text());
    let wishes = click(&mut harness, "Continue");
    assert!(
        matches!(
            wishes.as_slice(),
            [Command::SetShield(false), Command::Start { .. }]
        ),
        "{wishes:?}"
    );
}

#[test]
fn it_can_be_done_with_the_keyboard_alone() {
    let mut harness = first_run();
    for _ in 0..3 {
        harness.key_press(Key::Tab);
        harness.run();
    }
    press(&mut harness, Key::Space);
    assert!(is_on(&harness, text::CONSENT.text()));
    harness.key_press(Key::Tab);
    harness.run();
    press(&mut harness, Key::Enter);
    assert!(!harness.state().window.state.is_welcome_open);
    assert_eq!(harness.state().snapshot.call, CallView::Idle);
}

#[test]
fn one_is_asked_again_only_when_the_rules_have_a_higher_version() {
    let mut settings = Settings::default();
    assert!(!settings.window.has_agreed());
    settings.window.consent = RULES_VERSION;
    assert!(settings.window.has_agreed());
    settings.window.consent = RULES_VERSION + 1;
    assert!(settings.window.has_agreed(), "a newer program asked");
    settings.window.consent = RULES_VERSION - 1;
    assert!(!settings.window.has_agreed());
    assert_ne!(text::welcome_title(true), text::welcome_title(false));
}

fn is_on(harness: &Harness<'_, Stage>, name: &str) -> bool {
    let node = harness.get_by_label_contains(name);
    node.accesskit_node().toggled() == Some(Toggled::True)
}
