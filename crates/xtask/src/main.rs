//! How Passerby is set up, run and tested: `cargo xtask`.
//!
//! One list of tasks that people and CI follow. Each task says what it does, installs what it needs and fails in words.

mod bench;
mod demo;
mod lab;
mod package;
mod packages;
mod process;
mod simulate;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo [--seconds N]   a call on this machine: server, synthetic stranger and the desktop window
                                 (without a display: windowless, with live statistics)
cargo xtask pair                 server and two desktop windows
cargo xtask test                 every check: format, clippy, docs, tests, and the lab tests that can run here
cargo xtask lab [NAME ARGS..]     experiments on a virtual network (all, or matrix, change, relayed, next, server-death, loss),
                                 or on what is left of an echo (echo); or runs a command with a virtual camera, sound or display (see docs/lab.md)
cargo xtask interop [--calls N]  a real Chromium calls a headless stranger and is called by it: a table of what was checked
cargo xtask tour [--size WxH]    two real windows meet and are used with real keys and mouse: numbered pictures of every screen at
                                 1280x800, 800x600 and 390x720 (docs/lab.md)
cargo xtask bench [ARGS..]       measures calls and prints a table
cargo xtask bench frames [ARGS..] where the milliseconds of a picture go, and the CPU time, thread by thread (docs/frames.md)
cargo xtask bench show [ARGS..]  what it costs to show pictures, as planes and as RGBA in turn (docs/frames.md)
cargo xtask bench relay [ARGS..] measures how much the server's relay carries, beside coturn
cargo xtask bench --quality [ARGS..]
                                 Passerby beside Chromium: pictures and sound on good and bad networks (docs/quality.md)
cargo xtask bench --window [ARGS..]
                                 what the window costs: its start, idle, in a call, hidden (docs/window.md)
cargo xtask bench --server [ARGS..]
                                 the signalling server beside a bare one: memory, processor time, delay, what joining costs,
                                 and with --soak SECONDS whether it stays well (docs/operating.md)
cargo xtask bench --cluster [ARGS..]
                                 how many pairs a second servers make over one Redis (docs/scaling.md)
cargo xtask package [--check]    packages, in target/package: Debian's of the window and of the server; on macOS an app, on Windows an
                                 installer of the window; --check tries them, --profile debug takes the development build, --built
                                 builds nothing, --for macos|windows --program FILE packs a program that was built elsewhere
cargo xtask icons                draws the icon for macOS and Windows anew (assets/icon)
cargo xtask simulate             crowds who are matched, in virtual time: writes the tables and charts of docs/matching.md
cargo xtask gallery              every screen of the window with made-up data
cargo xtask setup                installs the system packages for all of these, and nothing else
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args
        .split_first()
        .map_or(("help", &[][..]), |(t, r)| (t.as_str(), r));
    let result = match task {
        "demo" => demo::demo(rest),
        "pair" => demo::pair(),
        "test" => test::run_checks(),
        "lab" => lab::run_in_lab(rest),
        "interop" => lab::interop(rest),
        "tour" => lab::tour(rest),
        "bench" => bench::run_bench(rest),
        "package" => package::package(rest),
        "icons" => package::icons(),
        "simulate" => simulate::run_simulation(),
        "gallery" => demo::gallery(),
        "setup" => packages::ensure(&["build", "run", "package", "test"]),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no task {other:?}\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
