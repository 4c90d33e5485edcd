//! One's own picture in a corner, as the stranger sees it, but mirrored, and with it one's own screen while it is shared. It can be
//! dragged to another corner.

use egui::{CursorIcon, Id, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use engine::{Command, DeviceState};

use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::preferences::Corner;
use crate::screens::{View, is_swapped};
use crate::state::WindowState;
use crate::theme;
use crate::widgets::{Button, Look, VideoView, describe, paint_level, was_pressed};

/// In a picture narrower than this, the meter would hide half of it.
const METER_FROM: f32 = 150.0;
/// A screen has its corners filled, too.
const SCREEN_RADIUS: u8 = 8;
const MARGIN: f32 = 14.0;
/// Between one's own picture and one's own screen.
const GAP: f32 = 8.0;
/// The screen is so high at most, as a share of its width: what stands upright gets bars.
const MOST_HEIGHT: f32 = 0.75;

/// Draws it in its corner: beside the dock where there is room and above it where there is none, and at the top below
/// `top`. Hidden, a button stands there that brings it back.
pub(crate) fn ui(
    ui: &mut Ui,
    stage: Rect,
    (top, dock): (f32, Rect),
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    // The figures stand in this corner while they are open.
    let corner = match state.preferences.self_view {
        Corner::TopRight if state.is_statistics_open => Corner::BottomRight,
        corner => corner,
    };
    let id = Id::unique("self-view");
    let action = Action::ToggleSelfView;
    if state.is_self_view_hidden {
        let place = place(stage, top, dock, corner, Vec2::splat(theme::CONTROL));
        let mut layer = ui.new_child(egui::UiBuilder::new().max_rect(place));
        layer.set_opacity(state.chrome);
        layer
            .painter()
            .circle_filled(place.center(), 18.0, theme::overlay());
        let button = Button::icon(Look::Bare, Icon::Person, action.name(view.snapshot, state))
            .hint(action.hint(view.snapshot, state))
            .icon_size(18.0);
        if was_pressed(&button.show_at(&layer, id.with("show"), place)) {
            action.perform(view.snapshot, state, out);
        }
        return;
    }
    let home = place(stage, top, dock, corner, size(stage));
    // Not to be reached with Tab: for the keyboard, the corner is in the settings, and swapping has a key.
    let drag = ui.interact(home, id.with("drag"), Sense::DRAG | Sense::CLICK);
    let moved = match drag.total_drag_delta() {
        Some(moved) => {
            ui.data_mut(|data| data.insert_temp(id, moved));
            moved
        }
        // It is told no more in the frame in which the button is let go.
        None if drag.drag_stopped() => ui.data(|data| data.get_temp(id)).unwrap_or_default(),
        None => Vec2::ZERO,
    };
    let inside = stage.shrink(MARGIN);
    let rect = {
        let wanted = home.translate(moved);
        let back =
            (inside.min - wanted.min).max(Vec2::ZERO) - (wanted.max - inside.max).max(Vec2::ZERO);
        wanted.translate(back)
    };
    if drag.drag_stopped() {
        let middle = rect.center() - stage.center();
        state.preferences.self_view = Corner::of(middle.x < 0.0, middle.y < 0.0);
    }
    let stranger = view.pictures.remote.get();
    if let Some(picture) = stranger.filter(|_| is_swapped(view, state)) {
        let video = VideoView::new(tr!("The stranger's picture"), picture).radius(14);
        video.show_at(ui, id, rect);
        edge_ui(ui, rect);
    } else {
        picture_ui(ui, id, rect, view, state.preferences.is_mirrored);
        microphone(ui, rect, view);
    }
    screen_ui(ui, rect, corner, view);
    if drag.double_clicked() {
        Action::ToggleSwap.perform(view.snapshot, state, out);
    }
    let drag = drag.on_hover_cursor(if moved == Vec2::ZERO {
        CursorIcon::Grab
    } else {
        CursorIcon::Grabbing
    });
    let hide = Rect::from_center_size(rect.right_top() + vec2(-20.0, 20.0), Vec2::splat(28.0));
    let is_pointed_at = drag.contains_pointer() && state.chrome > 0.0;
    let is_near = is_pointed_at || ui.memory(|memory| memory.has_focus(id.with("hide")));
    let name = action.name(view.snapshot, state);
    let button = Button::icon(Look::Bare, Icon::Close, name)
        .hint(action.hint(view.snapshot, state))
        .icon_size(14.0);
    let mut layer = ui.new_child(egui::UiBuilder::new().max_rect(hide));
    if is_near {
        layer
            .painter()
            .circle_filled(hide.center(), 14.0, theme::overlay());
    } else {
        layer.set_opacity(0.0);
    }
    if was_pressed(&button.show_at(&layer, id.with("hide"), hide)) {
        action.perform(view.snapshot, state, out);
    }
}

/// How large the picture in the corner is.
pub(crate) fn size(stage: Rect) -> Vec2 {
    let width = (stage.width() * 0.2).clamp(112.0, 200.0);
    vec2(width, width * 9.0 / 16.0)
}

/// Where something of this size stands in `corner`.
pub(crate) fn place(stage: Rect, top: f32, dock: Rect, corner: Corner, size: Vec2) -> Rect {
    let (left, right) = (stage.left() + MARGIN, stage.right() - MARGIN);
    let x = if corner.is_left() {
        left..=left + size.x
    } else {
        right - size.x..=right
    };
    if corner.is_top() {
        return Rect::from_x_y_ranges(x, top..=top + size.y);
    }
    let is_beside = if corner.is_left() {
        left + size.x + 12.0 < dock.left()
    } else {
        right - size.x - 12.0 > dock.right()
    };
    let bottom = if is_beside {
        stage.bottom() - MARGIN
    } else {
        dock.top() - 12.0
    };
    Rect::from_x_y_ranges(x, bottom - size.y..=bottom)
}

fn picture_ui(ui: &Ui, id: Id, rect: Rect, view: View<'_>, is_mirrored: bool) {
    let painter = ui.painter();
    painter.rect_filled(rect, 14, theme::surface_raised());
    if let Some(picture) = view.pictures.local.get() {
        let video = VideoView::new(tr!("My picture"), picture)
            .mirrored(is_mirrored)
            .radius(14);
        video.show_at(ui, id, rect);
    } else {
        let icon = Rect::from_center_size(rect.center(), Vec2::splat(26.0));
        icons::paint(painter, Icon::CameraOff, icon, theme::text_third());
        let words = tr!("Nobody sees you: your camera is off");
        describe(ui, id, rect, egui::accesskit::Role::Image, words);
    }
    edge_ui(ui, rect);
}

/// One's own screen as the stranger sees it, not mirrored, above one's own picture, or below it in an upper corner.
fn screen_ui(ui: &Ui, rect: Rect, corner: Corner, view: View<'_>) {
    let Some(picture) = view.pictures.local_screen.get() else {
        return;
    };
    let share = (picture.1.y / picture.1.x.max(1.0)).min(MOST_HEIGHT);
    let size = vec2(rect.width(), rect.width() * share);
    let place = if corner.is_top() {
        Rect::from_min_size(rect.left_bottom() + vec2(0.0, GAP), size)
    } else {
        Rect::from_min_size(rect.left_top() - vec2(0.0, GAP + size.y), size)
    };
    ui.painter()
        .rect_filled(place, SCREEN_RADIUS, theme::surface());
    let video = VideoView::new(tr!("What I share, as they see it"), picture)
        .fitted(true)
        .radius(SCREEN_RADIUS);
    video.show_at(ui, Id::unique("own-screen"), place);
    // In the colour of the line around the whole picture, which says the same.
    let line = Stroke::new(2.0, theme::accent());
    ui.painter()
        .rect_stroke(place, SCREEN_RADIUS, line, StrokeKind::Inside);
}

fn edge_ui(ui: &Ui, rect: Rect) {
    let line = Stroke::new(1.0, egui::Color32::from_white_alpha(46));
    ui.painter().rect_stroke(rect, 14, line, StrokeKind::Inside);
}

fn microphone(ui: &Ui, rect: Rect, view: View<'_>) {
    let deck = &view.snapshot.devices;
    let is_live = deck.is_microphone_on && matches!(deck.microphone, DeviceState::Working { .. });
    if is_live && rect.width() < METER_FROM {
        return;
    }
    let width = if is_live { 60.0 } else { 28.0 };
    let pill = Rect::from_min_size(rect.left_bottom() + vec2(8.0, -32.0), vec2(width, 24.0));
    let painter = ui.painter();
    painter.rect_filled(pill, 12.0, theme::overlay());
    let icon = Rect::from_center_size(pos2(pill.left() + 14.0, pill.center().y), Vec2::splat(14.0));
    if is_live {
        icons::paint(painter, Icon::Microphone, icon, theme::text());
        let bars = Rect::from_min_max(
            pos2(pill.left() + 26.0, pill.center().y - 4.0),
            pill.right_bottom() - vec2(8.0, 8.0),
        );
        paint_level(painter, bars, 4, deck.microphone_level);
    } else {
        icons::paint(painter, Icon::MicrophoneOff, icon, theme::bad());
    }
}
