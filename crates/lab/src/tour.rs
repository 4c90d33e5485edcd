//! A tour of the real window: from the first run to the settings, in a call with another real window, with pictures of everything.
//!
//! Keys and mouse buttons are real ones, cameras and sound are the lab's where it can have them, and every step waits for what a
//! screen reader would be told (`tour/reader.rs`). So each tour proves, too, that all of it can be read: what cannot be found by role
//! and name cannot be pressed.

mod album;
mod clip;
mod reader;
mod steps;
mod window;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::camera::Size;
use crate::check::Part;
use crate::command::{Running, Unavailable};
use crate::run_inside;
use crate::server::Server;
use steps::{Chapter, Tour};
use window::{Person, Window};

/// The sizes at which every screen is to look well: a desktop, a small window, the narrowest.
const SIZES: [&str; 3] = ["1280x800", "800x600", "390x720"];
/// The other person's window.
const OTHER: Size = Size {
    width_px: 900,
    height_px: 640,
};
/// The cameras: two in front of the first person, one in front of the second.
const CAMERAS: [(&str, clip::Palette); 3] = [
    ("/dev/video90", clip::FIRST),
    ("/dev/video91", clip::SECOND),
    ("/dev/video92", clip::FIRST_AGAIN),
];
/// Set for the part of the tour that runs among the devices; holds the folder with what they need.
const INSIDE: &str = "LAB_TOUR_INSIDE";

/// What a tour takes.
#[derive(Debug, Clone, Args)]
pub struct TourOptions {
    /// Width and height of the window in pixels; several, separated by commas.
    #[arg(long, value_delimiter = ',', default_values = SIZES)]
    size: Vec<Size>,
    /// The folder for the pictures; one below it for each size.
    #[arg(long, default_value = "target/tour")]
    to: PathBuf,
    /// The last chapter; all if nothing is said.
    #[arg(long)]
    until: Option<Chapter>,
}

/// Goes on the tour. Pictures come into the folder, and a line for each to the standard output.
///
/// # Errors
/// [`Unavailable`] without a display or a bus for screen readers; else the step that did not reach its state.
pub fn run(options: &TourOptions) -> anyhow::Result<u8> {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(Path::new(&folder), options).map(|()| 0);
    }
    for part in [Part::Display, Part::Accessibility] {
        if let Some(reason) = part.why_impossible() {
            return Err(Unavailable(reason).into());
        }
    }
    let folder = tempfile::Builder::new().prefix("passerby-tour").tempdir()?;
    let mut command = Vec::new();
    if is_there(Part::Sound, "a tone and no speaker") {
        command.extend(words(&["sound", "--users", "a,b", "--"]));
    }
    if is_there(Part::Camera, "test patterns, and nothing is unplugged") {
        for (number, (device, palette)) in CAMERAS.into_iter().enumerate() {
            let clip = folder.path().join(format!("{number}.y4m"));
            clip::write(&clip, palette)?;
            command.extend(words(&["camera", "--device", device, "--control"]));
            command.push(control(folder.path(), number).into());
            command.extend([OsString::from("--clip"), clip.into(), "--".into()]);
        }
    }
    // Each of the devices runs the next one, and the last of them this program again.
    let lab = std::env::current_exe()?;
    let mut whole = vec![lab.clone().into_os_string()];
    for word in command {
        let is_end = word == "--";
        whole.push(word);
        if is_end {
            whole.push(lab.clone().into());
        }
    }
    whole.extend(std::env::args_os().skip(1));
    let variables = [(INSIDE.to_owned(), folder.path().into())];
    run_inside(&whole, &variables)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn is_there(part: Part, instead: &str) -> bool {
    let reason = part.why_impossible();
    if let Some(reason) = &reason {
        println!("There is no {part} here ({reason}): {instead}.");
    }
    reason.is_none()
}

/// The pipe that makes a camera misbehave.
fn control(folder: &Path, camera: usize) -> PathBuf {
    folder.join(format!("camera-{camera}"))
}

/// Among the devices: one tour for each size.
fn inside(folder: &Path, options: &TourOptions) -> anyhow::Result<()> {
    for size in &options.size {
        let Size {
            width_px,
            height_px,
        } = *size;
        println!("{width_px} x {height_px}");
        let began = Instant::now();
        let place = folder.join(format!("{width_px}x{height_px}"));
        let mut tour = begin(folder, &place, *size, options)?;
        steps::walk(&mut tour, options.until)
            .with_context(|| format!("the tour at {width_px} x {height_px}"))?;
        let seconds = began.elapsed().as_secs();
        println!("{} pictures in {seconds} s", tour.album.taken());
    }
    println!("The pictures are in {}.", options.to.display());
    Ok(())
}

fn begin(devices: &Path, place: &Path, size: Size, options: &TourOptions) -> anyhow::Result<Tour> {
    std::fs::create_dir_all(place)?;
    let has_sound = std::env::var_os(crate::sound::DIRECTORY_VARIABLE).is_some();
    let camera = Some(control(devices, 0)).filter(|pipe| pipe.exists());
    let server = Server::start(0)?;
    let arguments = |device: &str, more: &[&str]| {
        let mut arguments = vec!["--server".to_owned(), server.url.clone()];
        let (video, [audio, speaker]) = (
            camera.as_ref().map_or("pattern", |_| device),
            if has_sound {
                ["device", "device"]
            } else {
                ["tone", "none"]
            },
        );
        for word in ["--video", video, "--audio", audio, "--speaker", speaker] {
            arguments.push(word.to_owned());
        }
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        arguments
    };
    let first = Person {
        name: "a",
        size,
        arguments: arguments("camera:/dev/video90", &[]),
        has_sound,
    };
    let second = Person {
        name: "b",
        size: OTHER,
        arguments: arguments(
            "camera:/dev/video91",
            &["--agree", "--interests", "jazz,chess"],
        ),
        has_sound,
    };
    Ok(Tour {
        album: album::Album::new(&options.to, size)?,
        first: Window::open(place, first)?,
        second: Window::open(place, second)?,
        server: Some(server),
        camera,
        _voices: if has_sound {
            voices(place)?
        } else {
            Vec::new()
        },
    })
}

/// Plays a voice-like tone into both microphones, so that the bars of their levels move.
fn voices(place: &Path) -> anyhow::Result<Vec<Running>> {
    let file = place.join("voice.wav");
    let rate = 16_000;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&file, spec)?;
    // Syllables of a fifth of a second, for ten minutes at most.
    for number in 0..rate * 600 {
        let seconds = f64::from(number) / f64::from(rate);
        let tone = (seconds * 180.0 * std::f64::consts::TAU).sin();
        let swell = (seconds * 2.5 * std::f64::consts::TAU).sin().max(0.0);
        writer.write_sample((tone * swell * 6000.0) as i16)?;
    }
    writer.finalize()?;
    let play = |user: &str| -> anyhow::Result<Running> {
        let mut player = Command::new("paplay");
        player
            .args(["--device", &format!("{user}_micin")])
            .arg(&file);
        Ok(Running::start_helper(&mut player)?)
    };
    Ok(vec![play("a")?, play("b")?])
}
