//! The language of the window: chosen, remembered, and never one that cannot be read.

use desktop::state::{Section, SettingsPage};
use desktop::text::Language;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::stage::{click, in_call, in_lobby};

#[test]
fn a_language_holds_at_once_and_everywhere_and_can_be_given_back_to_the_system() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Appearance));
    harness.run();
    click(&mut harness, "Deutsch");
    let chosen = harness.state().window.state.preferences.language;
    assert_eq!(chosen, Some(Language::German));
    harness.get_by_role_and_label(Role::Label, "Sprache");
    click(&mut harness, "Einstellungen schließen");
    harness.get_by_label("Starten");
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Appearance));
    harness.state_mut().window.state.system_language = Language::Spanish;
    harness.run();
    // The colours have such a button, too; theirs is further below.
    let first = harness.get_all_by_label("Wie das System").next();
    first.unwrap().click();
    harness.run();
    assert_eq!(harness.state().window.state.preferences.language, None);
    harness.get_by_role_and_label(Role::Label, "Idioma");
}

#[test]
fn without_a_choice_the_window_speaks_as_the_system_does() {
    let mut harness = in_call();
    harness.state_mut().window.state.system_language = Language::German;
    harness.run();
    harness.get_by_label("Gespräch beenden");
}

/// The fonts that come with the program have no letters of these; those of the system are not used in tests.
#[test]
fn a_language_without_a_font_is_neither_spoken_nor_offered() {
    let mut harness = in_lobby();
    harness.state_mut().window.state.system_language = Language::Hindi;
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Appearance));
    harness.run();
    for language in ["Hindi", "Chinese"] {
        let button = harness.get_by_label(language);
        assert!(button.accesskit_node().is_disabled(), "{language}");
    }
    harness.get_by_label("For the languages in grey, this system has no font.");
    let button = harness.get_by_label("Español");
    assert!(!button.accesskit_node().is_disabled());
}
