//! How large everything is, and whether it moves.

use egui::{Align, Layout, Ui, vec2};

use super::parts::{heading_ui, line_ui, words_ui};
use crate::preferences::Colors;
use crate::state::WindowState;
use crate::text::Language;
use crate::theme;
use crate::widgets::{Button, Look, RadioChoice, radio_row, switch_row, was_pressed, words};

pub(super) fn ui(ui: &mut Ui, state: &mut WindowState) {
    heading_ui(ui, tr!("Appearance"), true);
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
        let plus = button("+", tr!("Larger text")).enabled(larger.is_some());
        if was_pressed(&plus.show(ui, vec2(40.0, theme::CONTROL))) {
            preferences.text_percent = larger.unwrap_or(preferences.text_percent);
        }
        let percent = format!("{} %", preferences.text_percent);
        ui.allocate_ui_with_layout(
            vec2(56.0, theme::CONTROL),
            Layout::centered_and_justified(egui::Direction::LeftToRight),
            |ui| ui.label(words(percent, theme::medium(14.0), theme::text())),
        );
        let minus = button("–", tr!("Smaller text")).enabled(smaller.is_some());
        if was_pressed(&minus.show(ui, vec2(40.0, theme::CONTROL))) {
            preferences.text_percent = smaller.unwrap_or(preferences.text_percent);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.label(words(
                tr!("Size of text"),
                theme::medium(14.0),
                theme::text(),
            ));
        });
    });
    line_ui(ui);
    language_ui(ui, &mut preferences.language);
    line_ui(ui);
    colors_ui(ui, &mut preferences.colors);
    line_ui(ui);
    let detail = tr!("Nothing pulses or glides. Pictures of people move all the same.");
    let is_reduced = preferences.is_motion_reduced;
    if was_pressed(&switch_row(ui, tr!("Reduce motion"), detail, is_reduced)) {
        preferences.is_motion_reduced = !is_reduced;
    }
}

/// Light or dark.
fn colors_ui(ui: &mut Ui, colors: &mut Colors) {
    ui.add_space(10.0);
    ui.label(words(tr!("Colours"), theme::medium(14.0), theme::text()));
    ui.add_space(2.0);
    words_ui(
        ui,
        tr!("Calls are always dark, so that pictures look right."),
    );
    ui.add_space(8.0);
    let choices = Colors::ALL.map(|choice| RadioChoice::new(choice, choice.name()));
    if let Some(choice) = radio_row(ui, tr!("Colours"), &choices, Some(*colors)) {
        *colors = choice;
    }
    ui.add_space(10.0);
}

/// The languages, each in its own words, so that it is found by those who speak no other.
fn language_ui(ui: &mut Ui, language: &mut Option<Language>) {
    ui.add_space(10.0);
    ui.label(words(tr!("Language"), theme::medium(14.0), theme::text()));
    ui.add_space(8.0);
    let named = Language::ALL.map(|choice| (Some(choice), choice.name()));
    let all = [(None, tr!("As the system"))].into_iter().chain(named);
    let choices: Vec<_> = all
        .map(|(value, name)| {
            let is_enabled = value.is_none_or(|it| theme::readable(ui.ctx(), it) == it);
            // Letters that nobody could see are no name.
            let words = value
                .filter(|_| !is_enabled)
                .map_or(name, Language::english_name);
            RadioChoice {
                value,
                words,
                is_enabled,
            }
        })
        .collect();
    if let Some(choice) = radio_row(ui, tr!("Language"), &choices, Some(*language)) {
        *language = choice;
    }
    let is_any_lacking = choices.iter().any(|choice| !choice.is_enabled);
    if is_any_lacking {
        ui.add_space(8.0);
        words_ui(
            ui,
            tr!("For the languages in grey, this system has no font."),
        );
    }
    ui.add_space(10.0);
}
