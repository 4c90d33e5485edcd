//! How often each step of a picture's way asks for new memory: in a call that has settled, hardly ever.
//!
//! Counts what Rust allocates, by a counting allocator. What the C libraries keep for themselves is theirs, and they keep it from picture
//! to picture. Each step that makes pictures is measured twice: while all pictures are kept, so that no memory comes back, and as in a call, where
//! the newest two are.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use codecs::{CodecError, VideoSettings, video_codecs, video_decoder, video_encoder};
use media::video::{EncodedFrame, PicturePool, Scaler, TestPattern, VideoFrame, convert};

const WARM_UP: u32 = 30;
const FRAMES: u32 = 90;
/// From here on an allocation is one of a picture.
const LARGE_BYTES: usize = 16 * 1024;

static COUNT: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's.
        unsafe { System.realloc(place, layout, size) }
    }
}

fn count(bytes: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    LARGE.fetch_add(u64::from(bytes >= LARGE_BYTES), Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), CodecError> {
    for size_px in [(640, 480), (1280, 720)] {
        println!("\n### {}x{}, for each picture\n", size_px.0, size_px.1);
        println!("| step | allocations | of a picture's size | KB |");
        println!("|---|---|---|---|");
        from_camera(size_px);
        scaling(size_px);
        coding(size_px)?;
    }
    Ok(())
}

/// Runs `step` with the numbers of pictures while all of them are kept, and again as in a call.
fn measure_twice<T>(name: &str, mut step: impl FnMut(u32) -> T) {
    measure(&format!("{name}, all kept"), usize::MAX, &mut step);
    measure(name, 2, step);
}

/// Runs `step` with the numbers of pictures, and prints what it asks for once it has settled. The newest results are held: so many of them.
fn measure<T>(name: &str, most_held: usize, mut step: impl FnMut(u32) -> T) {
    let mut held = VecDeque::with_capacity((WARM_UP + FRAMES) as usize);
    let mut begin = [0; 3];
    let now = || [&COUNT, &LARGE, &BYTES].map(|counter| counter.load(Ordering::Relaxed));
    for number in 0..WARM_UP + FRAMES {
        if number == WARM_UP {
            begin = now();
        }
        let made = step(number);
        if held.len() >= most_held {
            held.pop_front();
        }
        held.push_back(made);
    }
    let end = now();
    let of_each = |at: usize| (end[at] - begin[at]) as f64 / f64::from(FRAMES);
    println!(
        "| {name} | {:.1} | {:.2} | {:.1} |",
        of_each(0),
        of_each(1),
        of_each(2) / 1e3
    );
}

fn from_camera((width_px, height_px): (u32, u32)) {
    let now = Instant::now();
    let bytes = width_px as usize * height_px as usize;
    let (yuyv, nv12) = (vec![128; bytes * 2], vec![128; bytes * 3 / 2]);
    let pool = PicturePool::default();
    measure_twice("YUYV to I420", |_| {
        convert::yuyv_to_i420(width_px, height_px, &yuyv, now, &pool)
    });
    measure_twice("NV12 to I420", |_| {
        convert::nv12_to_i420(width_px, height_px, &nv12, now, &pool)
    });
    let plane = |samples, stride| convert::Plane { samples, stride };
    let jpeg = convert::JpegPlanes {
        width_px,
        height_px,
        subsampling: convert::ChromaSubsampling::HalfWidth,
        y: plane(&yuyv[..bytes], width_px as usize),
        u: plane(&yuyv[..bytes / 2], width_px as usize / 2),
        v: plane(&yuyv[..bytes / 2], width_px as usize / 2),
    };
    measure_twice("planes of a JPEG to I420", |_| {
        convert::from_jpeg_planes(&jpeg, now, &pool)
    });
    let bgrx = vec![128; bytes * 4];
    measure_twice("a screen's BGRX to I420", |_| {
        convert::bgrx_to_i420(width_px, height_px, &bgrx, now, &pool)
    });
    let pattern = TestPattern::new(width_px, height_px);
    measure_twice("the test pattern", |number| pattern.draw(number, 0, now));
}

fn scaling((width_px, height_px): (u32, u32)) {
    let frame = TestPattern::new(width_px, height_px).draw(0, 0, Instant::now());
    let mut scaler = Scaler::default();
    measure("to half the size", 2, |_| {
        let smaller = scaler.scale(&frame, (width_px / 2, height_px / 2));
        smaller.map(|smaller| scaler.give_back(smaller)).is_ok()
    });
}

fn coding((width_px, height_px): (u32, u32)) -> Result<(), CodecError> {
    let pattern = TestPattern::new(width_px, height_px);
    let frames: Vec<VideoFrame> = (0..WARM_UP + FRAMES)
        .map(|number| pattern.draw(number, 0, Instant::now()))
        .collect();
    for codec in video_codecs() {
        let mut encoder = video_encoder(*codec, VideoSettings::default())?;
        let mut encoded: Vec<EncodedFrame> = Vec::new();
        encoded.reserve_exact(frames.len());
        measure(&format!("{codec}, encoding"), 2, |number| {
            let frame = encoder.encode(&frames[number as usize], number * 3_000, false);
            encoded.extend(frame.ok().flatten());
        });
        let mut decoder = video_decoder(*codec)?;
        let mut of_last = encoded.iter().cycle();
        measure_twice(&format!("{codec}, decoding"), |_| {
            let data = of_last.next().map(|frame| &frame.data);
            data.and_then(|data| decoder.decode(data).ok().flatten())
        });
    }
    Ok(())
}
