//! A line of the settings with a switch at its end: what it does, what that means, and whether it is on.

use egui::{
    Color32, CursorIcon, Rect, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    accesskit::Role, pos2, vec2,
};

use crate::theme;

const WIDTH: f32 = 40.0;
const HEIGHT: f32 = 24.0;
const GAP: f32 = 16.0;
const PADDING: f32 = 10.0;

/// Draws it over the whole width; all of it can be pressed. To be asked with [`super::was_pressed`].
pub fn switch_row(ui: &mut Ui, title: &str, detail: &str, is_on: bool) -> Response {
    let width = ui.available_width();
    let words_width = width - WIDTH - GAP;
    let lay = |words: &str, font, color| {
        ui.painter()
            .layout(words.to_owned(), font, color, words_width)
    };
    let title_galley = lay(title, theme::medium(14.0), theme::text());
    let detail_galley = lay(detail, theme::regular(13.0), theme::text_second());
    let words_height = if detail.is_empty() {
        title_galley.size().y
    } else {
        title_galley.size().y + 3.0 + detail_galley.size().y
    };
    let size = vec2(width, words_height.max(HEIGHT) + 2.0 * PADDING);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, true, is_on, title));
    let painter = ui.painter();
    let top = rect.center().y - words_height / 2.0;
    let second = top + title_galley.size().y + 3.0;
    painter.galley(pos2(rect.left(), top), title_galley, theme::text());
    if !detail.is_empty() {
        painter.galley(
            pos2(rect.left(), second),
            detail_galley,
            theme::text_second(),
        );
    }
    let track = Rect::from_min_size(
        pos2(rect.right() - WIDTH - 3.0, rect.center().y - HEIGHT / 2.0),
        vec2(WIDTH, HEIGHT),
    );
    let is_lit = response.hovered() || response.has_focus();
    paint_track(ui, track, is_on, is_lit);
    if response.has_focus() {
        let stroke = Stroke::new(2.0, theme::focus());
        ui.painter()
            .rect_stroke(track.expand(3.0), 15.0, stroke, StrokeKind::Middle);
    }
    response.on_hover_cursor(CursorIcon::PointingHand)
}

fn paint_track(ui: &Ui, track: Rect, is_on: bool, is_lit: bool) {
    let (ground, line, knob) = match (is_on, is_lit) {
        (true, false) => (theme::accent(), Color32::TRANSPARENT, theme::on_accent()),
        (true, true) => (
            theme::accent_hovered(),
            Color32::TRANSPARENT,
            theme::on_accent(),
        ),
        (false, false) => (
            theme::surface_raised(),
            theme::text_third(),
            theme::text_second(),
        ),
        (false, true) => (
            theme::surface_hovered(),
            theme::text_second(),
            theme::text(),
        ),
    };
    let painter = ui.painter();
    painter.rect(
        track,
        HEIGHT / 2.0,
        ground,
        Stroke::new(1.5, line),
        StrokeKind::Inside,
    );
    let x = if is_on {
        track.right() - HEIGHT / 2.0
    } else {
        track.left() + HEIGHT / 2.0
    };
    painter.circle_filled(pos2(x, track.center().y), 7.5, knob);
}
