//! Who may learn one's network address: the question at the first time, a field for it later, and beside the field
//! the connection check.

use egui::{Align, Layout, Popup, Response, Sense, Ui, WidgetInfo, accesskit::Role, vec2};
use engine::Command;

use crate::icons::Icon;
use crate::screens::View;
use crate::state::WindowState;
use crate::widgets::{OptionCard, Tile, was_pressed, words};
use crate::{text, theme};

/// From this width on, two things stand side by side.
const SIDE_BY_SIDE_FROM: f32 = 440.0;
const GAP: f32 = 10.0;
/// A list of explanations wants to be read, so it is not as narrow as its field may be.
const LIST_WIDTH: f32 = 380.0;

/// The question that is put before the first call. Nothing happens until Start; the marked answer holds.
pub(super) fn question_ui(
    ui: &mut Ui,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.label(words(
        text::SHIELD_QUESTION,
        theme::medium(14.0),
        theme::TEXT,
    ));
    ui.add_space(8.0);
    ui.spacing_mut().item_spacing.y = 8.0;
    choices_ui(ui, ui.available_width(), view, state, out);
}

/// Both answers; returns whether one was pressed.
fn choices_ui(
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

/// The field for the address, once the question has been answered, and the connection check.
pub(super) fn fields_ui(
    ui: &mut Ui,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let whole = ui.available_width();
    // In one line with the three devices above them.
    let third = (whole - 2.0 * GAP) / 3.0;
    let is_row = whole >= SIDE_BY_SIDE_FROM;
    let (layout, address_width, check_width, height) = if is_row {
        let layout = Layout::left_to_right(Align::Min);
        (layout, whole - third - GAP, third, Tile::HEIGHT)
    } else {
        (Layout::top_down(Align::Min), whole, whole, 0.0)
    };
    ui.allocate_ui_with_layout(vec2(whole, height), layout, |ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, 8.0);
        if !state.is_shield_open {
            address_ui(ui, address_width, view, state, out);
        }
        let check = Tile {
            icon: Icon::Pulse,
            color: theme::TEXT_SECOND,
            caption: "Before you start",
            value: "Check connection",
            is_list: false,
        };
        let width = if state.is_shield_open {
            whole
        } else {
            check_width
        };
        let response = tile_ui(ui, width, &check, Role::Button, check.value);
        if was_pressed(&response) {
            state.begin_check(view.now);
        }
    });
}

fn address_ui(
    ui: &mut Ui,
    width: f32,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let value = text::shield_in_use(state.is_shielded(view.snapshot));
    let address = Tile {
        icon: Icon::Shield,
        color: theme::TEXT_SECOND,
        caption: "Network address",
        value,
        is_list: true,
    };
    let name = format!("Network address: {value}");
    let response = tile_ui(ui, width, &address, Role::ComboBox, &name);
    let list_width = width.min(LIST_WIDTH);
    Popup::menu(&response)
        .width(list_width)
        .gap(6.0)
        .show(|ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            if choices_ui(ui, list_width - 12.0, view, state, out) {
                ui.close();
            }
        });
}

fn tile_ui(ui: &mut Ui, width: f32, tile: &Tile<'_>, role: Role, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, Tile::HEIGHT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(role, true, name));
    tile.paint(ui, rect, &response);
    response.on_hover_cursor(egui::CursorIcon::PointingHand)
}
