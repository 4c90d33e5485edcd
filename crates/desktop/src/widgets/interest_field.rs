//! What a person likes to talk about, as chips in a text field.

use egui::{
    CursorIcon, Frame, Id, Key, Margin, Sense, Stroke, TextEdit, Ui, Vec2, WidgetInfo,
    accesskit::Role, pos2, vec2,
};
use protocol::limits::{INTEREST_CHARS, INTERESTS};

use super::was_pressed;
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::{text, theme};

const CHIP_HEIGHT: f32 = 28.0;

/// Draws the field. Enter or a comma makes a chip of what was typed, Backspace in the empty field takes the last chip
/// away. True when Enter was pressed with nothing typed: the person is done.
pub fn interest_field(ui: &mut Ui, interests: &mut Vec<String>, draft: &mut String) -> bool {
    let id = Id::unique("interests");
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    let line = if has_focus {
        Stroke::new(1.5, theme::accent_hovered())
    } else {
        Stroke::new(1.0, theme::line())
    };
    let frame = Frame::new()
        .fill(theme::surface_raised())
        .stroke(line)
        .corner_radius(theme::RADIUS_CONTROL)
        .inner_margin(Margin::symmetric(8, 7));
    frame
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
                ui.spacing_mut().interact_size.y = CHIP_HEIGHT;
                chips(ui, interests);
                entry(ui, id, interests, draft)
            })
            .inner
        })
        .inner
}

fn chips(ui: &mut Ui, interests: &mut Vec<String>) {
    let mut removed = None;
    for (index, interest) in interests.iter().enumerate() {
        let galley =
            ui.painter()
                .layout_no_wrap(text::plain(interest), theme::medium(13.0), theme::text());
        let (rect, response) =
            ui.allocate_exact_size(vec2(galley.size().x + 40.0, CHIP_HEIGHT), Sense::click());
        let name = tr!("Remove {interest}", interest = interest);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let is_lit = response.hovered() || response.has_focus();
        let painter = ui.painter();
        painter.rect_filled(rect, CHIP_HEIGHT / 2.0, theme::surface_hovered());
        if response.has_focus() {
            let stroke = Stroke::new(2.0, theme::focus());
            painter.rect_stroke(rect, CHIP_HEIGHT / 2.0, stroke, egui::StrokeKind::Middle);
        }
        painter.galley(
            pos2(rect.left() + 12.0, rect.center().y - galley.size().y / 2.0),
            galley,
            theme::text(),
        );
        let cross = egui::Rect::from_center_size(
            pos2(rect.right() - 15.0, rect.center().y),
            Vec2::splat(13.0),
        );
        icons::paint(
            painter,
            Icon::Close,
            cross,
            if is_lit {
                theme::text()
            } else {
                theme::text_second()
            },
        );
        if was_pressed(&response.on_hover_cursor(CursorIcon::PointingHand)) {
            removed = Some(index);
        }
    }
    if let Some(index) = removed {
        interests.remove(index);
    }
}

fn entry(ui: &mut Ui, id: Id, interests: &mut Vec<String>, draft: &mut String) -> bool {
    if interests.len() >= INTERESTS {
        return false;
    }
    let was_empty = draft.is_empty();
    let hint = if interests.is_empty() {
        tr!("climbing, jazz, cooking…")
    } else {
        tr!("Add another")
    };
    let width = ui.available_width_before_wrap_or(90.0);
    let edit = TextEdit::singleline(draft)
        .id(id)
        .hint_text(super::words(
            hint,
            theme::regular(14.0),
            theme::text_third(),
        ))
        .font(theme::regular(14.0))
        .text_color(theme::text())
        .char_limit(INTEREST_CHARS + 1)
        .frame(Frame::NONE)
        .margin(Margin::symmetric(4, 0))
        .min_size(vec2(0.0, CHIP_HEIGHT))
        .align(egui::Align2::LEFT_CENTER)
        .desired_width(width);
    let response = ui.add(edit).accessible_name(tr!("Interests"));
    let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if is_entered {
        if draft.trim().is_empty() {
            return true;
        }
        take_words(interests, draft);
        response.request_focus();
    } else if let Some(comma) = draft.rfind(',') {
        let rest = draft.split_off(comma + 1);
        take_words(interests, draft);
        rest.trim_start().clone_into(draft);
    } else if was_empty
        && response.has_focus()
        && ui.input(|input| input.key_pressed(Key::Backspace))
    {
        interests.pop();
    }
    false
}

/// Makes chips of what is still being typed.
pub fn finish_interest(state: &mut WindowState) {
    take_words(&mut state.interests, &mut state.interest_draft);
}

fn take_words(interests: &mut Vec<String>, draft: &mut String) {
    for word in std::mem::take(draft).split(',') {
        add_interest(interests, word);
    }
}

/// Adds an interest unless it is empty, too much or there already.
pub fn add_interest(interests: &mut Vec<String>, word: &str) {
    let word: String = text::plain(word)
        .trim()
        .chars()
        .take(INTEREST_CHARS)
        .collect();
    let is_known = interests
        .iter()
        .any(|known| known.to_lowercase() == word.to_lowercase());
    if !word.is_empty() && !is_known && interests.len() < INTERESTS {
        interests.push(word);
    }
}

trait RestOfLine {
    fn available_width_before_wrap_or(&self, least: f32) -> f32;
}

impl RestOfLine for Ui {
    /// The rest of the line, or a whole line where less than `least` is left.
    fn available_width_before_wrap_or(&self, least: f32) -> f32 {
        let rest = self.available_size_before_wrap().x;
        if rest < least {
            self.max_rect().width()
        } else {
            rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_trimmed_unique_and_limited() {
        let mut interests = Vec::new();
        for word in [" Jazz ", "jazz", "", "  ", "chess\u{202E}"] {
            add_interest(&mut interests, word);
        }
        assert_eq!(interests, ["Jazz", "chess"]);
        add_interest(&mut interests, &"x".repeat(500));
        assert_eq!(interests[2].chars().count(), INTEREST_CHARS);
        for number in 0..50 {
            add_interest(&mut interests, &number.to_string());
        }
        assert_eq!(interests.len(), INTERESTS);
    }
}
