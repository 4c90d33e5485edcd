//! The card over the picture while the veil is down.

use egui::{
    Color32, Id, Rect, StrokeKind, Ui, accesskit::Role, pos2, text::LayoutJob, text::TextFormat,
    vec2,
};
use engine::{CallView, Command, VeilView};

use super::{View, sharing};
use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::widgets::{Button, Look, announce, was_pressed};
use crate::{text, theme};

const MAX_WIDTH: f32 = 380.0;
const PADDING: f32 = 20.0;

/// The veil of this call, if it is down and there is a picture behind it.
pub(super) fn down(view: View<'_>) -> Option<VeilView> {
    let is_up = matches!(view.snapshot.call, CallView::Connected { .. });
    let is_picture = view.snapshot.partner.is_sending_video && !sharing::is_shown(view);
    view.snapshot
        .veil
        .filter(|veil| is_up && is_picture && veil.is_down())
}

/// Draws the card in the middle of `stage`, between `top` and the dock, if the veil is down.
pub(super) fn card_ui(
    ui: &Ui,
    stage: Rect,
    (top, dock): (f32, Rect),
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let Some(veil) = down(view) else {
        return;
    };
    let (title, detail) = text::veil(veil);
    let width = (stage.width() - 48.0).min(MAX_WIDTH);
    let inner = width - 2.0 * PADDING;
    let mut job = LayoutJob::simple(
        title.to_owned(),
        theme::semibold(17.0),
        theme::text(),
        inner,
    );
    let words = TextFormat::simple(theme::regular(14.0), theme::text_second());
    job.append(&format!("\n{detail}"), 0.0, words);
    let small = TextFormat::simple(theme::regular(12.5), theme::text_second());
    job.append(&format!("\n\n{}", text::MAY_RECORD.text()), 0.0, small);
    job.halign = egui::Align::Center;
    let galley = ui.painter().layout_job(job);
    let height = PADDING + 30.0 + 10.0 + galley.size().y + 14.0 + theme::DOCK_CONTROL + PADDING;
    let free = Rect::from_x_y_ranges(stage.x_range(), top..=dock.top() - 8.0);
    let rect = Rect::from_center_size(free.center(), vec2(width, height));
    let painter = ui.painter();
    painter.rect(
        rect,
        theme::RADIUS_CARD,
        Color32::from_rgba_unmultiplied(12, 14, 20, 236),
        theme::overlay_line(),
        StrokeKind::Inside,
    );
    let mut y = rect.top() + PADDING;
    let sign = Rect::from_center_size(pos2(rect.center().x, y + 15.0), vec2(28.0, 28.0));
    icons::paint(painter, Icon::Veil, sign, theme::accent_hovered());
    y += 40.0;
    let spoken = Rect::from_min_size(pos2(rect.left(), y), vec2(width, galley.size().y));
    y += galley.size().y + 14.0;
    painter.galley(pos2(rect.center().x, spoken.top()), galley, theme::text());
    let id = Id::unique("veil");
    let said = format!("{title}. {detail} {}", text::MAY_RECORD.text());
    announce(ui, id, spoken, Role::Alert, said);

    let action = Action::ToggleVeil;
    let look = if veil.is_lifted {
        Look::Quiet
    } else {
        Look::Primary
    };
    let name = action.name(view.snapshot, state);
    let button = Button::new(look, name)
        .hint(action.hint(view.snapshot, state))
        .font(theme::semibold(15.0));
    let wide = (button.natural_width(ui.painter()) + 24.0).min(inner);
    let place = Rect::from_min_size(
        pos2(rect.center().x - wide / 2.0, y),
        vec2(wide, theme::DOCK_CONTROL),
    );
    if was_pressed(&button.show_at(ui, id.with("lift"), place)) {
        action.perform(view.snapshot, state, out);
    }
}
