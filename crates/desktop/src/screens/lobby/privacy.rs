//! Who may learn one's network address, as a field, and beside it the connection check.

use egui::{Align, Layout, Popup, Response, Sense, Ui, WidgetInfo, accesskit::Role, vec2};
use engine::Command;

use crate::icons::Icon;
use crate::screens::{View, address};
use crate::state::WindowState;
use crate::widgets::{Tile, was_pressed};
use crate::{text, theme};

/// From this width on, two things stand side by side.
const SIDE_BY_SIDE_FROM: f32 = 440.0;
const GAP: f32 = 10.0;
/// A list of explanations wants to be read, so it is not as narrow as its field may be.
const LIST_WIDTH: f32 = 380.0;

/// The field for the address, and the connection check.
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
        address_ui(ui, address_width, view, state, out);
        let check = Tile {
            icon: Icon::Pulse,
            color: theme::text_second(),
            caption: tr!("Before you start"),
            value: tr!("Check connection"),
            is_list: false,
        };
        let response = tile_ui(ui, check_width, &check, Role::Button, check.value);
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
    let tile = Tile {
        icon: Icon::Shield,
        color: theme::text_second(),
        caption: tr!("Network address"),
        value,
        is_list: true,
    };
    let name = format!("{}: {value}", tile.caption);
    let response = tile_ui(ui, width, &tile, Role::ComboBox, &name);
    let list_width = width.min(LIST_WIDTH);
    Popup::menu(&response)
        .width(list_width)
        .gap(6.0)
        .show(|ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            if address::choices_ui(ui, list_width - 12.0, view, state, out) {
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
