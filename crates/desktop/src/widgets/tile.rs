//! The ground of a field in the lobby: an icon, what is chosen here, and what was chosen.

use std::sync::Arc;

use egui::{
    Color32, FontId, Galley, Rect, Response, Stroke, StrokeKind, Ui, Vec2, pos2,
    text::{LayoutJob, TextWrapping},
    vec2,
};

use crate::icons::{self, Icon};
use crate::theme;

/// What stands on it.
#[derive(Debug)]
pub struct Tile<'a> {
    /// Before the caption.
    pub icon: Icon,
    /// The icon's colour.
    pub color: Color32,
    /// What it is about, small.
    pub caption: &'a str,
    /// What is chosen, or what pressing it does.
    pub value: &'a str,
    /// Whether pressing it opens a list.
    pub is_list: bool,
}

impl Tile<'_> {
    /// How high it is, in points.
    pub const HEIGHT: f32 = 56.0;

    /// Draws it for the control that `response` belongs to.
    pub fn paint(&self, ui: &Ui, rect: Rect, response: &Response) {
        let painter = ui.painter();
        let ground = if response.hovered() {
            theme::surface_hovered()
        } else {
            theme::surface_raised()
        };
        let line = if response.has_focus() {
            Stroke::new(2.0, theme::focus())
        } else {
            Stroke::NONE
        };
        painter.rect(
            rect,
            theme::RADIUS_CONTROL,
            ground,
            line,
            StrokeKind::Outside,
        );
        let first_line = rect.center().y - 10.0;
        let icon = Rect::from_center_size(pos2(rect.left() + 20.0, first_line), Vec2::splat(15.0));
        icons::paint(painter, self.icon, icon, self.color);
        let mut words =
            Rect::from_x_y_ranges(rect.left() + 12.0..=rect.right() - 12.0, rect.y_range());
        if self.is_list {
            let chevron = Rect::from_center_size(
                pos2(rect.right() - 18.0, rect.center().y),
                Vec2::splat(14.0),
            );
            icons::paint(painter, Icon::Down, chevron, theme::text_second());
            words.max.x -= 20.0;
        }
        let caption = pos2(rect.left() + 33.0, first_line);
        let room = words.right() - caption.x;
        let galley = elided_in(ui, self.caption, theme::regular(11.5), room);
        let at = caption - vec2(0.0, galley.size().y / 2.0);
        painter.galley_with_override_text_color(at, galley, theme::text_second());
        let value = pos2(words.left(), rect.center().y + 10.0);
        let galley = elided(ui, self.value, words.width());
        painter.galley(
            value - vec2(0.0, galley.size().y / 2.0),
            galley,
            theme::text(),
        );
    }
}

/// One line that ends in dots where there is no room for all of it.
pub(crate) fn elided(ui: &Ui, words: &str, width: f32) -> Arc<Galley> {
    elided_in(ui, words, theme::medium(13.0), width)
}

fn elided_in(ui: &Ui, words: &str, font: FontId, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::simple_singleline(words.to_owned(), font, theme::text());
    job.wrap = TextWrapping::truncate_at_width(width);
    ui.painter().layout_job(job)
}
