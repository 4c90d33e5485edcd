//! Who may learn one's network address, and which server introduces people: asked in more than one place.

use egui::{Id, Key, Margin, TextEdit, Ui, vec2};
use engine::Command;

use super::View;
use crate::state::WindowState;
use crate::widgets::{Button, Look, OptionCard, was_pressed};
use crate::{text, theme};

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

/// The field for the server's address, with the button that takes it.
pub(super) fn server_ui(ui: &mut Ui, id: Id, state: &mut WindowState, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let connect = Button::new(Look::Quiet, tr!("Connect")).font(theme::medium(13.0));
        let field_width = ui.available_width() - connect.natural_width(ui.painter()) - 8.0;
        let edit = TextEdit::singleline(&mut state.server_draft)
            .id(id)
            .font(theme::regular(13.5))
            .text_color(theme::text())
            .char_limit(512)
            .margin(Margin::symmetric(10, 9))
            .desired_width(field_width);
        let response = ui.add(edit).accessible_name(tr!("Server address"));
        let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let is_pressed = was_pressed(&connect.show(ui, vec2(0.0, response.rect.height())));
        if is_entered || is_pressed {
            state.server_draft.trim().clone_into(&mut state.server);
            out.push(Command::SetServer(state.server.clone()));
        }
    });
}
