//! The one button of the window, in its looks.

use egui::{
    Color32, CursorIcon, Event, FontId, Id, Key, Painter, Rect, Response, Sense, Stroke,
    StrokeKind, Ui, Vec2, WidgetInfo,
    accesskit::Role,
    pos2,
    text::{LayoutJob, TextWrapping},
    vec2,
};

use crate::icons::{self, Icon};
use crate::theme;

/// How a button looks, which is how much it wants to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The one thing that most people want to do here.
    Primary,
    /// Another thing to do.
    Quiet,
    /// Without a ground until the pointer is over it.
    Bare,
    /// Ends something.
    Danger,
    /// A switch that is off although it is usually on.
    Off,
}

/// A button: an icon, words, or both.
#[derive(Debug, Clone)]
#[must_use = "a button is drawn by `show` or `show_at`"]
pub struct Button<'a> {
    look: Look,
    name: &'a str,
    words: Option<&'a str>,
    icon: Option<Icon>,
    hint: Option<String>,
    key: Option<&'a str>,
    font: FontId,
    icon_size: f32,
    is_enabled: bool,
    is_on: Option<bool>,
    is_radio: bool,
    is_left: bool,
    badge: usize,
}

impl<'a> Button<'a> {
    /// A button that says what it does.
    pub fn new(look: Look, words: &'a str) -> Self {
        Self {
            look,
            name: words,
            words: Some(words),
            icon: None,
            hint: None,
            key: None,
            font: theme::medium(14.0),
            icon_size: 20.0,
            is_enabled: true,
            is_on: None,
            is_radio: false,
            is_left: false,
            badge: 0,
        }
    }

    /// A button with nothing but an icon; `name` is what a screen reader says and, without another hint, the tooltip.
    pub fn icon(look: Look, icon: Icon, name: &'a str) -> Self {
        Self {
            words: None,
            icon: Some(icon),
            hint: Some(name.to_owned()),
            ..Self::new(look, name)
        }
    }

    /// Adds an icon before the words.
    pub fn with_icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// What a screen reader says, where the words alone say too little.
    pub fn named(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// What is shown while the pointer rests on it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows the key that does the same, after the words.
    pub fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    /// The font of the words.
    pub fn font(mut self, font: FontId) -> Self {
        self.font = font;
        self
    }

    /// The side of the icon, in points.
    pub fn icon_size(mut self, size: f32) -> Self {
        self.icon_size = size;
        self
    }

    /// Whether it can be pressed.
    pub fn enabled(mut self, is_enabled: bool) -> Self {
        self.is_enabled = is_enabled;
        self
    }

    /// Makes it a switch that is on or off.
    pub fn on(mut self, is_on: bool) -> Self {
        self.is_on = Some(is_on);
        self
    }

    /// Makes it one of several of which one is chosen, this one or another.
    pub fn radio(mut self, is_chosen: bool) -> Self {
        self.is_on = Some(is_chosen);
        self.is_radio = true;
        self
    }

    /// Puts what stands on it to the left, as in a list.
    pub fn left(mut self) -> Self {
        self.is_left = true;
        self
    }

    /// Puts a number on its corner; 0 is none.
    pub fn badge(mut self, count: usize) -> Self {
        self.badge = count;
        self
    }

    /// Draws it where the layout puts it, `size.x` being the least width.
    pub fn show(self, ui: &mut Ui, size: Vec2) -> Response {
        let width = self.natural_width(ui.painter()).max(size.x);
        let (id, rect) = ui.allocate_space(vec2(width, size.y));
        self.show_at(ui, id, rect)
    }

    /// Draws it at a place.
    pub fn show_at(self, ui: &Ui, id: Id, rect: Rect) -> Response {
        let sense = if self.is_enabled {
            Sense::click()
        } else {
            Sense::hover()
        };
        let mut response = ui.interact(rect, id, sense);
        let (name, is_enabled, is_on) = (self.name, self.is_enabled, self.is_on);
        let role = if self.is_radio {
            Role::RadioButton
        } else {
            Role::Button
        };
        response.widget_info(|| match is_on {
            Some(is_on) => WidgetInfo::selected(role, is_enabled, is_on, name),
            None => WidgetInfo::labeled(Role::Button, is_enabled, name),
        });
        self.paint(ui, &response);
        if is_enabled {
            response = response.on_hover_cursor(CursorIcon::PointingHand);
        }
        match &self.hint {
            Some(hint) => response.on_hover_text(hint),
            None => response,
        }
    }

    /// How wide it has to be, in points.
    pub fn natural_width(&self, painter: &Painter) -> f32 {
        let text = |words: &str, font: &FontId| {
            painter
                .layout_no_wrap(words.to_owned(), font.clone(), Color32::PLACEHOLDER)
                .size()
                .x
        };
        let icon = self.icon.map_or(0.0, |_| self.icon_size);
        let words = self.words.map_or(0.0, |words| text(words, &self.font));
        let key = self
            .key
            .map_or(0.0, |key| text(key, &theme::medium(11.0)) + 24.0);
        let gap = if icon > 0.0 && words > 0.0 { 8.0 } else { 0.0 };
        icon + words + key + gap + if words > 0.0 { 32.0 } else { 16.0 }
    }

    fn paint(&self, ui: &Ui, response: &Response) {
        let painter = ui.painter();
        let rect = response.rect;
        let radius = f32::from(theme::RADIUS_CONTROL).min(rect.height() / 2.0);
        let is_hovered = self.is_enabled && (response.hovered() || response.has_focus());
        let (mut ground, mut ink) = match (self.look, is_hovered) {
            (Look::Primary, false) => (theme::accent(), theme::on_accent()),
            (Look::Primary, true) => (theme::accent_hovered(), theme::on_accent()),
            (Look::Quiet, false) => (theme::surface_raised(), theme::text()),
            (Look::Bare, false) => (Color32::TRANSPARENT, theme::text()),
            (Look::Quiet | Look::Bare, true) => (theme::surface_hovered(), theme::text()),
            (Look::Danger, false) => (theme::danger(), Color32::WHITE),
            (Look::Danger, true) => (theme::danger_hovered(), Color32::WHITE),
            (Look::Off, false) => (theme::off(), theme::bad()),
            (Look::Off, true) => (theme::off_hovered(), theme::bad()),
        };
        if !self.is_enabled {
            ground = theme::surface_raised();
            ink = theme::text_third();
        }
        painter.rect_filled(rect, radius, ground);
        if response.is_pointer_button_down_on() && self.is_enabled {
            painter.rect_filled(rect, radius, Color32::from_black_alpha(40));
        }
        if response.has_focus() {
            let stroke = Stroke::new(2.0, theme::focus());
            painter.rect_stroke(rect.expand(2.5), radius + 2.5, stroke, StrokeKind::Middle);
        }
        self.paint_content(painter, rect, ink);
        if self.badge > 0 {
            paint_badge(painter, rect, self.badge);
        }
    }

    fn paint_content(&self, painter: &Painter, rect: Rect, ink: Color32) {
        let key = self
            .key
            .map(|key| painter.layout_no_wrap(key.to_owned(), theme::medium(11.0), ink));
        let icon = if self.icon.is_some() {
            self.icon_size
        } else {
            0.0
        };
        let gap = if self.icon.is_some() && self.words.is_some() {
            8.0
        } else {
            0.0
        };
        let key_width = key.as_ref().map_or(0.0, |key| key.size().x + 24.0);
        // Where a language has too long a word, dots are better than half of it beside the button.
        let edges = if self.is_left { 18.0 } else { 6.0 };
        let room = (rect.width() - edges - icon - gap - key_width).max(1.0);
        let words = self.words.map(|words| {
            let mut job = LayoutJob::simple_singleline(words.to_owned(), self.font.clone(), ink);
            job.wrap = TextWrapping::truncate_at_width(room);
            painter.layout_job(job)
        });
        let words_width = words.as_ref().map_or(0.0, |words| words.size().x);
        let mut x = if self.is_left {
            rect.left() + 12.0
        } else {
            rect.center().x - (icon + gap + words_width + key_width) / 2.0
        };
        let middle = rect.center().y;
        if let Some(kind) = self.icon {
            icons::paint(
                painter,
                kind,
                Rect::from_center_size(pos2(x + icon / 2.0, middle), Vec2::splat(icon)),
                ink,
            );
            x += icon + gap;
        }
        if let Some(words) = words {
            let height = words.size().y;
            painter.galley(pos2(x, middle - height / 2.0), words, ink);
            x += words_width;
        }
        if let Some(key) = key {
            let size = key.size();
            let cap = Rect::from_min_size(pos2(x + 10.0, middle - 10.0), vec2(size.x + 14.0, 20.0));
            painter.rect_filled(cap, 6.0, ink.gamma_multiply(0.16));
            painter.galley(cap.center() - size / 2.0, key, ink);
        }
    }
}

fn paint_badge(painter: &Painter, rect: Rect, count: usize) {
    let words = if count > 9 {
        "9+".to_owned()
    } else {
        count.to_string()
    };
    let galley = painter.layout_no_wrap(words, theme::semibold(10.5), theme::on_accent());
    let size = vec2((galley.size().x + 9.0).max(17.0), 17.0);
    let badge = Rect::from_center_size(rect.right_top() + vec2(-4.0, 4.0), size);
    painter.rect_filled(badge.expand(2.0), 10.5, theme::surface());
    painter.rect_filled(badge, 8.5, theme::accent());
    painter.galley(
        badge.center() - galley.size() / 2.0,
        galley,
        theme::on_accent(),
    );
}

/// Whether the button was pressed just now, once.
///
/// egui clicks a focused button again for every repetition of a held Enter or Space; here a held key counts once, so
/// that nobody skips five people by leaning on the keyboard.
pub fn was_pressed(response: &Response) -> bool {
    if !response.clicked() {
        return false;
    }
    let is_activation = |key: &Key| matches!(key, Key::Enter | Key::Space);
    response.ctx.input(|input| {
        let mut presses = input.events.iter().filter_map(|event| match event {
            Event::Key {
                key,
                pressed: true,
                repeat,
                ..
            } if is_activation(key) => Some(*repeat),
            _ => None,
        });
        let (is_by_key, is_by_pointer) =
            (presses.clone().next().is_some(), input.pointer.any_click());
        is_by_pointer || !is_by_key || presses.any(|is_repeat| !is_repeat)
    })
}
