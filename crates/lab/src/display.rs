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

/// A display of one's own, for as long as this lives. OpenGL is drawn by the CPU.
#[derive(Debug)]
pub(crate) struct Display {
    name: String,
    // Ended in this order.
    _manager: Option<Running>,
    _server: Running,
}

impl Display {
    /// Starts a display and its window manager.
    ///
    /// # Errors
    /// [`Unavailable`] if Xvfb is not installed; else if it fails to start.
    pub(crate) fn start(size: Size) -> anyhow::Result<Self> {
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
        let name = format!(":{}", number(&mut server)?);
        let mut manager = Command::new("openbox");
        manager
            .env("DISPLAY", &name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Without a window manager there is still a display.
        let manager = Running::start_helper(&mut manager).ok();
        Ok(Self {
            name,
            _manager: manager,
            _server: server,
        })
    }

    /// What programs call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What leads a program to it.
    pub(crate) fn variables(&self) -> Vec<(String, OsString)> {
        vec![
            ("DISPLAY".to_owned(), OsString::from(&self.name)),
            ("LIBGL_ALWAYS_SOFTWARE".to_owned(), OsString::from("1")),
            // A program that has the choice must not end up on the person's own screen.
            ("WAYLAND_DISPLAY".to_owned(), OsString::new()),
            ("XDG_SESSION_TYPE".to_owned(), OsString::from("x11")),
        ]
    }
}

/// Runs `command` on a display of its own and returns its exit code. OpenGL is drawn by the CPU.
///
/// # Errors
/// [`Unavailable`] if Xvfb is not installed; else if it or the command fails to start.
pub fn run(size: Size, command: &[OsString]) -> anyhow::Result<u8> {
    let display = Display::start(size)?;
    run_inside(command, &display.variables())
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
