//! The sheet with which somebody is reported, and what became of a report.

use egui::{Align2, Id, Margin, Rect, ScrollArea, TextEdit, Ui, Vec2, accesskit::Role, pos2, vec2};
use engine::{Command, ReportReason, ReportState, Reportable, ReportableChat};
use protocol::limits::NOTE_CHARS;

use super::View;
use crate::actions::Action;
use crate::icons::Icon;
use crate::state::{ReportSheet, WindowState};
use crate::widgets::{
    Button, Look, Pill, RadioChoice, announce, card, describe, radio_row, switch_row, tick,
    was_pressed, words,
};
use crate::{text, theme};

const MAX_WIDTH: f32 = 460.0;
/// What stands above and below that which scrolls.
const FRAME: f32 = 190.0;

/// What a button of the sheet asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Close,
    Send,
}

/// Draws the sheet, if it is open.
pub(super) fn ui(ui: &Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let Some(mut sheet) = state.report.take() else {
        return;
    };
    let Some(reportable) = view.snapshot.safety.reportable else {
        // It is too long ago by now.
        return;
    };
    let has_one_before = view.snapshot.safety.before_until.is_some();
    sheet.is_about_before &= has_one_before;
    let is_present = reportable == Reportable::Present && !sheet.is_about_before;
    let limit = (ui.ctx().content_rect().height() - FRAME).max(120.0);
    let (wish, is_left) = card(ui, "report", MAX_WIDTH, |ui| {
        let is_closed = header_ui(ui, is_present);
        ui.add_space(4.0);
        ScrollArea::vertical().max_height(limit).show(ui, |ui| {
            sheet_ui(ui, &mut sheet, view, has_one_before);
        });
        ui.add_space(14.0);
        let name = if is_present {
            tr!("Report and go on")
        } else {
            tr!("Send report")
        };
        let send = Button::new(Look::Primary, name)
            .font(theme::semibold(15.0))
            .enabled(sheet.reason.is_some());
        let width = ui.available_width();
        let is_sent = was_pressed(&send.show(ui, vec2(width, theme::DOCK_CONTROL)));
        if is_closed {
            Some(Wish::Close)
        } else {
            is_sent.then_some(Wish::Send)
        }
    });
    match (wish, sheet.reason) {
        (Some(Wish::Send), Some(reason)) => {
            let (note, block) = (sheet.note.trim().to_owned(), sheet.blocks);
            let lines = sheet.lines.into_iter().collect();
            out.push(if sheet.is_about_before {
                Command::ReportLast {
                    reason,
                    note,
                    block,
                    lines,
                }
            } else {
                Command::Report {
                    reason,
                    note,
                    block,
                    lines,
                }
            });
            if is_present {
                Action::Next.perform(view.snapshot, state, out);
            }
        }
        (Some(Wish::Close), _) => {}
        _ if is_left => {}
        _ => state.report = Some(sheet),
    }
}

/// The title and the cross; returns whether the cross was pressed.
fn header_ui(ui: &mut Ui, is_present: bool) -> bool {
    let (id, bar) = ui.allocate_space(vec2(ui.available_width(), theme::CONTROL));
    let name = if is_present {
        tr!("Report this person")
    } else {
        tr!("Report the last person")
    };
    let title = ui.painter().text(
        bar.left_center(),
        Align2::LEFT_CENTER,
        name,
        theme::semibold(18.0),
        theme::text(),
    );
    describe(ui, id, title, Role::Heading, name);
    let middle = bar.right_center() - vec2(7.0, 0.0);
    let place = Rect::from_center_size(middle, Vec2::splat(theme::CONTROL));
    let close =
        Button::icon(Look::Bare, Icon::Close, tr!("Close without reporting")).icon_size(16.0);
    was_pressed(&close.show_at(ui, id.with("close"), place))
}

/// The reasons, the note, whom it is about, and whether that person is to be met again.
fn sheet_ui(ui: &mut Ui, sheet: &mut ReportSheet, view: View<'_>, has_one_before: bool) {
    let promise = tr!(
        "Whoever runs the server gets the reason and your note, no picture and no sound. The stranger is not told."
    );
    ui.label(words(promise, theme::regular(13.0), theme::text_second()));
    ui.add_space(12.0);
    let reasons = ReportReason::ALL.map(|it| RadioChoice::new(it, text::report_reason(it)));
    if let Some(reason) = radio_row(ui, tr!("Reason"), &reasons, sheet.reason) {
        sheet.reason = Some(reason);
    }
    ui.add_space(12.0);
    let hint = tr!("Add a note, if you like");
    let edit = TextEdit::multiline(&mut sheet.note)
        .id(Id::unique("report-note"))
        .hint_text(words(hint, theme::regular(13.5), theme::text_third()))
        .font(theme::regular(13.5))
        .text_color(theme::text())
        .char_limit(NOTE_CHARS)
        .margin(Margin::symmetric(10, 9))
        .desired_rows(2)
        .desired_width(ui.available_width());
    ui.add(edit).accessible_name(hint);
    ui.add_space(6.0);
    if has_one_before {
        let name = tr!("It was the person before");
        if was_pressed(&switch_row(ui, name, "", sheet.is_about_before)) {
            sheet.is_about_before = !sheet.is_about_before;
            sheet.set_adds_chat(false, &ReportableChat::default());
        }
    }
    let safety = &view.snapshot.safety;
    let chat = if sheet.is_about_before {
        &safety.chat_before
    } else {
        &safety.chat
    };
    chat_ui(ui, sheet, chat);
    let name = tr!("Never meet this person again");
    if was_pressed(&switch_row(ui, name, "", sheet.blocks)) {
        sheet.blocks = !sheet.blocks;
    }
}

/// What the person has written, to be added line by line. Nothing is, unless that is wanted.
fn chat_ui(ui: &mut Ui, sheet: &mut ReportSheet, chat: &ReportableChat) {
    if chat.lines.is_empty() {
        if chat.unproved > 0 {
            let why =
                tr!("The stranger's program does not sign messages, so that none can be added.");
            ui.label(words(why, theme::regular(13.0), theme::text_second()));
        }
        return;
    }
    let name = tr!("Add messages of the stranger");
    let detail =
        tr!("Whoever runs the server gets those that you tick, and can check who wrote them.");
    if was_pressed(&switch_row(ui, name, detail, sheet.adds_chat)) {
        sheet.set_adds_chat(!sheet.adds_chat, chat);
    }
    if !sheet.adds_chat {
        return;
    }
    for line in chat.lines.iter() {
        let is_ticked = sheet.lines.contains(&line.number);
        if was_pressed(&tick(ui, &text::plain(&line.text), is_ticked)) {
            if is_ticked {
                sheet.lines.remove(&line.number);
            } else {
                sheet.lines.insert(line.number);
            }
        }
    }
}

/// Says what became of the last report, for as long as that is news, at the bottom of the window above the dock.
pub(super) fn news_ui(ui: &Ui, view: View<'_>, state: &WindowState) {
    let Some(news) = state.report_news(view.now) else {
        return;
    };
    let (icon, color) = match news {
        ReportState::Sending | ReportState::Received => (Icon::Check, theme::good()),
        ReportState::Failed(_) => (Icon::Warning, theme::warning()),
    };
    let window = ui.max_rect();
    let said = text::report_state(news);
    let pill = Pill::new().icon(icon, color).plain(said);
    let pill = pill.at_most(ui, window.width() - 24.0);
    let at = pos2(window.center().x, window.bottom() - 104.0);
    let id = Id::unique("report-news");
    let place = pill.show_at(ui, id, Align2::CENTER_BOTTOM, at).rect;
    announce(ui, id.with("said"), place, Role::Alert, said);
    ui.request_repaint_after(std::time::Duration::from_millis(500));
}
