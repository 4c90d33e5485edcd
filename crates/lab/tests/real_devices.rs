//! The `devices` crate against a camera and a sound server that it takes for real ones.
//!
//! Needs what `lab check` asks for. Where that is missing these tests are left out and say so, or fail if
//! `PASSERBY_LAB=on` says that they must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lab::check::Part;
use media::video::TestPattern;
use tempfile::TempDir;

const LAB: &str = env!("CARGO_BIN_EXE_lab");
const PROBE: &str = env!("CARGO_BIN_EXE_lab-probe");
/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn yuyv_arrives_whole_and_in_order() {
    delivers("YUYV", 61);
}

#[test]
fn nv12_arrives_whole_and_in_order() {
    delivers("NV12", 62);
}

#[test]
fn motion_jpeg_arrives_whole_and_in_order() {
    delivers("MJPG", 63);
}

#[test]
fn the_nearest_size_is_taken() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let node = "/dev/video64";
    let arguments = ["--sizes", "1280x720,320x240", "--formats", "YUYV,MJPG"];
    let mut camera = lab.camera(
        node,
        &arguments,
        &["--width", "1280", "--height", "720", "--frames", "20"],
    );
    let summary = camera.summary();
    assert_eq!(summary["size"], "1280x720", "{summary:?}");
    assert_eq!(summary["broken"], "0", "{summary:?}");
}

#[test]
fn a_stalled_camera_is_reported_and_recovers() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut camera = lab.camera("/dev/video65", &[], &[]);
    camera.expect("Working");
    camera.control("stall");
    camera.expect("Failed(Stalled)");
    camera.control("resume");
    camera.expect("Working");
}

#[test]
fn stopping_a_stalled_camera_does_not_wait_for_it() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut camera = lab.camera("/dev/video66", &[], &[]);
    camera.expect("Working");
    camera.control("stall");
    camera.expect("Failed(Stalled)");
    camera.end_input();
    // The camera stays stalled: a stop that waited for a picture would wait without end.
    camera.summary();
}

#[test]
fn an_unplugged_camera_is_reported_and_used_again_when_it_is_back() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut camera = lab.camera("/dev/video67", &[], &[]);
    camera.expect("Working");
    for _ in 0..2 {
        camera.control("unplug");
        camera.expect("Failed(Unplugged)");
        camera.control("plug");
        camera.expect("Working");
    }
}

#[test]
fn a_camera_that_another_program_has_is_busy_until_it_lets_go() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut camera = lab.camera("/dev/video68", &[], &[]);
    camera.expect("Working");
    camera.control("busy on");
    camera.control("unplug");
    camera.expect("Failed(Unplugged)");
    camera.control("plug");
    camera.expect("Failed(Busy)");
    camera.control("busy off");
    camera.expect("Working");
}

#[test]
fn cut_jpeg_pictures_are_dropped_and_counted_and_the_rest_is_shown() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut camera = lab.camera("/dev/video69", &["--formats", "MJPG"], &["--frames", "120"]);
    camera.expect("Working");
    camera.control("truncate 10");
    let summary = camera.summary();
    let number = |name: &str| summary[name].parse::<u64>().unwrap();
    // Frames that the driver had to skip on a busy machine are not there to be cut.
    assert!((1..=10).contains(&number("broken")), "{summary:?}");
    assert_eq!(
        number("marks"),
        number("frames"),
        "a broken picture was shown: {summary:?}"
    );
}

#[test]
fn a_missing_camera_is_not_found_and_found_once_it_is_there() {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let mut probe = Probe::start(Command::new(PROBE).args(["camera", "camera:70"]), None);
    probe.expect("Failed(NotFound)");
    let mut command = Command::new(LAB);
    command
        .args(["camera", "--device", "/dev/video70", "--clip"])
        .arg(&lab.clip)
        .args(["--", "cat"]);
    let _camera = Probe::start(&mut command, None);
    probe.expect("Working");
}

#[test]
fn a_tone_keeps_its_pitch_through_speaker_and_microphone() {
    let Some(_lab) = Lab::enter(Part::Sound) else {
        return;
    };
    let mut command = Command::new(LAB);
    // What this user plays goes where its own microphone listens.
    command
        .args([
            "sound",
            "--users",
            "a",
            "--",
            "env",
            "PULSE_SINK=a_micin",
            PROBE,
            "sound",
        ])
        .args(["--seconds", "5", "--hz", "440"]);
    let mut probe = Probe::start(&mut command, None);
    let summary = probe.summary();
    let pitch: f32 = summary["pitch"].parse().unwrap();
    assert!((pitch - 440.0).abs() < 5.0, "{summary:?}");
    let frames: u64 = summary["frames"].parse().unwrap();
    // Of 10 ms, in 5 s.
    assert!(
        (200..=700).contains(&frames),
        "sound is pulled in real time: {summary:?}"
    );
}

#[test]
fn a_sound_server_that_dies_is_reported_and_the_sound_of_the_call_goes_by_unheard() {
    let Some(_lab) = Lab::enter(Part::Sound) else {
        return;
    };
    let kill_while_probing = format!(
        "{PROBE} sound --seconds 12 & sleep 3; kill -9 $(cat $LAB_SOUND_DIR/server.pid); wait"
    );
    let mut command = Command::new(LAB);
    command.args([
        "sound",
        "--users",
        "a",
        "--",
        "sh",
        "-c",
        &kill_while_probing,
    ]);
    let mut probe = Probe::start(&mut command, None);
    probe.expect("speaker state Working");
    probe.expect("speaker state Failed(Stalled)");
    probe.expect("speaker state Failed(NotFound)");
    let summary = probe.summary();
    let frames: u64 = summary["frames"].parse().unwrap();
    assert!(frames > 800, "sound is pulled on: {summary:?}");
}

#[test]
fn users_of_the_sound_server_do_not_hear_each_other() {
    let Some(_lab) = Lab::enter(Part::Sound) else {
        return;
    };
    let mut command = Command::new(LAB);
    command.args([
        "sound",
        "--users",
        "a,b",
        "--",
        LAB,
        "as",
        "b",
        "--",
        PROBE,
        "sound",
        "--seconds",
        "4",
    ]);
    let mut probe = Probe::start(&mut command, None);
    let summary = probe.summary();
    assert_eq!(
        summary["level"], "0.000",
        "b's microphone hears b's speaker: {summary:?}"
    );
    let recorded: u64 = summary["recorded_ms"].parse().unwrap();
    assert!(recorded > 500, "{summary:?}");
}

fn delivers(format: &str, number: u32) {
    let Some(lab) = Lab::enter(Part::Camera) else {
        return;
    };
    let node = format!("/dev/video{number}");
    let mut camera = lab.camera(&node, &["--formats", format], &["--frames", "120"]);
    camera.expect("Working { name: \"Lab Camera\" }");
    let summary = camera.summary();
    let number = |name: &str| summary[name].parse::<f64>().unwrap();
    assert_eq!(summary["size"], "640x480", "{summary:?}");
    // It runs, however busy the machine is.
    assert!(number("fps") >= 10.0, "{summary:?}");
    assert_eq!(
        summary["marks"], "120",
        "every picture carries its mark: {summary:?}"
    );
    // All but the ones where the clip begins anew, and a few that a busy machine skips.
    assert!(number("in_order") >= 90.0, "{summary:?}");
    assert_eq!(summary["broken"], "0", "{summary:?}");
    drop(camera);
    assert!(!Path::new(&node).exists(), "the lab left {node} behind");
}

/// The right to run: one test at a time, since they measure speed on a machine that they share.
struct Lab {
    folder: TempDir,
    clip: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// `None` if the person said to leave these tests out, or they cannot run here.
    fn enter(needed: Part) -> Option<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        if let Some(reason) = lab::check::why_left_out(&[needed]) {
            eprintln!("left out: {reason}");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::new().unwrap();
        let clip = folder.path().join("clip.y4m");
        write_clip(&clip);
        Some(Self {
            folder,
            clip,
            _turn: turn,
        })
    }

    /// A lab camera with a probe on it.
    fn camera(&self, node: &str, lab_arguments: &[&str], probe_arguments: &[&str]) -> Probe {
        let control = self.folder.path().join("control");
        let mut command = Command::new(LAB);
        command
            .args(["camera", "--device", node, "--clip"])
            .arg(&self.clip)
            .arg("--control")
            .arg(&control)
            .args(lab_arguments)
            .args([
                "--",
                PROBE,
                "camera",
                &node.replace("/dev/video", "camera:"),
            ])
            .args(probe_arguments);
        Probe::start(&mut command, Some(control))
    }
}

/// Three seconds of the test pattern.
fn write_clip(path: &Path) {
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    file.write_all(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420mpeg2\n")
        .unwrap();
    let pattern = TestPattern::new(640, 480);
    for number in 0..90 {
        file.write_all(b"FRAME\n").unwrap();
        file.write_all(pattern.draw(number, 0, Instant::now()).planes())
            .unwrap();
    }
}

/// A running probe and what it prints. Ended on drop, with the lab around it.
struct Probe {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    control: Option<PathBuf>,
}

impl Probe {
    fn start(command: &mut Command, control: Option<PathBuf>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab can be started");
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self {
            child,
            input,
            lines,
            control,
        }
    }

    /// Waits for a line that contains `text`.
    fn expect(&mut self, text: &str) {
        self.find(text, |line| line.contains(text));
    }

    /// Waits for the last line and returns what it says.
    fn summary(&mut self) -> BTreeMap<String, String> {
        let line = self.find("the summary", |line| {
            !line.contains("state ") && line.contains('=')
        });
        line.split_whitespace()
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn find(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let started_at = Instant::now();
        let mut before = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(started_at.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let code = self
                    .child
                    .try_wait()
                    .unwrap()
                    .and_then(|status| status.code());
                assert_ne!(
                    code,
                    Some(77),
                    "this machine cannot run the lab (its own words are above); set PASSERBY_LAB=off to leave \
                     these tests out"
                );
                panic!("waited for {what}; before that came {before:#?}; exit code {code:?}");
            };
            if is_it(&line) {
                return line;
            }
            before.push(line);
        }
    }

    /// Tells the lab's camera to misbehave.
    fn control(&self, command: &str) {
        let path = self
            .control
            .as_ref()
            .expect("this probe has a camera of the lab");
        let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
        writeln!(pipe, "{command}").unwrap();
    }

    /// Makes the probe finish.
    fn end_input(&mut self) {
        self.input = None;
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.end_input();
        let started_at = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if started_at.elapsed() > PATIENCE {
                self.child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
