//! What the cameras of the tour see: a drawn person who sways a little, so that a picture that stands still is seen to.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use media::video::VideoFrame;

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const RATE_HZ: usize = 30;
/// One sway to and fro.
const FRAMES: usize = 60;
/// How far, in pixels.
const SWAY_PX: f32 = 7.0;

/// Colours of a drawn person: wall, window, hair, skin, clothes; red, green and blue of each.
pub(super) type Palette = [[u8; 3]; 5];

/// One person's colours.
pub(super) const FIRST: Palette = [
    [0x8A, 0x74, 0x60],
    [0xD8, 0xC3, 0x9A],
    [0x5A, 0x33, 0x22],
    [0xEC, 0xBE, 0x9C],
    [0xB2, 0x55, 0x3E],
];
/// The same person in front of another camera.
pub(super) const FIRST_AGAIN: Palette = [
    [0x55, 0x66, 0x55],
    [0xC8, 0xD8, 0xB4],
    [0x5A, 0x33, 0x22],
    [0xEC, 0xBE, 0x9C],
    [0xB2, 0x55, 0x3E],
];
/// The other person's.
pub(super) const SECOND: Palette = [
    [0x6E, 0x7F, 0x86],
    [0xB9, 0xC8, 0xC4],
    [0x2B, 0x21, 0x1E],
    [0xD9, 0xA0, 0x7E],
    [0x2F, 0x5D, 0x62],
];

/// Writes the clip of a person as y4m.
///
/// # Errors
/// What the disk says.
pub(super) fn write(path: &Path, palette: Palette) -> anyhow::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = y4m::encode(WIDTH, HEIGHT, y4m::Ratio::new(RATE_HZ, 1))
        .with_colorspace(y4m::Colorspace::C420)
        .write_header(file)?;
    let colours = palette.map(yuv);
    for number in 0..FRAMES {
        let turn = number as f32 / FRAMES as f32 * std::f32::consts::TAU;
        let frame = portrait(colours, turn.sin() * SWAY_PX);
        encoder.write_frame(&y4m::Frame::new([frame.y(), frame.u(), frame.v()], None))?;
    }
    Ok(())
}

/// Head and shoulders as flat shapes in front of a wall with a window, moved to the right by `sway` pixels.
fn portrait(colours: [[u8; 3]; 5], sway: f32) -> VideoFrame {
    let colour_at = |x: usize, y: usize| {
        let (wall_x, y) = (x as f32 - 320.0, y as f32 - 50.0);
        let x = wall_x - sway;
        let is_within = |centre_y: f32, half_width: f32, half_height: f32| {
            (x / half_width).powi(2) + ((y - centre_y) / half_height).powi(2) <= 1.0
        };
        let index = if is_within(168.0, 74.0, 96.0) && y > 108.0 {
            3
        } else if is_within(148.0, 98.0, 118.0) {
            2
        } else if is_within(286.0, 33.0, 58.0) && y < 330.0 {
            3
        } else if is_within(456.0, 218.0, 160.0) {
            4
        } else {
            let is_window = (150.0..286.0).contains(&wall_x) && (-20.0..160.0).contains(&y);
            usize::from(is_window)
        };
        colours[index]
    };
    let mut planes = Vec::with_capacity(VideoFrame::len_bytes(WIDTH as u32, HEIGHT as u32));
    for y in 0..HEIGHT {
        planes.extend((0..WIDTH).map(|x| colour_at(x, y)[0]));
    }
    for plane in [1, 2] {
        for y in (0..HEIGHT).step_by(2) {
            planes.extend((0..WIDTH).step_by(2).map(|x| colour_at(x, y)[plane]));
        }
    }
    VideoFrame::from_planes(WIDTH as u32, HEIGHT as u32, planes, Instant::now())
        .expect("the planes are made for this size")
}

/// BT.601, limited range.
fn yuv(rgb: [u8; 3]) -> [u8; 3] {
    let rgb = rgb.map(f32::from);
    let mixed = |offset: f32, weights: [f32; 3]| {
        let parts = weights.iter().zip(rgb);
        (offset + parts.map(|(weight, value)| weight * value).sum::<f32>()) as u8
    };
    [
        mixed(16.0, [0.257, 0.504, 0.098]),
        mixed(128.0, [-0.148, -0.291, 0.439]),
        mixed(128.0, [0.439, -0.368, -0.071]),
    ]
}
