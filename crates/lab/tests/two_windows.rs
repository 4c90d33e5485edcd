//! Two desktop windows with cameras, microphones and speakers of their own meet, as two people at two machines would try it.
//!
//! Everything between the camera's driver and the screen's pixels is real; the devices and the display are the lab's. Needs root, FUSE
//! passthrough, `PulseAudio`, Xvfb, xdotool and `ImageMagick`. Where they are missing the test fails and says so; set
//! `PASSERBY_LAB=off` to leave it out knowingly.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use media::video::TestPattern;

const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Set for the part of the test that runs inside the lab; holds the test's folder.
const INSIDE: &str = "PASSERBY_TWO_WINDOWS";
const WINDOW: (u32, u32) = (1000, 700);

#[test]
fn two_windows_meet_see_hear_and_write() {
    if std::env::var("PASSERBY_LAB").is_ok_and(|value| value == "off") {
        println!("left out: PASSERBY_LAB=off");
        return;
    }
    if let Some(folder) = std::env::var_os(INSIDE) {
        inside(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clips = ["a", "b"].map(|name| folder.path().join(format!("{name}.y4m")));
    clips.iter().for_each(|clip| make_clip(clip));
    let status = Command::new(LAB)
        .args(["display", "--size", "2100x800", "--", LAB, "sound", "--users", "a,b", "--"])
        .args([LAB, "camera", "--device", "/dev/video80", "--clip"])
        .arg(&clips[0])
        .args(["--", LAB, "camera", "--device", "/dev/video81", "--clip"])
        .arg(&clips[1])
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["two_windows_meet_see_hear_and_write", "--exact", "--nocapture"])
        .env(INSIDE, folder.path())
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the lab or what ran in it failed ({status}); PASSERBY_LAB=off leaves this test out"
    );
}

fn inside(folder: &Path) {
    let (server, url) = start_server(folder);
    let a = Window::open(folder, &url, "a", "camera:80", 440.0, 0);
    let b = Window::open(folder, &url, "b", "camera:81", 660.0, 1050);
    for window in [&a, &b] {
        window.wait("signalling", |line| line["is_signalling_up"] == "true");
    }

    a.click_the_large_button();
    b.key("Return");
    for window in [&a, &b] {
        window.wait("pictures to come", |line| {
            line["state"] == "connected" && number(line, "received_fps") > 0.0
        });
        window.assert_moving();
    }
    let rates = [&a, &b].map(|window| number(&window.last_line(), "received_fps"));
    println!("pictures received per second, as the windows count them: {rates:?}");
    assert!((a.hears() - 660.0).abs() < 5.0, "a hears {} Hz", a.hears());
    assert!((b.hears() - 440.0).abs() < 5.0, "b hears {} Hz", b.hears());

    // Chat: both open the panel, one writes, and the other one's panel shows something new.
    a.key("t");
    b.key("t");
    std::thread::sleep(Duration::from_secs(1));
    let before = b.chat_panel();
    a.type_line("hello from a");
    a.key("Return");
    wait_for("the line to show", || difference(&before, &b.chat_panel()) > 0.001);
    // Leave the text fields, so that letters are commands again.
    a.key("Escape");
    b.key("Escape");
    assert_eq!(a.last_line()["state"], "connected", "leaving a text field is not Next");

    a.key("m");
    b.wait("a to be muted", |line| line["partner_sends_audio"] == "false");
    a.key("m");
    b.wait("a to be heard again", |line| line["partner_sends_audio"] == "true");
    a.key("v");
    b.wait("a's camera to be off", |line| {
        line["partner_sends_video"] == "false" && line["received_fps"] == "0"
    });
    a.key("v");
    b.wait("a's camera to be on", |line| {
        line["partner_sends_video"] == "true" && number(line, "received_fps") > 0.0
    });

    // The server dies: nothing happens to the call. It comes back: both windows join it by themselves.
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    drop(server);
    for window in [&a, &b] {
        window.wait("signalling to be away", |line| line["is_signalling_up"] == "false");
        window.assert_moving();
        assert_eq!(window.last_line()["state"], "connected");
    }
    let _server = start_server_at(folder, &port);
    for window in [&a, &b] {
        window.wait("signalling to be back", |line| line["is_signalling_up"] == "true");
    }

    // Next by mouse: the large button is Next in a call. There is nobody else, so the two meet again.
    a.click_the_large_button();
    b.wait("the end of the call", |line| line["state"] == "ended");
    b.key("Escape");
    for window in [&a, &b] {
        window.wait("the next call", |line| {
            line["state"] == "connected" && number(line, "received_fps") > 0.0
        });
    }
    a.key("shift+Escape");
    a.wait("the lobby", |line| line["state"] == "idle");
    b.wait("the end of the call", |line| line["state"] == "ended");
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program(name: &str) -> PathBuf {
    let path = Path::new(LAB).with_file_name(name);
    assert!(path.exists(), "{name} is not built: cargo build --workspace --bins");
    path
}

fn start_server(folder: &Path) -> (Process, String) {
    let process = start_server_at(folder, "0");
    let mut url = None;
    wait_for("the server to listen", || {
        let said = std::fs::read_to_string(folder.join("server.out")).unwrap_or_default();
        url = said.lines().find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        url.is_some()
    });
    (process, url.unwrap())
}

fn start_server_at(folder: &Path, port: &str) -> Process {
    let output = File::create(folder.join("server.out")).unwrap();
    let mut command = Command::new(program("passerby-server"));
    command.args(["--listen", &format!("127.0.0.1:{port}")]).stdout(output);
    Process(command.stderr(Stdio::null()).spawn().unwrap())
}

/// A desktop window, the person in front of it and the tone that this person makes.
struct Window {
    name: &'static str,
    id: String,
    log: PathBuf,
    left: u32,
    _program: Process,
    _voice: Process,
}

impl Window {
    fn open(
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
            .args(["--server", url, "--no-settings", "--video", camera, "--audio", "device"])
            .args(["--speaker", "device", "--log", "info,engine::statistics=debug"])
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
            window.id = new.unwrap_or_default().to_owned();
            new.is_some()
        });
        let (left, (width, height)) = (left.to_string(), WINDOW);
        window.xdotool(&["windowmove", &window.id, &left, "0"]);
        window.xdotool(&["windowsize", &window.id, &width.to_string(), &height.to_string()]);
        window.xdotool(&["set_window", "--name", &format!("Passerby {name}"), &window.id]);
        window
    }

    #[track_caller]
    fn wait(&self, what: &str, is_true: impl Fn(&BTreeMap<String, String>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_true(&self.last_line()) {
            if Instant::now() > deadline {
                let shot = std::env::temp_dir().join("passerby-two-windows.png");
                output(Command::new("import").args(["-window", "root"]).arg(&shot));
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let (name, shot) = (self.name, shot.display());
                panic!("{name} waited for {what} in vain; the screen is in {shot}; the log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The newest line of figures in the log.
    fn last_line(&self) -> BTreeMap<String, String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let line = log.lines().rfind(|line| line.contains("engine::statistics")).unwrap_or("");
        let pairs = line.split_whitespace().filter_map(|word| word.split_once('='));
        let mut figures: BTreeMap<String, String> = pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        for name in ["state", "is_signalling_up", "received_fps", "partner_sends_audio", "partner_sends_video"] {
            figures.entry(name.to_owned()).or_default();
        }
        figures
    }

    fn key(&self, key: &str) {
        self.xdotool(&["windowfocus", "--sync", &self.id, "key", "--clearmodifiers", key]);
        std::thread::sleep(Duration::from_millis(200));
    }

    fn type_line(&self, text: &str) {
        self.xdotool(&["windowfocus", "--sync", &self.id, "type", "--delay", "60", text]);
    }

    /// Clicks into the middle of what has the accent colour: Start in the lobby, Next in a call.
    fn click_the_large_button(&self) {
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
        self.xdotool(&["windowfocus", "--sync", &self.id, "mousemove", &x, &y, "click", "1"]);
    }

    /// The middle of the window changes from one moment to the next.
    #[track_caller]
    fn assert_moving(&self) {
        let middle = |picture: &Picture| picture.part(0.3, 0.3, 0.7, 0.6);
        let before = middle(&self.screenshot());
        wait_for("the picture to move", || difference(&before, &middle(&self.screenshot())) > 0.01);
    }

    fn chat_panel(&self) -> Picture {
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
    fn hears(&self) -> f32 {
        let output = Command::new("timeout")
            .args(["1.5", "parec", "--raw", "--rate=48000", "--channels=1", "--format=s16le"])
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

fn number(line: &BTreeMap<String, String>, name: &str) -> f64 {
    line.get(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What is on the screen.
struct Picture {
    width: usize,
    rgb: Vec<u8>,
}

impl Picture {
    fn from_ppm(bytes: &[u8]) -> Self {
        let header: Vec<&[u8]> = bytes.splitn(4, u8::is_ascii_whitespace).collect();
        assert_eq!(header.first(), Some(&&b"P6"[..]), "no screenshot");
        let side = |text: &[u8]| String::from_utf8_lossy(text).parse::<usize>().unwrap();
        let (width, height) = (side(header[1]), side(header[2]));
        let rgb = bytes[bytes.len() - width * height * 3..].to_vec();
        Self { width, rgb }
    }

    fn pixels(&self) -> impl Iterator<Item = (u32, u32, [u8; 3])> {
        self.rgb.chunks_exact(3).enumerate().map(|(i, pixel)| {
            ((i % self.width) as u32, (i / self.width) as u32, [pixel[0], pixel[1], pixel[2]])
        })
    }

    /// A part of the picture, in shares of its sides.
    fn part(&self, left: f64, top: f64, right: f64, bottom: f64) -> Self {
        let height = self.rgb.len() / 3 / self.width;
        let at = |share: f64, side: usize| (share * side as f64) as usize;
        let (from, to) = (at(left, self.width), at(right, self.width));
        let rows = at(top, height)..at(bottom, height);
        let rgb = rows
            .flat_map(|row| &self.rgb[(row * self.width + from) * 3..(row * self.width + to) * 3])
            .copied()
            .collect();
        Self { width: to - from, rgb }
    }
}

/// The share of bytes that differ clearly.
fn difference(a: &Picture, b: &Picture) -> f64 {
    let differing = a.rgb.iter().zip(&b.rgb).filter(|(a, b)| a.abs_diff(**b) > 24).count();
    differing as f64 / a.rgb.len().max(1) as f64
}

fn make_clip(path: &Path) {
    let pattern = TestPattern::new(640, 480);
    let mut encoder = y4m::encode(640, 480, y4m::Ratio::new(30, 1))
        .with_colorspace(y4m::Colorspace::C420)
        .write_header(File::create(path).unwrap())
        .unwrap();
    let start = Instant::now();
    for number in 0..60 {
        let frame = pattern.draw(number, 0, start);
        encoder.write_frame(&y4m::Frame::new([frame.y(), frame.u(), frame.v()], None)).unwrap();
    }
}

fn make_tone(path: &Path, hz: f64) {
    let rate = 48_000;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    // Long enough for the slowest machine.
    for i in 0..rate * 600 {
        let angle = f64::from(i) * hz * std::f64::consts::TAU / f64::from(rate);
        writer.write_sample((angle.sin() * 8000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}
