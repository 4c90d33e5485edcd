//! One desktop window: started, placed, pressed, typed into and looked at from outside.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::picture::Picture;
use crate::{LAB, PATIENCE, Process, keep_screen, make_tone, output, program, wait_for};

const WINDOW: (u32, u32) = (1000, 700);

/// A desktop window, the person in front of it and the tone that this person makes.
pub(crate) struct Window {
    name: &'static str,
    id: String,
    log: PathBuf,
    left: u32,
    _program: Process,
    _voice: Process,
}

impl Window {
    pub(crate) fn open(
        folder: &Path,
        url: &str,
        name: &'static str,
        camera: &str,
        hz: f64,
        left: u32,
    ) -> Self {
        let voice_file = folder.join(format!("{name}.wav"));
        make_tone(&voice_file, hz);
        let voice = Command::new("paplay")
            .args(["--device", &format!("{name}_micin")])
            .arg(&voice_file)
            .spawn()
            .unwrap();
        let log = folder.join(format!("{name}.log"));
        let program = Command::new(LAB)
            .args(["as", name, "--"])
            .arg(program("passerby"))
            .args([
                "--server",
                url,
                "--no-settings",
                "--agree",
                "--unveiled",
                "--video",
                camera,
                "--audio",
                "device",
            ])
            .args([
                "--speaker",
                "device",
                "--log",
                "info,engine::statistics=debug",
            ])
            .env("NO_COLOR", "1")
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut window = Self {
            name,
            id: String::new(),
            log,
            left,
            _program: Process(program),
            _voice: Process(voice),
        };
        // Windows are told apart by where they are: the first one is out of the way when the second one opens.
        wait_for("the window to open", || {
            let found = output(Command::new("xdotool").args(["search", "--name", "^Passerby$"]));
            let new = found.lines().find(|id| !is_placed(id));
            new.unwrap_or_default().clone_into(&mut window.id);
            new.is_some()
        });
        // The window manager has its own idea of the place until the window has been there for a while.
        wait_for("the window to be in its place", || {
            let (width, height) = (WINDOW.0.to_string(), WINDOW.1.to_string());
            window.xdotool(&["windowmove", &window.id, &left.to_string(), "0"]);
            window.xdotool(&["windowsize", &window.id, &width, &height]);
            std::thread::sleep(Duration::from_millis(300));
            window
                .place()
                .is_some_and(|(x, w)| x.abs_diff(left) < 30 && w == WINDOW.0)
        });
        window.xdotool(&[
            "set_window",
            "--name",
            &format!("Passerby {name}"),
            &window.id,
        ]);
        window
    }

    /// Left edge and width, in pixels.
    fn place(&self) -> Option<(u32, u32)> {
        let shell =
            output(Command::new("xdotool").args(["getwindowgeometry", "--shell", &self.id]));
        let value = |name: &str| {
            shell
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|value| value.parse().ok())
        };
        Some((value("X=")?, value("WIDTH=")?))
    }

    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_true: impl Fn(&BTreeMap<String, String>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_true(&self.last_line()) {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let (name, screen) = (self.name, keep_screen());
                panic!(
                    "{name} waited for {what} in vain; the screen is in {screen}; the log:\n{log}"
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The newest line of figures in the log.
    pub(crate) fn last_line(&self) -> BTreeMap<String, String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let line = log
            .lines()
            .rfind(|line| line.contains("engine::statistics"))
            .unwrap_or("");
        let pairs = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let mut figures: BTreeMap<String, String> = pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        for name in [
            "state",
            "is_signalling_up",
            "received_fps",
            "partner_sends_audio",
            "partner_sends_video",
        ] {
            figures.entry(name.to_owned()).or_default();
        }
        figures
    }

    pub(crate) fn key(&self, key: &str) {
        self.xdotool(&[
            "windowfocus",
            "--sync",
            &self.id,
            "key",
            "--clearmodifiers",
            key,
        ]);
        std::thread::sleep(Duration::from_millis(200));
    }

    pub(crate) fn type_line(&self, text: &str) {
        self.xdotool(&[
            "windowfocus",
            "--sync",
            &self.id,
            "type",
            "--delay",
            "60",
            text,
        ]);
    }

    /// Clicks into the middle of what has the accent colour: Start in the lobby, Next in a call.
    pub(crate) fn click_the_large_button(&self) {
        let mut accent: Vec<(u32, u32)> = Vec::new();
        wait_for("the large button to be drawn", || {
            let picture = self.screenshot();
            let is_accent = |[r, g, b]: [u8; 3]| {
                (100..=135).contains(&r) && (115..=135).contains(&g) && b > 245
            };
            let found = picture.pixels().filter(|(_, _, colour)| is_accent(*colour));
            accent = found.map(|(x, y, _)| (x, y)).collect();
            accent.len() > 1000
        });
        let middle = |mut values: Vec<u32>| {
            values.sort_unstable();
            values[values.len() / 2]
        };
        let x = middle(accent.iter().map(|(x, _)| *x).collect());
        let y = middle(accent.iter().map(|(_, y)| *y).collect());
        let (x, y) = ((self.left + x).to_string(), y.to_string());
        self.xdotool(&[
            "windowfocus",
            "--sync",
            &self.id,
            "mousemove",
            &x,
            &y,
            "click",
            "1",
        ]);
    }

    /// The middle of the window changes from one moment to the next.
    #[track_caller]
    pub(crate) fn assert_moving(&self) {
        let middle = |picture: &Picture| picture.part(0.3, 0.3, 0.7, 0.6);
        let before = middle(&self.screenshot());
        wait_for("the picture to move", || {
            before.difference(&middle(&self.screenshot())) > 0.01
        });
    }

    pub(crate) fn chat_panel(&self) -> Picture {
        self.screenshot().part(0.72, 0.1, 1.0, 0.9)
    }

    fn screenshot(&self) -> Picture {
        let (width, height) = WINDOW;
        let area = format!("{width}x{height}+{}+0", self.left);
        let output = Command::new("import")
            .args(["-window", "root", "-crop", &area, "-depth", "8", "ppm:-"])
            .output()
            .unwrap();
        Picture::from_ppm(&output.stdout)
    }

    /// The pitch that comes out of this person's speaker.
    pub(crate) fn hears(&self) -> f32 {
        let output = Command::new("timeout")
            .args([
                "1.5",
                "parec",
                "--raw",
                "--rate=48000",
                "--channels=1",
                "--format=s16le",
            ])
            .args(["--device", &format!("{}_spk.monitor", self.name)])
            .output()
            .unwrap();
        let samples: Vec<f32> = output
            .stdout
            .chunks_exact(2)
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0)
            .collect();
        let end = samples.len().saturating_sub(2400);
        let heard = &samples[end.saturating_sub(24_000)..end];
        media::audio::fundamental_hz(heard, 48_000).unwrap_or(0.0)
    }

    fn xdotool(&self, args: &[&str]) {
        let status = Command::new("xdotool").args(args).status().unwrap();
        assert!(status.success(), "{}: xdotool {args:?}", self.name);
    }
}

fn is_placed(id: &str) -> bool {
    output(Command::new("xdotool").args(["getwindowname", id])) != "Passerby"
}
