//! What every screen but the lobby has in common: the stage with a picture or a notice, the dock, one's own picture,
//! and the chat beside or below it.

use egui::{CursorIcon, Rect, Stroke, StrokeKind, Ui, pos2};
use engine::{CallView, Command};

use super::{View, banner, call, ended, searching, sharing, veil};
use crate::actions::Action;
use crate::panels::{chat, dock, self_view};
use crate::state::WindowState;
use crate::theme;
use crate::widgets::within;

const MARGIN: f32 = 12.0;
const CHAT_WIDTH: f32 = 324.0;
/// How much of a narrow window the chat takes.
const CHAT_SHARE: f32 = 0.44;

pub(super) fn ui(ui: &mut Ui, view: View<'_>, state: &mut WindowState, out: &mut Vec<Command>) {
    let window = ui.max_rect();
    let is_narrow = window.width() < theme::NARROW_BELOW;
    let has_chat = state.is_chat_open && Action::ToggleChat.is_possible(view.snapshot, state);
    // The whole screen is for the picture.
    let is_edge_to_edge = is_narrow || state.is_full_screen;
    let margin = if is_edge_to_edge { 0.0 } else { MARGIN };
    let (stage, chat_rect) = split(window, is_narrow, margin, has_chat);
    let radius = if is_edge_to_edge {
        0
    } else {
        theme::RADIUS_CARD
    };
    ui.painter().rect_filled(stage, radius, theme::surface());

    within(ui, "stage", stage, |ui| {
        ui.set_clip_rect(stage.intersect(ui.clip_rect()));
        state.chrome = 1.0;
        match &view.snapshot.call {
            CallView::Idle => {}
            CallView::Searching { since } => searching::search_ui(ui, stage, view, state, *since),
            CallView::Connecting { since, interests } => {
                searching::connecting_ui(ui, stage, view, state, *since, interests);
            }
            CallView::Connected { .. } | CallView::Reconnecting { .. } => {
                state.chrome = call::chrome(ui, view, state);
                call::picture_ui(ui, stage, view, state, radius);
                state.stranger_px = Some(call::stranger_px(ui, stage, view, state));
            }
            CallView::Ended { reason } => ended::ui(ui, stage, view, state, *reason, out),
        }
        if state.chrome == 0.0 && ui.rect_contains_pointer(stage) {
            ui.ctx().set_cursor_icon(CursorIcon::None);
        }
        // What cannot be seen is drawn all the same: it can be heard, and reached with the keyboard.
        let (top, dock) = within(ui, "chrome", stage, |ui| {
            ui.set_opacity(state.chrome);
            chrome_ui(ui, stage, view, state, out)
        });
        veil::card_ui(ui, stage, (top, dock), view, state, out);
        if sharing::is_shown(view) {
            sharing::inset_ui(ui, stage, (top, dock), view, state);
        }
        self_view::ui(ui, stage, (top, dock), view, state, out);
        sharing::border_ui(ui, stage, radius, view);
    });
    if !is_edge_to_edge {
        let line = Stroke::new(1.0, theme::line());
        ui.painter()
            .rect_stroke(stage, radius, line, StrokeKind::Inside);
    }
    if has_chat {
        within(ui, "chat", chat_rect, |ui| {
            chat::ui(ui, chat_rect, is_edge_to_edge, view, state, out);
        });
    }
}

/// What floats over the picture: pills, banners, figures and the dock. Returns where free space begins below the pills, and
/// the dock's place.
fn chrome_ui(
    ui: &mut Ui,
    stage: Rect,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) -> (f32, Rect) {
    let mut top = stage.top() + 16.0;
    if let CallView::Connected { since, interests }
    | CallView::Reconnecting {
        since, interests, ..
    } = &view.snapshot.call
    {
        top = call::top_ui(ui, stage, view, state, *since, interests, out);
    }
    top = banner::ui(ui, stage, top, view, state, out);
    call::statistics_ui(ui, stage, top, view, state);
    let dock_rect = if matches!(view.snapshot.call, CallView::Ended { .. }) {
        Rect::from_min_max(
            pos2(stage.center().x, stage.bottom() - 16.0),
            pos2(stage.center().x, stage.bottom()),
        )
    } else {
        dock::ui(ui, stage, view, state, out)
    };
    let pointer = ui.input(|input| input.pointer.hover_pos());
    state.is_pointer_on_chrome = pointer.is_some_and(|at| dock_rect.contains(at) || at.y < top);
    (top, dock_rect)
}

/// Divides the window between the stage and the chat.
fn split(window: Rect, is_narrow: bool, margin: f32, has_chat: bool) -> (Rect, Rect) {
    if is_narrow {
        let share = if has_chat { CHAT_SHARE } else { 0.0 };
        return window.split_top_bottom_at_fraction(1.0 - share);
    }
    let inner = window.shrink(margin);
    if !has_chat {
        return (inner, Rect::NOTHING);
    }
    let edge = inner.right() - CHAT_WIDTH;
    let stage = inner.with_max_x(edge - margin);
    (stage, inner.with_min_x(edge))
}
