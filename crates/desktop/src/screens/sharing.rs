//! Sharing a screen: what there is to choose from, and the stranger's screen in place of the picture.

use std::time::Duration;

use egui::{
    Align2, Color32, CursorIcon, Id, Image, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, accesskit::Role, pos2, vec2,
};
use engine::{Command, DeviceState, ScreenView, Shareable, VideoSource};

use super::View;
use crate::icons::{self, Icon};
use crate::panels::self_view;
use crate::state::WindowState;
use crate::widgets::{
    Button, Look, Notice, Sign, VideoView, card, describe, elided, shown_size, was_pressed, words,
};
use crate::{text, theme};

const MAX_WIDTH: f32 = 460.0;
const ROW: f32 = 64.0;
/// The place for a small picture in a row.
const PREVIEW: Vec2 = Vec2::new(84.0, 52.0);
/// How often it is looked what there is, and how it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much of the card a notice takes in place of the list.
const NOTICE_HEIGHT: f32 = 220.0;
/// The stranger's camera beside the stranger's screen, as a share of the stage.
const INSET_SHARE: f32 = 0.2;

/// Draws the card with what can be shared, if it is open.
pub(super) fn picker_ui(
    ui: &mut Ui,
    view: View<'_>,
    state: &mut WindowState,
    out: &mut Vec<Command>,
) {
    if !state.is_picking_screen {
        state.shareable_asked_at = None;
        return;
    }
    // Again and again, so that what is opened meanwhile is there too, and the small pictures live.
    let age = state.shareable_asked_at.map(|at| view.age(at));
    if age.is_none_or(|age| age >= LOOK_EVERY) {
        state.shareable_asked_at = Some(view.now);
        out.push(Command::ListShareable);
    }
    let rest = LOOK_EVERY.saturating_sub(age.unwrap_or_default());
    ui.request_repaint_after(if rest.is_zero() { LOOK_EVERY } else { rest });
    let limit = ui.ctx().content_rect().height() - 240.0;
    let ((is_closed, chosen), is_left) = card(ui, "sharing", MAX_WIDTH, |ui| {
        let is_closed = header_ui(ui);
        ui.add_space(14.0);
        (is_closed, list_ui(ui, limit, view))
    });
    if is_left || is_closed || chosen.is_some() {
        state.is_picking_screen = false;
    }
    out.extend(chosen.map(|source| Command::ShareScreen(Some(source))));
}

/// The title and the cross; returns whether the cross was pressed.
fn header_ui(ui: &mut Ui) -> bool {
    let top = ui.cursor().min;
    let title = ui.label(words(
        text::SHARE_TITLE.text(),
        theme::semibold(18.0),
        theme::text(),
    ));
    describe(
        ui,
        Id::unique("sharing-title"),
        title.rect,
        Role::Heading,
        text::SHARE_TITLE.text(),
    );
    ui.add_space(6.0);
    ui.label(words(
        text::SHARE_DETAIL.text(),
        theme::regular(13.5),
        theme::text_second(),
    ));
    let corner = top + vec2(ui.available_width() - 16.0, 8.0);
    let place = Rect::from_center_size(corner, Vec2::splat(theme::CONTROL));
    let close = Button::icon(Look::Bare, Icon::Close, tr!("Share nothing")).icon_size(16.0);
    was_pressed(&close.show_at(ui, Id::unique("sharing-close"), place))
}

/// What there is, or why there is nothing. Returns what was chosen.
fn list_ui(ui: &mut Ui, limit: f32, view: View<'_>) -> Option<VideoSource> {
    let (title, detail) = match &view.snapshot.devices.shareable {
        Some(Ok(found)) if !found.is_empty() => {
            return ScrollArea::vertical()
                .max_height(limit.max(2.0 * ROW))
                .show(ui, |ui| {
                    let rows = found.iter();
                    let chosen = rows.filter(|item| row_ui(ui, item, view));
                    chosen.last().map(|item| item.source.clone())
                })
                .inner;
        }
        Some(Ok(_)) => (tr!("There is nothing to share"), String::new()),
        Some(Err(problem)) => (
            tr!("Nothing can be shared here"),
            text::screen_problem(problem).detail,
        ),
        None => (tr!("Looking what there is…"), String::new()),
    };
    let (_, area) = ui.allocate_space(vec2(ui.available_width(), NOTICE_HEIGHT));
    let notice = Notice {
        sign: Sign::Icon(Icon::Screen, theme::text_second()),
        title,
        detail: &detail,
        footnote: "",
    };
    notice.show(ui, Id::unique("sharing-notice"), area, 0.0);
    None
}

/// One line of the list; returns whether it was pressed.
fn row_ui(ui: &mut Ui, item: &Shareable, view: View<'_>) -> bool {
    let is_screen = matches!(item.source, VideoSource::Screen(_));
    let (kind, icon) = if is_screen {
        (tr!("Screen"), Icon::Screen)
    } else {
        (tr!("Window"), Icon::Window)
    };
    let title = text::plain(&item.title);
    let name = tr!(
        "{kind} {title}, {width} by {height}",
        kind = kind,
        title = title,
        width = item.width_px,
        height = item.height_px
    );
    let size = vec2(ui.available_width() - 4.0, ROW);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    if response.hovered() || response.has_focus() {
        ui.painter()
            .rect_filled(rect, 10.0, theme::surface_hovered());
    }
    let middle = rect.left_center() + vec2(6.0 + PREVIEW.x / 2.0, 0.0);
    let place = Rect::from_center_size(middle, PREVIEW);
    ui.painter()
        .rect_filled(place, 6.0, theme::surface_raised());
    if let Some((texture, size_px)) = view.previews.get(&item.source) {
        let scale = (PREVIEW / size_px).min_elem();
        let shown = Rect::from_center_size(middle, size_px * scale);
        let picture = Image::new((texture, shown.size())).corner_radius(4);
        picture.paint_at(ui, shown);
    } else {
        let sign = Rect::from_center_size(middle, Vec2::splat(20.0));
        icons::paint(ui.painter(), icon, sign, theme::text_second());
    }
    let figures = ui.painter().text(
        rect.right_center() - vec2(12.0, 0.0),
        Align2::RIGHT_CENTER,
        format!("{} × {}", item.width_px, item.height_px),
        theme::regular(12.5),
        theme::text_second(),
    );
    let left = place.right() + 14.0;
    let galley = elided(ui, &title, figures.left() - 16.0 - left);
    let at = pos2(left, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, theme::text());
    was_pressed(&response.on_hover_cursor(CursorIcon::PointingHand))
}

/// Whether the stranger's screen is on the stage.
pub(super) fn is_shown(view: View<'_>) -> bool {
    view.snapshot.partner.is_sending_screen && view.pictures.remote_screen.get().is_some()
}

/// Draws the stranger's screen over the whole stage.
pub(super) fn screen_ui(ui: &Ui, stage: Rect, view: View<'_>, brightness: f32) {
    if let Some(picture) = view.pictures.remote_screen.get() {
        // Whole: what is cut off at the edge is what is talked about.
        let screen = VideoView::new(tr!("The stranger's screen"), picture)
            .fitted(true)
            .brightness(brightness);
        screen.show_at(ui, Id::unique("stranger-screen"), stage);
    }
}

/// The size of the stranger's camera beside the screen, in points.
fn inset_size(stage: Rect) -> Vec2 {
    let width = (stage.width() * INSET_SHARE).clamp(112.0, 240.0);
    vec2(width, width * 9.0 / 16.0)
}

/// How large the stranger's camera is shown there, with what is cut off.
pub(super) fn inset_shown(stage: Rect, view: View<'_>) -> Vec2 {
    let inset = Rect::from_min_size(stage.min, inset_size(stage));
    let picture = view.pictures.remote.get();
    picture.map_or(inset.size(), |(_, size)| shown_size(size, inset, false))
}

/// Draws the stranger's camera in the corner beside one's own picture.
pub(super) fn inset_ui(
    ui: &Ui,
    stage: Rect,
    (top, dock): (f32, Rect),
    view: View<'_>,
    state: &WindowState,
) {
    let Some(picture) = view.pictures.remote.get() else {
        return;
    };
    let corner = state.preferences.self_view.beside();
    let rect = self_view::place(stage, top, dock, corner, inset_size(stage));
    let video = VideoView::new(tr!("The stranger's picture"), picture).radius(14);
    video.show_at(ui, Id::unique("stranger"), rect);
    let line = Stroke::new(1.0, Color32::from_white_alpha(46));
    ui.painter().rect_stroke(rect, 14, line, StrokeKind::Inside);
}

/// A line around everything while something is shared, so that nobody forgets it.
pub(super) fn border_ui(ui: &Ui, stage: Rect, radius: u8, view: View<'_>) {
    let is_seen = |screen: &ScreenView| match screen.state {
        DeviceState::Working { .. } => true,
        // What the desktop's dialog gave does not come back.
        DeviceState::Failed(_) => screen.source != VideoSource::Portal,
        DeviceState::Off | DeviceState::Opening => false,
    };
    if view.snapshot.devices.screen.as_ref().is_some_and(is_seen) {
        let line = Stroke::new(3.0, theme::accent());
        ui.painter()
            .rect_stroke(stage, radius, line, StrokeKind::Inside);
    }
}
