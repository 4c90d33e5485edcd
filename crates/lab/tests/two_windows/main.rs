//! Two desktop windows with cameras, microphones and speakers of their own meet, as two people at two machines would try it.
//!
//! Everything between the camera's driver and the screen's pixels is real; the devices and the display are the lab's. Needs
//! what `lab check` asks for. Where that is missing the test is left out and says so, or fails if `PASSERBY_LAB=on` says
//! that it must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::check::Part;
use media::video::TestPattern;
use window::Window;

mod picture;
mod window;

const LAB: &str = env!("CARGO_BIN_EXE_lab");
/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Set for the part of the test that runs inside the lab; holds the test's folder.
const INSIDE: &str = "PASSERBY_TWO_WINDOWS";

#[test]
fn two_windows_meet_see_hear_and_write() {
    if let Some(reason) = lab::check::why_left_out(&[Part::Camera, Part::Sound, Part::Display]) {
        eprintln!("left out: {reason}");
        return;
    }
    if let Some(folder) = std::env::var_os(INSIDE) {
        inside(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clips = ["a", "b"].map(|name| folder.path().join(format!("{name}.y4m")));
    for clip in &clips {
        make_clip(clip);
    }
    let status = Command::new(LAB)
        .args([
            "display", "--size", "2100x800", "--", LAB, "sound", "--users", "a,b", "--",
        ])
        .args([LAB, "camera", "--device", "/dev/video80", "--clip"])
        .arg(&clips[0])
        .args(["--", LAB, "camera", "--device", "/dev/video81", "--clip"])
        .arg(&clips[1])
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args([
            "two_windows_meet_see_hear_and_write",
            "--exact",
            "--nocapture",
        ])
        .env(INSIDE, folder.path())
        .status()
        .unwrap();
    assert!(
        status.success(),
        "the lab or what ran in it failed ({status})"
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
    // The first second is not a whole one.
    std::thread::sleep(Duration::from_secs(3));
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
    wait_for("the line to show", || {
        before.difference(&b.chat_panel()) > 0.001
    });
    // Leave the text fields, so that letters are commands again.
    a.key("Escape");
    b.key("Escape");
    assert_eq!(
        a.last_line()["state"],
        "connected",
        "leaving a text field is not Next"
    );

    a.key("m");
    b.wait("a to be muted", |line| {
        line["partner_sends_audio"] == "false"
    });
    a.key("m");
    b.wait("a to be heard again", |line| {
        line["partner_sends_audio"] == "true"
    });
    a.key("v");
    b.wait("a's camera to be off", |line| {
        line["partner_sends_video"] == "false" && line["received_fps"] == "0"
    });
    a.key("v");
    b.wait("a's camera to be on", |line| {
        line["partner_sends_video"] == "true" && number(line, "received_fps") > 0.0
    });

    // The server dies: nothing happens to the call. It comes back: both windows join it by themselves.
    let port = url
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    drop(server);
    for window in [&a, &b] {
        window.wait("signalling to be away", |line| {
            line["is_signalling_up"] == "false"
        });
        window.assert_moving();
        assert_eq!(window.last_line()["state"], "connected");
    }
    let _server = start_server_at(folder, &port);
    for window in [&a, &b] {
        window.wait("signalling to be back", |line| {
            line["is_signalling_up"] == "true"
        });
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
    assert!(
        path.exists(),
        "{name} is not built: cargo build --workspace --bins"
    );
    path
}

fn start_server(folder: &Path) -> (Process, String) {
    let process = start_server_at(folder, "0");
    let mut url = None;
    wait_for("the server to listen", || {
        let said = std::fs::read_to_string(folder.join("server.out")).unwrap_or_default();
        url = said
            .lines()
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        url.is_some()
    });
    (process, url.unwrap())
}

fn start_server_at(folder: &Path, port: &str) -> Process {
    let output = File::create(folder.join("server.out")).unwrap();
    let mut command = Command::new(program("passerby-server"));
    command
        .args([
            "--listen",
            &format!("127.0.0.1:{port}"),
            "--relay-port",
            "0",
        ])
        .stdout(output);
    Process(command.stderr(Stdio::null()).spawn().unwrap())
}

fn number(line: &BTreeMap<String, String>, name: &str) -> f64 {
    line.get(name)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0.0)
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[track_caller]
fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(
            Instant::now() < deadline,
            "waited for {what} in vain; the screen is in {}",
            keep_screen()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Saves what is on the screen for whoever looks into a failure.
fn keep_screen() -> String {
    let path = std::env::temp_dir().join("passerby-two-windows.png");
    output(Command::new("import").args(["-window", "root"]).arg(&path));
    path.display().to_string()
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
        encoder
            .write_frame(&y4m::Frame::new([frame.y(), frame.u(), frame.v()], None))
            .unwrap();
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
