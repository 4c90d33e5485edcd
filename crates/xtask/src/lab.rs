//! The `lab` program of `crates/lab`, with its packages installed: a command with virtual devices, or experiments on a
//! virtual network.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run};

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
