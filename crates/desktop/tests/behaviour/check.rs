//! The card of the connection check.

use desktop::connection_check::{Check, CheckProblem, Question};
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use engine::{Command, SignallingProblem};

use crate::scenes;
use crate::stage::{Stage, click, in_lobby, press};

#[test]
fn the_check_begins_by_a_click_and_its_report_is_read_in_words() {
    let mut harness = in_lobby();
    assert_eq!(click(&mut harness, "Check connection"), []);
    harness.get_by_label_contains("Trying every way");
    let question = take_question(&mut harness);
    assert_eq!(question, Some(about_the_server(false)));
    assert_eq!(take_question(&mut harness), None, "it is taken once");
    let outcome = Ok(scenes::good_report());
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    harness.get_by_label_contains("You are well connected. ");
    harness.get_by_label("Works, 25 ms there and back");
    click(&mut harness, "Check again");
    assert!(take_question(&mut harness).is_some());
    click(&mut harness, "Cancel");
    assert_eq!(harness.state().window.state.check, None);
}

#[test]
fn who_hides_the_address_is_told_that_nobody_but_relays_is_asked_and_so_it_is() {
    let mut harness = in_lobby();
    harness.state_mut().snapshot.is_shielded = true;
    click(&mut harness, "Check connection");
    harness.get_by_label_contains("Nobody but the server and its relays is asked");
    let question = take_question(&mut harness);
    assert_eq!(question, Some(about_the_server(true)));
}

#[test]
fn a_check_takes_the_keyboard_and_escape_puts_it_away() {
    let mut harness = in_lobby();
    click(&mut harness, "Check connection");
    for key in [Key::Enter, Key::M, Key::V] {
        assert_eq!(
            press(&mut harness, key),
            [],
            "{key:?} is for what lies below"
        );
    }
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert_eq!(harness.state().window.state.check, None);
    let outcome = Ok(scenes::good_report());
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    assert_eq!(
        harness.state().window.state.check,
        None,
        "what comes late does not open it again"
    );
    let wishes = press(&mut harness, Key::Enter);
    assert!(
        matches!(wishes.as_slice(), [Command::Start { .. }]),
        "{wishes:?}"
    );
}

#[test]
fn a_check_that_finds_no_server_says_so_and_can_be_tried_again() {
    let mut harness = in_lobby();
    click(&mut harness, "Check connection");
    let problem = SignallingProblem::Unreachable("refused".to_owned());
    let outcome = Err(CheckProblem::Server(problem));
    harness.state_mut().window.state.end_check(outcome);
    harness.run();
    harness.get_by_label_contains("The server cannot be reached");
    click(&mut harness, "Try again");
    let check = &harness.state().window.state.check;
    assert!(matches!(check, Some(Check::Running { .. })), "{check:?}");
}

fn take_question(harness: &mut Harness<'_, Stage>) -> Option<Question> {
    let stage = harness.state_mut();
    stage.window.state.take_question(&stage.snapshot)
}

fn about_the_server(is_shielded: bool) -> Question {
    Question {
        server: "ws://old.example".to_owned(),
        is_shielded,
    }
}
