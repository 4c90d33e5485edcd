//! Measures calls, or the relay: the benches themselves are `call-bench` of `crates/headless` and `relay-bench` of
//! `crates/server`, built for speed.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run};

pub(crate) fn run_bench(args: &[String]) -> Result<(), String> {
    let (program, sections, args) = bench(args);
    packages::ensure(sections)?;
    println!("Building for speed ...");
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "server",
        "--package",
        "headless",
    ]))?;
    run(Command::new(binary("release", program)).args(args))
}

/// The program, the sections of packages that it needs, and what it is told.
fn bench(args: &[String]) -> (&'static str, &'static [&'static str], &[String]) {
    match args {
        // coturn, beside which the relay is measured, is among the packages for tests.
        [first, rest @ ..] if first == "relay" => ("relay-bench", &["build", "test"], rest),
        all => ("call-bench", &["build"], all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_is_measured_when_it_is_named_and_calls_otherwise() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let args = words("relay --streams 20");
        assert_eq!(
            bench(&args),
            ("relay-bench", &["build", "test"][..], &args[1..])
        );
        let args = words("--seconds 5");
        assert_eq!(bench(&args), ("call-bench", &["build"][..], &args[..]));
    }
}
