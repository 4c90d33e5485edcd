//! One of a few ways to go, with what it means: a radio button that explains itself.

use std::sync::Arc;

use egui::{
    CursorIcon, Galley, Painter, Pos2, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    accesskit::Role, pos2, vec2,
};

use crate::text::Explanation;
use crate::theme;

/// A choice and what it means.
#[derive(Debug)]
#[must_use = "a card is drawn by `show`"]
pub struct OptionCard<'a> {
    /// What is chosen, and what follows from it.
    pub words: &'a Explanation,
    /// Whether it is the chosen one.
    pub is_chosen: bool,
}

const PADDING: f32 = 12.0;
/// From the left edge to the words; the radio mark stands before them.
const INDENT: f32 = 38.0;
const GAP: f32 = 3.0;

impl OptionCard<'_> {
    /// Draws it where the layout puts it, `width` points wide and as high as its words are.
    pub fn show(self, ui: &mut Ui, width: f32) -> Response {
        let (title, detail) = self.galleys(ui, width);
        let height = title.size().y + GAP + detail.size().y + 2.0 * PADDING;
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
        // Both lines belong to the name: the second says what one agrees to.
        let name = format!("{}. {}", self.words.title, self.words.detail);
        response
            .widget_info(|| WidgetInfo::selected(Role::RadioButton, true, self.is_chosen, &name));
        let painter = ui.painter();
        let is_lit = response.hovered() || response.has_focus();
        let ground = if is_lit {
            theme::surface_hovered()
        } else {
            theme::surface_raised()
        };
        let line = if response.has_focus() {
            Stroke::new(2.0, theme::focus())
        } else if self.is_chosen {
            Stroke::new(1.5, theme::accent())
        } else {
            Stroke::new(1.0, theme::line())
        };
        painter.rect(
            rect,
            theme::RADIUS_CONTROL,
            ground,
            line,
            StrokeKind::Inside,
        );
        let top = rect.top() + PADDING;
        let mark = pos2(rect.left() + 20.0, top + title.size().y / 2.0);
        radio(painter, mark, self.is_chosen);
        let second = top + title.size().y + GAP;
        painter.galley(pos2(rect.left() + INDENT, top), title, theme::text());
        painter.galley(
            pos2(rect.left() + INDENT, second),
            detail,
            theme::text_second(),
        );
        response.on_hover_cursor(CursorIcon::PointingHand)
    }

    fn galleys(&self, ui: &Ui, width: f32) -> (Arc<Galley>, Arc<Galley>) {
        let width = width - INDENT - PADDING;
        let lay =
            |words: &str, font, color| ui.painter().layout(words.to_owned(), font, color, width);
        (
            lay(&self.words.title, theme::medium(13.5), theme::text()),
            lay(
                &self.words.detail,
                theme::regular(12.5),
                theme::text_second(),
            ),
        )
    }
}

fn radio(painter: &Painter, center: Pos2, is_chosen: bool) {
    let color = if is_chosen {
        theme::accent_hovered()
    } else {
        theme::text_third()
    };
    painter.circle_stroke(center, 7.0, Stroke::new(1.5, color));
    if is_chosen {
        painter.circle_filled(center, 3.8, color);
    }
}
