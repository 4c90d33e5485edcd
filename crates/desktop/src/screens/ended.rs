//! After a call: why it ended, how long it was, and where to go from here.

use std::time::Duration;

use egui::{Id, Rect, Ui, accesskit::Role, pos2, vec2};
use engine::{Command, EndReason};

use super::{View, repaint_at_next_second};
use crate::actions::Action;
use crate::automatic_next::COUNTDOWN;
use crate::icons::Icon;
use crate::state::WindowState;
use crate::widgets::{Button, Look, Notice, Sign, describe, was_pressed};
use crate::{text, theme};

const BUTTON_HEIGHT: f32 = 48.0;
/// Between the words and what is below them.
const GAP: f32 = 28.0;
/// What the countdown takes, with the space below it.
const COUNTDOWN_HEIGHT: f32 = 52.0;
const BAR_WIDTH: f32 = 220.0;
/// The bar needs no more than this many pictures a second.
const BAR_INTERVAL: Duration = Duration::from_millis(50);

/// What a button asks for.
#[derive(Clone, Copy)]
enum Wish {
    Act(Action),
    Stay,
}

/// After a call that the other side or the network ended.
pub(super) fn ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &mut WindowState,
    reason: EndReason,
    out: &mut Vec<Command>,
) {
    let explanation = text::end_reason(reason);
    let (icon, color) = match reason {
        EndReason::PartnerLeft | EndReason::PartnerVanished => (Icon::Person, theme::text_second()),
        EndReason::CouldNotConnect | EndReason::ConnectionLost => (Icon::Offline, theme::warning()),
    };
    let footnote = state.last_call.map(|length| {
        tr!(
            "You were together for {length}",
            length = text::clock(length)
        )
    });
    let left = state
        .automatic_next
        .left(state.preferences.goes_on_by_itself, view.now);
    let countdown = left.map_or(0.0, |_| COUNTDOWN_HEIGHT);
    let notice = Notice {
        sign: Sign::Icon(icon, color),
        title: &explanation.title,
        detail: &explanation.detail,
        footnote: footnote.as_deref().unwrap_or_default(),
    };
    let reserve = GAP + countdown + BUTTON_HEIGHT;
    let mut top = notice.show(ui, Id::unique("ended"), stage, reserve) + GAP;
    if let Some(left) = left {
        let is_still = state.preferences.is_motion_reduced;
        countdown_ui(ui, pos2(stage.center().x, top), left, is_still);
        top += COUNTDOWN_HEIGHT;
    }
    let key = Action::Next.key(state);
    let next = Button::new(Look::Primary, tr!("Next stranger"))
        .with_icon(Icon::Next)
        .key(&key)
        .font(theme::semibold(15.0));
    let mut buttons = vec![(next, Wish::Act(Action::Next))];
    if left.is_some() {
        buttons.push((Button::new(Look::Quiet, tr!("Stay here")), Wish::Stay));
    }
    let back = Button::new(Look::Quiet, tr!("Back to the lobby"));
    let back = back.hint(Action::Stop.hint(view.snapshot, state));
    buttons.push((back, Wish::Act(Action::Stop)));
    if let Some(report) = report_button(view, state) {
        buttons.push((report, Wish::Act(Action::Report)));
    }
    match buttons_ui(ui, stage, top, buttons) {
        Some(Wish::Act(action)) => action.perform(view.snapshot, state, out),
        Some(Wish::Stay) => state.automatic_next.stay(),
        None => {}
    }
}

/// After a call that the person ended.
pub(super) fn after_ui(
    ui: &mut Ui,
    view: View<'_>,
    state: &mut WindowState,
    length: Duration,
    out: &mut Vec<Command>,
) {
    let stage = ui.max_rect();
    let words = text::after_call(length);
    let notice = Notice {
        sign: Sign::Icon(Icon::People, theme::accent_hovered()),
        title: &words.title,
        detail: &words.detail,
        footnote: "",
    };
    let reserve = GAP + BUTTON_HEIGHT;
    let top = notice.show(ui, Id::unique("after"), stage, reserve) + GAP;
    let key = Action::Start.key(state);
    let again = Button::new(Look::Primary, tr!("Start again"))
        .key(&key)
        .font(theme::semibold(15.0))
        .enabled(Action::Start.is_possible(view.snapshot, state));
    let back = Button::new(Look::Quiet, tr!("Back to the lobby"));
    let back = back.hint(Action::Stop.hint(view.snapshot, state));
    let mut buttons = vec![
        (again, Wish::Act(Action::Start)),
        (back, Wish::Act(Action::Stop)),
    ];
    if let Some(report) = report_button(view, state) {
        buttons.push((report, Wish::Act(Action::Report)));
    }
    if let Some(Wish::Act(action)) = buttons_ui(ui, stage, top, buttons) {
        action.perform(view.snapshot, state, out);
    }
}

/// For the one who is gone, while that is possible.
fn report_button(view: View<'_>, state: &WindowState) -> Option<Button<'static>> {
    let is_possible = Action::Report.is_possible(view.snapshot, state);
    is_possible.then(|| {
        let hint = Action::Report.hint(view.snapshot, state);
        Button::new(Look::Bare, tr!("Report")).hint(hint)
    })
}

fn countdown_ui(ui: &Ui, top: egui::Pos2, left: Duration, is_still: bool) {
    let words = text::automatic_next(left);
    let painter = ui.painter();
    let place = painter.text(
        top,
        egui::Align2::CENTER_TOP,
        &words,
        theme::medium(14.0),
        theme::text(),
    );
    // Not announced: it would be read out every second.
    describe(ui, Id::unique("countdown"), place, Role::Label, words);
    let bar = Rect::from_center_size(top + vec2(0.0, 28.0), vec2(BAR_WIDTH, 4.0));
    painter.rect_filled(bar, 2.0, theme::surface_hovered());
    let share = left.as_secs_f32() / COUNTDOWN.as_secs_f32();
    let rest = bar.with_max_x(bar.left() + bar.width() * share);
    painter.rect_filled(rest, 2.0, theme::accent());
    repaint_at_next_second(ui, COUNTDOWN.saturating_sub(left));
    if !is_still {
        ui.request_repaint_after(BAR_INTERVAL);
    }
}

/// The buttons beside each other, or below each other where there is no room.
fn buttons_ui(ui: &Ui, stage: Rect, top: f32, buttons: Vec<(Button<'_>, Wish)>) -> Option<Wish> {
    let widths: Vec<f32> = buttons
        .iter()
        .map(|(button, _)| button.natural_width(ui.painter()))
        .collect();
    let all = widths.iter().sum::<f32>() + 12.0 * (widths.len() - 1) as f32;
    let is_stacked = all > stage.width() - 48.0;
    let widest = widths.iter().copied().fold(0.0, f32::max);
    let mut at = if is_stacked {
        pos2(stage.center().x - widest / 2.0, top)
    } else {
        pos2(stage.center().x - all / 2.0, top)
    };
    let mut wish = None;
    for (index, ((button, asks), width)) in buttons.into_iter().zip(widths).enumerate() {
        let width = if is_stacked { widest } else { width };
        let rect = Rect::from_min_size(at, vec2(width, BUTTON_HEIGHT));
        if is_stacked {
            at.y += BUTTON_HEIGHT + 10.0;
        } else {
            at.x += width + 12.0;
        }
        if was_pressed(&button.show_at(ui, Id::unique(("ended", index)), rect)) {
            wish = Some(asks);
        }
    }
    wish
}
