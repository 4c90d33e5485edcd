//! Words that are offered while one types what one likes to talk about.

use egui::accesskit::{Role, Toggled};
use egui::{Key, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::Command;

use crate::stage::{Stage, in_lobby, press};

fn typing(words: &str) -> Harness<'static, Stage> {
    let mut harness = in_lobby();
    let preferences = &mut harness.state_mut().window.state.preferences;
    preferences.former_interests = vec!["Jiu-Jitsu".to_owned()];
    harness
        .get_by_role_and_label(Role::TextInput, "Interests")
        .focus();
    harness.run();
    write(&mut harness, words);
    harness
}

fn write(harness: &mut Harness<'_, Stage>, words: &str) {
    if !words.is_empty() {
        harness
            .get_by_role_and_label(Role::TextInput, "Interests")
            .type_text(words);
    }
    harness.run();
}

fn offered(harness: &Harness<'_, Stage>) -> Vec<String> {
    let options = harness.query_all_by_role(Role::ListBoxOption);
    let names = options.map(|option| option.accesskit_node().label().unwrap_or_default());
    names.collect()
}

fn chosen(harness: &Harness<'_, Stage>) -> Vec<String> {
    harness.state().window.state.interests.clone()
}

#[test]
fn what_is_typed_is_gone_on_with_and_tab_takes_the_first_word() {
    let mut harness = typing("j");
    assert_eq!(offered(&harness), ["Jiu-Jitsu", "jazz"]);
    assert_eq!(press(&mut harness, Key::Tab), []);
    assert_eq!(chosen(&harness), ["Jiu-Jitsu"]);
    assert_eq!(offered(&harness), [""; 0], "nothing is typed");
    write(&mut harness, "ch");
    assert_eq!(offered(&harness), ["chess"], "one goes on writing");
}

#[test]
fn the_arrows_walk_through_the_words_and_enter_takes_the_one_that_is_lit() {
    let mut harness = typing("co");
    let all = offered(&harness);
    assert_eq!(all[..2], ["coding", "comedy"]);
    press(&mut harness, Key::ArrowDown);
    press(&mut harness, Key::ArrowDown);
    let lit = harness.get_by_role_and_label(Role::ListBoxOption, "comedy");
    assert_eq!(lit.accesskit_node().toggled(), Some(Toggled::True));
    press(&mut harness, Key::ArrowUp);
    press(&mut harness, Key::ArrowUp);
    assert_eq!(press(&mut harness, Key::Enter), [], "it is no Start");
    assert_eq!(chosen(&harness), all[all.len() - 1..]);
}

#[test]
fn enter_takes_what_was_typed_where_no_word_is_lit() {
    let mut harness = typing("co");
    press(&mut harness, Key::Enter);
    assert_eq!(chosen(&harness), ["co"]);
}

#[test]
fn esc_puts_the_words_away_and_the_field_keeps_the_keyboard() {
    let mut harness = typing("j");
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert_eq!(offered(&harness), [""; 0]);
    write(&mut harness, "a");
    assert_eq!(offered(&harness), ["jazz"]);
}

#[test]
fn the_arrow_down_offers_words_where_nothing_is_typed_and_a_click_takes_one() {
    let mut harness = typing("");
    assert_eq!(offered(&harness), [""; 0]);
    press(&mut harness, Key::ArrowDown);
    assert_eq!(offered(&harness)[0], "Jiu-Jitsu");
    harness
        .get_by_role_and_label(Role::ListBoxOption, "Jiu-Jitsu")
        .click();
    harness.run();
    assert_eq!(chosen(&harness), ["Jiu-Jitsu"]);
}

#[test]
fn what_one_searched_with_is_offered_the_next_time() {
    let mut harness = typing("snail racing");
    press(&mut harness, Key::Enter);
    let commands = press(&mut harness, Key::Enter);
    assert!(
        matches!(commands.as_slice(), [Command::Start { .. }]),
        "{commands:?}"
    );
    let state = &mut harness.state_mut().window.state;
    assert_eq!(
        state.preferences.former_interests,
        ["snail racing", "Jiu-Jitsu"]
    );
    state.interests.clear();
    harness.run();
    harness
        .get_by_role_and_label(Role::TextInput, "Interests")
        .focus();
    harness.run();
    write(&mut harness, "sn");
    assert_eq!(offered(&harness), ["snail racing"]);
}

#[test]
fn without_words_to_offer_tab_goes_on_to_the_next_control() {
    let mut harness = typing("qqq");
    press(&mut harness, Key::Tab);
    let field = harness.get_by_role_and_label(Role::TextInput, "Interests");
    assert!(!field.accesskit_node().is_focused());
}

#[test]
fn behind_many_chips_the_words_stay_off_the_edge_of_a_narrow_window() {
    let mut harness = typing("");
    harness.state_mut().window.state.interests = vec!["gardening".to_owned(), "tea".to_owned()];
    harness.set_size(Vec2::new(390.0, 720.0));
    harness.run();
    write(&mut harness, "co");
    let field = harness.get_by_role_and_label(Role::TextInput, "Interests");
    assert!(field.rect().left() > 150.0, "it has moved to the right");
    let word = harness.get_by_role_and_label(Role::ListBoxOption, "comedy");
    assert!(word.rect().right() <= 390.0 - 16.0, "{:?}", word.rect());
}
