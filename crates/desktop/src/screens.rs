//! The screens. Each one draws plain state and writes down what the person wishes; none of them asks anybody anything.

mod address;
mod banner;
mod call;
mod diagnostics;
mod ended;
mod link;
mod lobby;
mod reconnecting;
mod report;
mod searching;
mod settings;
mod sharing;
mod shield;
mod stage;
mod veil;
mod welcome;

use std::time::{Duration, Instant};

use egui::Ui;
use engine::{CallView, Command, Snapshot};

use crate::pictures::Pictures;
use crate::previews::Previews;
use crate::state::WindowState;

/// What a screen shows.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What the engine says.
    pub snapshot: &'a Snapshot,
    /// The newest pictures.
    pub pictures: &'a Pictures,
    /// Small ones of what can be shared.
    pub previews: &'a Previews,
    /// The time for clocks and countdowns.
    pub now: Instant,
}

impl View<'_> {
    /// How long ago `since` was.
    pub fn age(&self, since: Instant) -> Duration {
        self.now.saturating_duration_since(since)
    }
}

/// Whether one's own picture has the stage, and the stranger's the corner: where that is wanted and both are there to be seen.
pub(crate) fn is_swapped(view: View<'_>, state: &WindowState) -> bool {
    let pictures = view.pictures;
    state.is_swapped
        && !state.is_self_view_hidden
        && matches!(view.snapshot.call, CallView::Connected { .. })
        && view.snapshot.partner.is_sending_video
        && pictures.remote.get().is_some()
        && pictures.local.get().is_some()
        && !sharing::is_shown(view)
        && veil::down(view).is_none()
}

/// Draws the screen for the state of the call over the whole of `ui`.
pub fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    match &view.snapshot.call {
        CallView::Idle if state.is_welcome_open => welcome::ui(ui, view, state, out),
        CallView::Idle => match state.after_call {
            Some(length) => ended::after_ui(ui, view, state, length, out),
            None => lobby::ui(ui, view, state, out),
        },
        _ => stage::ui(ui, view, state, out),
    }
    sharing::picker_ui(ui, view, state, out);
    settings::ui(ui, view, state, out);
    diagnostics::ui(ui, view, state);
    report::ui(ui, view, state, out);
    report::news_ui(ui, view, state);
    link::ui(ui, view, state, out);
}

/// Draws again when the clock that shows `age` moves on.
fn repaint_at_next_second(ui: &Ui, age: Duration) {
    let rest = 1_000 - u64::from(age.subsec_millis());
    ui.request_repaint_after(Duration::from_millis(rest));
}
