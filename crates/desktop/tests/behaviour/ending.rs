//! What comes after a call: on to the next stranger by itself, or not, and what one sees after Stop.

use std::time::Duration;

use desktop::state::{Section, SettingsPage};
use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command, EndReason};

use crate::stage::{Stage, click, in_call, press};

/// The stranger of a call has just left. The countdown moves, so steps are counted and not waited for.
fn left() -> Harness<'static, Stage> {
    let mut harness = in_call();
    harness.state_mut().snapshot.call = CallView::Ended {
        reason: EndReason::PartnerLeft,
    };
    harness.run_steps(3);
    harness
}

fn wait(harness: &mut Harness<'_, Stage>, seconds: u64) -> Vec<Command> {
    harness.state_mut().now += Duration::from_secs(seconds);
    harness.run_steps(3);
    harness.state_mut().take()
}

fn press_button(harness: &mut Harness<'_, Stage>, name: &str) -> Vec<Command> {
    harness.get_by_role_and_label(Role::Button, name).click();
    harness.run_steps(3);
    harness.state_mut().take()
}

#[test]
fn when_the_stranger_has_left_the_next_one_comes_after_a_countdown_that_can_be_seen() {
    let mut harness = left();
    harness.get_by_label("The next stranger in 5 s");
    assert_eq!(wait(&mut harness, 2), []);
    harness.get_by_label("The next stranger in 3 s");
    assert_eq!(wait(&mut harness, 3), [Command::Next]);
    assert_eq!(wait(&mut harness, 60), [], "once");
}

#[test]
fn one_can_stay_and_then_still_go_on() {
    let mut harness = left();
    assert_eq!(press_button(&mut harness, "Stay here"), []);
    assert!(
        harness
            .query_by_label_contains("The next stranger in")
            .is_none()
    );
    assert_eq!(wait(&mut harness, 60), []);
    assert_eq!(press_button(&mut harness, "Next stranger"), [Command::Next]);
}

#[test]
fn it_can_be_switched_off_in_the_settings_and_waits_while_they_are_open() {
    let mut harness = left();
    harness.state_mut().window.state.settings = Some(SettingsPage::at(Section::Chat));
    harness.run_steps(3);
    assert_eq!(wait(&mut harness, 60), []);
    harness.get_by_label("Go on by itself").click();
    harness.run_steps(3);
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert_eq!(wait(&mut harness, 60), []);
    assert!(!harness.state().window.state.preferences.goes_on_by_itself);
    assert!(harness.query_by_label("Stay here").is_none());
}

#[test]
fn nobody_who_is_away_is_handed_from_one_stranger_to_the_other_for_ever() {
    let mut harness = in_call();
    let call = harness.state().snapshot.call.clone();
    let ended = CallView::Ended {
        reason: EndReason::PartnerLeft,
    };
    let mut handed_on = 0;
    for _ in 0..10 {
        harness.state_mut().snapshot.call = ended.clone();
        harness.run_steps(2);
        handed_on += wait(&mut harness, 6).len();
        harness.state_mut().snapshot.call = call.clone();
        harness.run_steps(2);
    }
    assert_eq!(handed_on, 3);
    harness.hover_at(Pos2::new(300.0, 300.0));
    harness.run_steps(2);
    harness.state_mut().snapshot.call = ended;
    harness.run_steps(2);
    assert_eq!(wait(&mut harness, 6), [Command::Next]);
}

#[test]
fn after_stop_one_sees_how_long_it_was_and_starts_again_or_goes_back() {
    let mut harness = in_call();
    assert_eq!(click(&mut harness, "End the call"), [Command::Stop]);
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    harness.get_by_label_contains("You ended the call. You were together for 2:41.");
    let wishes = press(&mut harness, Key::Enter);
    assert!(
        matches!(wishes.as_slice(), [Command::Start { .. }]),
        "{wishes:?}"
    );
    assert!(harness.query_by_label("Start again").is_none());
}

#[test]
fn escape_leaves_the_end_of_a_call_and_asks_the_engine_for_nothing() {
    for by_key in [true, false] {
        let mut harness = in_call();
        harness.key_press_modifiers(Modifiers::SHIFT, Key::Escape);
        harness.run();
        assert_eq!(harness.state_mut().take(), [Command::Stop]);
        harness.state_mut().snapshot.call = CallView::Idle;
        harness.run();
        if by_key {
            assert_eq!(press(&mut harness, Key::Escape), []);
        } else {
            assert_eq!(click(&mut harness, "Back to the lobby"), []);
        }
        harness.get_by_label("Start");
    }
}

#[test]
fn attention_is_asked_for_once_when_somebody_is_found_while_one_is_elsewhere() {
    let mut harness = in_call();
    let call = harness.state().snapshot.call.clone();
    let state = &mut harness.state_mut().window.state;
    assert!(state.take_attention(false));
    assert!(!state.take_attention(false), "once");
    for (is_focused, is_wanted) in [(true, true), (false, false)] {
        harness.state_mut().snapshot.call = CallView::Idle;
        harness.run();
        harness.state_mut().snapshot.call = call.clone();
        harness.run();
        let state = &mut harness.state_mut().window.state;
        state.preferences.asks_for_attention = is_wanted;
        assert!(!state.take_attention(is_focused));
        assert!(!state.take_attention(false), "the news is old by now");
    }
}

#[test]
fn a_search_that_is_cancelled_is_no_call() {
    let mut harness = in_call();
    let since = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Searching { since };
    harness.run_steps(3);
    press_button(&mut harness, "Stop searching");
    harness.state_mut().snapshot.call = CallView::Idle;
    harness.run();
    harness.get_by_label("Start");
}
