//! The card of the connection check: that it is under way, what it found, or why it found nothing.

use std::time::Instant;

use egui::{Align, Align2, Color32, Id, Layout, Rect, ScrollArea, Ui, Vec2, accesskit::Role, vec2};
use engine::ServerCheck;

use crate::connection_check::Check;
use crate::icons::{self, Icon};
use crate::screens::searching::STILL_PHASE;
use crate::screens::{View, repaint_at_next_second};
use crate::state::WindowState;
use crate::text::{Explanation, Finding, Mark};
use crate::widgets::{
    Button, Look, Notice, Sign, announce, card, describe, name_beside, was_pressed, words,
};
use crate::{text, theme};

const MAX_WIDTH: f32 = 440.0;
/// How much of the card a notice takes in place of findings.
const NOTICE_HEIGHT: f32 = 240.0;
/// How long a wave takes to go out, as in a search.
const WAVE_SECONDS: f32 = 2.4;
const WAVE_INTERVAL: std::time::Duration = std::time::Duration::from_millis(33);
/// The side of the sign before a finding, and what is left free beside it.
const SIGN: f32 = 15.0;
const GAP: f32 = 10.0;

/// What a button of the card asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Again,
    Close,
}

/// Draws the card over the lobby, if it is open.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState) {
    let Some(check) = &state.check else {
        return;
    };
    let limit = ui.ctx().content_rect().height() - 200.0;
    let (wish, is_left) = card(ui, "check", MAX_WIDTH, |ui| {
        let is_closed = header_ui(ui);
        ui.add_space(12.0);
        let wish = match check {
            Check::Running { since } => running_ui(ui, view, *since, state),
            Check::Done(outcome) => match outcome.as_ref() {
                Ok(report) => report_ui(ui, report, limit),
                Err(problem) => failed_ui(ui, &text::check_problem(problem)),
            },
        };
        if is_closed { Some(Wish::Close) } else { wish }
    });
    let wish = if is_left { Some(Wish::Close) } else { wish };
    match wish {
        Some(Wish::Again) => state.begin_check(view.now),
        Some(Wish::Close) => state.check = None,
        None => {}
    }
}

/// The title and the cross; returns whether the cross was pressed.
fn header_ui(ui: &mut Ui) -> bool {
    let (id, bar) = ui.allocate_space(vec2(ui.available_width(), theme::CONTROL));
    let title = ui.painter().text(
        bar.left_center(),
        Align2::LEFT_CENTER,
        tr!("Connection check"),
        theme::semibold(16.0),
        theme::text(),
    );
    describe(ui, id, title, Role::Heading, tr!("Connection check"));
    // The cross stands in line with what is below it; the ground around it reaches further.
    let middle = bar.right_center() - vec2(7.0, 0.0);
    let place = Rect::from_center_size(middle, Vec2::splat(theme::CONTROL));
    let close = Button::icon(Look::Bare, Icon::Close, tr!("Close the check")).icon_size(16.0);
    was_pressed(&close.show_at(ui, id.with("close"), place))
}

fn running_ui(ui: &mut Ui, view: View<'_>, since: Instant, state: &WindowState) -> Option<Wish> {
    let words = text::check_under_way(state.is_shielded(view.snapshot));
    let age = view.age(since);
    let is_still = state.preferences.is_motion_reduced;
    let phase = if is_still {
        STILL_PHASE
    } else {
        (age.as_secs_f32() / WAVE_SECONDS).fract()
    };
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), NOTICE_HEIGHT));
    Notice {
        sign: Sign::Searching(phase),
        title: &words.title,
        detail: &words.detail,
        footnote: "",
    }
    .show(ui, Id::unique("check-running"), rect, 0.0);
    if !is_still {
        ui.request_repaint_after(WAVE_INTERVAL);
    }
    repaint_at_next_second(ui, age);
    buttons_ui(ui, None, tr!("Cancel"))
}

fn failed_ui(ui: &mut Ui, explanation: &Explanation) -> Option<Wish> {
    let (_, rect) = ui.allocate_space(vec2(ui.available_width(), NOTICE_HEIGHT));
    Notice {
        sign: Sign::Icon(Icon::Offline, theme::warning()),
        title: &explanation.title,
        detail: &explanation.detail,
        footnote: "",
    }
    .show(ui, Id::unique("check-failed"), rect, 0.0);
    buttons_ui(ui, Some(tr!("Try again")), tr!("Close"))
}

fn report_ui(ui: &mut Ui, report: &ServerCheck, limit: f32) -> Option<Wish> {
    let (verdict, mark) = text::verdict(report.connection.verdict());
    ScrollArea::vertical().max_height(limit).show(ui, |ui| {
        verdict_ui(ui, &verdict, mark);
        ui.add_space(16.0);
        for (index, finding) in text::findings(report).iter().enumerate() {
            if index > 0 {
                let (_, line) = ui.allocate_space(vec2(ui.available_width(), 1.0));
                ui.painter().rect_filled(line, 0.0, theme::line());
            }
            finding_ui(ui, finding);
        }
    });
    buttons_ui(ui, Some(tr!("Check again")), tr!("Done"))
}

fn verdict_ui(ui: &mut Ui, verdict: &Explanation, mark: Mark) {
    let spoken = format!("{}. {}", verdict.title, verdict.detail);
    let response = ui
        .horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 14.0;
            let (_, disc) = ui.allocate_space(Vec2::splat(44.0));
            let (icon, color) = sign(mark);
            let painter = ui.painter();
            painter.circle_filled(disc.center(), 22.0, color.gamma_multiply(0.16));
            let place = Rect::from_center_size(disc.center(), Vec2::splat(22.0));
            icons::paint(painter, icon, place, color);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 3.0;
                ui.label(words(&verdict.title, theme::semibold(16.0), theme::text()));
                ui.label(words(
                    &verdict.detail,
                    theme::regular(13.5),
                    theme::text_second(),
                ));
            });
        })
        .response;
    let id = Id::unique("check-verdict");
    announce(ui, id, response.rect, Role::Label, spoken);
}

/// One line: a sign, a name, and at the right what was found. Where both have no room beside each other, what was found stands
/// below the name.
fn finding_ui(ui: &mut Ui, finding: &Finding) {
    let width = |words: &str, font| {
        let galley = ui
            .painter()
            .layout_no_wrap(words.to_owned(), font, Color32::PLACEHOLDER);
        galley.size().x
    };
    let room = ui.available_width() - SIGN - 2.0 * GAP;
    let needed =
        width(finding.name, theme::regular(13.0)) + width(&finding.words, theme::medium(13.0));
    if needed > room {
        two_lines_ui(ui, finding);
        return;
    }
    ui.allocate_ui_with_layout(
        vec2(ui.available_width(), 32.0),
        Layout::left_to_right(Align::Center),
        |ui| {
            ui.spacing_mut().item_spacing.x = GAP;
            sign_ui(ui, finding.mark);
            let name = words(finding.name, theme::regular(13.0), theme::text_second());
            name_beside(ui, name, &finding.words, theme::medium(13.0));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(words(&finding.words, theme::medium(13.0), theme::text()));
            });
        },
    );
}

fn two_lines_ui(ui: &mut Ui, finding: &Finding) {
    ui.add_space(7.0);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        sign_ui(ui, finding.mark);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            let name = words(finding.name, theme::regular(13.0), theme::text_second());
            ui.label(name);
            ui.label(words(&finding.words, theme::medium(13.0), theme::text()));
        });
    });
    ui.add_space(7.0);
}

fn sign_ui(ui: &mut Ui, mark: Mark) {
    let (_, place) = ui.allocate_space(Vec2::splat(SIGN));
    match mark {
        Mark::Neutral => {
            let painter = ui.painter();
            painter.circle_filled(place.center(), 2.5, theme::text_third());
        }
        mark => {
            let (icon, color) = sign(mark);
            icons::paint(ui.painter(), icon, place, color);
        }
    }
}

fn sign(mark: Mark) -> (Icon, Color32) {
    match mark {
        Mark::Good => (Icon::Check, theme::good()),
        Mark::Bad => (Icon::Warning, theme::warning()),
        Mark::Neutral => (Icon::Pulse, theme::accent_hovered()),
    }
}

fn buttons_ui(ui: &mut Ui, again: Option<&str>, close: &str) -> Option<Wish> {
    ui.add_space(18.0);
    let layout = Layout::right_to_left(Align::Center);
    let size = vec2(ui.available_width(), theme::CONTROL);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let mut wish = None;
        let look = if again.is_some() {
            Look::Primary
        } else {
            Look::Quiet
        };
        let close = Button::new(look, close).font(theme::medium(13.5));
        if was_pressed(&close.show(ui, vec2(88.0, theme::CONTROL))) {
            wish = Some(Wish::Close);
        }
        if let Some(again) = again {
            let again = Button::new(Look::Quiet, again).font(theme::medium(13.5));
            if was_pressed(&again.show(ui, vec2(0.0, theme::CONTROL))) {
                wish = Some(Wish::Again);
            }
        }
        wish
    })
    .inner
}
