//! One's own picture before a call, or why there is none.

use egui::{Id, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use engine::{Command, DeviceState, VideoSource};

use crate::actions::Action;
use crate::icons::Icon;
use crate::screens::{View, banner};
use crate::state::WindowState;
use crate::text::{self, Device};
use crate::theme;
use crate::widgets::{Button, Look, Notice, Sign, VideoView, level_meter, was_pressed};

/// One's own picture, how loud one is, and both switches.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let width = ui.available_width();
    let (id, rect) = ui.allocate_space(vec2(width, (width * 9.0 / 16.0).floor()));
    ui.painter()
        .rect_filled(rect, theme::RADIUS_CARD, theme::surface());
    match view.pictures.local.get() {
        Some(picture) => {
            let video = VideoView::new(tr!("My picture"), picture)
                .mirrored(state.preferences.is_mirrored)
                .radius(theme::RADIUS_CARD);
            video.show_at(ui, id.with("video"), rect);
        }
        None => no_preview_ui(ui, id, rect, view, out),
    }
    let line = Stroke::new(1.0, theme::faint());
    ui.painter()
        .rect_stroke(rect, theme::RADIUS_CARD, line, StrokeKind::Inside);

    controls_ui(ui, id, rect, view, state, out);
}

/// Both switches and how loud one is, in the lower left corner of the preview.
fn controls_ui(
    ui: &mut Ui,
    id: Id,
    rect: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let deck = &view.snapshot.devices;
    let bar = Rect::from_min_size(
        rect.left_bottom() + vec2(12.0, -66.0),
        vec2(212.0_f32.min(rect.width() - 24.0), 54.0),
    );
    ui.painter().rect(
        bar,
        18.0,
        theme::overlay(),
        theme::overlay_line(),
        StrokeKind::Inside,
    );
    let switches = [
        (
            Action::ToggleCamera,
            deck.is_camera_on,
            Icon::Camera,
            Icon::CameraOff,
        ),
        (
            Action::ToggleMicrophone,
            deck.is_microphone_on,
            Icon::Microphone,
            Icon::MicrophoneOff,
        ),
    ];
    for (index, (action, is_on, on, off)) in switches.into_iter().enumerate() {
        let (look, icon) = if is_on {
            (Look::Bare, on)
        } else {
            (Look::Off, off)
        };
        let place = Rect::from_min_size(
            bar.min + vec2(6.0 + index as f32 * 52.0, 6.0),
            vec2(48.0, 42.0),
        );
        let name = action.name(view.snapshot, state);
        let button = Button::icon(look, icon, name)
            .hint(action.hint(view.snapshot, state))
            .on(is_on);
        if was_pressed(&button.show_at(ui, id.with(index), place)) {
            action.perform(view.snapshot, state, out);
        }
    }
    let is_live = deck.is_microphone_on && matches!(deck.microphone, DeviceState::Working { .. });
    let meter = Rect::from_min_max(
        pos2(bar.left() + 112.0, bar.center().y - 5.0),
        pos2(bar.right() - 14.0, bar.center().y + 5.0),
    );
    level_meter(ui, id.with("level"), meter, deck.microphone_level, is_live);
}

/// Why there is no picture, and what to do.
fn no_preview_ui(ui: &mut Ui, id: Id, rect: Rect, view: View<'_>, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    let body = rect.with_max_y(rect.bottom() - 60.0);
    let problem = match &deck.camera {
        DeviceState::Failed(problem) if deck.is_camera_on => {
            Some(text::device_problem(Device::Camera, problem))
        }
        _ => None,
    };
    if let Some(explanation) = problem {
        let is_small = body.height() < 150.0;
        let sign = if is_small {
            Sign::None
        } else {
            Sign::Icon(Icon::Warning, theme::warning())
        };
        let notice = Notice {
            sign,
            title: &explanation.title,
            detail: &explanation.detail,
            footnote: "",
        };
        let y = notice.show(
            ui,
            id.with("notice"),
            body,
            if is_small { 0.0 } else { 48.0 },
        );
        let button = Button::new(Look::Quiet, tr!("Try again")).font(theme::medium(13.0));
        let size = vec2(button.natural_width(ui.painter()), theme::CONTROL);
        // In a small preview it stands beside the switches.
        let middle = if is_small {
            pos2(rect.right() - 12.0 - size.x / 2.0, rect.bottom() - 39.0)
        } else {
            pos2(rect.center().x, y + 12.0 + size.y / 2.0)
        };
        let place = Rect::from_center_size(middle, size);
        if was_pressed(&button.show_at(ui, id.with("again"), place)) {
            out.push(banner::retry(view, Device::Camera));
        }
        return;
    }
    let (icon, title, detail) = if deck.video_source == VideoSource::None {
        (
            Icon::CameraOff,
            tr!("No camera"),
            tr!("You can meet people without one. They hear you, and you can write."),
        )
    } else if deck.is_camera_on {
        (Icon::Camera, tr!("Your camera is starting…"), "")
    } else {
        (
            Icon::CameraOff,
            tr!("Your camera is off"),
            tr!("Nobody sees you until you turn it on."),
        )
    };
    let sign = Sign::Icon(icon, theme::text_second());
    Notice {
        sign,
        title,
        detail,
        footnote: "",
    }
    .show(ui, id.with("notice"), body, 0.0);
}
