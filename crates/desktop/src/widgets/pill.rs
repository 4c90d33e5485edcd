//! A small rounded label that floats over a picture.

use egui::{
    Align2, Color32, FontId, Id, Pos2, Rect, Response, Sense, StrokeKind, Ui, Vec2, WidgetInfo,
    accesskit::Role, pos2, vec2,
};

use crate::icons::{self, Icon};
use crate::theme;

/// Marks and words in a row on a dark ground.
#[derive(Debug, Default)]
#[must_use = "a pill is drawn by `show_at`"]
pub struct Pill {
    parts: Vec<Part>,
    name: String,
    hint: Option<String>,
    is_button: bool,
}

#[derive(Debug)]
enum Part {
    Dot(Color32),
    Icon(Icon, Color32),
    Bars(usize, Color32),
    Words(String, FontId, Color32),
}

const GAP: f32 = 7.0;
const PADDING: f32 = 13.0;
const HEIGHT: f32 = theme::CONTROL;

impl Pill {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a coloured dot.
    pub fn dot(mut self, color: Color32) -> Self {
        self.parts.push(Part::Dot(color));
        self
    }

    /// Adds an icon.
    pub fn icon(mut self, icon: Icon, color: Color32) -> Self {
        self.parts.push(Part::Icon(icon, color));
        self
    }

    /// Adds bars, `filled` of 4.
    pub fn bars(mut self, filled: usize, color: Color32) -> Self {
        self.parts.push(Part::Bars(filled, color));
        self
    }

    /// Adds words that carry the meaning.
    pub fn strong(self, words: impl Into<String>) -> Self {
        self.words(words.into(), theme::semibold(13.0), theme::text())
    }

    /// Adds words in plain weight.
    pub fn plain(self, words: impl Into<String>) -> Self {
        self.words(words.into(), theme::medium(13.0), theme::text())
    }

    /// Adds words that are looked at only when wanted.
    pub fn weak(self, words: impl Into<String>) -> Self {
        self.words(words.into(), theme::regular(13.0), theme::text_second())
    }

    /// Makes it a button with this name.
    pub fn button(mut self, name: impl Into<String>, hint: impl Into<String>) -> Self {
        self.is_button = true;
        self.name = name.into();
        self.hint = Some(hint.into());
        self
    }

    /// What is shown while the pointer rests on it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds words in the colour of what can be pressed.
    pub fn call(self, words: impl Into<String>) -> Self {
        self.words(words.into(), theme::semibold(13.0), theme::accent_hovered())
    }

    fn words(mut self, words: String, font: FontId, color: Color32) -> Self {
        if !self.is_button {
            if !self.name.is_empty() {
                self.name.push(' ');
            }
            self.name.push_str(&words);
        }
        self.parts.push(Part::Words(words, font, color));
        self
    }

    /// How wide it is, in points.
    pub fn width(&self, ui: &Ui) -> f32 {
        let parts: f32 = self.parts.iter().map(|part| part.width(ui)).sum();
        parts + GAP * self.parts.len().saturating_sub(1) as f32 + 2.0 * PADDING
    }

    /// Shortens the last words, so that it is no wider than `width`.
    pub fn at_most(mut self, ui: &Ui, width: f32) -> Self {
        while self.width(ui) > width {
            let Some(Part::Words(words, ..)) = self.parts.last_mut() else {
                break;
            };
            let kept = words.trim_end_matches('…').chars().count();
            if kept < 2 {
                break;
            }
            *words = words.chars().take(kept - 1).chain(['…']).collect();
        }
        self
    }

    /// Draws it with `corner` of it at `at`.
    pub fn show_at(self, ui: &Ui, id: Id, corner: Align2, at: Pos2) -> Response {
        let rect = corner.anchor_size(at, vec2(self.width(ui), HEIGHT));
        let response = ui.interact(
            rect,
            id,
            if self.is_button {
                Sense::click()
            } else {
                Sense::hover()
            },
        );
        let role = if self.is_button {
            Role::Button
        } else {
            Role::Label
        };
        response.widget_info(|| WidgetInfo::labeled(role, true, &self.name));
        let painter = ui.painter();
        let ground = if self.is_button && (response.hovered() || response.has_focus()) {
            theme::surface_hovered()
        } else {
            theme::overlay()
        };
        let line = if response.has_focus() {
            egui::Stroke::new(2.0, theme::focus())
        } else {
            theme::overlay_line()
        };
        painter.rect(rect, HEIGHT / 2.0, ground, line, StrokeKind::Inside);
        let mut x = rect.left() + PADDING;
        for part in self.parts {
            let width = part.width(ui);
            part.paint(
                ui,
                Rect::from_min_size(pos2(x, rect.top()), vec2(width, HEIGHT)),
            );
            x += width + GAP;
        }
        match self.hint {
            Some(hint) => response.on_hover_text(hint),
            None => response,
        }
    }
}

impl Part {
    fn width(&self, ui: &Ui) -> f32 {
        match self {
            Self::Dot(_) => 8.0,
            Self::Icon(..) => 17.0,
            Self::Bars(..) => 18.0,
            Self::Words(words, font, _) => {
                ui.painter()
                    .layout_no_wrap(words.clone(), font.clone(), Color32::PLACEHOLDER)
                    .size()
                    .x
            }
        }
    }

    fn paint(self, ui: &Ui, rect: Rect) {
        let painter = ui.painter();
        match self {
            Self::Dot(color) => {
                painter.circle_filled(rect.center(), 4.0, color);
            }
            Self::Icon(icon, color) => {
                icons::paint(
                    painter,
                    icon,
                    Rect::from_center_size(rect.center(), Vec2::splat(17.0)),
                    color,
                );
            }
            Self::Bars(filled, color) => icons::paint_bars(painter, rect, filled, color),
            Self::Words(words, font, color) => {
                let galley = painter.layout_no_wrap(words, font, color);
                painter.galley(rect.center() - galley.size() / 2.0, galley, color);
            }
        }
    }
}
