//! A list of actions above a button, each with the key that does it too.

use egui::{
    Align2, Color32, CursorIcon, Popup, RectAlign, Response, Sense, Ui, WidgetInfo,
    accesskit::Role, vec2,
};
use engine::Snapshot;

use super::was_pressed;
use crate::actions::Action;
use crate::state::WindowState;
use crate::theme;

const WIDTH: f32 = 264.0;

/// Draws the list while it is open. Returns what was chosen; what is not possible now is left out.
pub(crate) fn action_menu(
    anchor: &Response,
    actions: &[Action],
    snapshot: &Snapshot,
    state: &WindowState,
) -> Option<Action> {
    let mut chosen = None;
    Popup::menu(anchor)
        .align(RectAlign::TOP_END)
        .width(WIDTH)
        .gap(14.0)
        .show(|ui| {
            ui.set_min_width(WIDTH - 12.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            let possible = actions.iter().copied();
            for action in possible.filter(|action| action.is_possible(snapshot, state)) {
                let (name, key) = (action.name(snapshot, state), action.key(state));
                if was_pressed(&row_ui(ui, name, &key)) {
                    chosen = Some(action);
                    ui.close();
                }
            }
        });
    chosen
}

fn row_ui(ui: &mut Ui, name: &str, key: &str) -> Response {
    let size = vec2(ui.available_width(), theme::CONTROL);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, true, name));
    let is_lit = response.hovered() || response.has_focus();
    let ground = if is_lit {
        theme::SURFACE_HOVERED
    } else {
        Color32::TRANSPARENT
    };
    let painter = ui.painter();
    painter.rect_filled(rect, 8.0, ground);
    painter.text(
        rect.left_center() + vec2(10.0, 0.0),
        Align2::LEFT_CENTER,
        name,
        theme::medium(13.5),
        theme::TEXT,
    );
    painter.text(
        rect.right_center() - vec2(10.0, 0.0),
        Align2::RIGHT_CENTER,
        key,
        theme::regular(12.5),
        theme::TEXT_SECOND,
    );
    response.on_hover_cursor(CursorIcon::PointingHand)
}
