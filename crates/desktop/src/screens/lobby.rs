//! Before the first call: am I seen and heard, what do I like to talk about, and the one big button.

mod check;
pub(super) mod devices;
mod invitation;
mod preview;
mod privacy;

use egui::{Align2, Id, Rect, ScrollArea, Ui, Vec2, accesskit::Role, pos2, vec2};
use engine::{Command, SignallingView};

use super::View;
use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::widgets::{Button, Look, Pill, describe, was_pressed, within};
use crate::{text, theme};

const TOP_BAR: f32 = 64.0;
const COLUMN_GAP: f32 = 36.0;
const MAX_WIDTH: f32 = 1040.0;
/// About how high it is what stands below the picture.
const FIELDS_HEIGHT: f32 = 150.0;
/// Between two fields that stand below each other.
const LIST_GAP: f32 = 8.0;
/// About how high it is what is said about one device in trouble.
const TROUBLE_HEIGHT: f32 = 66.0;

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let window = ui.max_rect();
    let is_narrow = window.width() < theme::NARROW_BELOW;
    let bar = window.with_max_y(window.top() + TOP_BAR);
    top_bar_ui(ui, bar, view, state, out);
    let body = window.with_min_y(window.top() + TOP_BAR);
    within(ui, "lobby", body, |ui| {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if is_narrow {
                let column = ui.max_rect().shrink2(vec2(16.0, 0.0));
                let width = column.width();
                ui.horizontal(|ui| {
                    ui.add_space(16.0);
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        preview::ui(ui, view, state, out);
                        ui.add_space(16.0);
                        invitation::ui(ui, view, state, out);
                        ui.add_space(24.0);
                        devices::ui(ui, view, out);
                        ui.add_space(LIST_GAP - ui.spacing().item_spacing.y);
                        privacy::fields_ui(ui, view, state, out);
                        ui.add_space(24.0);
                    });
                });
            } else {
                two_columns_ui(ui, body, view, state, out);
            }
        });
    });
    check::ui(ui, view, state);
}

fn two_columns_ui(
    ui: &mut Ui,
    body: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let width = (body.width() - 64.0).min(MAX_WIDTH);
    let left_width = ((width - COLUMN_GAP) * 0.57).floor();
    let right_width = width - COLUMN_GAP - left_width;
    // The columns stand in the middle, a little high; what they need is known once the picture's height is.
    let troubles = devices::troubles(view).count() as f32;
    let left_height = left_width * 9.0 / 16.0 + FIELDS_HEIGHT + troubles * TROUBLE_HEIGHT;
    let top = ((body.height() - left_height) * 0.42).max(4.0);
    ui.add_space(top);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space((body.width() - width) / 2.0);
        ui.vertical(|ui| {
            ui.set_width(left_width);
            preview::ui(ui, view, state, out);
            ui.add_space(14.0);
            devices::ui(ui, view, out);
            ui.add_space(2.0);
            privacy::fields_ui(ui, view, state, out);
        });
        ui.add_space(COLUMN_GAP);
        ui.vertical(|ui| {
            ui.set_width(right_width);
            invitation::ui(ui, view, state, out);
        });
    });
    ui.add_space(20.0);
}

fn top_bar_ui(
    ui: &mut Ui,
    bar: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let inset = if bar.width() < theme::NARROW_BELOW {
        16.0
    } else {
        32.0_f32.max((bar.width() - MAX_WIDTH) / 2.0)
    };
    let mark = Rect::from_center_size(
        pos2(bar.left() + inset + 14.0, bar.center().y),
        Vec2::splat(30.0),
    );
    icons::paint_mark(ui.painter(), mark, theme::warm(), theme::accent());
    let pill = match &view.snapshot.signalling {
        SignallingView::Connecting => Pill::new().dot(theme::warning()).weak(tr!("Connecting…")),
        SignallingView::Connected { online } => Pill::new()
            .dot(theme::good())
            .plain(text::people_online(*online)),
        SignallingView::Away { .. } => Pill::new().dot(theme::bad()).plain(tr!("No server")),
    };
    let right = bar.right() - inset;
    let pill = pill.at_most(ui, right - theme::CONTROL - 16.0 - mark.right());
    let pill_left = right - theme::CONTROL - 8.0 - pill.width(ui);
    let name =
        ui.painter()
            .layout_no_wrap("Passerby".to_owned(), theme::semibold(18.0), theme::text());
    let at = pos2(mark.right() + 12.0, bar.center().y - name.size().y / 2.0);
    let mut place = Rect::from_min_size(at, name.size());
    if place.right() + 8.0 < pill_left {
        ui.painter().galley(at, name, theme::text());
    } else {
        place = mark;
    }
    describe(ui, Id::unique("name"), place, Role::Heading, "Passerby");
    pill.show_at(
        ui,
        Id::unique("online"),
        Align2::RIGHT_CENTER,
        pos2(right - theme::CONTROL - 8.0, bar.center().y),
    );
    let action = Action::ToggleSettings;
    let button = Button::icon(Look::Quiet, Icon::Settings, tr!("Settings"))
        .hint(action.hint(view.snapshot, state))
        .icon_size(18.0);
    let place = Rect::from_center_size(
        pos2(right - theme::CONTROL / 2.0, bar.center().y),
        Vec2::splat(theme::CONTROL),
    );
    if was_pressed(&button.show_at(ui, Id::unique("settings-button"), place)) {
        action.perform(view.snapshot, state, out);
    }
}
