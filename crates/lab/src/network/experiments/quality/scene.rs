//! Somebody before a wall full of detail, drawn: about as hard to code as a person before bookshelves.

use std::f32::consts::TAU;

/// Width and height of the square that a texture repeats after, in pixels. A power of two.
const TILE_PX: usize = 256;
/// How far the camera shakes, in pixels, across and down.
const SHAKE_PX: (f32, f32) = (3.0, 2.0);
/// How strong the camera's noise is, in steps of brightness to each side.
const NOISE: i32 = 2;

/// One of the things that move. Places and sizes are parts of the picture's height, swings are whole numbers in the length of the
/// clip.
struct Thing {
    centre: (f32, f32),
    radius: (f32, f32),
    swing: (f32, f32),
    swings: (f32, f32),
    brightness: f32,
    contrast: f32,
    colour: (u8, u8),
}

/// Shoulders, head and two hands, from the back to the front.
const THINGS: [Thing; 4] = [
    Thing {
        centre: (0.67, 1.02),
        radius: (0.42, 0.36),
        swing: (0.02, 0.01),
        swings: (2.0, 3.0),
        brightness: 90.0,
        contrast: 60.0,
        colour: (150, 110),
    },
    Thing {
        centre: (0.67, 0.42),
        radius: (0.17, 0.22),
        swing: (0.05, 0.02),
        swings: (3.0, 4.0),
        brightness: 160.0,
        contrast: 40.0,
        colour: (108, 152),
    },
    Thing {
        centre: (0.32, 0.62),
        radius: (0.09, 0.11),
        swing: (0.10, 0.16),
        swings: (5.0, 7.0),
        brightness: 150.0,
        contrast: 50.0,
        colour: (110, 150),
    },
    Thing {
        centre: (1.04, 0.66),
        radius: (0.09, 0.11),
        swing: (0.08, 0.12),
        swings: (7.0, 4.0),
        brightness: 150.0,
        contrast: 50.0,
        colour: (110, 150),
    },
];

/// Draws pictures of a clip.
#[derive(Debug)]
pub(super) struct Scene {
    width_px: usize,
    height_px: usize,
    len: u32,
    /// Two textures, from 0 to 1: coarse ones for the wall, fine ones for things.
    wall: Vec<f32>,
    cloth: Vec<f32>,
}

impl Scene {
    /// A scene of this size that repeats after `len` pictures. Sides must be even.
    pub(super) fn new((width_px, height_px): (u32, u32), len: u32) -> Self {
        Self {
            width_px: width_px as usize,
            height_px: height_px as usize,
            len,
            wall: texture(1, &[(8, 0.5), (32, 0.3), (128, 0.2)]),
            cloth: texture(2, &[(16, 0.4), (64, 0.4), (128, 0.2)]),
        }
    }

    /// The picture of this number: planar 4:2:0.
    pub(super) fn draw(&self, number: u32) -> Vec<u8> {
        let time = TAU * number as f32 / self.len as f32;
        let (width, height) = (self.width_px, self.height_px);
        let mut planes = vec![128; width * height * 3 / 2];
        let (luma, chroma) = planes.split_at_mut(width * height);
        let shake = (
            SHAKE_PX.0 * (3.0 * time).sin(),
            SHAKE_PX.1 * (2.0 * time).cos(),
        );
        for (y, row) in luma.chunks_exact_mut(width).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                let place = (x as f32 + shake.0, y as f32 + shake.1);
                *pixel = (50.0 + 130.0 * at(&self.wall, place)) as u8;
            }
        }
        let (u, v) = chroma.split_at_mut(width * height / 4);
        for thing in &THINGS {
            self.draw_thing(thing, time, shake, (&mut *luma, &mut *u, &mut *v));
        }
        self.add_noise(number, luma);
        planes
    }

    fn draw_thing(
        &self,
        thing: &Thing,
        time: f32,
        shake: (f32, f32),
        (luma, u, v): (&mut [u8], &mut [u8], &mut [u8]),
    ) {
        let (width, height) = (self.width_px, self.height_px);
        let unit = height as f32;
        let centre = (
            (thing.centre.0 + thing.swing.0 * (thing.swings.0 * time).sin()) * unit - shake.0,
            (thing.centre.1 + thing.swing.1 * (thing.swings.1 * time).cos()) * unit - shake.1,
        );
        let radius = (thing.radius.0 * unit, thing.radius.1 * unit);
        let range = |centre: f32, radius: f32, limit: usize| {
            let first = (centre - radius).max(0.0) as usize;
            first..((centre + radius).max(0.0) as usize).min(limit)
        };
        for y in range(centre.1, radius.1, height) {
            for x in range(centre.0, radius.0, width) {
                let (dx, dy) = (x as f32 - centre.0, y as f32 - centre.1);
                let distance = (dx / radius.0).powi(2) + (dy / radius.1).powi(2);
                if distance >= 1.0 {
                    continue;
                }
                // Its texture goes with it; towards the edge it is darker, as round things are.
                let light = 1.0 - 0.4 * distance;
                let texture = at(&self.cloth, (dx + 128.0, dy + 128.0)) - 0.5;
                let brightness = light * (thing.brightness + thing.contrast * texture);
                luma[y * width + x] = brightness.clamp(16.0, 235.0) as u8;
                let half = y / 2 * (width / 2) + x / 2;
                (u[half], v[half]) = thing.colour;
            }
        }
    }

    fn add_noise(&self, number: u32, luma: &mut [u8]) {
        // The same for the same picture, and different from one to the next.
        let mut state = number % self.len;
        for pixel in luma {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24).cast_signed() % (2 * NOISE + 1) - NOISE;
            *pixel = (i32::from(*pixel) + noise).clamp(16, 235) as u8;
        }
    }
}

/// Noise that repeats after a tile: sums of lattices, each with so many points across and so much weight.
fn texture(seed: u32, lattices: &[(usize, f32)]) -> Vec<f32> {
    let mut sum = vec![0.0; TILE_PX * TILE_PX];
    for (points, weight) in lattices {
        for y in 0..TILE_PX {
            for x in 0..TILE_PX {
                let scale = *points as f32 / TILE_PX as f32;
                let (fx, fy) = (x as f32 * scale, y as f32 * scale);
                let corner = |dx: usize, dy: usize| {
                    let column = (fx as usize + dx) % points;
                    let row = (fy as usize + dy) % points;
                    random((row * points + column) as u32 + ((seed + *points as u32) << 16))
                };
                let across = |dy| mix(corner(0, dy), corner(1, dy), fx.fract());
                sum[y * TILE_PX + x] += weight * mix(across(0), across(1), fy.fract());
            }
        }
    }
    sum
}

/// The texture between its pixels.
fn at(texture: &[f32], (x, y): (f32, f32)) -> f32 {
    // Places may be a little left of or above the tile.
    let (x, y) = (x + TILE_PX as f32, y + TILE_PX as f32);
    let (column, row) = (x as usize, y as usize);
    let pixel =
        |dx, dy| texture[((row + dy) & (TILE_PX - 1)) * TILE_PX + ((column + dx) & (TILE_PX - 1))];
    let across = |dy| mix(pixel(0, dy), pixel(1, dy), x.fract());
    mix(across(0), across(1), y.fract())
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// From 0 to 1, the same for the same number.
fn random(number: u32) -> f32 {
    let mut bits = number.wrapping_mul(0x9e37_79b1) ^ 0x85eb_ca6b;
    bits = (bits ^ bits >> 15).wrapping_mul(0x2c1b_3c6d);
    bits = (bits ^ bits >> 12).wrapping_mul(0x297a_2d39);
    (bits >> 8) as f32 / (1_u32 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_clip_fits_its_beginning() {
        let scene = Scene::new((160, 120), 30);
        assert_eq!(scene.draw(0), scene.draw(30));
        let difference = |a: u32, b: u32| -> u32 {
            let (a, b) = (scene.draw(a), scene.draw(b));
            let pairs = a.iter().zip(&b);
            pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
        };
        let usual = difference(14, 15).max(difference(7, 8));
        assert!(difference(29, 0) < 2 * usual, "no cut");
    }

    #[test]
    fn it_is_full_of_detail() {
        let picture = Scene::new((640, 480), 300).draw(0);
        let luma = &picture[..640 * 400];
        let steps: u32 = luma
            .windows(2)
            .map(|pair| u32::from(pair[0].abs_diff(pair[1])))
            .sum();
        let mean_step = f64::from(steps) / luma.len() as f64;
        assert!((2.0..20.0).contains(&mean_step), "{mean_step}");
    }
}
