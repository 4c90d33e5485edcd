//! The beginning of the tour: that windows can be read by a screen reader, used by name, and looked at.
//!
//! Needs what `lab check` asks for. Where that is missing the test is left out and says so, or fails if `PASSERBY_LAB=on` says
//! that it must run.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use lab::check::{Part, why_left_out};

#[test]
fn a_screen_reader_finds_all_that_is_needed_to_meet_somebody_and_the_pictures_show_it() {
    if let Some(reason) = why_left_out(&[Part::Display, Part::Accessibility]) {
        eprintln!("left out: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let toured = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["tour", "--size", "1280x800", "--until", "meeting", "--to"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = [toured.stdout, toured.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(toured.status.success(), "{said}");
    let names = ["01-first-run", "03-lobby", "08-searching", "11-call"];
    let pictures = names.map(|name| {
        let path = folder.path().join(format!("1280x800/{name}.png"));
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(size(&bytes), Some((1280, 800)), "{name}");
        bytes
    });
    for (index, picture) in pictures.iter().enumerate() {
        let is_seen_twice = pictures[..index].contains(picture);
        assert!(!is_seen_twice, "{} shows nothing new", names[index]);
    }
    assert!(!Path::new("/dev/video90").exists(), "the cameras are gone");
}

/// Width and height of a PNG: the first chunk says it.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    let is_png = png.starts_with(b"\x89PNG\r\n\x1a\n");
    is_png.then_some((number(16)?, number(20)?))
}
