//! A few centred words in place of a picture: a sign, a title, and what it means.

use std::sync::Arc;

use egui::{
    Align, Color32, FontId, Galley, Id, Painter, Rect, Ui, Vec2, accesskit::Role, pos2,
    text::LayoutJob, vec2,
};

use super::announce;
use crate::icons::{self, Icon};
use crate::theme;

/// What is said where a picture would be.
#[derive(Debug)]
pub struct Notice<'a> {
    /// Painted in a disc above the words.
    pub sign: Sign,
    /// What is the case.
    pub title: &'a str,
    /// What it means.
    pub detail: &'a str,
    /// Smaller and last, for instance how long it has been so.
    pub footnote: &'a str,
}

/// What stands above the words.
#[derive(Debug, Clone, Copy)]
pub enum Sign {
    /// An icon in a disc of this colour.
    Icon(Icon, Color32),
    /// The mark with waves going out; how far they are, from 0 to 1.
    Searching(f32),
    /// Nothing.
    None,
}

const MAX_WIDTH: f32 = 440.0;

impl Notice<'_> {
    /// Draws it in the middle of `rect`, with `reserve` points left free below it. Returns where that free place begins.
    pub fn show(self, ui: &Ui, id: Id, rect: Rect, reserve: f32) -> f32 {
        let width = (rect.width() - 48.0).clamp(40.0, MAX_WIDTH);
        let painter = ui.painter();
        let is_small = rect.height() < 230.0;
        let title_size = if is_small { 15.0 } else { 22.0 };
        let detail_size = if is_small { 13.0 } else { 15.0 };
        let title = centred(
            painter,
            self.title,
            theme::semibold(title_size),
            theme::text(),
            width,
        );
        let detail = centred(
            painter,
            self.detail,
            theme::regular(detail_size),
            theme::text_second(),
            width,
        );
        let footnote = centred(
            painter,
            self.footnote,
            theme::medium(14.0),
            theme::text_third(),
            width,
        );
        let (sign, gap) = match self.sign {
            Sign::None => (0.0, 0.0),
            _ if is_small => (48.0, 10.0),
            Sign::Icon(..) => (76.0, 20.0),
            Sign::Searching(_) => (104.0, 28.0),
        };
        let height_of = |galley: &Option<Arc<Galley>>, gap: f32| {
            galley.as_ref().map_or(0.0, |text| text.size().y + gap)
        };
        let height = sign
            + gap
            + height_of(&title, 0.0)
            + height_of(&detail, 8.0)
            + height_of(&footnote, 14.0)
            + reserve;
        let mut y = (rect.center().y - height / 2.0).max(rect.top());
        let center = rect.center().x;
        self.sign.paint(
            painter,
            Rect::from_center_size(pos2(center, y + sign / 2.0), Vec2::splat(sign)),
        );
        y += sign + gap;
        let top = y;
        for (galley, gap) in [(title, 0.0), (detail, 8.0), (footnote, 14.0)] {
            if let Some(galley) = galley {
                y += gap;
                let height = galley.size().y;
                painter.galley(pos2(center, y), galley, theme::text());
                y += height;
            }
        }
        let words = [self.title, self.detail, self.footnote];
        let spoken = words
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(". ");
        let area = Rect::from_min_max(
            pos2(center - width / 2.0, top),
            pos2(center + width / 2.0, y),
        );
        announce(ui, id, area, Role::Label, spoken);
        y
    }
}

fn centred(
    painter: &Painter,
    words: &str,
    font: FontId,
    color: Color32,
    width: f32,
) -> Option<Arc<Galley>> {
    if words.is_empty() {
        return None;
    }
    let mut job = LayoutJob::simple(words.to_owned(), font, color, width);
    job.halign = Align::Center;
    Some(painter.layout_job(job))
}

impl Sign {
    fn paint(self, painter: &Painter, rect: Rect) {
        let radius = rect.width() / 2.0;
        match self {
            Self::None => {}
            Self::Icon(icon, color) => {
                painter.circle_filled(rect.center(), radius, theme::surface_hovered());
                let side = rect.width() * 0.46;
                icons::paint(
                    painter,
                    icon,
                    Rect::from_center_size(rect.center(), Vec2::splat(side)),
                    color,
                );
            }
            Self::Searching(phase) => {
                for wave in 0..3 {
                    let age = (phase + wave as f32 / 3.0).fract();
                    let ring = radius * (0.5 + 0.9 * age);
                    let color = theme::accent().gamma_multiply((1.0 - age) * 0.55);
                    painter.circle_stroke(rect.center(), ring, egui::Stroke::new(1.5, color));
                }
                painter.circle_filled(rect.center(), radius * 0.5, theme::surface_raised());
                let side = radius * 0.62;
                let mark = Rect::from_center_size(rect.center(), vec2(side, side));
                icons::paint_mark(painter, mark, theme::warm(), theme::accent());
            }
        }
    }
}
