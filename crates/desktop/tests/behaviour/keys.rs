//! Keys and buttons of a search and a call.

use std::time::{Duration, Instant};

use egui::{Event, Key, Modifiers, Popup};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::{CallView, Command, Reportable};

use crate::scenes;
use crate::stage::{Stage, click, hold, in_call, in_lobby, press, stage};

#[test]
fn next_works_by_mouse_and_by_key() {
    let mut harness = in_call();
    assert_eq!(click(&mut harness, "Next stranger"), [Command::Next]);
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn a_held_key_skips_one_stranger_only() {
    let mut harness = in_call();
    assert_eq!(
        hold(&mut harness, Key::Escape, Modifiers::NONE, 20),
        [Command::Next]
    );
    // The same on the button itself, where egui would click at every repetition.
    for key in [Key::Enter, Key::Space] {
        harness.get_by_label("Next stranger").focus();
        harness.run();
        assert_eq!(
            hold(&mut harness, key, Modifiers::NONE, 20),
            [Command::Next],
            "{key:?}"
        );
    }
}

#[test]
fn hurrying_on_does_not_fall_out_of_a_search_that_has_just_begun() {
    let now = Instant::now();
    let mut harness = stage(scenes::lobby(now), now);
    harness.state_mut().snapshot.call = CallView::Searching { since: now };
    assert_eq!(press(&mut harness, Key::Escape), []);
    harness.state_mut().now = now + Duration::from_secs(2);
    assert_eq!(press(&mut harness, Key::Escape), [Command::Stop]);
}

#[test]
fn work_before_a_search_is_told_when_it_takes_a_while() {
    let now = Instant::now();
    let ago = |ms| now.checked_sub(Duration::from_millis(ms));
    let mut harness = stage(scenes::searching(now), now);
    for (works_since, is_told) in [(None, false), (ago(200), false), (ago(1200), true)] {
        harness.state_mut().snapshot.works_since = works_since;
        harness.run_steps(2);
        let told = harness.query_by_label_contains("The server is busy with many new people");
        assert_eq!(told.is_some(), is_told, "{works_since:?}");
    }
    assert_eq!(click(&mut harness, "Stop searching"), [Command::Stop]);
}

#[test]
fn a_search_can_be_cancelled_and_skips_nobody() {
    let now = Instant::now();
    let mut harness = stage(scenes::searching(now), now);
    assert_eq!(
        click(&mut harness, "Next stranger"),
        [],
        "there is nobody to leave"
    );
    assert_eq!(click(&mut harness, "Stop searching"), [Command::Stop]);
}

#[test]
fn shift_escape_ends_the_call() {
    let mut harness = in_call();
    assert_eq!(
        hold(&mut harness, Key::Escape, Modifiers::SHIFT, 3),
        [Command::Stop]
    );
    assert_eq!(click(&mut harness, "End the call"), [Command::Stop]);
}

#[test]
fn letters_switch_microphone_and_camera_and_the_buttons_say_what_comes_next() {
    let mut harness = in_call();
    assert_eq!(press(&mut harness, Key::M), [Command::SetMicrophone(false)]);
    assert_eq!(press(&mut harness, Key::V), [Command::SetCamera(false)]);
    harness.state_mut().snapshot.devices.is_microphone_on = false;
    harness.state_mut().snapshot.devices.is_camera_on = false;
    harness.run();
    assert_eq!(
        click(&mut harness, "Unmute microphone"),
        [Command::SetMicrophone(true)]
    );
    assert_eq!(
        click(&mut harness, "Turn camera on"),
        [Command::SetCamera(true)]
    );
}

#[test]
fn letters_with_control_or_in_the_lobby_mean_nothing_else() {
    let mut harness = in_call();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::M);
    harness.run();
    assert_eq!(harness.state_mut().take(), []);
    let mut harness = in_lobby();
    press(&mut harness, Key::T);
    assert!(
        !harness.state().window.state.is_chat_open,
        "there is nobody to write to"
    );
}

#[test]
fn escape_closes_a_list_of_devices_and_not_the_call() {
    let mut harness = in_call();
    click(&mut harness, "Choose camera");
    harness.get_by_label("Logitech BRIO");
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(harness.query_by_label("Logitech BRIO").is_none());
    assert_eq!(press(&mut harness, Key::Escape), [Command::Next]);
}

#[test]
fn the_keyboard_walks_through_the_dock_from_left_to_right() {
    let mut harness = in_call();
    let mut walked = Vec::new();
    for _ in 0..9 {
        harness.key_press(Key::Tab);
        harness.run();
        let focused = harness
            .root()
            .children_recursive()
            .find(|node| node.accesskit_node().is_focused());
        walked.push(
            focused
                .and_then(|node| node.accesskit_node().label())
                .unwrap_or_default(),
        );
    }
    let wanted = [
        "Mute microphone",
        "Choose microphone and speaker",
        "Turn camera off",
        "Choose camera",
        "Next stranger",
        "End the call",
        "Open chat",
    ];
    let start = walked
        .iter()
        .position(|name| name == wanted[0])
        .unwrap_or_else(|| panic!("{walked:?}"));
    assert_eq!(walked[start..start + wanted.len()], wanted);
}

/// Presses these keys so fast that the window is drawn once for all of them.
fn press_at_once(harness: &mut Harness<'_, Stage>, keys: &[Key]) -> Vec<Command> {
    for key in keys {
        harness.input_mut().events.push(Event::Key {
            key: *key,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::NONE,
        });
    }
    harness.step();
    harness.state_mut().take()
}

#[test]
fn a_key_right_after_a_card_was_closed_is_not_lost_however_busy_the_machine() {
    let open = || {
        let mut harness = in_call();
        harness.state_mut().snapshot.safety.reportable = Some(Reportable::Present);
        harness.state_mut().window.state.is_diagnostics_open = true;
        harness.run();
        harness
    };
    let is_reporting = |harness: &Harness<'_, Stage>| {
        let state = &harness.state().window.state;
        assert!(!state.is_diagnostics_open);
        state.report.is_some()
    };
    let mut harness = open();
    assert_eq!(press_at_once(&mut harness, &[Key::Escape]), []);
    assert_eq!(press_at_once(&mut harness, &[Key::R]), []);
    assert!(is_reporting(&harness), "in the next frame");

    let mut harness = open();
    assert_eq!(press_at_once(&mut harness, &[Key::Escape, Key::R]), []);
    assert!(is_reporting(&harness), "in the same frame");

    let mut harness = open();
    assert_eq!(press_at_once(&mut harness, &[Key::R, Key::Escape]), []);
    assert!(!is_reporting(&harness), "before it was closed");

    let mut harness = open();
    let twice = [Key::Escape, Key::Escape];
    assert_eq!(press_at_once(&mut harness, &twice), [], "nobody is skipped");
}

#[test]
fn a_list_is_closed_by_a_card_that_is_opened_with_a_key() {
    let mut harness = in_call();
    for list in ["More", "Choose camera"] {
        click(&mut harness, list);
        assert!(Popup::is_any_open(&harness.ctx), "{list}");
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
        harness.run();
        assert!(harness.state().window.state.settings.is_some());
        assert!(!Popup::is_any_open(&harness.ctx), "{list}");
        press(&mut harness, Key::Escape);
        assert!(harness.state().window.state.settings.is_none());
    }
}
