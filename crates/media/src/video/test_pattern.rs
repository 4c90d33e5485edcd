//! A moving picture for people without a camera, and for measuring.
//!
//! Discs drift over a soft gradient, about as hard to compress as a person before a wall. The lowest rows carry a mark
//! that a program can read after coding, loss and scaling: which frame this is and when it was drawn.

use std::time::Instant;

use super::{PicturePool, VideoFrame};

mod mark;

pub use mark::{Mark, read_mark};

/// Draws the frames of the pattern.
#[derive(Debug, Clone)]
pub struct TestPattern {
    width_px: u32,
    height_px: u32,
    background: Vec<u8>,
    pool: PicturePool,
}

/// One of the moving discs. Positions and sizes are parts of the picture's height.
struct Disc {
    radius: f32,
    /// Swings per frame, across and down.
    speed: (f32, f32),
    phase: f32,
    colour: (u8, u8, u8),
}

/// In YUV: warm, cool and light, so that each plane has something that moves.
const DISCS: [Disc; 3] = [
    Disc {
        radius: 0.16,
        speed: (0.021, 0.013),
        phase: 0.0,
        colour: (170, 96, 186),
    },
    Disc {
        radius: 0.11,
        speed: (0.015, 0.027),
        phase: 2.1,
        colour: (140, 178, 92),
    },
    Disc {
        radius: 0.07,
        speed: (0.034, 0.019),
        phase: 4.2,
        colour: (215, 110, 142),
    },
];

impl TestPattern {
    /// The smallest width and height in pixels. The mark needs cells of a few pixels.
    pub const MIN_SIDE_PX: u32 = 160;

    /// Prepares a pattern. Sizes are made even and brought between [`Self::MIN_SIDE_PX`] and [`VideoFrame::MAX_SIDE_PX`].
    pub fn new(width_px: u32, height_px: u32) -> Self {
        let side = |px: u32| px.clamp(Self::MIN_SIDE_PX, VideoFrame::MAX_SIDE_PX) & !1;
        let (width_px, height_px) = (side(width_px), side(height_px));
        let background = background(width_px as usize, height_px as usize);
        Self {
            width_px,
            height_px,
            background,
            pool: PicturePool::default(),
        }
    }

    /// Width of the frames in pixels.
    pub const fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height of the frames in pixels.
    pub const fn height_px(&self) -> u32 {
        self.height_px
    }

    /// Draws frame number `frame_number`, with the mark that [`read_mark`] reads.
    ///
    /// `capture_time_us` is microseconds since the Unix epoch by the clock of whoever draws; its lowest 56 bits are kept
    /// (enough until the year 4253).
    pub fn draw(
        &self,
        frame_number: u32,
        capture_time_us: u64,
        captured_at: Instant,
    ) -> VideoFrame {
        let mut planes = self.pool.take(self.background.len());
        planes.extend_from_slice(&self.background);
        let mut canvas = Canvas::new(self.width_px as usize, self.height_px as usize, &mut planes);
        for disc in &DISCS {
            canvas.draw_disc(disc, frame_number);
        }
        mark::draw(
            &mut planes,
            self.width_px as usize,
            self.height_px as usize,
            &Mark {
                frame_number,
                capture_time_us,
            },
        );
        VideoFrame::from_planes(self.width_px, self.height_px, planes, captured_at)
            .expect("the sides were made even and brought within the limits")
            .returning_to(&self.pool)
    }
}

/// A gradient in all planes, from one corner to the other.
fn background(width: usize, height: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(width * height * 3 / 2);
    let share = |position: usize, length: usize, span: usize| (position * span / length) as u8;
    for row in 0..height {
        planes.extend(
            (0..width).map(|column| 60 + share(row, height, 50) + share(column, width, 40)),
        );
    }
    for row in 0..height / 2 {
        planes.extend((0..width / 2).map(|_| 120 + share(row, height / 2, 24)));
    }
    for _ in 0..height / 2 {
        planes.extend((0..width / 2).map(|column| 112 + share(column, width / 2, 24)));
    }
    planes
}

struct Canvas<'a> {
    width: usize,
    height: usize,
    y: &'a mut [u8],
    u: &'a mut [u8],
    v: &'a mut [u8],
}

impl<'a> Canvas<'a> {
    fn new(width: usize, height: usize, planes: &'a mut [u8]) -> Self {
        let (y, chroma) = planes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        Self {
            width,
            height,
            y,
            u,
            v,
        }
    }

    fn draw_disc(&mut self, disc: &Disc, frame_number: u32) {
        let (width, height) = (self.width as f32, self.height as f32);
        // f32 cannot count frames for days; the sine can, if the angle is reduced beforehand.
        let angle = |speed: f32| {
            (f64::from(frame_number) * f64::from(speed) % std::f64::consts::TAU) as f32 + disc.phase
        };
        let radius = disc.radius * height;
        let swing = |size: f32, angle: f32| size * 0.5 + (size * 0.5 - radius) * angle.sin();
        let centre_x = swing(width, angle(disc.speed.0));
        let centre_y = swing(height, angle(disc.speed.1));

        let (luma, u, v) = disc.colour;
        fill_disc(self.y, self.width, (centre_x, centre_y, radius), luma);
        let half = (centre_x / 2.0, centre_y / 2.0, radius / 2.0);
        fill_disc(self.u, self.width / 2, half, u);
        fill_disc(self.v, self.width / 2, half, v);
    }
}

/// Fills a disc row by row; the disc lies within the plane.
fn fill_disc(plane: &mut [u8], width: usize, (x, y, radius): (f32, f32, f32), value: u8) {
    let top = (y - radius).max(0.0) as usize;
    for (row, samples) in plane.chunks_exact_mut(width).enumerate().skip(top) {
        let distance = row as f32 - y;
        if distance > radius {
            break;
        }
        let half_chord = (radius * radius - distance * distance).max(0.0).sqrt();
        let from = (x - half_chord).max(0.0) as usize;
        let to = ((x + half_chord).max(0.0) as usize).min(width);
        if from < to {
            samples[from..to].fill(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_picture_moves() {
        let pattern = TestPattern::new(640, 480);
        let first = pattern.draw(0, 0, simulation::start());
        let second = pattern.draw(1, 0, simulation::start());
        let above_the_mark = 640 * 400;
        let changed = first.y()[..above_the_mark]
            .iter()
            .zip(&second.y()[..above_the_mark])
            .filter(|(before, after)| before != after)
            .count();
        assert!((500..30_000).contains(&changed), "{changed} pixels changed");
    }

    #[test]
    fn sizes_are_brought_within_the_limits() {
        let small = TestPattern::new(0, 161);
        assert_eq!((small.width_px(), small.height_px()), (160, 160));
        let large = TestPattern::new(u32::MAX, 481);
        assert_eq!((large.width_px(), large.height_px()), (4096, 480));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_frame_of_any_size_can_be_drawn_and_read(
            width in 160_u32..900, height in 160_u32..700, frame_number: u32, capture_time_us in 0_u64..1 << 56,
        ) {
            let frame = TestPattern::new(width, height).draw(frame_number, capture_time_us, simulation::start());
            prop_assert_eq!(read_mark(&frame), Some(Mark { frame_number, capture_time_us }));
        }
    }
}
