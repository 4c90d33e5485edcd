//! Tests that run inside of something that the lab makes.

use std::process::Command;

use lab::check::{Part, why_left_out};

/// Runs the ignored test of this file with that name inside of what `lab` makes with these arguments, if this machine can, with a
/// variable set for it.
pub(crate) fn run_inside(part: Part, lab: &[&str], variable: &str, test: &str) {
    if let Some(reason) = why_left_out(&[part]) {
        eprintln!("left out: {reason}");
        return;
    }
    let inside = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(lab)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(variable, "yes")
        .output()
        .unwrap();
    let said = [inside.stdout, inside.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    eprintln!("{said}");
    assert!(inside.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
