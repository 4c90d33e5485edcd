//! What a person likes to talk about, as chips in a text field.

use egui::{
    Area, CursorIcon, EventFilter, Frame, Id, Key, Margin, Modifiers, Order, Response, Sense,
    Stroke, StrokeKind, TextEdit, Ui, Vec2, WidgetInfo, accesskit::Role, pos2, vec2,
};
use protocol::limits::{INTEREST_CHARS, INTERESTS};

use super::{elided, was_pressed};
use crate::icons::{self, Icon};
use crate::interests::completions;
use crate::state::{InterestList, WindowState};
use crate::{text, theme};

const CHIP_HEIGHT: f32 = 28.0;
const LIST_WIDTH: f32 = 240.0;
const WORD_HEIGHT: f32 = 36.0;
/// What is left free between the list and the window's edge, as beside everything else in a narrow window.
const EDGE: f32 = 16.0;

/// Draws the field. Enter or a comma makes a chip of what was typed, Backspace in the empty field takes the last chip
/// away. Below it are words that go on from what is typed: the arrows walk through them, Tab takes the one that is lit, or the
/// first, Enter one that is lit, and Esc puts them away. True when Enter was pressed with nothing typed: the person is done.
pub fn interest_field(ui: &mut Ui, state: &mut WindowState) -> bool {
    let id = Id::unique("interests");
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    let frame = Frame::new()
        .fill(theme::surface_raised())
        .stroke(Stroke::new(1.0, theme::line()))
        .corner_radius(theme::RADIUS_CONTROL)
        .inner_margin(Margin::symmetric(8, 7));
    let shown = frame.show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
            ui.spacing_mut().interact_size.y = CHIP_HEIGHT;
            chips(ui, &mut state.interests);
            entry(ui, id, state)
        })
        .inner
    });
    if has_focus {
        // Over the frame, so that nothing below it moves.
        let line = Stroke::new(1.5, theme::accent_hovered());
        let rect = shown.response.rect;
        ui.painter()
            .rect_stroke(rect, theme::RADIUS_CONTROL, line, StrokeKind::Inside);
    }
    shown.inner
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
            painter.rect_stroke(rect, CHIP_HEIGHT / 2.0, stroke, StrokeKind::Middle);
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

fn entry(ui: &mut Ui, id: Id, state: &mut WindowState) -> bool {
    if state.interests.len() >= INTERESTS {
        return false;
    }
    let offered = offered(ui, id, state);
    let mut taken = keys(ui, id, &mut state.interest_list, offered.len());
    let (interests, draft) = (&mut state.interests, &mut state.interest_draft);
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
    if response.changed() {
        state.interest_list = InterestList {
            is_open: !draft.trim().is_empty(),
            picked: None,
        };
    }
    if !offered.is_empty() && state.interest_list.is_open {
        taken = taken.or(list_ui(ui, &response, &offered, state.interest_list.picked));
    }
    let (interests, draft) = (&mut state.interests, &mut state.interest_draft);
    if let Some(word) = taken.and_then(|index| offered.get(index)) {
        draft.clear();
        add_interest(interests, word);
        state.interest_list = InterestList::default();
        response.request_focus();
        return false;
    }
    let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if is_entered {
        if draft.trim().is_empty() {
            return true;
        }
        take_words(interests, draft);
        state.interest_list = InterestList::default();
        response.request_focus();
    } else if let Some(comma) = draft.rfind(',') {
        let rest = draft.split_off(comma + 1);
        take_words(interests, draft);
        rest.trim_start().clone_into(draft);
        state.interest_list = InterestList {
            is_open: !draft.is_empty(),
            picked: None,
        };
    } else if was_empty
        && response.has_focus()
        && ui.input(|input| input.key_pressed(Key::Backspace))
    {
        interests.pop();
    }
    false
}

/// What is offered right now; nothing where the field has no keyboard.
fn offered(ui: &Ui, id: Id, state: &mut WindowState) -> Vec<String> {
    if !ui.memory(|memory| memory.has_focus(id)) {
        state.interest_list = InterestList::default();
    }
    if !state.interest_list.is_open && !may_open(ui, id) {
        return Vec::new();
    }
    let former = &state.preferences.former_interests;
    let words = completions(
        &state.interest_draft,
        &state.interests,
        former,
        state.language(),
    );
    words.into_iter().map(text::plain).collect()
}

/// The arrow down asks for the list, also where nothing is typed.
fn may_open(ui: &Ui, id: Id) -> bool {
    ui.memory(|memory| memory.has_focus(id)) && ui.input(|input| input.key_pressed(Key::ArrowDown))
}

/// Gives the keys of the list to the list, so that the field does not see them. Returns the word that they take.
fn keys(ui: &Ui, id: Id, list: &mut InterestList, count: usize) -> Option<usize> {
    if count == 0 || !ui.memory(|memory| memory.has_focus(id)) {
        return None;
    }
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    for (key, is_down) in [(Key::ArrowDown, true), (Key::ArrowUp, false)] {
        if pressed(key) {
            list.is_open = true;
            list.step(is_down, count);
        }
    }
    if !list.is_open {
        return None;
    }
    if pressed(Key::Escape) {
        *list = InterestList::default();
        return None;
    }
    if pressed(Key::Tab) {
        return list.picked.or(Some(0));
    }
    list.picked.filter(|_| pressed(Key::Enter))
}

/// Draws the words below the field; returns the one that was pressed.
fn list_ui(ui: &Ui, field: &Response, offered: &[String], picked: Option<usize>) -> Option<usize> {
    // Else Tab and Esc would leave the field before it is asked.
    let filter = EventFilter {
        tab: true,
        horizontal_arrows: true,
        vertical_arrows: true,
        escape: true,
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(field.id, filter));
    let window = ui.ctx().content_rect();
    let width = LIST_WIDTH + Frame::popup(ui.style()).total_margin().sum().x;
    // Behind many chips the field begins far to the right; the list stays off the window's edge.
    let rightmost = (window.right() - EDGE - width).max(window.left());
    let below = field.rect.left_bottom() + vec2(-4.0, 14.0);
    let place = pos2(below.x.min(rightmost), below.y);
    let mut pressed = None;
    let mut lit = None;
    let area = Area::new(field.id.with("list")).order(Order::Foreground);
    area.fixed_pos(place).show(ui.ctx(), |ui| {
        Frame::popup(ui.style()).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for (index, word) in offered.iter().enumerate() {
                let response = word_ui(ui, word, picked == Some(index));
                if picked == Some(index) {
                    lit = Some(response.id);
                }
                if was_pressed(&response) {
                    pressed = Some(index);
                }
            }
        });
    });
    ui.ctx().accesskit_node_builder(field.id, |node| {
        node.set_expanded(true);
        if let Some(lit) = lit {
            node.set_active_descendant(lit.accesskit_id());
        }
    });
    pressed
}

fn word_ui(ui: &mut Ui, word: &str, is_lit: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(LIST_WIDTH, WORD_HEIGHT), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, is_lit, word));
    if is_lit || response.hovered() || response.has_focus() {
        ui.painter()
            .rect_filled(rect, 8.0, theme::surface_hovered());
    }
    let galley = elided(ui, word, rect.width() - 20.0);
    let at = pos2(rect.left() + 10.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, theme::text());
    response.on_hover_cursor(CursorIcon::PointingHand)
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
