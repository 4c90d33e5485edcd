//! The call: the stranger's picture and what floats over it.

use std::time::{Duration, Instant};

use egui::{Align2, Id, Rect, Shape, Ui, pos2};
use engine::{CallView, Command, DeviceState};

use super::{View, is_swapped, reconnecting, repaint_at_next_second, sharing, shield, veil};
use crate::actions::Action;
use crate::icons::Icon;
use crate::panels::{self_view, statistics};
use crate::quality::{self, Quality};
use crate::shield::ShieldStage;
use crate::state::{KeyboardOwner, WindowState};
use crate::trouble::Trouble;
use crate::widgets::{Notice, Pill, Sign, VideoView, shown_size, was_pressed};
use crate::{chrome, text, theme};

/// Under this width of the stage only what is needed stands at its top.
const TIGHT_BELOW: f32 = 520.0;
const PILL_GAP: f32 = 8.0;

/// Draws the stranger, or why the stranger cannot be seen.
pub(super) fn picture_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &WindowState,
    radius: u8,
) {
    let partner = view.snapshot.partner;
    let is_reconnecting = matches!(view.snapshot.call, CallView::Reconnecting { .. });
    let picture = view
        .pictures
        .remote
        .get()
        .filter(|_| partner.is_sending_video || is_reconnecting);
    let brightness = if is_reconnecting { 0.45 } else { 1.0 };
    let is_screen_shown = sharing::is_shown(view);
    if is_screen_shown {
        sharing::screen_ui(ui, stage, view, brightness);
    } else if let Some(picture) = view
        .pictures
        .local
        .get()
        .filter(|_| is_swapped(view, state))
    {
        let video = VideoView::new(tr!("My picture"), picture)
            .radius(radius)
            .fitted(state.preferences.fits_picture)
            .mirrored(state.preferences.is_mirrored);
        video.show_at(ui, Id::unique("swapped"), stage);
        shade_edges(ui, stage, state.chrome);
    } else if let Some(picture) = picture {
        let video = VideoView::new(tr!("The stranger's picture"), picture)
            .radius(radius)
            .fitted(state.preferences.fits_picture)
            .brightness(brightness);
        video.show_at(ui, Id::unique("stranger"), stage);
        if !is_reconnecting {
            shade_edges(ui, stage, state.chrome);
        }
    }
    let body = stage.with_max_y(stage.bottom() - 76.0);
    if let CallView::Reconnecting { lost_at, .. } = view.snapshot.call {
        reconnecting::ui(ui, body, view, lost_at);
    } else if picture.is_none() && !is_screen_shown {
        let (title, detail) = match (partner.is_sending_video, partner.is_sending_audio) {
            (true, _) => (tr!("Connected"), tr!("Their picture is on its way…")),
            (false, true) => (
                tr!("Their camera is off"),
                tr!("You can talk and write to each other."),
            ),
            (false, false) => (
                tr!("Their camera and microphone are off"),
                tr!("They can hear you, and you can both write."),
            ),
        };
        let sign = Sign::Icon(Icon::Person, theme::text_second());
        Notice {
            sign,
            title,
            detail,
            footnote: "",
        }
        .show(ui, Id::unique("no-picture"), body, 0.0);
    }
}

/// How large the stranger is shown, or would be, in pixels of the screen.
pub(super) fn stranger_px(ui: &Ui, stage: Rect, view: View<'_>, state: &WindowState) -> (u32, u32) {
    let is_fitted = state.preferences.fits_picture;
    let picture = view.pictures.remote.get();
    let shown = if sharing::is_shown(view) {
        sharing::inset_shown(stage, view)
    } else if is_swapped(view, state) {
        let corner = Rect::from_min_size(stage.min, self_view::size(stage));
        picture.map_or(corner.size(), |(_, size)| shown_size(size, corner, false))
    } else {
        picture.map_or(stage.size(), |(_, size)| shown_size(size, stage, is_fitted))
    };
    let side = |points: f32| (points * ui.pixels_per_point()).round().max(1.0) as u32;
    (side(shown.x), side(shown.y))
}

/// Darkens the lower edge of the picture, so that the dock stands out from white walls too.
fn shade_edges(ui: &Ui, stage: Rect, seen: f32) {
    let height = 130.0_f32.min(stage.height() / 3.0);
    let bottom = stage.with_min_y(stage.bottom() - height);
    let dark = egui::Color32::from_black_alpha(110).gamma_multiply(seen);
    let shade = Shape::gradient_rect(
        bottom,
        egui::Direction::TopDown,
        [egui::Color32::TRANSPARENT, dark],
    );
    ui.painter().add(shade);
}

/// Draws the pills at the top. Returns where free space begins below them.
pub(super) fn top_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &mut WindowState,
    since: Instant,
    interests: &[String],
    out: &mut Vec<Command>,
) -> f32 {
    let is_tight = stage.width() < TIGHT_BELOW;
    let top = stage.top() + 14.0;
    let age = view.age(since);
    repaint_at_next_second(ui, age);

    let quality = quality_pill(view, state, is_tight);
    let right = stage.right() - 14.0;
    let quality_width = quality.width(ui);
    if was_pressed(&quality.show_at(
        ui,
        Id::unique("quality"),
        Align2::RIGHT_TOP,
        pos2(right, top),
    )) {
        Action::ToggleDiagnostics.perform(view.snapshot, state, out);
    }

    let is_up = matches!(view.snapshot.call, CallView::Connected { .. });
    let dot = if is_up {
        theme::good()
    } else {
        theme::warning()
    };
    let mut pills = vec![
        Pill::new()
            .dot(dot)
            .strong(tr!("Stranger"))
            .weak(text::clock(age)),
    ];
    if !view.snapshot.partner.is_sending_audio && is_up {
        pills.push(
            Pill::new()
                .icon(Icon::MicrophoneOff, theme::bad())
                .plain(tr!("Muted")),
        );
    }
    if state.push_to_talk.is_active() && is_up {
        pills.push(talk_pill(view, state));
    } else if let Some(notice) = view.snapshot.devices.microphone_notice {
        pills.push(
            Pill::new()
                .icon(Icon::MicrophoneOff, theme::warning())
                .plain(text::microphone_notice(notice)),
        );
    }
    if state.volume_percent != 100 {
        pills.push(
            Pill::new()
                .icon(Icon::Speaker, theme::text_second())
                .plain(tr!("Volume {percent} %", percent = state.volume_percent)),
        );
    }
    if !interests.is_empty() {
        pills.push(
            Pill::new()
                .icon(Icon::Heart, theme::warm())
                .plain(text::common_interests(interests)),
        );
    }
    let sharing_at = view.snapshot.devices.screen.as_ref().map(|screen| {
        let hint = Action::ToggleSharing.hint(view.snapshot, state);
        let said = text::sharing(screen);
        let name = match screen.state {
            DeviceState::Working { .. } => tr!("Stop sharing").to_owned(),
            // Who does not see it shall hear how it stands, too.
            _ => format!("{said}: {}", tr!("Stop sharing")),
        };
        let pill = Pill::new()
            .button(name, hint)
            .icon(Icon::Screen, theme::accent_hovered())
            .plain(said)
            .call(tr!("Stop"));
        pills.push(pill);
        pills.len() - 1
    });
    let shield_at = pills.len();
    let stage_of_shield = state.shield.stage(view.snapshot, view.now);
    pills.extend(stage_of_shield.map(|stage| shield::pill(stage, view, state)));
    let (mut at, mut limit) = (
        pos2(stage.left() + 14.0, top),
        right - quality_width - PILL_GAP,
    );
    for (index, pill) in pills.into_iter().enumerate() {
        let pill = pill.at_most(ui, right - stage.left() - 14.0);
        let width = pill.width(ui);
        if at.x + width > limit && index > 0 {
            // What does not fit beside the quality goes below, where the whole width is free.
            at = pos2(stage.left() + 14.0, at.y + theme::CONTROL + PILL_GAP);
            limit = right;
        }
        let response = pill.show_at(ui, Id::unique(("pill", index)), Align2::LEFT_TOP, at);
        if index == shield_at && was_pressed(&response) {
            Action::ToggleDirect.perform(view.snapshot, state, out);
        }
        if sharing_at == Some(index) && was_pressed(&response) {
            Action::ToggleSharing.perform(view.snapshot, state, out);
        }
        at.x += width + PILL_GAP;
    }
    at.y + theme::CONTROL + PILL_GAP
}

/// Whether one is heard right now, where that depends on a key.
fn talk_pill(view: View<'_>, state: &WindowState) -> Pill {
    if view.snapshot.devices.is_microphone_on {
        return Pill::new()
            .icon(Icon::Microphone, theme::good())
            .plain(tr!("You can be heard"));
    }
    let key = Action::PushToTalk.key(state);
    Pill::new()
        .icon(Icon::MicrophoneOff, theme::warning())
        .plain(tr!("Hold {key} to talk", key = key))
}

fn quality_pill(view: View<'_>, state: &WindowState, is_tight: bool) -> Pill {
    let is_up = matches!(view.snapshot.call, CallView::Connected { .. });
    let quality = Quality::of(&view.snapshot.statistics).filter(|_| is_up);
    let color = match quality {
        Some(Quality::Good) | None => theme::good(),
        Some(Quality::Fair) => theme::warning(),
        Some(Quality::Poor) => theme::bad(),
    };
    let word = quality.map_or(
        if is_up {
            tr!("Measuring")
        } else {
            tr!("Interrupted")
        },
        Quality::word,
    );
    let hint = Action::ToggleDiagnostics.hint(view.snapshot, state);
    let name = tr!("Connection: {word}", word = word);
    let mut pill = Pill::new()
        .button(name, hint)
        .bars(quality.map_or(0, Quality::bars), color)
        .strong(word);
    if quality.is_some() && !is_tight {
        let statistics = &view.snapshot.statistics;
        // The figure that is the reason for the word.
        let loss = statistics
            .loss_ratio
            .filter(|ratio| *ratio > quality::NOTICEABLE_LOSS);
        let figure = loss.map(|ratio| tr!("{percent} % lost", percent = (ratio * 100.0).round()));
        if let Some(figure) = figure.or_else(|| statistics.round_trip.map(text::delay)) {
            pill = pill.weak(figure);
        }
    }
    pill
}

/// Decides how much is seen of what floats over the picture. It goes when nobody moves, and never while it is needed: while
/// there is something to read, to write or to choose, and while there is no picture that it could hide.
pub(super) fn chrome(ui: &Ui, view: View<'_>, state: &WindowState) -> f32 {
    let is_picture_seen = matches!(view.snapshot.call, CallView::Connected { .. })
        && (sharing::is_shown(view)
            || view.snapshot.partner.is_sending_video && view.pictures.remote.get().is_some());
    let stage_of_shield = state.shield.stage(view.snapshot, view.now);
    let is_shield_news = !matches!(
        stage_of_shield,
        None | Some(
            ShieldStage::Enforced
                | ShieldStage::Hidden {
                    is_partner_ready: false
                }
        )
    );
    let is_needed = !is_picture_seen
        || is_shield_news
        || state.is_chat_open
        || state.is_statistics_open
        || state.is_diagnostics_open
        || state.settings.is_some()
        || state.is_picking_screen
        || state.report.is_some()
        || veil::down(view).is_some()
        || view.snapshot.devices.screen.is_some()
        || state.keyboard != KeyboardOwner::Nobody
        || state.is_pointer_on_chrome
        || view.snapshot.devices.microphone_notice.is_some()
        || Trouble::all(view.snapshot)
            .iter()
            .any(|trouble| !state.put_away.iter().any(|known| known.is_same_as(trouble)));
    if is_needed {
        return 1.0;
    }
    let idle = state.active_at.map_or(Duration::ZERO, |at| view.age(at));
    let (seen, again) = chrome::fade(idle, state.preferences.is_motion_reduced);
    if let Some(again) = again {
        ui.request_repaint_after(again);
    }
    seen
}

/// Draws the figures about the connection, if they are wanted.
pub(super) fn statistics_ui(
    ui: &mut Ui,
    stage: Rect,
    top: f32,
    view: View<'_>,
    state: &WindowState,
) {
    if !state.is_statistics_open || !Action::ToggleStatistics.is_possible(view.snapshot, state) {
        return;
    }
    let width = 264.0_f32.min(stage.width() - 28.0);
    let limit = stage.bottom() - 88.0;
    let rect = Rect::from_min_max(
        pos2(stage.right() - 14.0 - width, top),
        pos2(stage.right() - 14.0, limit),
    );
    if rect.height() > 80.0 {
        statistics::ui(ui, rect, view, state);
    }
    ui.request_repaint_after(Duration::from_secs(1));
}
