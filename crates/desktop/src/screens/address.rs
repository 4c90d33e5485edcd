//! Who may learn one's network address: both answers, wherever the question is put.

use egui::Ui;
use engine::Command;

use super::View;
use crate::state::WindowState;
use crate::text;
use crate::widgets::{OptionCard, was_pressed};

/// Draws both answers; returns whether one was pressed.
pub(super) fn choices_ui(
    ui: &mut Ui,
    width: f32,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) -> bool {
    let is_shielded = state.is_shielded(view.snapshot);
    let mut is_pressed = false;
    for choice in [false, true] {
        let card = OptionCard {
            words: &text::shield_choice(choice),
            is_chosen: is_shielded == choice,
        };
        if was_pressed(&card.show(ui, width)) {
            is_pressed = true;
            state.shield_choice = Some(choice);
            out.push(Command::SetShield(choice));
        }
    }
    is_pressed
}
