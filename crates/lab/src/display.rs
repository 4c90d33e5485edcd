//! A private X display: Xvfb on a free number, with openbox where it is installed.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::Context as _;

use crate::camera::Size;
use crate::command::{Running, Unavailable, run_inside};

/// How long Xvfb may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `command` on a display of its own and returns its exit code. OpenGL is drawn by the CPU.
///
/// # Errors
/// [`Unavailable`] if Xvfb is not installed; else if it or the command fails to start.
pub fn run(size: Size, command: &[OsString]) -> anyhow::Result<u8> {
    let mut server = Command::new("Xvfb");
    server
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            &format!("{}x{}x24", size.width_px, size.height_px),
        ])
        .args([
            "-nolisten",
            "tcp",
            "-noreset",
            "+extension",
            "GLX",
            "+extension",
            "RANDR",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Running::start_helper(&mut server)
        .map_err(|error| Unavailable(format!("Xvfb does not start ({error}); install xvfb")))?;
    let display = format!(":{}", number(&mut server)?);
    let variables = [
        ("DISPLAY".to_owned(), OsString::from(&display)),
        ("LIBGL_ALWAYS_SOFTWARE".to_owned(), OsString::from("1")),
        // A program that has the choice must not end up on the person's own screen.
        ("WAYLAND_DISPLAY".to_owned(), OsString::new()),
    ];
    let mut manager = Command::new("openbox");
    manager
        .env("DISPLAY", &display)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Without a window manager there is still a display; it is dropped, and ended, after the command.
    let _manager = Running::start_helper(&mut manager).ok();
    run_inside(command, &variables)
}

/// The display number, which Xvfb prints as soon as it takes connections.
fn number(server: &mut Running) -> anyhow::Result<u32> {
    let stdout = server
        .child()
        .stdout
        .take()
        .context("the output was piped")?;
    let (lines, line) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = BufReader::new(stdout).read_line(&mut text).map(|_| text);
        // Nobody waits any more if it took too long.
        lines.send(read).ok();
    });
    let text = line
        .recv_timeout(PATIENCE)
        .context("Xvfb does not come up")??;
    text.trim().parse().context("Xvfb ended without a display")
}
