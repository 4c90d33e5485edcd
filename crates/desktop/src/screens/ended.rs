//! After a call that the other side or the network ended: why, and where to go from here.

use egui::{Id, Rect, Ui, pos2, vec2};
use engine::{Command, EndReason};

use super::View;
use crate::actions::Action;
use crate::icons::Icon;
use crate::state::WindowState;
use crate::widgets::{Button, Look, Notice, Sign, was_pressed};
use crate::{text, theme};

const BUTTON_HEIGHT: f32 = 48.0;
/// Between the words and the buttons.
const GAP: f32 = 28.0;

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
        EndReason::PartnerLeft | EndReason::PartnerVanished => (Icon::Person, theme::TEXT_SECOND),
        EndReason::CouldNotConnect | EndReason::ConnectionLost => (Icon::Offline, theme::WARNING),
    };
    let footnote = state
        .last_call
        .map(|length| format!("You were together for {}", text::clock(length)));
    let notice = Notice {
        sign: Sign::Icon(icon, color),
        title: &explanation.title,
        detail: &explanation.detail,
        footnote: footnote.as_deref().unwrap_or_default(),
    };
    let top = notice.show(ui, Id::unique("ended"), stage, GAP + BUTTON_HEIGHT) + GAP;

    let key = Action::Next.key(state);
    let next = Button::new(Look::Primary, "Next stranger")
        .with_icon(Icon::Next)
        .key(&key);
    let next = next.font(theme::semibold(15.0));
    let back = Button::new(Look::Quiet, "Back to the lobby");
    let back = back.hint(Action::Stop.hint(view.snapshot, state));
    let (next_width, back_width) = (
        next.natural_width(ui.painter()),
        back.natural_width(ui.painter()),
    );
    let both = next_width + 12.0 + back_width;
    let size = |width| vec2(width, BUTTON_HEIGHT);
    let is_stacked = both > stage.width() - 48.0;
    let (next_rect, back_rect) = if is_stacked {
        let widest = size(next_width.max(back_width));
        let first = Rect::from_min_size(pos2(stage.center().x - widest.x / 2.0, top), widest);
        (first, first.translate(vec2(0.0, BUTTON_HEIGHT + 10.0)))
    } else {
        let first = Rect::from_min_size(pos2(stage.center().x - both / 2.0, top), size(next_width));
        (
            first,
            Rect::from_min_size(pos2(first.right() + 12.0, top), size(back_width)),
        )
    };
    let actions = [
        (next, next_rect, Action::Next),
        (back, back_rect, Action::Stop),
    ];
    for (index, (button, rect, action)) in actions.into_iter().enumerate() {
        if was_pressed(&button.show_at(ui, Id::unique(("ended", index)), rect)) {
            action.perform(view.snapshot, state, out);
        }
    }
}
