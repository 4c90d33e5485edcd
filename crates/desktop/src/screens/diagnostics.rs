//! The diagnostics: how the last minutes of a call went, which ways were tried, where pictures spend their time, and the log.

use egui::{
    Align2, Color32, Id, Label, Rect, RichText, ScrollArea, Ui, Vec2, accesskit::Role, vec2,
};
use engine::{PairState, PairView, StageTime, Statistics};

use super::View;
use crate::history::{History, KEPT_SECONDS};
use crate::icons::Icon;
use crate::panels::statistics::row;
use crate::state::WindowState;
use crate::widgets::{Button, Look, card, describe, sparkline, was_pressed, words};
use crate::{diagnostics, text, theme};

const MAX_WIDTH: f32 = 700.0;
/// From this width on, two plots stand side by side.
const TWO_COLUMNS_FROM: f32 = 480.0;
/// What stands above and below that which scrolls.
const FRAME: f32 = 210.0;

/// Draws the card, if it is open.
pub(super) fn ui(ui: &Ui, view: View<'_>, state: &mut WindowState) {
    if !state.is_diagnostics_open {
        return;
    }
    let limit = (ui.ctx().content_rect().height() - FRAME).max(120.0);
    let (is_closed, is_left) = card(ui, "diagnostics", MAX_WIDTH, |ui| {
        let is_closed = header_ui(ui);
        ui.add_space(4.0);
        let promise = tr!("The last five minutes. No network address is shown or copied.");
        ui.label(words(promise, theme::regular(13.0), theme::text_second()));
        ui.add_space(12.0);
        ui.add_space(4.0);
        ScrollArea::vertical().max_height(limit).show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 16.0;
            plots_ui(ui, &view.snapshot.statistics, &state.history);
            pairs_ui(ui, &view.snapshot.statistics.pairs);
            way_ui(ui, &view.snapshot.statistics);
            log_ui(ui, state);
        });
        ui.add_space(16.0);
        let copy = Button::new(Look::Quiet, tr!("Copy as text")).font(theme::medium(13.5));
        if was_pressed(&copy.show(ui, vec2(0.0, theme::CONTROL))) {
            ui.copy_text(diagnostics::report(
                view.snapshot,
                &state.history,
                &state.log,
            ));
        }
        is_closed
    });
    if is_closed || is_left {
        state.is_diagnostics_open = false;
    }
    ui.request_repaint_after(std::time::Duration::from_secs(1));
}

/// The title and the cross; returns whether the cross was pressed.
fn header_ui(ui: &mut Ui) -> bool {
    let (id, bar) = ui.allocate_space(vec2(ui.available_width(), theme::CONTROL));
    let title = ui.painter().text(
        bar.left_center(),
        Align2::LEFT_CENTER,
        tr!("Diagnostics"),
        theme::semibold(18.0),
        theme::text(),
    );
    describe(ui, id, title, Role::Heading, tr!("Diagnostics"));
    let middle = bar.right_center() - vec2(7.0, 0.0);
    let place = Rect::from_center_size(middle, Vec2::splat(theme::CONTROL));
    let close = Button::icon(Look::Bare, Icon::Close, tr!("Close the diagnostics")).icon_size(16.0);
    was_pressed(&close.show_at(ui, id.with("close"), place))
}

fn heading_ui(ui: &mut Ui, title: &str) {
    ui.add_space(16.0);
    let label = ui.label(words(title, theme::semibold(14.0), theme::text()));
    let id = Id::unique(("diagnostics-heading", title));
    describe(ui, id, label.rect, Role::Heading, title);
    ui.add_space(6.0);
}

/// One figure over time: its name, what it is now, what it was, and in which colour.
type Plot<'a> = (&'static str, Option<String>, &'a [f32], Color32);

fn plots_ui(ui: &mut Ui, now: &Statistics, history: &History) {
    let calm = theme::accent_hovered();
    let per_cent = |ratio: f32| format!("{} %", text::tenths(f64::from(ratio) * 100.0));
    let picture = history.picture_ms.last().map(|ms| format!("{ms:.0} ms"));
    let rate = (!history.received_fps.is_empty()).then(|| now.received_fps.to_string());
    let plots: [Plot<'_>; 6] = [
        (
            tr!("Round trip"),
            now.round_trip.map(text::delay),
            &history.round_trip_ms,
            theme::good(),
        ),
        (
            tr!("Lost packets"),
            now.loss_ratio.map(per_cent),
            &history.lost_percent,
            theme::bad(),
        ),
        (
            tr!("Receiving"),
            Some(text::bitrate(now.received_bps)),
            &history.received_kbps,
            calm,
        ),
        (
            tr!("Sending"),
            Some(text::bitrate(now.sent_bps)),
            &history.sent_kbps,
            calm,
        ),
        (
            tr!("Pictures per second"),
            rate,
            &history.received_fps,
            theme::good(),
        ),
        (
            tr!("Time per picture"),
            picture,
            &history.picture_ms,
            theme::warning(),
        ),
    ];
    let count = if ui.available_width() < TWO_COLUMNS_FROM {
        1
    } else {
        2
    };
    ui.spacing_mut().item_spacing.x = 20.0;
    ui.columns(count, |columns| {
        for (index, (name, value, series, color)) in plots.into_iter().enumerate() {
            let ui = &mut columns[index % count];
            ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
            row(ui, name, value);
            sparkline(ui, series, KEPT_SECONDS, color);
            ui.add_space(6.0);
        }
    });
}

fn pairs_ui(ui: &mut Ui, pairs: &[PairView]) {
    heading_ui(ui, tr!("Ways that were tried"));
    ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
    if pairs.is_empty() {
        let none = tr!("None yet.");
        ui.label(words(none, theme::regular(12.5), theme::text_second()));
    }
    for pair in pairs {
        let state = match pair.state {
            _ if pair.is_selected => tr!("in use"),
            PairState::InProgress => tr!("being tried"),
            PairState::Succeeded => tr!("answers"),
            PairState::Failed => tr!("no answer"),
        };
        let time = pair
            .round_trip
            .map(|time| format!(" · {}", text::delay(time)));
        let value = format!("{state}{}", time.unwrap_or_default());
        row(
            ui,
            &format!("{:?} – {:?}", pair.local, pair.remote),
            Some(value),
        );
    }
}

fn way_ui(ui: &mut Ui, statistics: &Statistics) {
    heading_ui(ui, tr!("The way of a picture"));
    let mut stages: Vec<(&'static str, StageTime)> = Vec::new();
    if let Some(times) = statistics.times_out {
        stages.extend([
            (tr!("Out: waiting"), times.waiting),
            (tr!("Out: scaling"), times.scaling),
            (tr!("Out: encoding"), times.encoding),
            (tr!("Out: queueing"), times.queueing),
            (tr!("Out: pacing"), times.pacing),
            (tr!("Out: all of it"), times.total),
        ]);
    }
    if let Some(times) = statistics.times_in {
        stages.extend([
            (tr!("In: arriving"), times.arriving),
            (tr!("In: held back"), times.holding),
            (tr!("In: decoding"), times.decoding),
            (tr!("In: for the sound"), times.playout),
            (tr!("In: all of it"), times.total),
        ]);
    }
    let hint = if stages.is_empty() {
        tr!("None yet.")
    } else {
        tr!("half of them, 95 of 100")
    };
    ui.label(words(hint, theme::regular(12.0), theme::text_third()));
    for (name, time) in stages {
        let ms = |time: std::time::Duration| text::tenths(time.as_secs_f64() * 1000.0);
        let value = format!("{} · {} ms", ms(time.median), ms(time.p95));
        row(ui, name, Some(value));
    }
}

fn log_ui(ui: &mut Ui, state: &WindowState) {
    heading_ui(ui, tr!("Log"));
    let lines = state.log.lines();
    let shown = if lines.is_empty() {
        tr!("None yet.").to_owned()
    } else {
        lines.join("\n")
    };
    let shown = RichText::new(shown).monospace().size(11.0);
    let label = Label::new(shown.color(theme::text_second()));
    ui.add(label.selectable(true).wrap());
}
