//! The `lab` program of `crates/lab`, with its packages installed: a command with virtual devices, or experiments on a
//! virtual network.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run, workspace};

/// What is run when nothing is said: all experiments on the network.
const DEFAULT: &str = "network";

pub(crate) fn run_in_lab(args: &[String]) -> Result<(), String> {
    packages::ensure(&["build", "run", "test"])?;
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    let mut lab = Command::new(binary("debug", "lab"));
    if args.is_empty() {
        lab.arg(DEFAULT);
    }
    run(lab.args(args))
}

/// A browser and a headless stranger call each other, on the network of the lab.
pub(crate) fn interop(args: &[String]) -> Result<(), String> {
    let args: Vec<String> = std::iter::once("interop".to_owned())
        .chain(args.iter().cloned())
        .collect();
    run_in_lab(&args)
}

/// Two real windows meet, are used with real keys and mouse buttons, and leave pictures of all that is seen.
pub(crate) fn tour(args: &[String]) -> Result<(), String> {
    let mut words = vec!["tour".to_owned()];
    words.extend_from_slice(args);
    let has_folder = |word: &String| word == "--to" || word.starts_with("--to=");
    if !args.iter().any(has_folder) {
        let folder = workspace().join("target").join("tour");
        words.extend(["--to".to_owned(), folder.display().to_string()]);
    }
    run_in_lab(&words)
}
