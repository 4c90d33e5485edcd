//! Calls to look at: `demo`, `pair` and `gallery`.

use std::process::Command;
use std::time::Duration;

use crate::packages;
use crate::process::{Running, binary, cargo, run};

/// What demo strangers like to talk about, so that they find each other.
const INTEREST: &str = "demo";
/// How long a demo without a window lasts, in seconds, unless it is told otherwise.
const WINDOWLESS_SECONDS: u32 = 15;

/// Server, synthetic stranger and the desktop window in a call; without a display, two windowless peers.
pub(crate) fn demo(args: &[String]) -> Result<(), String> {
    let seconds = seconds(args)?;
    packages::ensure(&["build", "run"])?;
    build()?;
    let (_server, url) = start_server()?;
    let _stranger = Running::start(headless(&url).args(["--calls", "0", "--quiet"]))?;
    if has_display() {
        println!("A synthetic stranger is waiting. Close the window to end the demo.");
        let mut window = desktop(&url);
        window.args([
            "--start",
            "--agree",
            "--unveiled",
            "--interests",
            INTEREST,
            "--no-settings",
        ]);
        let window = Running::start(&mut window)?;
        match seconds {
            Some(seconds) => window.wait_at_most(Duration::from_secs(seconds.into())),
            None => window.wait(),
        }
    } else {
        let seconds = seconds.unwrap_or(WINDOWLESS_SECONDS);
        println!("There is no display, so the same call runs without a window, for {seconds} s:");
        let mut peer = headless(&url);
        peer.args(["--calls", "1", "--seconds", &seconds.to_string()]);
        Running::start(&mut peer)?.wait()
    }
}

/// Server and two desktop windows.
pub(crate) fn pair() -> Result<(), String> {
    packages::ensure(&["build", "run"])?;
    if !has_display() {
        return Err(
            "two windows need a display; try `cargo xtask lab display -- cargo xtask pair`"
                .to_owned(),
        );
    }
    build()?;
    let (_server, url) = start_server()?;
    // Without settings, or the second one would only bring the first to the front.
    let window = || Running::start(desktop(&url).args(["--no-settings", "--agree", "--unveiled"]));
    let (one, two) = (window()?, window()?);
    one.wait()?;
    two.wait()
}

/// Every screen with made-up data.
pub(crate) fn gallery() -> Result<(), String> {
    packages::ensure(&["build", "run"])?;
    run(cargo().args(["run", "--package", "desktop", "--example", "gallery"]))
}

fn build() -> Result<(), String> {
    println!("Building (the first time takes several minutes) ...");
    // The whole workspace at once, so that dependencies get one set of features for all programs.
    run(cargo().args(["build", "--workspace", "--bins"]))
}

fn start_server() -> Result<(Running, String), String> {
    let mut server = Command::new(binary("debug", "passerby-server"));
    Running::start_and_wait_for(server.args(["--listen", "127.0.0.1:0"]), "listening on ")
}

fn headless(url: &str) -> Command {
    let mut command = Command::new(binary("debug", "passerby-headless"));
    command.args([
        "--server",
        url,
        "--video",
        "pattern",
        "--audio",
        "tone",
        "--interests",
        INTEREST,
    ]);
    command
}

/// A window with real devices where there are any, and synthetic ones where not.
fn desktop(url: &str) -> Command {
    let mut command = Command::new(binary("debug", "passerby"));
    command.args(["--server", url]);
    if !has_camera() {
        println!("There is no camera: the window sends a test picture.");
        command.args(["--video", "pattern"]);
    }
    if !has_sound() {
        println!("There is no sound card: the window sends a tone and plays nothing.");
        command.args(["--audio", "tone", "--speaker", "none"]);
    }
    command
}

fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

fn has_camera() -> bool {
    let is_video =
        |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("video");
    !cfg!(target_os = "linux")
        || std::fs::read_dir("/dev").is_ok_and(|entries| entries.flatten().any(is_video))
}

fn has_sound() -> bool {
    let is_card = |line: &str| {
        line.trim_start()
            .starts_with(|first: char| first.is_ascii_digit())
    };
    !cfg!(target_os = "linux")
        || std::env::var_os("PULSE_SERVER").is_some()
        || std::fs::read_to_string("/proc/asound/cards")
            .is_ok_and(|cards| cards.lines().any(is_card))
}

fn seconds(args: &[String]) -> Result<Option<u32>, String> {
    match args {
        [] => Ok(None),
        [flag, seconds] if flag == "--seconds" => {
            let seconds = seconds
                .parse()
                .map_err(|_| format!("{seconds:?} is no number of seconds"))?;
            Ok(Some(seconds))
        }
        _ => Err("demo takes --seconds N and nothing else".to_owned()),
    }
}
