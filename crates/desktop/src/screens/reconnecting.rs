//! While the connection is away: a calm card over the last picture, which stays.

use std::time::{Duration, Instant};

use egui::{Id, Rect, StrokeKind, Ui, pos2, vec2};

use super::View;
use crate::icons::Icon;
use crate::widgets::{Notice, Sign};
use crate::{text, theme};

/// After so long it is said that there is still something going on.
const LONG: Duration = Duration::from_secs(10);
const SIZE: egui::Vec2 = egui::vec2(340.0, 156.0);

pub(super) fn ui(ui: &Ui, body: Rect, view: View<'_>, lost_at: Instant) {
    let age = view.age(lost_at);
    let words = text::reconnecting(age >= LONG);
    let size = vec2(SIZE.x.min(body.width() - 32.0), SIZE.y.min(body.height()));
    let card = Rect::from_center_size(pos2(body.center().x, body.center().y), size);
    ui.painter().rect(
        card,
        20.0,
        theme::overlay(),
        theme::overlay_line(),
        StrokeKind::Inside,
    );
    Notice {
        sign: Sign::Icon(Icon::Again, theme::warning()),
        title: &words.title,
        detail: &words.detail,
        footnote: "",
    }
    .show(ui, Id::unique("reconnecting"), card, 0.0);
    ui.request_repaint_after(LONG.saturating_sub(age).max(Duration::from_secs(1)));
}
