//! What is encoded: a made-up person in front of a made-up room, as a webcam would see them, or a clip.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use media::video::VideoFrame;
use simulation::Random;

/// A longer clip is cut off.
const MAX_FRAMES: usize = 300;

/// Reads a clip.
pub(super) fn read(path: &Path) -> Result<Vec<VideoFrame>, Box<dyn std::error::Error>> {
    let mut decoder = y4m::decode(BufReader::new(File::open(path)?))?;
    let (width, height) = (decoder.get_width() as u32, decoder.get_height() as u32);
    let mut frames = Vec::new();
    while frames.len() < MAX_FRAMES
        && let Ok(frame) = decoder.read_frame()
    {
        let planes = [
            frame.get_y_plane(),
            frame.get_u_plane(),
            frame.get_v_plane(),
        ];
        let planes = planes.concat();
        frames.push(VideoFrame::from_planes(
            width,
            height,
            planes,
            Instant::now(),
        )?);
    }
    Ok(frames)
}

/// A head that nods, looks around and talks in front of a wall with a pattern, with the noise of a cheap sensor.
///
/// Made of smooth noise of several sizes, so that it has detail everywhere and moves by parts of pixels, as real pictures do.
pub(super) fn talking_head(width_px: u32, height_px: u32, count: u32) -> Vec<VideoFrame> {
    let mut random = Random::new(3);
    let texture = Texture::new(&mut random);
    (0..count)
        .map(|number| draw(width_px, height_px, number, &texture, &mut random))
        .collect()
}

fn draw(
    width_px: u32,
    height_px: u32,
    number: u32,
    texture: &Texture,
    random: &mut Random,
) -> VideoFrame {
    let (width, height) = (width_px as usize, height_px as usize);
    let time = f64::from(number) / 30.0;
    // Positions are shares of the picture's height.
    let head = Head {
        x: 0.66 + 0.08 * (1.3 * time).sin() + 0.03 * (3.7 * time).sin(),
        y: 0.46 + 0.04 * (2.3 * time).sin(),
        mouth: 0.5 + 0.5 * (9.0 * time).sin() * (1.7 * time).sin(),
    };
    let mut planes = Vec::with_capacity(VideoFrame::len_bytes(width_px, height_px));
    let scale = 1.0 / f64::from(height_px);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f64 * scale, row as f64 * scale);
            let noise = random.below(3) as f64 - 1.0;
            planes.push((head.luma(x, y, texture) + noise).clamp(16.0, 235.0) as u8);
        }
    }
    for skin in [-14.0, 20.0] {
        for row in 0..height / 2 {
            for column in 0..width / 2 {
                let (x, y) = (2.0 * column as f64 * scale, 2.0 * row as f64 * scale);
                let inside = head.inside(x, y);
                let wall = 6.0 * (texture.at(2.0 * x, 2.0 * y) - 0.5);
                planes.push((128.0 + wall + inside * skin) as u8);
            }
        }
    }
    VideoFrame::from_planes(width_px, height_px, planes, Instant::now())
        .expect("sides are even and the planes full")
}

struct Head {
    x: f64,
    y: f64,
    mouth: f64,
}

impl Head {
    const RADII: (f64, f64) = (0.2, 0.27);

    /// 1 inside of the face, 0 outside, with a soft edge.
    fn inside(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = ((x - self.x) / Self::RADII.0, (y - self.y) / Self::RADII.1);
        ((1.0 - dx.hypot(dy)) * 24.0).clamp(0.0, 1.0)
    }

    fn luma(&self, x: f64, y: f64, texture: &Texture) -> f64 {
        let wall =
            50.0 + 90.0 * texture.at(3.0 * x, 3.0 * y) + 60.0 * texture.at(25.0 * x, 25.0 * y);
        // Moves with the head, the shoulders half as much.
        let (hx, hy) = (x - self.x, y - self.y);
        let face = 150.0 + 40.0 * texture.at(9.0 + 5.0 * hx, 5.0 * hy) - 120.0 * hx * hx
            + 36.0 * texture.at(40.0 * hx, 40.0 * hy)
            - self.features(hx, hy);
        let (sx, sy) = ((x - 0.66 - 0.5 * (self.x - 0.66)) / 0.45, (y - 1.05) / 0.36);
        let shoulders = ((1.0 - sx.hypot(sy)) * 24.0).clamp(0.0, 1.0);
        let cloth = 50.0 + 30.0 * texture.at(30.0 * x, 8.0 * y);
        let inside = self.inside(x, y);
        let body = wall + shoulders * (cloth - wall);
        body + inside * (face - body)
    }

    /// Eyes and a mouth that opens: how much darker it is there.
    fn features(&self, hx: f64, hy: f64) -> f64 {
        let spot = |x: f64, y: f64, width: f64, height: f64| {
            let distance = ((hx - x) / width).hypot((hy - y) / height);
            ((1.0 - distance) * 6.0).clamp(0.0, 1.0)
        };
        let eyes = spot(-0.075, -0.06, 0.03, 0.018) + spot(0.075, -0.06, 0.03, 0.018);
        let mouth = spot(0.0, 0.12, 0.06, 0.012 + 0.03 * self.mouth);
        90.0 * (eyes + mouth)
    }
}

/// Smooth noise with detail of several sizes, from 0 to 1.
struct Texture {
    values: Vec<f64>,
}

impl Texture {
    const SIDE: usize = 64;

    fn new(random: &mut Random) -> Self {
        let values = (0..Self::SIDE * Self::SIDE).map(|_| random.below(1000) as f64 / 999.0);
        Self {
            values: values.collect(),
        }
    }

    fn at(&self, x: f64, y: f64) -> f64 {
        let octaves = [(1.0, 0.5), (2.1, 0.25), (4.3, 0.15), (8.7, 0.1)];
        octaves
            .iter()
            .map(|(scale, weight)| weight * self.smooth(x * scale, y * scale))
            .sum()
    }

    fn smooth(&self, x: f64, y: f64) -> f64 {
        let value = |x: f64, y: f64| {
            let wrap = |at: f64| at.rem_euclid(Self::SIDE as f64) as usize % Self::SIDE;
            self.values[wrap(y) * Self::SIDE + wrap(x)]
        };
        let (left, top) = (x.floor(), y.floor());
        let ease = |at: f64| at * at * (3.0 - 2.0 * at);
        let (dx, dy) = (ease(x - left), ease(y - top));
        let row = |y: f64| value(left, y) * (1.0 - dx) + value(left + 1.0, y) * dx;
        row(top) * (1.0 - dy) + row(top + 1.0) * dy
    }
}
