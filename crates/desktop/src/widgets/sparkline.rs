//! The course of a figure over the last minute.

use egui::{Color32, Mesh, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

use crate::theme;

/// Draws `values`, oldest first, over the whole width; the top is a little over the largest value.
pub fn sparkline(ui: &mut Ui, values: &[f32], capacity: usize, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::hover());
    let painter = ui.painter();
    painter.hline(
        rect.x_range(),
        rect.bottom(),
        Stroke::new(1.0, theme::faint()),
    );
    let points = points(rect, values, capacity);
    if points.len() < 2 {
        return;
    }
    let mut area = Mesh::default();
    for (index, point) in points.iter().enumerate() {
        area.colored_vertex(*point, color.gamma_multiply(0.28));
        area.colored_vertex(pos2(point.x, rect.bottom()), color.gamma_multiply(0.03));
        if index > 0 {
            let corner = 2 * index as u32;
            area.add_triangle(corner - 2, corner - 1, corner);
            area.add_triangle(corner - 1, corner, corner + 1);
        }
    }
    painter.add(Shape::mesh(area));
    painter.add(Shape::line(points, Stroke::new(1.5, color)));
}

/// The newest value stands at the right edge.
fn points(rect: Rect, values: &[f32], capacity: usize) -> Vec<Pos2> {
    let top = values.iter().copied().fold(1.0_f32, f32::max) * 1.25;
    let step = rect.width() / capacity.saturating_sub(1).max(1) as f32;
    let start = rect.right() - step * values.len().saturating_sub(1) as f32;
    let place = |(index, value): (usize, &f32)| {
        pos2(
            start + step * index as f32,
            rect.bottom() - rect.height() * (value / top),
        )
    };
    values.iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_stands_at_the_right_edge_and_all_fit() {
        let rect = Rect::from_min_size(pos2(10.0, 10.0), vec2(118.0, 30.0));
        let points = points(rect, &[5.0, 0.0, 80.0], 60);
        assert_eq!(points.last().map(|point| point.x), Some(128.0));
        assert!(points.iter().all(|point| rect.contains(*point)));
        assert!(
            (points[1].y - rect.bottom()).abs() < 0.01,
            "zero lies at the bottom"
        );
    }
}
