//! Every check, in the order in which a mistake is found cheapest.

use std::process::Command;
use std::time::Instant;

use crate::packages::{self, is_on_path};
use crate::process::{binary, cargo, run};

/// Tells the tests that need the lab which parts of it there are: they must run, and those that need others are left out.
const LAB_SWITCH: &str = "PASSERBY_LAB";

/// Runs every check that can run here, and names those that cannot.
///
/// # Errors
/// Names the checks that failed.
pub(crate) fn run_checks() -> Result<(), String> {
    packages::ensure(&["build", "run", "package", "test"])?;
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
    let lab = Lab::ask();
    for (part, reason) in &lab.missing {
        println!("\nNOT ALL IS TESTED: the lab has no {part} here: {reason}");
        report.skip(&format!("lab tests that need the {part}"), reason);
    }
    tests.env(LAB_SWITCH, lab.switch());
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // The software driver that draws the pictures of the window complains about its absence, once per picture.
        tests.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    }
    report.step("tests", &mut tests);
    if cfg!(target_os = "linux") && is_on_path("dpkg-deb") {
        match std::env::current_exe() {
            Ok(this) => {
                let mut package = Command::new(this);
                // The tests have been built, and the programs with them.
                package.args(["package", "--profile", "debug", "--built", "--check"]);
                report.step("packages", &mut package);
            }
            Err(error) => report.skip("packages", &error.to_string()),
        }
    } else {
        report.skip("packages", "this is no Debian system");
    }
    report.tool(
        "licences and advisories",
        "cargo-deny",
        cargo().args(["deny", "--offline", "check", "bans", "licenses", "sources"]),
    );
    report.tool("spelling", "typos", &mut Command::new("typos"));
    report.end()
}

/// Which parts of the lab this machine can run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lab {
    present: Vec<String>,
    /// With the reason.
    missing: Vec<(String, String)>,
}

impl Lab {
    /// Asks the lab itself. The tests have been built, and the lab with them.
    fn ask() -> Self {
        match Command::new(binary("debug", "lab")).arg("check").output() {
            Ok(output) => Self::read(
                &String::from_utf8_lossy(&output.stdout),
                &String::from_utf8_lossy(&output.stderr),
            ),
            Err(error) => Self::read("", &error.to_string()),
        }
    }

    /// Reads lines like "sound: yes" and "camera: no: needs root". `complaint` is the reason if there are none.
    fn read(said: &str, complaint: &str) -> Self {
        let mut lab = Self::default();
        for (part, answer) in said.lines().filter_map(|line| line.split_once(": ")) {
            if answer == "yes" {
                lab.present.push(part.to_owned());
            } else {
                let reason = answer.trim_start_matches("no: ");
                lab.missing.push((part.to_owned(), reason.to_owned()));
            }
        }
        if lab == Self::default() {
            let all =
                "camera, sound, display, network, browser, accessibility or wayland".to_owned();
            lab.missing.push((all, complaint.trim().to_owned()));
        }
        lab
    }

    /// What the tests are told: "on", "off" or the parts that there are.
    fn switch(&self) -> String {
        if self.missing.is_empty() {
            "on".to_owned()
        } else if self.present.is_empty() {
            "off".to_owned()
        } else {
            self.present.join(",")
        }
    }
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
            .push(format!("SKIPPED           {name}: {reason}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_is_missing_leaves_the_others_on() {
        let lab = Lab::read("camera: no: needs root\nsound: yes\nnetwork: yes\n", "");
        assert_eq!(lab.switch(), "sound,network");
        let missing = ("camera".to_owned(), "needs root".to_owned());
        assert_eq!(lab.missing, [missing]);
        assert_eq!(Lab::read("camera: yes\nsound: yes\n", "").switch(), "on");
    }

    #[test]
    fn a_lab_that_cannot_be_asked_is_off_and_says_why() {
        let lab = Lab::read("", "lab: cannot run here: it needs Linux\n");
        assert_eq!(lab.switch(), "off");
        assert_eq!(lab.missing[0].1, "lab: cannot run here: it needs Linux");
    }
}
