//! What this is, the interests and the one big button; or what stands in the way of it.

use std::time::Duration;

use egui::{Align, Frame, Id, Layout, Margin, Stroke, Ui, Vec2, vec2};
use engine::{Command, SignallingView};

use crate::actions::Action;
use crate::icons::{self, Icon};
use crate::screens::{View, address};
use crate::state::WindowState;
use crate::text::Explanation;
use crate::widgets::{Button, Look, finish_interest, interest_field, was_pressed, words};
use crate::{text, theme};

/// What this is, the interests and Start; or what stands in the way of it.
pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    if let SignallingView::Away { problem, retry_at } = &view.snapshot.signalling {
        let wait = retry_at.saturating_duration_since(view.now);
        let explanation = match &view.snapshot.safety.ban {
            Some(ban) => {
                let left = ban
                    .until
                    .map(|until| until.duration_since(state.time_of_day).unwrap_or_default());
                text::ban(ban, left)
            }
            None => text::signalling_problem(problem),
        };
        server_ui(ui, explanation, wait, state, out);
    } else {
        ui.label(words(
            tr!("Meet a stranger"),
            theme::semibold(30.0),
            theme::text(),
        ));
        ui.add_space(8.0);
        let pitch = tr!(
            "One person at a time, face to face. Stay as long as you both like, or press Next."
        );
        ui.label(words(pitch, theme::regular(15.0), theme::text_second()));
    }
    ui.add_space(26.0);
    ui.label(words(
        tr!("What do you like to talk about?"),
        theme::medium(14.0),
        theme::text(),
    ));
    ui.add_space(8.0);
    let is_done = interest_field(ui, state);
    ui.add_space(8.0);
    let hint = tr!("Optional. People who like the same come first.");
    ui.label(words(hint, theme::regular(12.5), theme::text_third()));
    ui.add_space(24.0);

    let key = Action::Start.key(state);
    let start = Button::new(Look::Primary, tr!("Start"))
        .font(theme::semibold(17.0))
        .key(&key)
        .enabled(Action::Start.is_possible(view.snapshot, state));
    let width = ui.available_width();
    if was_pressed(&start.show(ui, vec2(width, 56.0))) || is_done {
        finish_interest(state);
        Action::Start.perform(view.snapshot, state, out);
    }
    ui.add_space(12.0);
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        let promise = tr!("Nobody sees or hears you before you start.");
        ui.label(words(promise, theme::regular(12.5), theme::text_third()));
    });
}

/// Why there is no server, and where to look for another one.
fn server_ui(
    ui: &mut Ui,
    explanation: Explanation,
    wait: Duration,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    let frame = Frame::new()
        .fill(theme::surface())
        .stroke(Stroke::new(1.0, theme::warning().gamma_multiply(0.35)))
        .corner_radius(theme::RADIUS_CARD)
        .inner_margin(Margin::same(16));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 12.0;
            let (_, sign) = ui.allocate_space(Vec2::splat(22.0));
            icons::paint(ui.painter(), Icon::Offline, sign, theme::warning());
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                ui.label(words(
                    explanation.title,
                    theme::semibold(16.0),
                    theme::text(),
                ));
                ui.label(words(
                    explanation.detail,
                    theme::regular(13.5),
                    theme::text_second(),
                ));
                let again = if wait.is_zero() {
                    tr!("Trying again…").to_owned()
                } else {
                    tr!(
                        "Trying again in {seconds} s",
                        seconds = wait.as_secs_f32().ceil()
                    )
                };
                ui.label(words(again, theme::regular(12.5), theme::text_third()));
            });
        });
        ui.add_space(14.0);
        address::server_ui(ui, Id::unique("server"), state, out);
    });
    ui.request_repaint_after(Duration::from_millis(500));
}
