//! Who may learn the network address: the setting, and going direct. The question is in `first_run.rs`.

use std::time::{Duration, Instant};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{Command, DirectView};

use crate::scenes;
use crate::stage::{Stage, click, hold, in_call, in_lobby, press, stage};

#[test]
fn the_shield_can_be_changed_later_in_the_lobby() {
    let mut harness = in_lobby();
    click(&mut harness, "Network address: Strangers can learn it");
    harness
        .get_by_label_contains("Hide my network address")
        .click();
    harness.run();
    assert_eq!(harness.state_mut().take(), [Command::SetShield(true)]);
    harness.get_by_label("Network address: Hidden from strangers");
    assert!(
        harness
            .query_by_label_contains("Connect directly")
            .is_none(),
        "the list is closed"
    );
}

#[test]
fn going_direct_is_asked_for_and_taken_back_by_mouse_and_by_key() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    let go = "Go direct. Address hidden";
    assert_eq!(click(&mut harness, go), [Command::AllowDirect(true)]);
    assert_eq!(press(&mut harness, Key::D), [Command::AllowDirect(true)]);
    change_direct(&mut harness, |direct| direct.is_allowed = true);
    let back = "Stay hidden after all. Waiting for the stranger to agree";
    assert_eq!(click(&mut harness, back), [Command::AllowDirect(false)]);
    assert_eq!(press(&mut harness, Key::D), [Command::AllowDirect(false)]);
    assert_eq!(
        hold(&mut harness, Key::D, Modifiers::NONE, 20),
        [Command::AllowDirect(false)],
        "a held key counts once"
    );
}

#[test]
fn the_way_to_go_direct_says_what_it_reveals_and_its_key() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    harness.get_by_label("Go direct. Address hidden").hover();
    // Tooltips wait until the pointer rests.
    for _ in 0..60 {
        harness.step();
    }
    harness.get_by_label_contains("the stranger can learn your network address");
    harness.get_by_label_contains("(D)");
}

#[test]
fn a_stranger_who_is_ready_is_told_of_without_anything_happening_by_itself() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    change_direct(&mut harness, |direct| direct.partner_allows = Some(true));
    assert_eq!(harness.state_mut().take(), []);
    harness.get_by_label("Go direct. The stranger is ready");
}

#[test]
fn where_there_is_nothing_to_agree_to_the_key_does_nothing() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    change_direct(&mut harness, |direct| direct.is_permitted = false);
    harness.get_by_label("Address hidden by the server");
    assert_eq!(press(&mut harness, Key::D), []);
    let mut harness = in_call();
    assert!(harness.query_by_label_contains("Address hidden").is_none());
    assert_eq!(press(&mut harness, Key::D), []);
}

#[test]
fn d_in_a_message_is_a_letter() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    press(&mut harness, Key::T);
    assert_eq!(press(&mut harness, Key::D), []);
}

#[test]
fn a_direct_path_is_confirmed_when_it_is_there_and_then_no_more() {
    let now = Instant::now();
    let mut harness = stage(scenes::shield_hidden(now), now);
    let relayed = harness.state().snapshot.statistics.path;
    harness.state_mut().snapshot = scenes::shield_direct(now);
    harness.state_mut().snapshot.statistics.path = relayed;
    harness.run();
    harness.get_by_label("Going direct…");
    harness.state_mut().snapshot = scenes::shield_direct(now);
    harness.run();
    harness.get_by_label("You are connected directly");
    harness.state_mut().now += Duration::from_secs(7);
    harness.run();
    assert!(
        harness
            .query_by_label("You are connected directly")
            .is_none()
    );
}

fn change_direct(harness: &mut Harness<'_, Stage>, change: impl FnOnce(&mut DirectView)) {
    let direct = &mut harness.state_mut().snapshot.direct;
    change(direct.as_mut().expect("there is a call"));
    harness.run();
}
