//! Figures about the connection, for whoever wants to know why a call is good or bad.

use std::time::Duration;

use egui::{Align, Frame, Layout, Margin, Rect, ScrollArea, Ui};
use engine::Statistics;

use crate::history::last_minute;
use crate::screens::View;
use crate::state::{HISTORY_SECONDS, WindowState};
use crate::widgets::{name_beside, sparkline, within, words};
use crate::{text, theme};

/// Draws the figures from the top of `rect` downwards.
pub(crate) fn ui(ui: &mut Ui, rect: Rect, view: View<'_>, state: &WindowState) {
    within(ui, "statistics", rect, |ui| {
        let frame = Frame::new()
            .fill(theme::overlay())
            .stroke(theme::overlay_line())
            .corner_radius(theme::RADIUS_CARD)
            .inner_margin(Margin::symmetric(16, 14));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ScrollArea::vertical()
                .max_height(rect.height() - 28.0)
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 6.0;
                    ui.spacing_mut().interact_size.y = 16.0;
                    ui.label(words(
                        tr!("Connection"),
                        theme::semibold(14.0),
                        theme::text(),
                    ));
                    figures(ui, &view.snapshot.statistics, state);
                });
        });
    });
}

fn figures(ui: &mut Ui, statistics: &Statistics, state: &WindowState) {
    let path = statistics.path;
    let round_trip = statistics
        .round_trip
        .or(path.and_then(|path| path.round_trip));
    row(ui, tr!("Round trip"), round_trip.map(text::delay));
    sparkline(
        ui,
        last_minute(&state.history.round_trip_ms),
        HISTORY_SECONDS,
        theme::good(),
    );
    row(
        ui,
        tr!("Receiving"),
        Some(text::bitrate(statistics.received_bps)),
    );
    sparkline(
        ui,
        last_minute(&state.history.received_kbps),
        HISTORY_SECONDS,
        theme::accent_hovered(),
    );
    row(ui, tr!("Sending"), Some(text::bitrate(statistics.sent_bps)));
    let size = statistics
        .received_size_px
        .map(|(width, height)| format!("{width}×{height}"));
    row(
        ui,
        tr!("Picture"),
        size.map(|size| {
            tr!(
                "{size} · {rate} fps",
                size = size,
                rate = statistics.received_fps
            )
        }),
    );
    row(ui, tr!("Codec"), statistics.video_codec.map(str::to_owned));
    row(
        ui,
        tr!("Lost packets"),
        statistics
            .loss_ratio
            .map(|ratio| format!("{} %", text::tenths(f64::from(ratio) * 100.0))),
    );
    row(
        ui,
        tr!("Camera to screen"),
        statistics.picture_latency.map(text::delay),
    );
    row(
        ui,
        tr!("Buffer"),
        buffers(
            statistics.video_jitter_buffer,
            statistics.audio_jitter_buffer,
        ),
    );
    row(ui, tr!("Path"), path.map(text::path));
    if let Some(side) = path.and_then(text::relay_side) {
        row(ui, tr!("Relay"), Some(side.to_owned()));
    }
    row(
        ui,
        tr!("Connected in"),
        statistics.time_to_connected.map(text::delay),
    );
}

/// How long pictures and sound wait before they are shown and heard.
fn buffers(video: Option<Duration>, audio: Option<Duration>) -> Option<String> {
    let video = video.map(|delay| tr!("{ms} ms video", ms = delay.as_millis()));
    let audio = audio.map(|delay| tr!("{ms} ms audio", ms = delay.as_millis()));
    let parts: Vec<String> = [video, audio].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// A name at the left and a value at the right, or a dash where there is none.
pub(crate) fn row(ui: &mut Ui, name: &str, value: Option<String>) {
    ui.horizontal(|ui| {
        let (value, color) = value.map_or(("–".to_owned(), theme::text_third()), |value| {
            (value, theme::text())
        });
        let name = words(name, theme::regular(12.5), theme::text_second());
        name_beside(ui, name, &value, theme::medium(12.5));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(words(value, theme::medium(12.5), color));
        });
    });
}
