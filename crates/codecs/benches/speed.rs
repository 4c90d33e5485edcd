//! What a frame costs: milliseconds of one core for each step of both video paths, and for Opus.
//!
//! The figures belong to the machine they were measured on. Compare them within one run only.

use std::hint::black_box;
use std::time::{Duration, Instant};

use codecs::{
    CodecError, H264Decoder, H264Encoder, OpusDecoder, OpusEncoder, VideoDecoder as _,
    VideoEncoder as _, VideoSettings,
};
use media::audio::{PACKET_SAMPLES, Tone};
use media::video::{PicturePool, TestPattern, convert};

const FRAMES: u32 = 90;

fn main() -> Result<(), CodecError> {
    for (width, height, bitrate) in [(640, 480, 800_000), (1280, 720, 1_500_000)] {
        println!("{width}x{height} at {} kbit/s", bitrate / 1000);
        video(width, height, bitrate)?;
    }
    println!("20 ms of sound");
    audio()
}

fn video(width: u32, height: u32, target_bitrate: u32) -> Result<(), CodecError> {
    let pattern = TestPattern::new(width, height);
    let now = Instant::now();
    let pool = PicturePool::default();
    let mut frames = Vec::new();
    measure("draw the test pattern", |number| {
        frames.push(pattern.draw(number, u64::from(number) * 33_333, now));
    });

    let mut encoder = H264Encoder::new(VideoSettings {
        target_bitrate,
        ..VideoSettings::default()
    });
    let mut encoded = Vec::new();
    let mut outcome = Ok(());
    measure("encode H.264", |number| {
        match encoder.encode(&frames[number as usize], number * 3000, false) {
            Ok(frame) => encoded.extend(frame),
            Err(error) => outcome = Err(error),
        }
    });
    outcome?;
    let bytes: usize = encoded.iter().skip(1).map(|frame| frame.data.len()).sum();
    println!(
        "  first frame {} bytes, then {} on average",
        encoded[0].data.len(),
        bytes / (encoded.len() - 1)
    );

    let mut decoder = H264Decoder::new()?;
    let mut outcome = Ok(());
    measure("decode H.264", |number| {
        if let Err(error) = decoder.decode(&encoded[number as usize].data) {
            outcome = Err(error);
        }
    });
    outcome?;

    let mut rgba = vec![0; width as usize * height as usize * 4];
    measure("I420 to RGBA", |number| {
        convert::to_rgba(&frames[number as usize], &mut rgba);
    });
    let pixels = width as usize * height as usize;
    let (yuyv, nv12) = (vec![90; pixels * 2], vec![90; pixels * 3 / 2]);
    measure("YUYV to I420", |_| {
        convert::yuyv_to_i420(width, height, &yuyv, now, &pool)
    });
    measure("NV12 to I420", |_| {
        convert::nv12_to_i420(width, height, &nv12, now, &pool)
    });
    let plane = |samples, stride| convert::Plane { samples, stride };
    let jpeg = convert::JpegPlanes {
        width_px: width,
        height_px: height,
        subsampling: convert::ChromaSubsampling::HalfWidth,
        y: plane(&yuyv[..pixels], width as usize),
        u: plane(&yuyv[..pixels / 2], width as usize / 2),
        v: plane(&yuyv[..pixels / 2], width as usize / 2),
    };
    measure("JPEG planes (4:2:2) to I420", |_| {
        convert::from_jpeg_planes(&jpeg, now, &pool)
    });
    Ok(())
}

fn audio() -> Result<(), CodecError> {
    let (mut encoder, mut decoder) = (OpusEncoder::new()?, OpusDecoder::new()?);
    let mut tone = Tone::new(440.0);
    let mut samples = [0.0; PACKET_SAMPLES];
    let mut packets = Vec::new();
    let mut outcome = Ok(());
    measure("encode Opus", |_| {
        tone.fill(&mut samples);
        match encoder.encode(&samples) {
            Ok(packet) => packets.push(packet),
            Err(error) => outcome = Err(error),
        }
    });
    outcome?;
    measure("decode Opus", |number| {
        decoder.decode(&packets[number as usize])
    });
    Ok(())
}

/// Runs `step` once for each frame and prints the median time.
fn measure<T>(what: &str, mut step: impl FnMut(u32) -> T) {
    let mut times: Vec<Duration> = (0..FRAMES)
        .map(|number| {
            let started = Instant::now();
            black_box(step(number));
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, slow) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    println!(
        "  {what:<30} {:7.3} ms, 95 % below {:7.3} ms",
        milliseconds(median),
        milliseconds(slow)
    );
}
