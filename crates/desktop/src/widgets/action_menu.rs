//! A list of actions above a button, each with the key that does it too.

use egui::{
    Align, Align2, Color32, CursorIcon, Layout, Popup, PopupCloseBehavior, RectAlign, Response,
    Sense, Slider, Ui, Vec2, WidgetInfo, accesskit::Role, vec2,
};
use engine::Snapshot;

use super::{was_pressed, words};
use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::state::{MAX_VOLUME_PERCENT, WindowState};
use crate::theme;

const WIDTH: f32 = 264.0;

/// What is wished for in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MenuWish {
    /// One of the actions.
    Act(Action),
    /// The stranger so loud, in per cent of what is sent.
    Volume(u16),
}

/// Draws the list while it is open, in a call with the stranger's volume above it. Returns what is wished for; what is not possible now is left out.
pub(crate) fn action_menu(
    anchor: &Response,
    actions: &[Action],
    snapshot: &Snapshot,
    state: &WindowState,
) -> Option<MenuWish> {
    let mut wish = None;
    Popup::menu(anchor)
        .align(RectAlign::TOP_END)
        .width(WIDTH)
        .gap(14.0)
        // The volume is dragged to and fro; an action closes the list itself.
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            ui.set_min_width(WIDTH - 12.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            if Action::Louder.is_possible(snapshot, state) {
                wish = volume_ui(ui, state.volume_percent).map(MenuWish::Volume);
            }
            let possible = actions.iter().copied();
            for action in possible.filter(|action| action.is_possible(snapshot, state)) {
                let (name, key) = (action.name(snapshot, state), action.key(state));
                if was_pressed(&row_ui(ui, name, &key)) {
                    wish = Some(MenuWish::Act(action));
                    ui.close();
                }
            }
        });
    wish
}

/// How loud the stranger is, with what it says; returns what it was changed to.
fn volume_ui(ui: &mut Ui, percent: u16) -> Option<u16> {
    let mut changed = percent;
    let size = vec2(ui.available_width(), theme::CONTROL);
    let layout = Layout::left_to_right(Align::Center);
    let response = ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        ui.add_space(10.0);
        let (_, sign) = ui.allocate_space(Vec2::splat(17.0));
        icons::paint(ui.painter(), Icon::Speaker, sign, theme::text_second());
        ui.spacing_mut().slider_width = ui.available_width() - 66.0;
        let slider = Slider::new(&mut changed, 0..=MAX_VOLUME_PERCENT)
            .step_by(5.0)
            .trailing_fill(true)
            .show_value(false);
        let response = ui.add(slider).accessible_name(tr!("Stranger's volume"));
        ui.label(words(
            format!("{changed} %"),
            theme::regular(12.5),
            theme::text_second(),
        ));
        response
    });
    response.inner.changed().then_some(changed)
}

fn row_ui(ui: &mut Ui, name: &str, key: &str) -> Response {
    let size = vec2(ui.available_width(), theme::CONTROL);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, true, name));
    let is_lit = response.hovered() || response.has_focus();
    let ground = if is_lit {
        theme::surface_hovered()
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
        theme::text(),
    );
    painter.text(
        rect.right_center() - vec2(10.0, 0.0),
        Align2::RIGHT_CENTER,
        key,
        theme::regular(12.5),
        theme::text_second(),
    );
    response.on_hover_cursor(CursorIcon::PointingHand)
}
