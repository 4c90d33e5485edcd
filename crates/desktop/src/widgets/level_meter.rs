//! How loud the microphone is.

use egui::{Id, Painter, Rect, Response, Sense, Ui, WidgetInfo, accesskit::Role, pos2};

use crate::theme;

const SEGMENTS: usize = 10;
/// From here on it is too loud.
const LOUD: f32 = 0.9;

/// Shows a level from 0 to 1 as a row of segments; nothing moves while the microphone is not live.
pub fn level_meter(ui: &Ui, id: Id, rect: Rect, level: f32, is_live: bool) -> Response {
    let response = ui.interact(rect, id, Sense::hover());
    let level = if is_live { level.clamp(0.0, 1.0) } else { 0.0 };
    response.widget_info(|| {
        let mut info = WidgetInfo::new(Role::Meter);
        info.label = Some(tr!("Microphone level").to_owned());
        info.value = Some(f64::from((level * 100.0).round()));
        info
    });
    paint_level(ui.painter(), rect, SEGMENTS, level);
    response
}

/// Paints a level from 0 to 1 as `segments` segments.
pub fn paint_level(painter: &Painter, rect: Rect, segments: usize, level: f32) {
    let gap = 3.0;
    let width = (rect.width() - gap * (segments - 1) as f32) / segments as f32;
    for segment in 0..segments {
        let (from, to) = (
            segment as f32 / segments as f32,
            (segment + 1) as f32 / segments as f32,
        );
        let left = rect.left() + segment as f32 * (width + gap);
        let bar = Rect::from_min_max(pos2(left, rect.top()), pos2(left + width, rect.bottom()));
        let lit = ((level - from) / (to - from)).clamp(0.0, 1.0);
        let color = if to > LOUD {
            theme::warning()
        } else {
            theme::good()
        };
        painter.rect_filled(bar, 2.0, theme::faint());
        painter.rect_filled(bar, 2.0, color.gamma_multiply(lit));
    }
}
