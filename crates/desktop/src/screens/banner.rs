//! What does not work during a search or a call, with a way forward. It lies over the stage, because the call goes on.

use egui::{Color32, Id, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, text::LayoutJob, vec2};
use engine::Command;

use super::View;
use crate::icons::{self, Icon};
use crate::state::WindowState;
use crate::text::Device;
use crate::theme;
use crate::trouble::Trouble;
use crate::widgets::{Button, Look, announce, was_pressed};

/// More than this many at a time would bury the stranger.
const MOST: usize = 2;
const MAX_WIDTH: f32 = 560.0;

/// Draws the banners from `top` downwards. Returns where free space begins below them.
pub(super) fn ui(
    ui: &mut Ui,
    stage: Rect,
    top: f32,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) -> f32 {
    let mut y = top;
    let troubles = Trouble::all(view.snapshot);
    let shown: Vec<Trouble> = troubles
        .into_iter()
        .filter(|trouble| !state.put_away.iter().any(|known| known.is_same_as(trouble)))
        .collect();
    for trouble in shown.into_iter().take(MOST) {
        y += one_ui(ui, stage, y, view, &trouble, state, out) + 8.0;
    }
    y
}

fn one_ui(
    ui: &mut Ui,
    stage: Rect,
    top: f32,
    view: View<'_>,
    trouble: &Trouble,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) -> f32 {
    let width = (stage.width() - 28.0).min(MAX_WIDTH);
    let left = stage.center().x - width / 2.0;
    let explanation = trouble.explanation();
    let again = match trouble {
        Trouble::Device(device, _) => Some(retry(view, *device)),
        Trouble::Server(_) | Trouble::Screen(_) => None,
    };
    let button = Button::new(Look::Quiet, tr!("Try again")).font(theme::medium(13.0));
    let button_width = again
        .as_ref()
        .map_or(0.0, |_| button.natural_width(ui.painter()) + 8.0);
    let words_width = width - 50.0 - button_width - 52.0;
    let mut job = LayoutJob::simple(
        explanation.title.clone(),
        theme::semibold(14.0),
        theme::text(),
        words_width,
    );
    job.append(
        &format!("\n{}", explanation.detail),
        0.0,
        egui::TextFormat::simple(theme::regular(13.0), theme::text_second()),
    );
    let galley = ui.painter().layout_job(job);
    let height = galley.size().y + 24.0;
    let rect = Rect::from_min_size(pos2(left, top), vec2(width, height));
    let line = Stroke::new(1.0, theme::warning().gamma_multiply(0.35));
    let painter = ui.painter();
    painter.rect(
        rect,
        theme::RADIUS_CONTROL,
        Color32::from_rgb(0x1C, 0x1A, 0x18),
        line,
        StrokeKind::Inside,
    );
    let sign = Rect::from_center_size(pos2(rect.left() + 27.0, rect.center().y), Vec2::splat(20.0));
    let icon = if matches!(trouble, Trouble::Server(_)) {
        Icon::Offline
    } else {
        Icon::Warning
    };
    icons::paint(painter, icon, sign, theme::warning());
    painter.galley(
        pos2(rect.left() + 50.0, rect.top() + 12.0),
        galley,
        theme::text(),
    );
    let spoken = format!("{}. {}", explanation.title, explanation.detail);
    let id = Id::unique(("banner", &explanation.title));
    announce(ui, id, rect, egui::accesskit::Role::Alert, spoken);

    let close = Rect::from_center_size(
        pos2(rect.right() - 28.0, rect.center().y),
        Vec2::splat(36.0),
    );
    if let Some(again) = again {
        let size = vec2(button_width - 8.0, 36.0);
        let place = Rect::from_center_size(
            pos2(close.left() - 4.0 - size.x / 2.0, rect.center().y),
            size,
        );
        if was_pressed(&button.show_at(ui, id.with("again"), place)) {
            out.push(again);
        }
    }
    let put_away = Button::icon(Look::Bare, Icon::Close, tr!("Put this away")).icon_size(16.0);
    if was_pressed(&put_away.show_at(ui, id.with("close"), close)) {
        state.put_away.push(trouble.clone());
    }
    height
}

/// Asks for the same device once more.
pub(super) fn retry(view: View<'_>, device: Device) -> Command {
    let deck = &view.snapshot.devices;
    match device {
        Device::Camera => Command::ChooseVideo(deck.video_source.clone()),
        Device::Microphone => Command::ChooseAudio(deck.audio_source.clone()),
        Device::Speaker => Command::ChooseSpeaker(deck.audio_sink.clone()),
    }
}
