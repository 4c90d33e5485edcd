//! A moving picture in a rectangle with round corners.

use egui::{
    Color32, CornerRadius, Id, Rect, Response, Sense, Ui, Vec2, WidgetInfo, accesskit::Role,
    epaint::RectShape, pos2,
};

use crate::pictures::Source;
use crate::planes::Look;

/// The largest part of a picture that may be cut off to fill a rectangle. Beyond that, bars are the lesser evil: a
/// portrait picture in a wide window would show half a face.
const MAX_CUT: f32 = 0.45;

/// One picture and how it is shown.
#[derive(Debug, Clone)]
#[must_use = "a picture is drawn by `show_at`"]
pub struct VideoView<'a> {
    name: &'a str,
    picture: (Source<'a>, Vec2),
    is_mirrored: bool,
    is_fitted: bool,
    brightness: f32,
    radius: u8,
}

impl<'a> VideoView<'a> {
    /// Shows a picture of that many pixels. `name` is what a screen reader says.
    pub fn new(name: &'a str, picture: (Source<'a>, Vec2)) -> Self {
        Self {
            name,
            picture,
            is_mirrored: false,
            is_fitted: false,
            brightness: 1.0,
            radius: 0,
        }
    }

    /// Turns left and right round, as in a mirror: one's own picture is expected so.
    pub fn mirrored(mut self, is_mirrored: bool) -> Self {
        self.is_mirrored = is_mirrored;
        self
    }

    /// Shows all of it, with bars where it has another shape than the rectangle.
    pub fn fitted(mut self, is_fitted: bool) -> Self {
        self.is_fitted = is_fitted;
        self
    }

    /// Darkens it; 1 is as it is, 0 is black.
    pub fn brightness(mut self, brightness: f32) -> Self {
        self.brightness = brightness;
        self
    }

    /// Rounds the corners.
    pub fn radius(mut self, radius: u8) -> Self {
        self.radius = radius;
        self
    }

    /// Draws it.
    pub fn show_at(self, ui: &Ui, id: Id, rect: Rect) -> Response {
        let response = ui.interact(rect, id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, self.name));
        let (source, size) = self.picture;
        let (place, mut part) = visible_part(size, rect, self.is_fitted);
        if self.is_mirrored {
            (part.min.x, part.max.x) = (part.max.x, part.min.x);
        }
        let brightness = self.brightness.clamp(0.0, 1.0);
        // With bars there is nothing to be rounded.
        let radius = if place == rect { self.radius } else { 0 };
        let painter = ui.painter();
        match source {
            Source::Texture(texture) => {
                let shade = Color32::from_gray((brightness * 255.0) as u8);
                let shape = RectShape::filled(place, CornerRadius::same(radius), shade);
                painter.add(shape.with_texture(texture, part));
            }
            Source::Planes(picture) => {
                let look = Look {
                    part,
                    radius: f32::from(radius),
                    brightness,
                    opacity: painter.opacity(),
                };
                if let Some((planes, renderer)) = picture.planes() {
                    painter.add(planes.shape(&renderer, place, look));
                }
            }
        }
        response
    }
}

/// Where in `rect` a picture of `size` pixels is shown, and which part of it.
///
/// The picture fills the rectangle as long as no more than a little under half of it is cut off; otherwise, and if `is_fitted`,
/// it is shown whole.
pub fn visible_part(size: Vec2, rect: Rect, is_fitted: bool) -> (Rect, Rect) {
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    if size.x <= 0.0 || size.y <= 0.0 || !rect.is_positive() {
        return (rect, whole);
    }
    let cover = (rect.width() / size.x).max(rect.height() / size.y);
    let shown = rect.size() / (size * cover);
    if is_fitted || shown.x * shown.y < 1.0 - MAX_CUT {
        let contain = (rect.width() / size.x).min(rect.height() / size.y);
        return (Rect::from_center_size(rect.center(), size * contain), whole);
    }
    (rect, Rect::from_center_size(pos2(0.5, 0.5), shown))
}

/// How large all of a picture of `size` pixels is shown in `rect`, with what is cut off.
pub fn shown_size(size: Vec2, rect: Rect, is_fitted: bool) -> Vec2 {
    let (place, part) = visible_part(size, rect, is_fitted);
    place.size() / part.size()
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    fn stage(width: f32, height: f32) -> Rect {
        Rect::from_min_size(pos2(0.0, 0.0), vec2(width, height))
    }

    #[test]
    fn a_picture_of_nearly_the_same_shape_fills_the_stage() {
        let (place, uv) = visible_part(vec2(640.0, 480.0), stage(1600.0, 1000.0), false);
        assert_eq!(place, stage(1600.0, 1000.0));
        assert!(
            uv.width() > 0.999 && uv.height() < 1.0,
            "top and bottom are cut: {uv:?}"
        );
        let seen = vec2(640.0 * uv.width(), 480.0 * uv.height());
        assert!(
            (seen.x / seen.y - 1.6).abs() < 0.001,
            "nothing is stretched: {seen:?}"
        );
    }

    #[test]
    fn a_portrait_in_a_wide_stage_is_shown_whole() {
        let (place, uv) = visible_part(vec2(480.0, 640.0), stage(1280.0, 640.0), false);
        assert_eq!(uv, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
        assert_eq!(place.size(), vec2(480.0, 640.0));
        assert_eq!(place.center(), stage(1280.0, 640.0).center());
    }

    #[test]
    fn a_picture_that_is_to_fit_is_shown_whole_and_as_large_as_there_is_room() {
        let (place, uv) = visible_part(vec2(640.0, 480.0), stage(1600.0, 1000.0), true);
        assert_eq!(uv, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
        assert!((place.height() - 1000.0).abs() < 0.1, "{place:?}");
        assert!((place.width() - 4000.0 / 3.0).abs() < 0.1, "{place:?}");
    }

    #[test]
    fn what_is_cut_off_counts_as_shown() {
        let shown = shown_size(vec2(640.0, 480.0), stage(1600.0, 1000.0), false);
        assert!((shown - vec2(1600.0, 1200.0)).length() < 0.1, "{shown:?}");
        let shown = shown_size(vec2(480.0, 640.0), stage(1280.0, 640.0), false);
        assert!((shown - vec2(480.0, 640.0)).length() < 0.1, "{shown:?}");
    }

    #[test]
    fn an_empty_picture_or_stage_is_no_reason_to_divide_by_zero() {
        for (size, rect) in [
            (vec2(0.0, 0.0), stage(10.0, 10.0)),
            (vec2(8.0, 8.0), stage(0.0, 0.0)),
        ] {
            let (place, uv) = visible_part(size, rect, false);
            assert!(place.is_finite() && uv.is_finite());
            assert!(shown_size(size, rect, false).is_finite());
        }
    }
}
