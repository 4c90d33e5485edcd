//! A box to tick, with the sentence that one agrees to.

use egui::{
    CursorIcon, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, accesskit::Role,
    pos2, vec2,
};

use crate::icons::{self, Icon};
use crate::theme;

const BOX: f32 = 22.0;
const GAP: f32 = 12.0;

/// Draws it over the whole width. To be asked with [`super::was_pressed`].
pub fn tick(ui: &mut Ui, words: &str, is_ticked: bool) -> Response {
    let width = ui.available_width();
    let galley = ui.painter().layout(
        words.to_owned(),
        theme::medium(14.0),
        theme::text(),
        width - BOX - GAP,
    );
    let height = galley.size().y.max(theme::CONTROL);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, is_ticked, words));
    let painter = ui.painter();
    let middle = pos2(rect.left() + BOX / 2.0, rect.center().y);
    let mark = Rect::from_center_size(middle, Vec2::splat(BOX));
    let is_lit = response.hovered() || response.has_focus();
    let (ground, line) = match (is_ticked, is_lit) {
        (true, false) => (theme::accent(), Stroke::NONE),
        (true, true) => (theme::accent_hovered(), Stroke::NONE),
        (false, false) => (
            theme::surface_raised(),
            Stroke::new(1.5, theme::text_third()),
        ),
        (false, true) => (
            theme::surface_hovered(),
            Stroke::new(1.5, theme::text_second()),
        ),
    };
    painter.rect(mark, 7.0, ground, line, StrokeKind::Inside);
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::focus());
        painter.rect_stroke(mark.expand(3.0), 9.0, stroke, StrokeKind::Middle);
    }
    if is_ticked {
        icons::paint(painter, Icon::Check, mark.shrink(4.0), theme::on_accent());
    }
    let words = pos2(mark.right() + GAP, rect.center().y - galley.size().y / 2.0);
    painter.galley(words, galley, theme::text());
    response.on_hover_cursor(CursorIcon::PointingHand)
}
