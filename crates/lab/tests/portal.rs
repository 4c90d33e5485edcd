//! What a Wayland session shows through the desktop's portal: sway, PipeWire, xdg-desktop-portal and its part for wlroots.
//!
//! Needs what `lab check` asks for. Where that is missing these tests are left out and say so, or fail if `PASSERBY_LAB=on` says
//! that they must run.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test that is how to fail")]

mod inside;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

use devices::{DeviceProblem, DeviceState, Lacking, VideoSource};
use inside::run_inside;
use lab::check::Part;
use lab::wayland::{FOLDER_VARIABLE, OUTPUT};
use media::video::{VideoFrame, to_rgba};
use watch::{Watch, size, wait_for};

const RED: [u8; 3] = [200, 40, 20];
const GREEN: [u8; 3] = [20, 180, 60];
const BLUE: [u8; 3] = [20, 40, 200];
const WHITE: [u8; 3] = [230, 230, 230];

/// Set for the tests inside the session by those outside.
const INSIDE: &str = "PASSERBY_PORTAL_INSIDE";

#[test]
fn what_is_picked_in_the_dialog_is_read_followed_and_ended_from_both_sides() {
    let session = ["wayland", "--size", "800x600"];
    run_inside(Part::Wayland, &session, INSIDE, "inside_a_session");
}

#[test]
fn a_session_without_a_portal_says_what_it_lacks() {
    let session = ["wayland", "--size", "800x600", "--no-portal"];
    let test = "inside_a_session_without_a_portal";
    run_inside(Part::Wayland, &session, INSIDE, test);
}

#[test]
#[ignore = "a test above runs it, inside a session"]
fn inside_a_session_without_a_portal() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let watch = Watch::start(VideoSource::Portal);
    let lacking = DeviceState::Failed(DeviceProblem::SystemLacks(Lacking::Portal));
    watch.expect_state("what it lacks", |state| *state == lacking);
}

#[test]
#[ignore = "a test above runs it, inside a session"]
fn inside_a_session() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let folder = PathBuf::from(std::env::var_os(FOLDER_VARIABLE).unwrap());
    assert!(devices::is_screen_picked_by_desktop());
    let first = picture(&folder, "first.ppm", [RED, GREEN, BLUE, WHITE]);
    let second = picture(&folder, "second.ppm", [WHITE, BLUE, RED, GREEN]);
    sway(&["output", OUTPUT, "bg", &first, "stretch"]);

    // By its name a screen is shown to nobody.
    let by_name = Watch::start(VideoSource::Screen(None));
    by_name.expect_state("the way", |state| {
        matches!(state, DeviceState::Failed(DeviceProblem::Other(why)) if why.contains("portal"))
    });
    drop(by_name);

    let watch = Watch::start(VideoSource::Portal);
    watch.expect("the picture", |frame| {
        size(frame) == (800, 600) && corners(frame) == [RED, GREEN, BLUE, WHITE]
    });
    let name = "screen".to_owned();
    let working = DeviceState::Working { name };
    watch.expect_state("that it works", |state| *state == working);
    sway(&["output", OUTPUT, "bg", &second, "stretch"]);
    watch.expect("another picture", |frame| {
        corners(frame) == [WHITE, BLUE, RED, GREEN]
    });
    // A picture that stands still comes again, for those who begin to watch.
    watch.expect("the same one", |frame| {
        corners(frame) == [WHITE, BLUE, RED, GREEN]
    });
    // It follows its size, also where that is odd. This portal may show the new one only when something changes after it.
    let (mut shown, mut other) = (
        (&second, [WHITE, BLUE, RED, GREEN]),
        (&first, [RED, GREEN, BLUE, WHITE]),
    );
    for (resolution, expected) in [("1024x768", (1024, 768)), ("641x479", (640, 478))] {
        sway(&["output", OUTPUT, "resolution", resolution]);
        watch.expect("the new size", |frame| {
            let is_new = size(frame) == expected;
            if !is_new {
                sway(&["output", OUTPUT, "bg", shown.0, "stretch"]);
            }
            is_new
        });
        std::mem::swap(&mut shown, &mut other);
        sway(&["output", OUTPUT, "bg", shown.0, "stretch"]);
        watch.expect("another picture in it", |frame| {
            size(frame) == expected && corners(frame) == shown.1
        });
    }
    wait_for("the stream", || is_streaming().then_some(()));
    drop(watch);
    wait_for("the stream's end", || (!is_streaming()).then_some(()));

    // Who declines has chosen, and is told of no error.
    std::fs::write(folder.join("choice"), "").unwrap();
    let declined = Watch::start(VideoSource::Portal);
    let states = declined.expect_state("that nothing was picked", |state| {
        *state == DeviceState::Off
    });
    assert_eq!(states, [DeviceState::Opening, DeviceState::Off]);
    drop(declined);

    // The death of what carries the pictures ends it, whoever says it first. (Another output makes this portal show something.)
    sway(&["create_output"]);
    std::fs::write(folder.join("choice"), OUTPUT).unwrap();
    let cut_off = Watch::start(VideoSource::Portal);
    cut_off.expect_state("that it works", |state| *state == working);
    kill(&folder, "pipewire");
    let states = cut_off.expect_state("its end", |state| *state != working);
    let gone = DeviceState::Failed(DeviceProblem::Stalled);
    assert!([DeviceState::Off, gone].contains(&states[0]), "{states:?}");
}

/// A file with a picture of four fields: above left, above right, below left, below right.
fn picture(folder: &Path, name: &str, [one, two, three, four]: [[u8; 3]; 4]) -> String {
    const SIDE: usize = 64;
    let mut bytes = format!("P6 {SIDE} {SIDE} 255\n").into_bytes();
    for row in 0..SIDE {
        let (left, right) = if row < SIDE / 2 {
            (one, two)
        } else {
            (three, four)
        };
        bytes.extend(left.repeat(SIDE / 2));
        bytes.extend(right.repeat(SIDE / 2));
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The middles of its four fields, each as the colour that it is about, or black.
fn corners(frame: &VideoFrame) -> [[u8; 3]; 4] {
    let (width, height) = (frame.width_px() as usize, frame.height_px() as usize);
    let mut rgba = vec![0; width * height * 4];
    to_rgba(frame, &mut rgba);
    let places = [(1, 1), (3, 1), (1, 3), (3, 3)];
    places.map(|(x, y)| {
        let at = (height * y / 4 * width + width * x / 4) * 4;
        let is_near = |colour: &[u8; 3]| {
            let pairs = colour.iter().zip(&rgba[at..at + 3]);
            pairs
                .into_iter()
                .all(|(one, other)| one.abs_diff(*other) < 12)
        };
        let found = [RED, GREEN, BLUE, WHITE].into_iter().find(is_near);
        found.unwrap_or_default()
    })
}

fn sway(words: &[&str]) {
    let said = Command::new("swaymsg").args(words).output().unwrap();
    assert!(said.status.success(), "{words:?}: {said:?}");
}

/// Whether the portal has a stream, as PipeWire itself says.
fn is_streaming() -> bool {
    let nodes = Command::new("pw-cli")
        .args(["ls", "Node"])
        .output()
        .unwrap();
    assert!(nodes.status.success(), "{nodes:?}");
    String::from_utf8_lossy(&nodes.stdout).contains("xdg-desktop-portal-wlr")
}

/// Kills a program of the session.
fn kill(folder: &Path, program: &str) {
    let pids = std::fs::read_to_string(folder.join("pids")).unwrap();
    let mut lines = pids.lines().filter_map(|line| line.split_once(' '));
    let (_, id) = lines.find(|(name, _)| *name == program).unwrap();
    let killed = Command::new("kill").args(["-9", id]).status().unwrap();
    assert!(killed.success());
}
