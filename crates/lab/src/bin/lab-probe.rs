//! `lab-probe`: opens devices as Passerby does and prints what comes of it, one fact in each line.
//!
//! ```text
//! state Working { name: "Lab Camera" }      each time it changes
//! frames=100 fps=29.97 size=640x480 …       in the end
//! ```

use std::io::Read as _;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use devices::{
    AudioSink, AudioSource, Camera, CameraSettings, DeviceState, Microphone, Speaker, VideoSource,
    list_cameras, list_microphones, list_speakers,
};
use media::Newest;
use media::audio::{SAMPLE_RATE_HZ, Tone, fundamental_hz, level};
use media::video::read_mark;

/// Opens devices as Passerby does and prints what comes of it.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Lists all devices.
    List,
    /// Takes pictures until there are enough of them, time is up, or the input ends.
    Camera {
        source: VideoSource,
        #[arg(long, default_value_t = 640)]
        width: u32,
        #[arg(long, default_value_t = 480)]
        height: u32,
        #[arg(long, default_value_t = 30)]
        fps: u32,
        /// Enough pictures.
        #[arg(long, default_value_t = u64::MAX)]
        frames: u64,
        /// Longest time in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Plays a tone and records at the same time.
    Sound {
        #[arg(long, default_value = "device")]
        speaker: AudioSink,
        #[arg(long, default_value = "device")]
        microphone: AudioSource,
        /// The tone's pitch.
        #[arg(long, default_value_t = 440)]
        hz: u32,
        /// For how long, in seconds.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
}

fn main() {
    match Arguments::parse().part {
        Part::List => list(),
        Part::Camera {
            source,
            width,
            height,
            fps,
            frames,
            seconds,
        } => {
            let settings = CameraSettings {
                width_px: width,
                height_px: height,
                fps,
            };
            probe_camera(source, settings, frames, Duration::from_secs(seconds));
        }
        Part::Sound {
            speaker,
            microphone,
            hz,
            seconds,
        } => {
            probe_sound(speaker, microphone, hz, Duration::from_secs(seconds));
        }
    }
}

fn list() {
    for (kind, names) in [
        ("camera", list_cameras()),
        ("microphone", list_microphones()),
        ("speaker", list_speakers()),
    ] {
        for name in names {
            println!("{kind} {name}");
        }
    }
}

/// What was seen of the pictures.
#[derive(Debug, Default)]
struct Seen {
    frames: u64,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    size_px: (u32, u32),
    marks: u64,
    /// Marks that carry the number after the one before.
    in_order: u64,
    last_number: Option<u32>,
}

fn probe_camera(source: VideoSource, settings: CameraSettings, frames: u64, longest: Duration) {
    let slot = Arc::new(Newest::new());
    let camera = Camera::start(source, settings, Arc::clone(&slot), |state| {
        print_state("", &state);
    });
    let (started_at, input) = (Instant::now(), end_of_input());
    let mut seen = Seen::default();
    while seen.frames < frames && started_at.elapsed() < longest && input.try_recv().is_err() {
        let Some(frame) = slot.wait(Duration::from_millis(100)) else {
            continue;
        };
        let now = Instant::now();
        seen.frames += 1;
        seen.first_at.get_or_insert(now);
        seen.last_at = Some(now);
        seen.size_px = (frame.width_px(), frame.height_px());
        if let Some(mark) = read_mark(&frame) {
            seen.marks += 1;
            if seen
                .last_number
                .is_some_and(|last| mark.frame_number == last.wrapping_add(1))
            {
                seen.in_order += 1;
            }
            seen.last_number = Some(mark.frame_number);
        }
    }
    let counters = camera.counters();
    drop(camera);
    let span = seen
        .last_at
        .zip(seen.first_at)
        .map_or(Duration::ZERO, |(last, first)| last - first);
    println!(
        "frames={} fps={:.2} size={}x{} marks={} in_order={} broken={} dropped={}",
        seen.frames,
        seen.frames.saturating_sub(1) as f64 / span.as_secs_f64().max(0.001),
        seen.size_px.0,
        seen.size_px.1,
        seen.marks,
        seen.in_order,
        counters.broken,
        counters.dropped,
    );
}

fn probe_sound(speaker: AudioSink, microphone: AudioSource, hz: u32, length: Duration) {
    let mut tone = Tone::new(f64::from(hz));
    let speaker = Speaker::start(
        speaker,
        move |frame| tone.fill(frame),
        |state| print_state("speaker ", &state),
    );
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let microphone = Microphone::start(
        microphone,
        {
            let recorded = Arc::clone(&recorded);
            move |frame| {
                recorded
                    .lock()
                    .expect("nobody panics while holding it")
                    .extend_from_slice(&frame.samples[..]);
            }
        },
        |state| print_state("microphone ", &state),
    );
    std::thread::sleep(length);
    let (played, heard, latency) = (speaker.counters(), microphone.counters(), speaker.latency());
    drop(microphone);
    drop(speaker);
    let recorded = recorded.lock().expect("nobody panics while holding it");
    // The last second: until then everything has come up.
    let last = &recorded[recorded.len().saturating_sub(SAMPLE_RATE_HZ as usize)..];
    println!(
        "pitch={:.1} level={:.3} recorded_ms={} frames={} underruns={} overruns={} errors={} latency_ms={}",
        fundamental_hz(last, SAMPLE_RATE_HZ).unwrap_or(0.0),
        level(last),
        recorded.len() / (SAMPLE_RATE_HZ as usize / 1000),
        played.frames,
        played.underruns,
        heard.overruns,
        played.errors + heard.errors,
        latency.as_millis(),
    );
}

fn print_state(device: &str, state: &DeviceState) {
    println!("{device}state {state:?}");
}

/// Gets a message when standard input ends.
fn end_of_input() -> Receiver<()> {
    let (ends, ended) = channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended too.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        ends.send(()).ok();
    });
    ended
}
