//! How large everything is, and whether it moves.

use egui::{Align, Layout, Ui, vec2};

use super::parts::{heading_ui, line_ui, words_ui};
use crate::preferences::Colors;
use crate::state::WindowState;
use crate::text::Language;
use crate::theme;
use crate::widgets::{Button, Look, switch_row, was_pressed, words};

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
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for choice in Colors::ALL {
            let look = if choice == *colors {
                Look::Primary
            } else {
                Look::Quiet
            };
            let name = format!("{}: {}", tr!("Colours"), choice.name());
            let button = Button::new(look, choice.name())
                .named(&name)
                .font(theme::medium(13.0))
                .on(choice == *colors);
            if was_pressed(&button.show(ui, vec2(0.0, theme::CONTROL))) {
                *colors = choice;
            }
        }
    });
    ui.add_space(10.0);
}

/// The languages, each in its own words, so that it is found by those who speak no other.
fn language_ui(ui: &mut Ui, language: &mut Option<Language>) {
    ui.add_space(10.0);
    ui.label(words(tr!("Language"), theme::medium(14.0), theme::text()));
    ui.add_space(8.0);
    let mut is_any_lacking = false;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        let named = Language::ALL.map(|choice| (Some(choice), choice.name()));
        for (choice, name) in [(None, tr!("As the system"))].into_iter().chain(named) {
            let has_font = choice.is_none_or(|it| theme::readable(ui.ctx(), it) == it);
            is_any_lacking |= !has_font;
            // Letters that nobody could see are no name.
            let english = choice.map(|it| format!("{it:?}")).unwrap_or_default();
            let name = if has_font { name } else { &english };
            let look = if choice == *language {
                Look::Primary
            } else {
                Look::Quiet
            };
            let button = Button::new(look, name)
                .font(theme::medium(13.0))
                .enabled(has_font)
                .on(choice == *language);
            if was_pressed(&button.show(ui, vec2(0.0, theme::CONTROL))) {
                *language = choice;
            }
        }
    });
    if is_any_lacking {
        ui.add_space(8.0);
        words_ui(
            ui,
            tr!("For the languages in grey, this system has no font."),
        );
    }
    ui.add_space(10.0);
}
