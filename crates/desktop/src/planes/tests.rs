//! What the shader draws, pixel by pixel, beside what the CPU makes of the same pictures. Drawn by whatever OpenGL the machine has, for Linux
//! without a graphics card Mesa's (Debian: `libegl1`, `libgl1-mesa-dri`), and without a display.

use std::time::Instant;

use egui::{ColorImage, Id, Ui, Vec2, pos2, vec2};
use media::video::{Colors, TestPattern, to_rgba};

use super::*;
use crate::pictures::{Picture, Source};
use crate::widgets::VideoView;

mod canvas;

use canvas::Canvas;

const ALL_COLORS: [Colors; 4] = [
    Colors::of_code_points(6, false),
    Colors::of_code_points(6, true),
    Colors::of_code_points(1, false),
    Colors::of_code_points(1, true),
];

/// What is done to a view before it is drawn.
type Looking = fn(VideoView<'_>) -> VideoView<'_>;

fn show(ui: &Ui, picture: &Picture, rect: Rect, look: impl FnOnce(VideoView<'_>) -> VideoView<'_>) {
    let Some(picture) = picture.get() else { return };
    let view = VideoView::new("a picture", picture);
    look(view).show_at(ui, Id::unique("picture"), rect);
}

/// Numbers without pattern, always the same.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn frame((width, height): (u32, u32), planes: Vec<u8>) -> VideoFrame {
    VideoFrame::from_planes(width, height, planes, Instant::now()).expect("planes of that size")
}

/// Chroma at the size of luma: between its samples, which lie in the middle of four pixels, it changes evenly.
fn smooth_chroma(plane: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let sample = |x: i64, y: i64| {
        let inside = |at: i64, len: usize| at.clamp(0, len as i64 / 2 - 1) as usize;
        f32::from(plane[inside(y, height) * (width / 2) + inside(x, width)])
    };
    let mut full = Vec::new();
    for y in 0..height as i64 {
        for x in 0..width as i64 {
            let (near_x, far_x) = (x / 2, x / 2 + if x % 2 == 0 { -1 } else { 1 });
            let (near_y, far_y) = (y / 2, y / 2 + if y % 2 == 0 { -1 } else { 1 });
            let row = |y| sample(near_x, y) * 0.75 + sample(far_x, y) * 0.25;
            full.push((row(near_y) * 0.75 + row(far_y) * 0.25).round() as u8);
        }
    }
    full
}

/// What the CPU makes of it, with chroma that is as smooth as the GPU has it: each pixel is converted as four that share their chroma.
fn expected(picture: &VideoFrame) -> Vec<[u8; 4]> {
    let size = (picture.width_px() as usize, picture.height_px() as usize);
    let (width, height) = size;
    let mut planes = Vec::new();
    for row in picture.y().chunks(width) {
        let twice: Vec<u8> = row.iter().flat_map(|luma| [*luma; 2]).collect();
        planes.extend_from_slice(&twice);
        planes.extend_from_slice(&twice);
    }
    planes.extend(smooth_chroma(picture.u(), size));
    planes.extend(smooth_chroma(picture.v(), size));
    let doubled = frame((width as u32 * 2, height as u32 * 2), planes);
    let mut rgba = vec![0; width * height * 16];
    to_rgba(&doubled.with_colors(picture.colors()), &mut rgba);
    let rows = rgba.chunks(width * 8).step_by(2);
    let pixels = rows.flat_map(|row| row.chunks(4).step_by(2));
    pixels
        .map(|pixel| pixel.try_into().expect("four bytes"))
        .collect()
}

/// The largest difference of a channel, and the mean.
fn difference<'a>(
    one: impl IntoIterator<Item = &'a [u8; 4]>,
    other: impl IntoIterator<Item = &'a [u8; 4]>,
) -> (u8, f64) {
    let pairs = one.into_iter().flatten().zip(other.into_iter().flatten());
    let mut largest = 0;
    let (mut sum, mut count) = (0, 0);
    for (one, other) in pairs {
        let off = one.abs_diff(*other);
        largest = largest.max(off);
        sum += u64::from(off);
        count += 1;
    }
    assert!(count > 0, "there is something to compare");
    (largest, sum as f64 / f64::from(count))
}

fn pixels(image: &ColorImage) -> Vec<[u8; 4]> {
    image.pixels.iter().map(egui::Color32::to_array).collect()
}

#[test]
fn every_picture_comes_out_as_the_cpu_converts_it() {
    for mut canvas in Canvas::all() {
        let picture = canvas.pictures().remote;
        // Rows whose length no alignment fits, and chroma of odd width and height.
        for size in [(2, 2), (6, 10), (34, 18), (322, 242), (64, 64)] {
            let len = VideoFrame::len_bytes(size.0, size.1);
            let luma_len = (size.0 * size.1) as usize;
            let mut one_colour = noise(len);
            one_colour[luma_len..luma_len * 5 / 4].fill(90);
            one_colour[luma_len * 5 / 4..].fill(170);
            for colors in ALL_COLORS {
                let flat = frame(size, one_colour.clone()).with_colors(colors);
                let mut rgba = vec![0; luma_len * 4];
                to_rgba(&flat, &mut rgba);
                picture.set(&canvas.ctx, flat);
                let drawn = pixels(&canvas.draw_whole(&picture));
                let (rgba, _) = rgba.as_chunks();
                let (largest, _) = difference(&drawn, rgba);
                assert!(largest <= 1, "{size:?} {colors:?}: off by {largest}");

                let noisy = frame(size, noise(len)).with_colors(colors);
                let expected = expected(&noisy);
                picture.set(&canvas.ctx, noisy);
                let drawn = pixels(&canvas.draw_whole(&picture));
                let (largest, mean) = difference(&drawn, &expected);
                // Between samples both round, and chroma counts twice.
                assert!(
                    largest <= 5 && mean < 1.0,
                    "{size:?} {colors:?}: off by {largest}, {mean:.2} in the mean"
                );
            }
        }
    }
}

#[test]
fn a_picture_looks_the_same_whoever_converts_it() {
    let pattern = TestPattern::new(320, 240).draw(40, 0, Instant::now());
    let pattern = Arc::new(pattern);
    let rect = Rect::from_min_size(pos2(10.0, 6.0), vec2(300.0, 200.0));
    for mut canvas in Canvas::all() {
        let planes = canvas.pictures().remote;
        let rgba = Picture::default();
        planes.set(&canvas.ctx, Arc::clone(&pattern));
        rgba.set(&canvas.ctx, Arc::clone(&pattern));
        assert!(matches!(planes.get(), Some((Source::Planes(_), _))));
        assert!(matches!(rgba.get(), Some((Source::Texture(_), _))));
        let mut draw = |picture: &Picture, look: Looking, seen: f32| {
            canvas.draw((320, 220), |ui| {
                ui.set_opacity(seen);
                show(ui, picture, rect, look);
            })
        };
        let looks: [(Looking, f32); 6] = [
            (|view| view, 1.0),
            (|view| view.mirrored(true), 1.0),
            (|view| view.fitted(true), 1.0),
            (|view| view.radius(40), 1.0),
            (|view| view.brightness(0.45).radius(14).mirrored(true), 1.0),
            (|view| view.radius(14), 0.5),
        ];
        let mut seen = Vec::new();
        for (look, opacity) in looks {
            let one = pixels(&draw(&planes, look, opacity));
            let other = pixels(&draw(&rgba, look, opacity));
            let (_, mean) = difference(&one, &other);
            assert!(mean < 1.0, "look {}: {mean:.2}", seen.len());
            // Each looks different from all others, so that none is taken for another.
            for before in &seen {
                assert!(difference(&one, before).1 > 1.0, "look {}", seen.len());
            }
            seen.push(one);
        }
        let corner = draw(&planes, |view| view.radius(40), 1.0);
        assert_eq!(corner[(11, 7)], egui::Color32::TRANSPARENT);
        assert_eq!(corner[(150, 100)].a(), 255);
    }
}

#[test]
fn a_picture_is_uploaded_once_however_often_it_is_drawn_and_only_the_newest() {
    for mut canvas in Canvas::all() {
        let picture = canvas.pictures().remote;
        let grey = |luma| {
            let planes = [vec![luma; 64], vec![128; 32]].concat();
            frame((8, 8), planes).with_colors(Colors::of_code_points(6, true))
        };
        for luma in [10, 20, 30] {
            picture.set(&canvas.ctx, grey(luma));
        }
        assert_eq!(picture.uploads(), 0, "nothing is drawn");
        for _ in 0..3 {
            let drawn = canvas.draw_whole(&picture);
            assert_eq!(drawn.pixels[0], egui::Color32::from_gray(30));
        }
        assert_eq!(picture.uploads(), 1);
        let names = |picture: &Picture| {
            let (planes, _) = picture.planes().expect("it is drawn as planes");
            format!("{:?}", planes.state().textures)
        };
        let before = names(&picture);
        for luma in 40..50 {
            picture.set(&canvas.ctx, grey(luma));
            canvas.draw_whole(&picture);
        }
        assert_eq!(picture.uploads(), 11);
        assert_eq!(names(&picture), before, "the same memory is used again");
    }
}

#[test]
fn after_the_end_of_a_call_nothing_is_drawn_until_there_is_a_new_picture() {
    for mut canvas in Canvas::all() {
        let picture = canvas.pictures().remote;
        let white = || frame((8, 8), [vec![235; 64], vec![128; 32]].concat());
        picture.set(&canvas.ctx, white());
        picture.clear();
        assert!(picture.get().is_none());
        picture.set(&canvas.ctx, white());
        canvas.draw_whole(&picture);
        picture.clear();
        let drawn = canvas.draw((8, 8), |ui| {
            show(ui, &picture, ui.max_rect(), |view| view);
        });
        assert!(drawn.pixels.iter().all(|pixel| pixel.a() == 0));
        // A smaller one in the same place has nothing of the last one around it.
        let black = frame((4, 4), [vec![16; 16], vec![128; 8]].concat());
        picture.set(&canvas.ctx, black);
        let drawn = canvas.draw_whole(&picture);
        assert!(drawn.pixels.iter().all(|pixel| pixel.r() == 0));
    }
}

#[test]
fn a_program_that_does_not_compile_is_an_error_in_the_drivers_words() {
    for canvas in Canvas::all() {
        let gl = canvas.painter.gl();
        let error = Program::broken(gl, ShaderVersion::get(gl)).err();
        let error = error.expect("it does not compile");
        assert!(error.contains("no_such_thing"), "{error}");
    }
}

#[test]
fn the_cpu_goes_on_where_the_gpu_gives_up() {
    for mut canvas in Canvas::all() {
        let pictures = canvas.pictures();
        let white = || frame((8, 8), [vec![235; 64], vec![128; 32]].concat());
        pictures.remote.set(&canvas.ctx, white());
        canvas.draw_whole(&pictures.remote);
        canvas.renderer.fail("a test");
        // What is on the GPU is still drawn; what comes is converted.
        let drawn = canvas.draw_whole(&pictures.remote);
        assert_eq!(drawn.pixels[0], egui::Color32::WHITE);
        pictures.remote.set(&canvas.ctx, white());
        assert!(matches!(
            pictures.remote.get(),
            Some((Source::Texture(_), _))
        ));
        let drawn = canvas.draw_whole(&pictures.remote);
        assert_eq!(drawn.pixels[0], egui::Color32::WHITE);
        assert_eq!(pictures.remote.uploads(), 1);
    }
}

#[test]
fn a_picture_between_pixels_is_as_large_as_egui_would_have_it() {
    let info = |pixels_per_point| PaintCallbackInfo {
        viewport: Rect::from_min_size(pos2(10.3, 4.6), Vec2::new(20.5, 9.0)),
        clip_rect: Rect::EVERYTHING,
        pixels_per_point,
        screen_size_px: [100, 80],
    };
    let look = Look {
        part: Rect::from_min_max(pos2(1.0, 0.0), pos2(0.0, 1.0)),
        radius: 4.0,
        brightness: 1.0,
        opacity: 1.0,
    };
    let whole = drawing(&info(1.0), look);
    assert_eq!(format!("{:?}", whole.place_px), "[10.0, 5.0, 21.0, 9.0]");
    let double = drawing(&info(2.0), look);
    assert_eq!(format!("{:?}", double.place_px), "[21.0, 9.0, 41.0, 18.0]");
    assert!((double.radius_px - 8.0).abs() < f32::EPSILON);
}
