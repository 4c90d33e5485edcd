//! Measures calls: the bench itself is `call-bench` of `crates/headless`, built for speed.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run};

pub(crate) fn run_bench(args: &[String]) -> Result<(), String> {
    packages::ensure(&["build"])?;
    println!("Building for speed ...");
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "server",
        "--package",
        "headless",
    ]))?;
    run(Command::new(binary("release", "call-bench")).args(args))
}
