//! Runs a command with virtual devices: the `lab` program of `crates/lab`, with its packages installed.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run};

pub(crate) fn run_in_lab(args: &[String]) -> Result<(), String> {
    packages::ensure(&["build", "run", "test"])?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    run(Command::new(binary("debug", "lab")).args(args))
}
