//! While nobody is there yet: what is being waited for, for how long, and what to expect.

use std::time::Instant;

use egui::{Color32, Id, Mesh, Pos2, Rect, Shape, Ui, vec2};
use engine::SignallingView;

use super::{View, repaint_at_next_second};
use crate::state::WindowState;
use crate::widgets::{Notice, Sign};
use crate::{text, theme};

/// How long a wave takes to go out.
const WAVE_SECONDS: f32 = 2.4;
/// Where the waves stand for those who want nothing to move.
pub(super) const STILL_PHASE: f32 = 0.2;
/// Work that is over sooner is not worth a word.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(700);
/// The waves need no more than this many pictures a second.
const WAVE_INTERVAL: std::time::Duration = std::time::Duration::from_millis(33);

pub(super) fn search_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &WindowState,
    since: Instant,
) {
    let works_since = view.snapshot.works_since;
    let is_working = works_since.is_some_and(|since| view.age(since) >= MOMENT);
    let detail = if is_working {
        text::WORKING.text().to_owned()
    } else {
        outlook(&view.snapshot.signalling, state)
    };
    let is_still = state.preferences.is_motion_reduced;
    waiting_ui(
        ui,
        stage,
        view,
        (since, is_still),
        tr!("Looking for somebody…"),
        &detail,
    );
}

/// What is to be expected of the search.
fn outlook(signalling: &SignallingView, state: &WindowState) -> String {
    let online = match signalling {
        SignallingView::Connected { online } => *online,
        SignallingView::Connecting | SignallingView::Away { .. } => None,
    };
    let outlook = text::search_outlook(signalling).to_owned();
    if state.searched_for.is_empty() || online.is_none_or(|online| online < 2) {
        return outlook;
    }
    format!("{outlook} {}", text::preferred(&state.searched_for))
}

pub(super) fn connecting_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &WindowState,
    since: Instant,
    interests: &[String],
) {
    let detail = if interests.is_empty() {
        tr!("Finding the shortest way between you two.").to_owned()
    } else {
        text::sentences(
            &text::common_interests(interests),
            tr!("Finding the shortest way between you two."),
        )
    };
    waiting_ui(
        ui,
        stage,
        view,
        (since, state.preferences.is_motion_reduced),
        tr!("Found somebody. Connecting…"),
        &detail,
    );
}

fn waiting_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    (since, is_still): (Instant, bool),
    title: &str,
    detail: &str,
) {
    let age = view.age(since);
    let phase = if is_still {
        STILL_PHASE
    } else {
        (age.as_secs_f32() / WAVE_SECONDS).fract()
    };
    // A clock that stands at zero says nothing.
    let clock = if age.as_secs() >= 2 {
        text::clock(age)
    } else {
        String::new()
    };
    let notice = Notice {
        sign: Sign::Searching(phase),
        title,
        detail,
        footnote: &clock,
    };
    // The dock lies over the lower edge.
    let body = stage.with_max_y(stage.bottom() - 76.0);
    glow(
        ui,
        body.center() - vec2(0.0, 60.0),
        (stage.width() * 0.45).clamp(160.0, 460.0),
    );
    notice.show(ui, Id::unique("waiting"), body, 0.0);
    repaint_at_next_second(ui, age);
    if !is_still {
        ui.request_repaint_after(WAVE_INTERVAL);
    }
}

/// A faint light around the mark, so that an empty stage does not look broken.
fn glow(ui: &Ui, center: Pos2, radius: f32) {
    let mut light = Mesh::default();
    light.colored_vertex(center, theme::accent().gamma_multiply(0.13));
    let edge: u32 = 64;
    for step in 0..=edge {
        let angle = step as f32 / edge as f32 * std::f32::consts::TAU;
        light.colored_vertex(
            center + vec2(angle.cos(), angle.sin()) * radius,
            Color32::TRANSPARENT,
        );
        if step > 0 {
            light.add_triangle(0, step, step + 1);
        }
    }
    ui.painter().add(Shape::mesh(light));
}
