//! H.264 against AV1, side by side in one run: bits at equal quality, and milliseconds for a picture.
//!
//! ```sh
//! cargo bench -p codecs --bench video_codecs                 # a made-up talking head
//! cargo bench -p codecs --bench video_codecs -- clip.y4m     # a clip of 4:2:0 and 8 bits; its first ten seconds
//! ```
//!
//! The figures belong to the machine and the pictures they were measured with. Compare them within one run only.

mod clip;
mod quality;

use std::path::Path;
use std::time::{Duration, Instant};

use codecs::{CodecError, VideoSettings, max_effort, video_codecs, video_decoder, video_encoder};
use media::video::{VideoCodec, VideoFrame};
use quality::{Curve, psnr, ssim};

/// Pictures a second.
const FRAME_RATE: u32 = 30;
/// The first second is left out of quality and rate: encoders begin differently.
const LEFT_OUT: usize = FRAME_RATE as usize;
/// Bits for each pixel, from poor to good.
const BITS_PER_PIXEL: [f64; 5] = [0.015, 0.03, 0.06, 0.12, 0.24];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if let Some(file) = file {
        return Ok(compare(&clip::read(Path::new(&file))?)?);
    }
    for (width_px, height_px) in [(320, 240), (640, 480), (1280, 720)] {
        compare(&clip::talking_head(width_px, height_px, 5 * FRAME_RATE))?;
    }
    Ok(())
}

/// What one encoder made of the clip at one bitrate.
struct Outcome {
    target_kbps: u32,
    kbps: f64,
    first_bytes: usize,
    psnr_db: f64,
    ssim: f64,
    encode: Times,
    decode: Times,
}

fn compare(frames: &[VideoFrame]) -> Result<(), CodecError> {
    let Some(first) = frames.first() else {
        return Ok(());
    };
    let (width_px, height_px) = (first.width_px(), first.height_px());
    println!("{width_px}x{height_px}, {} pictures", frames.len());
    println!(
        "  {:<12} {:>6} {:>7} {:>7}  {:>7} {:>6}  {:>6} {:>6}  {:>6} {:>6}",
        "", "target", "kbit/s", "first B", "PSNR dB", "SSIM", "enc ms", "p95", "dec ms", "p95"
    );
    let mut curves: Vec<(String, Curve, Curve)> = Vec::new();
    for (codec, effort) in settings() {
        let name = match max_effort(codec) {
            0 => codec.to_string(),
            _ => format!("{codec}, effort {effort}"),
        };
        let mut outcomes = Vec::new();
        for bits in BITS_PER_PIXEL {
            let pixel_rate = f64::from(width_px * height_px * FRAME_RATE);
            let outcome = run(codec, effort, (pixel_rate * bits) as u32, frames)?;
            println!(
                "  {name:<12} {:>6} {:>7.0} {:>7}  {:>7.2} {:>6.4}  {:>6.2} {:>6.2}  {:>6.2} {:>6.2}",
                outcome.target_kbps,
                outcome.kbps,
                outcome.first_bytes,
                outcome.psnr_db,
                outcome.ssim,
                outcome.encode.mean_ms(),
                outcome.encode.p95_ms(),
                outcome.decode.mean_ms(),
                outcome.decode.p95_ms(),
            );
            outcomes.push(outcome);
        }
        let curve = |quality: fn(&Outcome) -> f64| {
            Curve::new(
                outcomes
                    .iter()
                    .map(|outcome| (quality(outcome), outcome.kbps)),
            )
        };
        curves.push((
            name,
            curve(|outcome| outcome.psnr_db),
            // As decibels, so that good pictures are not all the same.
            curve(|outcome| -10.0 * (1.0 - outcome.ssim).log10()),
        ));
    }
    let Some((base, psnr, ssim)) = curves
        .iter()
        .find(|(name, ..)| *name == VideoCodec::H264.name())
    else {
        return Ok(());
    };
    for (name, by_psnr, by_ssim) in curves.iter().filter(|(name, ..)| name != base) {
        println!(
            "  {name} needs, for the quality of {base}: {} of the bits by PSNR, {} by SSIM",
            percent(by_psnr.bits_for_the_same(psnr)),
            percent(by_ssim.bits_for_the_same(ssim)),
        );
    }
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "?".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

/// The codecs of this build with each of their efforts.
fn settings() -> impl Iterator<Item = (VideoCodec, u8)> {
    let codecs = video_codecs().iter().rev();
    codecs.flat_map(|codec| (0..=max_effort(*codec)).map(|effort| (*codec, effort)))
}

fn run(
    codec: VideoCodec,
    effort: u8,
    target_bitrate: u32,
    frames: &[VideoFrame],
) -> Result<Outcome, CodecError> {
    let mut encoder = video_encoder(
        codec,
        VideoSettings {
            target_bitrate,
            frames_per_second: FRAME_RATE as f32,
            ..VideoSettings::default()
        },
    )?;
    encoder.set_effort(effort)?;
    let mut encode = Times::begin();
    let mut stream = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        let timestamp = number as u32 * (90_000 / FRAME_RATE);
        if let Some(encoded) = encode.measure(|| encoder.encode(frame, timestamp, false))? {
            stream.push((number, encoded.data));
        }
    }
    encode.end();
    // Once for the time alone.
    let mut decoder = video_decoder(codec)?;
    let mut decode = Times::begin();
    for (_, data) in &stream {
        decode.measure(|| decoder.decode(data))?;
    }
    decode.end();
    let mut decoder = video_decoder(codec)?;
    let (mut psnr_db, mut ssim_sum, mut counted) = (0.0, 0.0, 0);
    for (number, data) in &stream {
        let decoded = decoder.decode(data)?;
        if let Some(decoded) = decoded.filter(|_| *number >= LEFT_OUT) {
            psnr_db += psnr(&frames[*number], &decoded);
            ssim_sum += ssim(&frames[*number], &decoded);
            counted += 1;
        }
    }
    let counts = |(number, _): &&(usize, _)| *number >= LEFT_OUT;
    let bytes: usize = stream
        .iter()
        .filter(counts)
        .map(|(_, data)| data.len())
        .sum();
    let seconds = frames.len().saturating_sub(LEFT_OUT) as f64 / f64::from(FRAME_RATE);
    let count = f64::from(counted.max(1));
    Ok(Outcome {
        target_kbps: target_bitrate / 1000,
        kbps: bytes as f64 * 8.0 / 1000.0 / seconds,
        first_bytes: stream.first().map_or(0, |(_, data)| data.len()),
        psnr_db: psnr_db / count,
        ssim: ssim_sum / count,
        encode,
        decode,
    })
}

/// How long the steps of one kind took.
struct Times {
    each: Vec<Duration>,
    processor: Duration,
}

impl Times {
    fn begin() -> Self {
        Self {
            each: Vec::new(),
            processor: processor_time(),
        }
    }

    fn measure<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = step();
        self.each.push(began.elapsed());
        result
    }

    fn end(&mut self) {
        self.processor = processor_time().saturating_sub(self.processor);
    }

    /// Of the processor's time, on average: that depends least on what else runs. Where the system does not tell, of all time.
    fn mean_ms(&self) -> f64 {
        let total = if self.processor.is_zero() {
            self.each.iter().sum()
        } else {
            self.processor
        };
        total.as_secs_f64() * 1000.0 / self.each.len().max(1) as f64
    }

    /// The time that 95 of 100 keep to.
    fn p95_ms(&self) -> f64 {
        let mut sorted = self.each.clone();
        sorted.sort_unstable();
        let time = sorted.get(sorted.len() * 95 / 100);
        time.copied().unwrap_or_default().as_secs_f64() * 1000.0
    }
}

/// What this thread has had of a processor, as Linux counts it.
fn processor_time() -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|line| line.split(' ').next()?.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}
