//! After a call that the other side or the network ended: why, and where to go from here.

use egui::{Id, Rect, Ui, pos2, vec2};
use engine::{Command, EndReason};

use super::View;
use crate::actions::Action;
use crate::icons::Icon;
use crate::state::WindowState;
use crate::widgets::{Button, Look, Notice, Sign, was_pressed};
use crate::{text, theme};

const BUTTONS_HEIGHT: f32 = 76.0;

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
    let footnote = state.last_call.map(|length| format!("You were together for {}", text::clock(length)));
    let notice = Notice {
        sign: Sign::Icon(icon, color),
        title: &explanation.title,
        detail: &explanation.detail,
        footnote: footnote.as_deref().unwrap_or_default(),
    };
    let top = notice.show(ui, Id::unique("ended"), stage, BUTTONS_HEIGHT) + BUTTONS_HEIGHT - 48.0;

    let next = Button::new(Look::Primary, "Next stranger").with_icon(Icon::Next).key(Action::Next.key());
    let next = next.font(theme::semibold(15.0));
    let back = Button::new(Look::Quiet, "Back to the lobby");
    let back = back.hint(Action::Stop.hint(view.snapshot, state));
    let (next_width, back_width) = (next.natural_width(ui.painter()), back.natural_width(ui.painter()));
    let left = stage.center().x - (next_width + back_width + 12.0) / 2.0;
    let next_rect = Rect::from_min_size(pos2(left, top), vec2(next_width, 48.0));
    let back_rect = Rect::from_min_size(pos2(next_rect.right() + 12.0, top), vec2(back_width, 48.0));
    let actions = [(next, next_rect, Action::Next), (back, back_rect, Action::Stop)];
    for (index, (button, rect, action)) in actions.into_iter().enumerate() {
        if was_pressed(&button.show_at(ui, Id::unique(("ended", index)), rect)) {
            action.perform(view.snapshot, state, out);
        }
    }
}
