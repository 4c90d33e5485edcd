//! How large everything is, and whether it moves.

use egui::{Align, Layout, Ui, vec2};

use super::parts::{heading_ui, line_ui};
use crate::state::WindowState;
use crate::theme;
use crate::widgets::{Button, Look, switch_row, was_pressed, words};

pub(super) fn ui(ui: &mut Ui, state: &mut WindowState) {
    heading_ui(ui, "Appearance", true);
    let preferences = &mut state.preferences;
    let row = vec2(ui.available_width(), 56.0);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        // From right to left, so that the words get what the buttons leave.
        let (larger, smaller) = (preferences.text_step(true), preferences.text_step(false));
        let button = |sign, name| {
            Button::new(Look::Quiet, sign)
                .named(name)
                .hint(name)
                .font(theme::semibold(16.0))
        };
        let plus = button("+", "Larger text").enabled(larger.is_some());
        if was_pressed(&plus.show(ui, vec2(40.0, theme::CONTROL))) {
            preferences.text_percent = larger.unwrap_or(preferences.text_percent);
        }
        let percent = format!("{} %", preferences.text_percent);
        ui.allocate_ui_with_layout(
            vec2(56.0, theme::CONTROL),
            Layout::centered_and_justified(egui::Direction::LeftToRight),
            |ui| ui.label(words(percent, theme::medium(14.0), theme::TEXT)),
        );
        let minus = button("–", "Smaller text").enabled(smaller.is_some());
        if was_pressed(&minus.show(ui, vec2(40.0, theme::CONTROL))) {
            preferences.text_percent = smaller.unwrap_or(preferences.text_percent);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.label(words("Size of text", theme::medium(14.0), theme::TEXT));
        });
    });
    line_ui(ui);
    let detail = "Nothing pulses or glides. Pictures of people move all the same.";
    let is_reduced = preferences.is_motion_reduced;
    if was_pressed(&switch_row(ui, "Reduce motion", detail, is_reduced)) {
        preferences.is_motion_reduced = !is_reduced;
    }
}
