//! Reporting: the sheet, the one key, the one who is gone, and not being let in.

use std::time::{Duration, SystemTime};

use egui::accesskit::{Role, Toggled};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use engine::{
    BanNotice, CallView, Command, EndReason, ReportProblem, ReportReason, ReportState, Reportable,
    SignallingProblem, SignallingView,
};

use crate::scenes;
use crate::stage::{Stage, click, in_call, in_lobby, press};

fn in_call_with_safety() -> Harness<'static, Stage> {
    let mut harness = in_call();
    harness.state_mut().snapshot.safety.reportable = Some(Reportable::Present);
    harness.run();
    harness
}

#[test]
fn a_report_needs_a_reason_and_goes_on_to_the_next_stranger() {
    let mut harness = in_call_with_safety();
    assert_eq!(press(&mut harness, Key::R), []);
    let send = harness.get_by_role_and_label(Role::Button, "Report and go on");
    assert!(send.accesskit_node().is_disabled());
    click(&mut harness, "Threats or insults");
    let note = harness.get_by_role_and_label(Role::MultilineTextInput, "Add a note, if you like");
    note.focus();
    harness.run();
    harness
        .get_by_role_and_label(Role::MultilineTextInput, "Add a note, if you like")
        .type_text(" shouted ");
    harness.run();
    harness.state_mut().take();
    let commands = click(&mut harness, "Report and go on");
    let report = Command::Report {
        reason: ReportReason::Harassment,
        note: "shouted".to_owned(),
        block: true,
        lines: Vec::new(),
    };
    assert_eq!(commands, [report, Command::Next]);
    assert!(harness.state().window.state.report.is_none());
}

#[test]
fn messages_go_with_a_report_only_if_they_are_ticked() {
    let mut harness = in_call_with_safety();
    harness.state_mut().snapshot.safety.chat = scenes::signed_chat(7);
    harness.run();
    press(&mut harness, Key::R);
    click(&mut harness, "Threats or insults");
    assert!(harness.query_by_role(Role::CheckBox).is_none());
    let name = "Add messages of the stranger";
    harness.get_by_role_and_label(Role::Switch, name).click();
    harness.run_steps(3);
    let state = |harness: &Harness<'_, Stage>| {
        let sheet = harness.state().window.state.report.clone();
        let lines = sheet.expect("it is open").lines;
        lines.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(state(&harness), [3, 4, 5, 6, 7], "the newest few");
    for line in ["Message 2", "Message 7"] {
        let tick = harness.get_by_role_and_label(Role::CheckBox, line);
        tick.scroll_to_me();
        harness.run_steps(3);
        harness.get_by_role_and_label(Role::CheckBox, line).click();
        harness.run_steps(3);
    }
    assert_eq!(state(&harness), [2, 3, 4, 5, 6]);
    harness.state_mut().take();
    let commands = click(&mut harness, "Report and go on");
    let has_lines =
        |it: &Command| matches!(it, Command::Report { lines, .. } if lines[..] == [2, 3, 4, 5, 6]);
    assert!(commands.iter().any(has_lines), "{commands:?}");
}

#[test]
fn a_report_stays_about_the_one_for_whom_it_was_begun_when_somebody_else_comes() {
    let mut harness = in_call_with_safety();
    let chat = scenes::signed_chat(7);
    harness.state_mut().snapshot.safety.chat = chat.clone();
    press(&mut harness, Key::R);
    click(&mut harness, "Threats or insults");
    let name = "Add messages of the stranger";
    harness.get_by_role_and_label(Role::Switch, name).click();
    harness.run_steps(3);
    // The stranger has left, and the next one is there by itself.
    let meets = |harness: &mut Harness<'static, Stage>, minutes| {
        let until = harness.state().now + Duration::from_mins(minutes);
        let safety = &mut harness.state_mut().snapshot.safety;
        safety.before_until = Some(until);
        safety.chat_before = std::mem::take(&mut safety.chat);
        harness.run_steps(3);
    };
    meets(&mut harness, 4);
    harness.state_mut().take();
    let commands = click(&mut harness, "Send report");
    let is_about_the_first = |it: &Command| matches!(it, Command::ReportLast { reason: ReportReason::Harassment, lines, .. } if lines[..] == [3, 4, 5, 6, 7]);
    assert!(
        matches!(&commands[..], [it] if is_about_the_first(it)),
        "{commands:?}"
    );

    press(&mut harness, Key::R);
    let one_before = "It was the person before";
    let switch = harness.get_by_role_and_label(Role::Switch, one_before);
    switch.click();
    harness.run_steps(3);
    meets(&mut harness, 5);
    assert!(
        harness.state().window.state.report.is_none(),
        "who was meant cannot be reported any more"
    );
}

#[test]
fn where_nothing_is_signed_the_sheet_says_why_nothing_can_be_added() {
    let mut harness = in_call_with_safety();
    harness.state_mut().snapshot.safety.chat.unproved = 2;
    press(&mut harness, Key::R);
    harness.get_by_label_contains("does not sign messages");
    assert!(
        harness
            .query_by_label("Add messages of the stranger")
            .is_none()
    );
}

#[test]
fn escape_closes_the_sheet_and_reports_nobody() {
    let mut harness = in_call_with_safety();
    press(&mut harness, Key::R);
    assert_eq!(press(&mut harness, Key::Escape), []);
    assert!(harness.state().window.state.report.is_none());
}

#[test]
fn one_key_reports_blocks_and_skips() {
    let mut harness = in_call_with_safety();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::R);
    harness.run();
    let report = Command::Report {
        reason: ReportReason::Other,
        note: String::new(),
        block: true,
        lines: Vec::new(),
    };
    assert_eq!(harness.state_mut().take(), [report, Command::Next]);
}

#[test]
fn who_is_gone_can_be_reported_for_as_long_as_the_server_takes_it() {
    let mut harness = in_call_with_safety();
    let now = harness.state().now;
    harness.state_mut().snapshot.call = CallView::Ended {
        reason: EndReason::PartnerLeft,
    };
    let until = now + Duration::from_mins(5);
    harness.state_mut().snapshot.safety.reportable = Some(Reportable::Last { until });
    harness.run_steps(2);
    harness.get_by_label("Report").click();
    harness.run_steps(3);
    harness.get_by_label("Report the last person");
    harness.get_by_label("Hate").click();
    harness.run_steps(2);
    harness.state_mut().take();
    harness.get_by_label("Send report").click();
    harness.run_steps(2);
    let commands = harness.state_mut().take();
    assert!(
        matches!(
            commands.as_slice(),
            [Command::Report {
                reason: ReportReason::Hate,
                ..
            }]
        ),
        "{commands:?}"
    );
    harness.state_mut().snapshot.safety.reportable = None;
    harness.run_steps(2);
    assert_eq!(press(&mut harness, Key::R), []);
    assert!(harness.state().window.state.report.is_none());
}

#[test]
fn who_was_there_before_the_present_one_can_be_reported_and_the_call_goes_on() {
    let mut harness = in_call_with_safety();
    let before_until = harness.state().now + Duration::from_mins(4);
    press(&mut harness, Key::R);
    assert!(harness.query_by_label("It was the person before").is_none());
    press(&mut harness, Key::Escape);
    harness.state_mut().snapshot.safety.before_until = Some(before_until);
    harness.run_steps(2);
    press(&mut harness, Key::R);
    harness.get_by_label("Advertising or fraud").click();
    harness.get_by_label("It was the person before").click();
    harness.run_steps(2);
    harness.state_mut().take();
    harness.get_by_label("Send report").click();
    harness.run_steps(2);
    let commands = harness.state_mut().take();
    assert!(
        matches!(
            commands.as_slice(),
            [Command::ReportLast { block: true, .. }]
        ),
        "{commands:?}"
    );
}

#[test]
fn what_became_of_a_report_is_said_for_a_while() {
    let mut harness = in_call_with_safety();
    let now = harness.state().now;
    harness.state_mut().snapshot.safety.report = Some(ReportState::Received);
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Alert, "Your report has arrived. Thank you.");
    let problem = ReportState::Failed(ReportProblem::TooOften);
    harness.state_mut().snapshot.safety.report = Some(problem);
    harness.run_steps(2);
    harness.get_by_role_and_label(
        Role::Alert,
        "Not reported: too many reports. Wait a minute.",
    );
    harness.state_mut().now = now + Duration::from_secs(20);
    harness.run_steps(2);
    assert!(harness.query_by_role(Role::Alert).is_none());
}

#[test]
fn who_is_not_let_in_reads_why_and_until_when() {
    let mut harness = in_lobby();
    let now = harness.state().now;
    let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    harness.state_mut().window.state.time_of_day = noon;
    let snapshot = &mut harness.state_mut().snapshot;
    snapshot.signalling = SignallingView::Away {
        problem: SignallingProblem::Lost("refused".to_owned()),
        retry_at: now,
    };
    snapshot.safety.ban = Some(BanNotice {
        reason: "spam".to_owned(),
        until: Some(noon + Duration::from_hours(71)),
        appeal: Some("write to ops".to_owned()),
    });
    harness.run_steps(2);
    harness.get_by_label("This server does not let you in");
    let said = harness.get_by_label_contains("It says: spam");
    let said = said.value().unwrap_or_default();
    assert!(
        said.contains("3 days") && said.contains("write to ops"),
        "{said}"
    );
    // The time that is left is that of the state, whatever the machine's clock says.
    harness.state_mut().window.state.time_of_day = noon + Duration::from_hours(70);
    harness.run_steps(2);
    harness.get_by_label_contains("It ends in 1 h.");
}

#[test]
fn the_reasons_are_radio_buttons_and_the_arrows_go_from_one_to_the_next() {
    let mut harness = in_call_with_safety();
    press(&mut harness, Key::R);
    harness.get_by_role_and_label(Role::RadioGroup, "Reason");
    let reasons: Vec<_> = harness
        .query_all_by_role(Role::RadioButton)
        .map(|it| it.accesskit_node().label().unwrap_or_default())
        .collect();
    assert_eq!(reasons.len(), ReportReason::ALL.len());
    let reason = |harness: &Harness<'_, Stage>| {
        let sheet = harness.state().window.state.report.clone();
        sheet.and_then(|sheet| sheet.reason)
    };
    assert_eq!(reason(&harness), None);
    let first = harness.get_by_role_and_label(Role::RadioButton, &reasons[0]);
    first.focus();
    harness.run();
    assert_eq!(reason(&harness), None, "it has the keyboard, no more");
    press(&mut harness, Key::ArrowRight);
    assert_eq!(reason(&harness), Some(ReportReason::ALL[1]));
    press(&mut harness, Key::ArrowUp);
    press(&mut harness, Key::ArrowLeft);
    assert_eq!(reason(&harness), ReportReason::ALL.last().copied(), "round");
    let last = harness.get_by_role_and_label(Role::RadioButton, reasons.last().unwrap());
    assert!(last.accesskit_node().is_focused());
    assert_eq!(last.accesskit_node().toggled(), Some(Toggled::True));
}
