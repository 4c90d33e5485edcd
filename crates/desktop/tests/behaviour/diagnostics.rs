//! The diagnostics: opened by the quality, read, copied, closed.

use desktop::state::{Section, SettingsPage};
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;

use crate::scenes;
use crate::stage::{click, in_call, in_lobby, press};

#[test]
fn the_quality_opens_them_and_escape_closes_them_and_not_the_call() {
    let mut harness = in_call();
    let now = harness.state().now;
    harness.state_mut().snapshot = scenes::call_measured(now);
    harness.run();
    click(&mut harness, "Connection: Good");
    for shown in [
        "Round trip",
        "Time per picture",
        "Host – Host",
        "no answer",
        "In: decoding",
    ] {
        harness.get_by_label(shown);
    }
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(!harness.state().window.state.is_diagnostics_open);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::I);
    harness.run();
    click(&mut harness, "Close the diagnostics");
    assert!(!harness.state().window.state.is_diagnostics_open);
}

#[test]
fn what_is_shown_and_copied_has_no_address() {
    let mut harness = in_call();
    let log = harness.state().window.state.log.clone();
    log.push("WARN transport: 192.0.2.7:3478 does not answer");
    click(&mut harness, "Connection: Good");
    harness.get_by_label("WARN transport: (address) does not answer");
    harness.get_by_label("Copy as text").click();
    harness.step();
    let copied =
        harness
            .output()
            .platform_output
            .commands
            .iter()
            .find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            });
    let copied = copied.expect("something was copied");
    assert!(
        copied.contains("does not answer") && !copied.contains("192.0.2.7"),
        "{copied}"
    );
}

#[test]
fn outside_of_calls_they_are_found_in_the_settings_and_say_that_nothing_is_known() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Network));
    harness.run();
    harness
        .get_by_label("Show connection details")
        .scroll_to_me();
    harness.run();
    click(&mut harness, "Show connection details");
    assert!(harness.state().window.state.settings.is_none());
    assert!(harness.query_all_by_label("None yet.").count() >= 3);
}
