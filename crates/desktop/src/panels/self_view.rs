//! One's own picture in the corner, as the stranger sees it, but mirrored.

use egui::{Id, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use engine::DeviceState;

use crate::icons::{self, Icon};
use crate::screens::View;
use crate::state::WindowState;
use crate::theme;
use crate::widgets::{VideoView, describe, paint_level};

/// In a picture narrower than this, the meter would hide half of it.
const METER_FROM: f32 = 150.0;

/// Draws it, beside the dock where there is room and above it where there is none.
pub(crate) fn ui(ui: &mut Ui, stage: Rect, dock: Rect, view: View<'_>, state: &WindowState) {
    if state.is_self_view_hidden {
        return;
    }
    let width = (stage.width() * 0.2).clamp(112.0, 200.0);
    let size = vec2(width, width * 9.0 / 16.0);
    let right = stage.right() - 14.0;
    let is_beside = right - width - 12.0 > dock.right();
    let bottom = if is_beside {
        stage.bottom() - 14.0
    } else {
        dock.top() - 12.0
    };
    let rect = Rect::from_min_max(pos2(right, bottom) - size, pos2(right, bottom));

    let painter = ui.painter();
    painter.rect_filled(rect, 14, theme::SURFACE_RAISED);
    if let Some(picture) = view.pictures.local.get() {
        let video = VideoView::new("My picture", picture).mirrored().radius(14);
        video.show_at(ui, Id::unique("self-view"), rect);
    } else {
        let icon = Rect::from_center_size(rect.center(), Vec2::splat(26.0));
        icons::paint(painter, Icon::CameraOff, icon, theme::TEXT_THIRD);
        let words = "Nobody sees you: your camera is off";
        describe(
            ui,
            Id::unique("self-view"),
            rect,
            egui::accesskit::Role::Image,
            words,
        );
    }
    let painter = ui.painter();
    painter.rect_stroke(
        rect,
        14,
        Stroke::new(1.0, egui::Color32::from_white_alpha(46)),
        StrokeKind::Inside,
    );
    microphone(ui, rect, view);
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
        icons::paint(painter, Icon::Microphone, icon, theme::TEXT);
        let bars = Rect::from_min_max(
            pos2(pill.left() + 26.0, pill.center().y - 4.0),
            pill.right_bottom() - vec2(8.0, 8.0),
        );
        paint_level(painter, bars, 4, deck.microphone_level);
    } else {
        icons::paint(painter, Icon::MicrophoneOff, icon, theme::BAD);
    }
}
