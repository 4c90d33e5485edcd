//! Line charts in SVG, drawn by hand.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 48.0;
/// Told apart by people who are colour-blind, too (Okabe and Ito 2008).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];

/// One chart.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    pub(crate) lines: Vec<Line>,
}

/// What one axis shows.
pub(crate) struct Axis<'a> {
    pub(crate) name: &'a str,
    /// Where there are marks; the first and the last are the ends.
    pub(crate) marks: Vec<f64>,
    pub(crate) is_logarithmic: bool,
}

/// One line, with a dot at each point.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Axis<'_> {
    /// Where `value` is, from 0 at the first mark to 1 at the last.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| {
            if self.is_logarithmic {
                value.ln()
            } else {
                value
            }
        };
        let ends = self.marks.first().zip(self.marks.last());
        ends.map_or(0.0, |(first, last)| {
            (scale(value) - scale(*first)) / (scale(*last) - scale(*first))
        })
    }
}

impl Chart<'_> {
    /// The picture, white behind, so that it can be read on any page.
    pub(crate) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
        );
        text(&mut svg, (LEFT, 20.0), "start", "#000", self.title);
        let across = |value| LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT);
        let up = |value| HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for mark in &self.x.marks {
            let x = across(*mark);
            rule(&mut svg, (x, TOP), (x, bottom));
            text(
                &mut svg,
                (x, bottom + 16.0),
                "middle",
                "#444",
                &mark.to_string(),
            );
        }
        for mark in &self.y.marks {
            let y = up(*mark);
            rule(&mut svg, (LEFT, y), (right, y));
            text(
                &mut svg,
                (LEFT - 6.0, y + 4.0),
                "end",
                "#444",
                &mark.to_string(),
            );
        }
        let middle = LEFT.midpoint(right);
        text(
            &mut svg,
            (middle, HEIGHT - 10.0),
            "middle",
            "#000",
            self.x.name,
        );
        text(&mut svg, (right, 20.0), "end", "#000", self.y.name);
        for (at, (line, colour)) in self.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let mut points = Vec::new();
            for (x, y) in &line.points {
                let (x, y) = (across(*x), up(*y));
                points.push(format!("{x:.1} {y:.1}"));
                put(
                    &mut svg,
                    &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"),
                );
            }
            let path = format!("M{}", points.join(" L"));
            put(
                &mut svg,
                &format!(
                    "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
                ),
            );
            let at = (right + 10.0, TOP + 14.0 + 18.0 * at as f64);
            text(&mut svg, at, "start", colour, &line.name);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn put(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("a string takes everything");
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    put(
        svg,
        &format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
            from.0, from.1, to.0, to.1
        ),
    );
}

/// Words, of which none has a character that XML would not take as it is.
fn text(svg: &mut String, at: (f64, f64), anchor: &str, colour: &str, words: &str) {
    let (x, y) = at;
    put(
        svg,
        &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{words}</text>"
        ),
    );
}
