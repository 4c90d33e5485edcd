//! Before the first call: am I seen and heard, what do I like to talk about, and the one big button.

use std::time::Duration;

use egui::{Align, Align2, Frame, Id, Layout, Margin, Rect, ScrollArea, Stroke, TextEdit, Ui, Vec2, pos2, vec2};
use engine::{Command, DeviceState, SignallingProblem, SignallingView, VideoSource};

use super::{View, banner};
use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::text::{self, Device};
use crate::theme;
use crate::trouble::Trouble;
use crate::widgets::{
    Button, DevicePicker, Look, Notice, Pill, Sign, VideoView, camera_choices, finish_interest, interest_field,
    level_meter, microphone_choices, speaker_choices, was_pressed, within, words,
};

const TOP_BAR: f32 = 64.0;
const COLUMN_GAP: f32 = 36.0;
const MAX_WIDTH: f32 = 1040.0;
/// Under this width of the left column the pickers stand below each other.
const PICKERS_SIDE_BY_SIDE_FROM: f32 = 440.0;

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let window = ui.max_rect();
    let is_narrow = window.width() < theme::NARROW_BELOW;
    top_bar_ui(ui, window.with_max_y(window.top() + TOP_BAR), view);
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
                        preview_ui(ui, view, state, out);
                        ui.add_space(16.0);
                        invitation_ui(ui, view, state, out);
                        ui.add_space(24.0);
                        devices_ui(ui, view, out);
                        ui.add_space(24.0);
                    });
                });
            } else {
                two_columns_ui(ui, body, view, state, out);
            }
        });
    });
}

fn two_columns_ui(ui: &mut Ui, body: Rect, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let width = (body.width() - 64.0).min(MAX_WIDTH);
    let left_width = ((width - COLUMN_GAP) * 0.57).floor();
    let right_width = width - COLUMN_GAP - left_width;
    // The columns stand in the middle, a little high; what they need is known once the picture's height is.
    let height = left_width * 9.0 / 16.0 + 90.0;
    let top = ((body.height() - height) * 0.42).max(4.0);
    ui.add_space(top);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space((body.width() - width) / 2.0);
        ui.vertical(|ui| {
            ui.set_width(left_width);
            preview_ui(ui, view, state, out);
            ui.add_space(14.0);
            devices_ui(ui, view, out);
        });
        ui.add_space(COLUMN_GAP);
        ui.vertical(|ui| {
            ui.set_width(right_width);
            invitation_ui(ui, view, state, out);
        });
    });
    ui.add_space(20.0);
}

fn top_bar_ui(ui: &mut Ui, bar: Rect, view: View<'_>) {
    let inset = if bar.width() < theme::NARROW_BELOW { 16.0 } else { 32.0_f32.max((bar.width() - MAX_WIDTH) / 2.0) };
    let mark = Rect::from_center_size(pos2(bar.left() + inset + 14.0, bar.center().y), Vec2::splat(30.0));
    icons::paint_mark(ui.painter(), mark, theme::WARM, theme::ACCENT);
    let name = pos2(mark.right() + 12.0, bar.center().y);
    let place = ui.painter().text(name, Align2::LEFT_CENTER, "Passerby", theme::semibold(18.0), theme::TEXT);
    crate::widgets::describe(ui, Id::unique("name"), place, egui::accesskit::Role::Heading, "Passerby");
    let pill = match &view.snapshot.signalling {
        SignallingView::Connecting => Pill::new().dot(theme::WARNING).weak("Connecting…"),
        SignallingView::Connected { online } => Pill::new().dot(theme::GOOD).plain(text::people_online(*online)),
        SignallingView::Away { .. } => Pill::new().dot(theme::BAD).plain("No server"),
    };
    pill.show_at(ui, Id::unique("online"), Align2::RIGHT_CENTER, pos2(bar.right() - inset, bar.center().y));
}

/// One's own picture, how loud one is, and both switches.
fn preview_ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let width = ui.available_width();
    let (id, rect) = ui.allocate_space(vec2(width, (width * 9.0 / 16.0).floor()));
    ui.painter().rect_filled(rect, theme::RADIUS_CARD, theme::SURFACE);
    match view.pictures.local.get() {
        Some(picture) => {
            let video = VideoView::new("My picture", picture).mirrored().radius(theme::RADIUS_CARD);
            video.show_at(ui, id.with("video"), rect);
        }
        None => no_preview_ui(ui, id, rect, view, out),
    }
    let line = Stroke::new(1.0, egui::Color32::from_white_alpha(20));
    ui.painter().rect_stroke(rect, theme::RADIUS_CARD, line, egui::StrokeKind::Inside);

    controls_ui(ui, id, rect, view, state, out);
}

/// Both switches and how loud one is, in the lower left corner of the preview.
fn controls_ui(ui: &mut Ui, id: Id, rect: Rect, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    let bar = Rect::from_min_size(rect.left_bottom() + vec2(12.0, -66.0), vec2(212.0, 54.0));
    ui.painter().rect(bar, 18.0, theme::overlay(), theme::overlay_line(), egui::StrokeKind::Inside);
    let switches = [
        (Action::ToggleCamera, deck.is_camera_on, Icon::Camera, Icon::CameraOff),
        (Action::ToggleMicrophone, deck.is_microphone_on, Icon::Microphone, Icon::MicrophoneOff),
    ];
    for (index, (action, is_on, on, off)) in switches.into_iter().enumerate() {
        let (look, icon) = if is_on { (Look::Bare, on) } else { (Look::Danger, off) };
        let place = Rect::from_min_size(bar.min + vec2(6.0 + index as f32 * 52.0, 6.0), vec2(48.0, 42.0));
        let name = action.name(view.snapshot, state);
        let button = Button::icon(look, icon, name).hint(action.hint(view.snapshot, state)).on(is_on);
        if was_pressed(&button.show_at(ui, id.with(index), place)) {
            action.perform(view.snapshot, state, out);
        }
    }
    let is_live = deck.is_microphone_on && matches!(deck.microphone, DeviceState::Working { .. });
    let meter = Rect::from_min_max(pos2(bar.left() + 112.0, bar.center().y - 5.0), pos2(bar.right() - 14.0, bar.center().y + 5.0));
    level_meter(ui, id.with("level"), meter, deck.microphone_level, is_live);
}

/// Why there is no picture, and what to do.
fn no_preview_ui(ui: &mut Ui, id: Id, rect: Rect, view: View<'_>, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    let body = rect.with_max_y(rect.bottom() - 60.0);
    let problem = match &deck.camera {
        DeviceState::Failed(problem) if deck.is_camera_on => Some(text::device_problem(Device::Camera, problem)),
        _ => None,
    };
    if let Some(explanation) = problem {
        let is_small = body.height() < 150.0;
        let sign = if is_small { Sign::None } else { Sign::Icon(Icon::Warning, theme::WARNING) };
        let notice = Notice { sign, title: &explanation.title, detail: &explanation.detail, footnote: "" };
        let y = notice.show(ui, id.with("notice"), body, if is_small { 0.0 } else { 48.0 });
        let button = Button::new(Look::Quiet, "Try again").font(theme::medium(13.0));
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
        (Icon::CameraOff, "No camera", "You can meet people without one. They hear you, and you can write.")
    } else if deck.is_camera_on {
        (Icon::Camera, "Your camera is starting…", "")
    } else {
        (Icon::CameraOff, "Your camera is off", "Nobody sees you until you turn it on.")
    };
    let sign = Sign::Icon(icon, theme::TEXT_SECOND);
    Notice { sign, title, detail, footnote: "" }.show(ui, id.with("notice"), body, 0.0);
}

/// The three pickers, the meter, and what is wrong with a device.
fn devices_ui(ui: &mut Ui, view: View<'_>, out: &mut Vec<Command>) {
    let deck = &view.snapshot.devices;
    let pickers = [
        ("Camera", Icon::Camera, &deck.camera, camera_choices(deck)),
        ("Microphone", Icon::Microphone, &deck.microphone, microphone_choices(deck)),
        ("Speaker", Icon::Speaker, &deck.speaker, speaker_choices(deck)),
    ];
    let is_row = ui.available_width() >= PICKERS_SIDE_BY_SIDE_FROM;
    let width = if is_row { (ui.available_width() - 20.0) / 3.0 } else { ui.available_width() };
    let layout = if is_row { Layout::left_to_right(Align::Min) } else { Layout::top_down(Align::Min) };
    ui.with_layout(layout, |ui| {
        ui.spacing_mut().item_spacing = vec2(10.0, 8.0);
        for (name, icon, state, choices) in pickers {
            ui.allocate_ui(vec2(width, 56.0), |ui| {
                ui.set_width(width);
                DevicePicker { name, icon, state, choices }.show(ui, out);
            });
        }
    });
    ui.add_space(6.0);
    for trouble in Trouble::all(view.snapshot) {
        if let Trouble::Device(device @ (Device::Microphone | Device::Speaker), _) = trouble {
            device_trouble_ui(ui, &trouble, device, view, out);
        }
    }
}

fn device_trouble_ui(ui: &mut Ui, trouble: &Trouble, device: Device, view: View<'_>, out: &mut Vec<Command>) {
    let explanation = trouble.explanation();
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        let (_, sign) = ui.allocate_space(Vec2::splat(18.0));
        icons::paint(ui.painter(), Icon::Warning, sign, theme::WARNING);
        let again = Button::new(Look::Quiet, "Try again").font(theme::medium(13.0));
        let words_width = ui.available_width() - again.natural_width(ui.painter()) - 10.0;
        ui.vertical(|ui| {
            ui.set_width(words_width);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.label(words(explanation.title, theme::medium(13.0), theme::TEXT));
            ui.label(words(explanation.detail, theme::regular(13.0), theme::TEXT_SECOND));
        });
        if was_pressed(&again.show(ui, vec2(0.0, 34.0))) {
            out.push(banner::retry(view, device));
        }
    });
}

/// What this is, the interests, and Start; or what stands in the way of it.
fn invitation_ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    if let SignallingView::Away { problem, retry_at } = &view.snapshot.signalling {
        let wait = retry_at.saturating_duration_since(view.now);
        server_ui(ui, problem, wait, state, out);
    } else {
        ui.label(words("Meet a stranger", theme::semibold(30.0), theme::TEXT));
        ui.add_space(8.0);
        let pitch = "One person at a time, face to face. Stay as long as you both like, or press Next.";
        ui.label(words(pitch, theme::regular(15.0), theme::TEXT_SECOND));
    }
    ui.add_space(26.0);
    ui.label(words("What do you like to talk about?", theme::medium(14.0), theme::TEXT));
    ui.add_space(8.0);
    let is_done = interest_field(ui, &mut state.interests, &mut state.interest_draft);
    ui.add_space(8.0);
    let hint = "Optional. People who like the same come first.";
    ui.label(words(hint, theme::regular(12.5), theme::TEXT_THIRD));
    ui.add_space(24.0);

    let start = Button::new(Look::Primary, "Start")
        .font(theme::semibold(17.0))
        .key(Action::Start.key())
        .enabled(Action::Start.is_possible(view.snapshot));
    let width = ui.available_width();
    if was_pressed(&start.show(ui, vec2(width, 56.0))) || is_done {
        finish_interest(state);
        Action::Start.perform(view.snapshot, state, out);
    }
    ui.add_space(12.0);
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        let promise = "Nobody sees or hears you before you start.";
        ui.label(words(promise, theme::regular(12.5), theme::TEXT_THIRD));
    });
}

/// Why there is no server, and where to look for another one.
fn server_ui(
    ui: &mut Ui,
    problem: &SignallingProblem,
    wait: Duration,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let explanation = text::signalling_problem(problem);
    let frame = Frame::new()
        .fill(theme::SURFACE)
        .stroke(Stroke::new(1.0, theme::WARNING.gamma_multiply(0.35)))
        .corner_radius(theme::RADIUS_CARD)
        .inner_margin(Margin::same(16));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 12.0;
            let (_, sign) = ui.allocate_space(Vec2::splat(22.0));
            icons::paint(ui.painter(), Icon::Offline, sign, theme::WARNING);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                ui.label(words(explanation.title, theme::semibold(16.0), theme::TEXT));
                ui.label(words(explanation.detail, theme::regular(13.5), theme::TEXT_SECOND));
                let again = if wait.is_zero() {
                    "Trying again…".to_owned()
                } else {
                    format!("Trying again in {} s", wait.as_secs_f32().ceil())
                };
                ui.label(words(again, theme::regular(12.5), theme::TEXT_THIRD));
            });
        });
        ui.add_space(14.0);
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 8.0;
            let connect = Button::new(Look::Quiet, "Connect").font(theme::medium(13.0));
            let field_width = ui.available_width() - connect.natural_width(ui.painter()) - 8.0;
            let edit = TextEdit::singleline(&mut state.server_draft)
                .id(Id::unique("server"))
                .font(theme::regular(13.5))
                .text_color(theme::TEXT)
                .char_limit(512)
                .margin(Margin::symmetric(10, 9))
                .desired_width(field_width - 20.0);
            let response = ui.add(edit).accessible_name("Server address");
            let is_entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let is_pressed = was_pressed(&connect.show(ui, vec2(0.0, response.rect.height())));
            if is_entered || is_pressed {
                state.server_draft.trim().clone_into(&mut state.server);
                out.push(Command::SetServer(state.server.clone()));
            }
        });
    });
    ui.request_repaint_after(Duration::from_millis(500));
}
