//! The lobby: how a search begins, and what it waits for.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Key, Modifiers, Vec2};
use egui_kittest::kittest::Queryable as _;
use engine::{CallView, Command, SignallingProblem, SignallingView};

use crate::stage::{click, in_call, in_lobby, press};

#[test]
fn power_can_be_saved_from_the_list_of_cameras() {
    for (mut harness, list) in [
        (in_lobby(), "Camera: Integrated Camera"),
        (in_call(), "Choose camera"),
    ] {
        click(&mut harness, list);
        assert_eq!(
            click(&mut harness, "Save power"),
            [Command::SetPowerSaving(true)]
        );
        harness.state_mut().snapshot.is_saving_power = true;
        harness.run();
        click(&mut harness, list);
        assert_eq!(click(&mut harness, "Save power"), [], "it is in force");
        click(&mut harness, list);
        assert_eq!(
            click(&mut harness, "As good as possible"),
            [Command::SetPowerSaving(false)]
        );
    }
}

#[test]
fn enter_starts_with_the_interests_that_were_typed() {
    let mut harness = in_lobby();
    let field = harness.get_by_role_and_label(Role::TextInput, "Interests");
    field.focus();
    field.type_text("jazz, chess,m");
    harness.run();
    assert_eq!(
        press(&mut harness, Key::Enter),
        [],
        "the first Enter takes the last word"
    );
    harness.get_by_label("Remove chess").click();
    harness.run();
    let commands = click(&mut harness, "Start");
    let [Command::Start { interests, .. }] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    assert_eq!(interests, &["jazz", "m"]);
}

#[test]
fn enter_starts_when_nothing_has_the_keyboard() {
    let mut harness = in_lobby();
    let commands = press(&mut harness, Key::Enter);
    assert!(
        matches!(commands.as_slice(), [Command::Start { .. }]),
        "{commands:?}"
    );
    // On a focused switch Enter belongs to the switch.
    harness.get_by_label("Mute microphone").focus();
    harness.run();
    assert_eq!(
        press(&mut harness, Key::Enter),
        [Command::SetMicrophone(false)]
    );
}

#[test]
fn without_a_server_start_waits_and_another_server_can_be_given() {
    let mut harness = in_lobby();
    let now = harness.state().now;
    harness.state_mut().snapshot.signalling = SignallingView::Away {
        problem: SignallingProblem::Unreachable("refused".to_owned()),
        retry_at: now + Duration::from_secs(3),
    };
    harness.run();
    harness.get_by_label("The server cannot be reached");
    harness.get_by_label("Trying again in 3 s");
    assert_eq!(press(&mut harness, Key::Enter), []);
    assert_eq!(click(&mut harness, "Start"), []);
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
}

#[test]
fn how_many_are_there_is_not_said_when_nobody_knows_any_more() {
    let mut harness = in_lobby();
    harness.state_mut().snapshot.signalling = SignallingView::Connected { online: Some(1) };
    harness.run();
    harness.get_by_label("Only you online");
    harness.state_mut().snapshot.signalling = SignallingView::Connected { online: None };
    harness.run();
    harness.get_by_label("Connected");
    assert!(harness.query_by_label_contains("online").is_none());
    let since = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Searching { since };
    harness.run_steps(2);
    harness.get_by_label_contains("You are connected as soon as somebody is free.");
}

#[test]
fn the_fields_of_a_narrow_lobby_stand_apart() {
    let mut harness = in_lobby();
    harness.set_size(Vec2::new(390.0, 1200.0));
    harness.run();
    let mut fields: Vec<_> = harness
        .query_all_by_role(Role::ComboBox)
        .map(|field| field.rect())
        .collect();
    fields.sort_by(|one, other| one.top().total_cmp(&other.top()));
    assert_eq!(fields.len(), 4);
    let gaps = fields
        .windows(2)
        .map(|pair| pair[1].top() - pair[0].bottom());
    for gap in gaps {
        assert!((gap - 8.0).abs() < 0.6, "{fields:?}");
    }
}
