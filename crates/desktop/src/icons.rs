//! Icons, painted with strokes on a grid of 24 by 24.
//!
//! Painted and not set in an icon font: a font's private-use characters would be read out by screen readers, and a
//! stroke keeps its sharpness at every scale.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use egui::{
    Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, epaint::PathShape, pos2, vec2,
};

/// What can be painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A microphone.
    Microphone,
    /// A microphone, struck through.
    MicrophoneOff,
    /// A camera.
    Camera,
    /// A camera, struck through.
    CameraOff,
    /// A loudspeaker.
    Speaker,
    /// On to the next stranger.
    Next,
    /// The end.
    Stop,
    /// A speech bubble.
    Chat,
    /// Sends what was written.
    Send,
    /// Closes or takes away.
    Close,
    /// Opens a list downwards.
    Down,
    /// Opens a list upwards.
    Up,
    /// The chosen one of a list.
    Check,
    /// Something needs attention.
    Warning,
    /// A cloud, struck through: no server.
    Offline,
    /// A person.
    Person,
    /// Two people.
    People,
    /// A heart: what both like.
    Heart,
    /// A shield: what is hidden.
    Shield,
    /// Two who are joined without anybody between them.
    Direct,
    /// A pulse: how the connection does.
    Pulse,
    /// An arrow round in a circle: the way back.
    Again,
    /// Sliders: what can be set.
    Settings,
    /// Three dots: what else there is.
    More,
    /// Four corners: more room.
    Grow,
    /// A keyboard.
    Keyboard,
    /// A large and a small letter.
    Text,
    /// The letter i: what this is.
    About,
    /// An eye, struck through: what is veiled.
    Veil,
    /// A screen on its foot.
    Screen,
    /// A window with its bar.
    Window,
}

/// Paints `icon` into `rect` (its shorter side counts) in one colour.
pub fn paint(painter: &Painter, icon: Icon, rect: Rect, color: Color32) {
    let size = rect.width().min(rect.height());
    let pen = Pen {
        painter,
        origin: rect.center() - vec2(size, size) / 2.0,
        unit: size / 24.0,
        color,
        stroke: Stroke::new((size / 24.0 * 1.9).max(1.2), color),
    };
    match icon {
        Icon::Microphone => pen.microphone(),
        Icon::MicrophoneOff => {
            pen.microphone();
            pen.strike();
        }
        Icon::Camera => pen.camera(),
        Icon::CameraOff => {
            pen.camera();
            pen.strike();
        }
        Icon::Speaker => {
            pen.closed(&[
                (4.0, 9.5),
                (7.5, 9.5),
                (12.0, 5.5),
                (12.0, 18.5),
                (7.5, 14.5),
                (4.0, 14.5),
            ]);
            pen.arc((12.5, 12.0), 3.8, -0.9, 0.9);
            pen.arc((12.5, 12.0), 7.6, -0.9, 0.9);
        }
        Icon::Next => {
            pen.filled(&[(5.5, 5.5), (15.5, 12.0), (5.5, 18.5)]);
            pen.line(&[(18.5, 5.5), (18.5, 18.5)]);
        }
        Icon::Stop => pen.block((6.5, 6.5), (17.5, 17.5), 2.5),
        Icon::Chat => {
            pen.line(&[
                (8.0, 17.0),
                (4.0, 20.5),
                (4.0, 6.5),
                (4.6, 5.1),
                (6.0, 4.5),
                (18.0, 4.5),
                (19.4, 5.1),
                (20.0, 6.5),
                (20.0, 15.0),
                (19.4, 16.4),
                (18.0, 17.0),
                (8.0, 17.0),
            ]);
        }
        Icon::Send => {
            pen.line(&[(12.0, 19.0), (12.0, 5.5)]);
            pen.line(&[(6.0, 11.0), (12.0, 5.0), (18.0, 11.0)]);
        }
        Icon::Close => {
            pen.line(&[(6.5, 6.5), (17.5, 17.5)]);
            pen.line(&[(17.5, 6.5), (6.5, 17.5)]);
        }
        Icon::Down => pen.line(&[(6.5, 9.5), (12.0, 15.0), (17.5, 9.5)]),
        Icon::Up => pen.line(&[(6.5, 14.5), (12.0, 9.0), (17.5, 14.5)]),
        Icon::Check => pen.line(&[(5.0, 12.5), (10.0, 17.5), (19.5, 7.0)]),
        Icon::Warning => {
            pen.closed(&[(12.0, 4.0), (21.0, 19.5), (3.0, 19.5)]);
            pen.line(&[(12.0, 10.0), (12.0, 14.0)]);
            pen.dot((12.0, 16.7), 1.2);
        }
        Icon::Offline => {
            pen.arc((8.0, 14.0), 4.5, FRAC_PI_2, PI + 0.9);
            pen.arc((12.5, 10.5), 5.5, PI + 0.35, TAU - 0.35);
            pen.arc((17.2, 14.7), 3.8, -1.2, FRAC_PI_2);
            pen.line(&[(8.0, 18.5), (17.2, 18.5)]);
            pen.strike();
        }
        Icon::Person => pen.person(12.0),
        Icon::People => {
            pen.person(9.0);
            pen.arc((15.0, 8.0), 3.6, -1.1, 1.4);
            pen.arc((14.0, 20.0), 6.5, -1.1, 0.0);
        }
        Icon::Heart => {
            pen.arc((8.2, 9.2), 4.2, PI * 0.8, TAU - 0.45);
            pen.arc((15.8, 9.2), 4.2, PI + 0.45, TAU + PI * 0.2);
            pen.line(&[(4.7, 11.5), (12.0, 19.3), (19.3, 11.5)]);
        }
        Icon::Shield => pen.closed(&[
            (12.0, 3.0),
            (19.0, 5.8),
            (19.0, 11.5),
            (17.6, 15.8),
            (15.0, 19.0),
            (12.0, 21.0),
            (9.0, 19.0),
            (6.4, 15.8),
            (5.0, 11.5),
            (5.0, 5.8),
        ]),
        Icon::Direct => {
            pen.line(&[(8.6, 12.0), (15.4, 12.0)]);
            pen.ring((5.4, 12.0), 3.2);
            pen.ring((18.6, 12.0), 3.2);
        }
        Icon::Pulse => pen.line(&[
            (2.5, 12.0),
            (7.0, 12.0),
            (10.0, 5.0),
            (14.0, 19.0),
            (17.0, 12.0),
            (21.5, 12.0),
        ]),
        Icon::Again => {
            pen.arc((12.0, 12.0), 7.8, -0.35, TAU - 1.25);
            pen.line(&[(19.8, 4.4), (19.3, 9.4), (14.4, 8.6)]);
        }
        Icon::Settings => {
            for (y, knob) in [(6.0, 15.0), (12.0, 8.5), (18.0, 13.0)] {
                pen.line(&[(3.5, y), (knob - 2.4, y)]);
                pen.line(&[(knob + 2.4, y), (20.5, y)]);
                pen.ring((knob, y), 2.4);
            }
        }
        Icon::More => {
            for x in [5.5, 12.0, 18.5] {
                pen.dot((x, 12.0), 1.9);
            }
        }
        Icon::Grow => {
            pen.line(&[(14.5, 4.5), (19.5, 4.5), (19.5, 9.5)]);
            pen.line(&[(9.5, 19.5), (4.5, 19.5), (4.5, 14.5)]);
            pen.line(&[(19.0, 5.0), (13.5, 10.5)]);
            pen.line(&[(5.0, 19.0), (10.5, 13.5)]);
        }
        Icon::Text => {
            pen.line(&[(3.0, 18.5), (8.5, 5.0), (14.0, 18.5)]);
            pen.line(&[(5.0, 13.8), (12.0, 13.8)]);
            pen.ring((18.2, 15.4), 3.0);
            pen.line(&[(21.3, 12.2), (21.3, 18.5)]);
        }
        Icon::About => {
            pen.ring((12.0, 12.0), 8.8);
            pen.line(&[(12.0, 11.2), (12.0, 16.4)]);
            pen.dot((12.0, 7.8), 1.2);
        }
        Icon::Veil => {
            pen.line(&[
                (2.5, 12.0),
                (6.5, 7.8),
                (12.0, 6.0),
                (17.5, 7.8),
                (21.5, 12.0),
            ]);
            pen.line(&[
                (2.5, 12.0),
                (6.5, 16.2),
                (12.0, 18.0),
                (17.5, 16.2),
                (21.5, 12.0),
            ]);
            pen.ring((12.0, 12.0), 3.0);
            pen.strike();
        }
        Icon::Screen => {
            pen.outline((3.0, 4.5), (21.0, 16.5), 2.0);
            pen.line(&[(12.0, 16.5), (12.0, 20.0)]);
            pen.line(&[(8.0, 20.0), (16.0, 20.0)]);
        }
        Icon::Window => {
            pen.outline((3.0, 4.5), (21.0, 19.5), 2.5);
            pen.line(&[(3.5, 9.0), (20.5, 9.0)]);
            pen.dot((6.3, 6.8), 0.9);
        }
        Icon::Keyboard => {
            pen.outline((2.5, 6.0), (21.5, 18.0), 2.5);
            for x in [6.5, 10.2, 13.9, 17.6] {
                pen.dot((x, 10.2), 1.1);
            }
            pen.line(&[(8.0, 14.4), (16.0, 14.4)]);
        }
    }
}

/// Paints how good a connection is as bars, `filled` of 4 in `color`.
pub fn paint_bars(painter: &Painter, rect: Rect, filled: usize, color: Color32) {
    let (width, gap) = (3.0, 2.0);
    for bar in 0..4 {
        let height = 4.0 + 3.0 * bar as f32;
        let left = rect.left() + bar as f32 * (width + gap);
        let bottom = rect.center().y + 6.5;
        let bar_rect = Rect::from_min_max(pos2(left, bottom - height), pos2(left + width, bottom));
        let fill = if bar < filled {
            color
        } else {
            Color32::from_white_alpha(50)
        };
        painter.rect_filled(bar_rect, 1.0, fill);
    }
}

/// Paints the mark of Passerby: two people who pass each other.
pub fn paint_mark(painter: &Painter, rect: Rect, left: Color32, right: Color32) {
    let radius = rect.height() * 0.31;
    let shift = vec2(rect.height() * 0.19, 0.0);
    painter.circle_filled(rect.center() - shift, radius, left);
    painter.circle_filled(rect.center() + shift, radius, right.gamma_multiply(0.88));
}

struct Pen<'a> {
    painter: &'a Painter,
    origin: Pos2,
    unit: f32,
    color: Color32,
    stroke: Stroke,
}

impl Pen<'_> {
    fn at(&self, (x, y): (f32, f32)) -> Pos2 {
        self.origin + vec2(x, y) * self.unit
    }

    fn points(&self, points: &[(f32, f32)]) -> Vec<Pos2> {
        points.iter().map(|point| self.at(*point)).collect()
    }

    fn line(&self, points: &[(f32, f32)]) {
        self.painter
            .add(Shape::line(self.points(points), self.stroke));
        // egui cuts lines off square; a dot at each end makes them round.
        for end in points.first().into_iter().chain(points.last()) {
            self.painter
                .circle_filled(self.at(*end), self.stroke.width / 2.0, self.color);
        }
    }

    fn closed(&self, points: &[(f32, f32)]) {
        self.painter
            .add(Shape::closed_line(self.points(points), self.stroke));
    }

    fn filled(&self, points: &[(f32, f32)]) {
        self.painter.add(PathShape::convex_polygon(
            self.points(points),
            self.color,
            self.stroke,
        ));
    }

    fn arc(&self, center: (f32, f32), radius: f32, from: f32, to: f32) {
        let steps = 16;
        let points = (0..=steps).map(|step| {
            let angle = from + (to - from) * step as f32 / steps as f32;
            self.at(center) + vec2(angle.cos(), angle.sin()) * radius * self.unit
        });
        self.painter.add(Shape::line(points.collect(), self.stroke));
    }

    fn rect(&self, from: (f32, f32), to: (f32, f32)) -> Rect {
        Rect::from_min_max(self.at(from), self.at(to))
    }

    fn outline(&self, from: (f32, f32), to: (f32, f32), radius: f32) {
        let rect = self.rect(from, to);
        self.painter
            .rect_stroke(rect, radius * self.unit, self.stroke, StrokeKind::Middle);
    }

    fn block(&self, from: (f32, f32), to: (f32, f32), radius: f32) {
        self.painter
            .rect_filled(self.rect(from, to), radius * self.unit, self.color);
    }

    fn dot(&self, center: (f32, f32), radius: f32) {
        self.painter
            .circle_filled(self.at(center), radius * self.unit, self.color);
    }

    fn microphone(&self) {
        self.outline((9.0, 3.0), (15.0, 14.0), 3.0);
        self.arc((12.0, 11.0), 6.6, 0.0, PI);
        self.line(&[(12.0, 17.6), (12.0, 20.8)]);
        self.line(&[(8.8, 20.8), (15.2, 20.8)]);
    }

    fn camera(&self) {
        self.outline((2.8, 6.0), (15.5, 18.0), 2.8);
        self.closed(&[(15.5, 10.6), (21.0, 7.4), (21.0, 16.6), (15.5, 13.4)]);
    }

    fn ring(&self, center: (f32, f32), radius: f32) {
        self.painter
            .circle_stroke(self.at(center), radius * self.unit, self.stroke);
    }

    fn person(&self, x: f32) {
        self.ring((x, 8.0), 3.6);
        self.arc((x, 20.0), 6.5, PI, TAU);
    }

    fn strike(&self) {
        self.line(&[(3.6, 3.6), (20.4, 20.4)]);
    }
}
