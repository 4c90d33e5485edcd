//! Every check, in the order in which a mistake is found cheapest.

use std::process::Command;
use std::time::Instant;

use crate::packages::{self, is_on_path};
use crate::process::{binary, cargo, run};

/// Tells the tests that need the lab that they must run ("on") or are left out ("off").
const LAB_SWITCH: &str = "PASSERBY_LAB";

/// Runs every check that can run here, and names those that cannot.
///
/// # Errors
/// Names the checks that failed.
pub(crate) fn run_checks() -> Result<(), String> {
    packages::ensure(&["build", "run", "test"])?;
    let mut report = Report::default();
    report.step("format", cargo().args(["fmt", "--all", "--check"]));
    report.step(
        "clippy",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    );
    report.step(
        "docs",
        cargo()
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
    );
    report.step(
        "building the tests",
        cargo().args(["test", "--workspace", "--no-run"]),
    );
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    match why_no_lab() {
        None => {
            tests.env(LAB_SWITCH, "on");
        }
        Some(reason) => {
            tests.env(LAB_SWITCH, "off");
            report.skip(
                "the lab tests (virtual camera, sound, display and network)",
                &reason,
            );
        }
    }
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // The software driver that draws the pictures of the window complains about its absence, once per picture.
        tests.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    }
    report.step("tests", &mut tests);
    report.tool(
        "licences and advisories",
        "cargo-deny",
        cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]),
    );
    report.tool("spelling", "typos", &mut Command::new("typos"));
    report.end()
}

/// Why the lab cannot run on this machine, if it cannot. The tests have been built, and the lab with them.
fn why_no_lab() -> Option<String> {
    let output = match Command::new(binary("debug", "lab")).arg("check").output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => output.stderr,
        Err(error) => return Some(format!("the lab could not be asked: {error}")),
    };
    Some(String::from_utf8_lossy(&output).trim().to_owned())
}

#[derive(Default)]
struct Report {
    lines: Vec<String>,
    failed: Vec<&'static str>,
}

impl Report {
    fn step(&mut self, name: &'static str, command: &mut Command) {
        println!("\n== {name}");
        let began = Instant::now();
        let result = run(command);
        let seconds = began.elapsed().as_secs();
        match result {
            Ok(()) => self.lines.push(format!("ok       {seconds:>5} s  {name}")),
            Err(message) => {
                println!("{message}");
                self.lines.push(format!("FAILED   {seconds:>5} s  {name}"));
                self.failed.push(name);
            }
        }
    }

    /// A check by a tool that is not part of the toolchain; CI on the hosting site always has it.
    fn tool(&mut self, name: &'static str, program: &str, command: &mut Command) {
        if is_on_path(program) {
            self.step(name, command);
        } else {
            self.skip(name, &format!("{program} is not installed"));
        }
    }

    fn skip(&mut self, name: &str, reason: &str) {
        self.lines
            .push(format!("skipped           {name}: {reason}"));
    }

    fn end(self) -> Result<(), String> {
        println!("\n== summary");
        for line in &self.lines {
            println!("{line}");
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", self.failed.join(", ")))
        }
    }
}
