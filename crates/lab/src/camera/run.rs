//! The one loop that owns the camera: requests, commands and the clock, in the order in which they come.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::CameraOptions;
use super::control::{Control, Pipe};
use super::device::Device;
use super::fuse::{Meaning, Session};
use crate::command::{Running, TICK, Unavailable};
use crate::ffi;

/// What happens to the camera.
#[derive(Debug)]
pub(super) enum Event {
    /// A program did something with the node.
    Request { session: u64, bytes: Vec<u8> },
    /// The last program closed an unplugged node.
    Ended { session: u64 },
    /// Somebody wants the camera to misbehave.
    Control(Control),
}

/// More than the kernel has under way at a time; beyond that the reading threads wait.
const EVENTS: usize = 64;

/// How long programs that outlive the command may take to close a camera that is pulled out at the end.
const LAST_CLOSE: Duration = Duration::from_secs(1);

/// Plugs the camera in, runs `command`, pulls the camera out, and returns the command's exit code.
///
/// # Errors
/// [`Unavailable`] without root or FUSE passthrough; else if the clip cannot be used, the node exists already, or the
/// command cannot be started.
pub fn run(options: &CameraOptions, command: &[OsString]) -> anyhow::Result<u8> {
    if !ffi::is_root() {
        return Err(Unavailable("the camera needs root, for mounting".to_owned()).into());
    }
    clear_remains(&options.device)?;
    let device = Device::new(options)?;
    let (sender, events) = sync_channel(EVENTS);
    let _pipe = options
        .control
        .as_deref()
        .map(|path| Pipe::open(path, sender.clone()))
        .transpose()?;
    let mut camera = Camera {
        device,
        path: &options.device,
        sessions: Vec::new(),
        next_id: 0,
        events: sender,
    };
    camera.plug()?;
    let result = camera.serve(&events, command);
    camera.pull_out(&events);
    result
}

/// Takes away what a killed predecessor left: a mount that nobody serves.
fn clear_remains(path: &Path) -> anyhow::Result<()> {
    match path.metadata() {
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
            ffi::unmount(path).with_context(|| format!("unmounting {}", path.display()))?;
            std::fs::remove_file(path).with_context(|| path.display().to_string())
        }
        Err(_) => Ok(()),
        Ok(_) => bail!("{} exists already", path.display()),
    }
}

struct Camera<'a> {
    device: Device,
    path: &'a Path,
    /// The plugged one, if any, and those that programs still have open.
    sessions: Vec<Session>,
    next_id: u64,
    events: SyncSender<Event>,
}

impl Camera<'_> {
    fn plug(&mut self) -> anyhow::Result<()> {
        self.sessions.push(Session::mount(
            self.next_id,
            self.path,
            self.events.clone(),
        )?);
        self.next_id += 1;
        Ok(())
    }

    fn serve(&mut self, events: &Receiver<Event>, command: &[OsString]) -> anyhow::Result<u8> {
        let mut running: Option<Running> = None;
        loop {
            let now = Instant::now();
            let next = self
                .device
                .next_at()
                .map_or(TICK, |at| at.saturating_duration_since(now));
            match events.recv_timeout(next.min(TICK)) {
                Ok(event) => {
                    let is_ready = self.on_event(event)?;
                    // Nothing may touch the node before the kernel and we have agreed on how to talk.
                    if is_ready && running.is_none() {
                        running = Some(Running::start(command, &[])?);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the camera lost its requests"),
            }
            if self.device.tick(Instant::now())? {
                for session in &mut self.sessions {
                    session.wake(&mut self.device);
                }
            }
            if let Some(running) = &mut running
                && let Some(code) = running.exit_code()?
            {
                return Ok(code);
            }
        }
    }

    /// Takes the camera away as a hand would: programs that still have it open are told that it is gone, which a
    /// vanished FUSE server would not tell them.
    fn pull_out(&mut self, events: &Receiver<Event>) {
        let since = Instant::now();
        self.unplug();
        while !self.sessions.is_empty() && since.elapsed() < LAST_CLOSE {
            if let Ok(event) = events.recv_timeout(TICK) {
                // Whatever fails now would fail because everything ends.
                self.on_event(event).ok();
            }
        }
    }

    fn unplug(&mut self) {
        if let Some(plugged) = self
            .sessions
            .iter_mut()
            .find(|session| session.is_plugged())
        {
            self.device.reset();
            plugged.unplug(&mut self.device);
        }
    }

    /// Returns whether a mount became usable by this.
    fn on_event(&mut self, event: Event) -> anyhow::Result<bool> {
        match event {
            Event::Request { session, bytes } => {
                let Some(session) = self.sessions.iter_mut().find(|known| known.id == session)
                else {
                    return Ok(false);
                };
                match session.handle(&bytes, &mut self.device)? {
                    Meaning::Nothing => Ok(false),
                    Meaning::Ready => Ok(true),
                    Meaning::NoPassthrough => Err(Unavailable(
                        "the kernel has no FUSE passthrough (Linux 6.9)".to_owned(),
                    )
                    .into()),
                }
            }
            Event::Ended { session } => {
                let is_lost = |known: &Session| known.id == session && known.is_plugged();
                ensure!(
                    !self.sessions.iter().any(is_lost),
                    "somebody unmounted {}",
                    self.path.display()
                );
                self.sessions.retain(|known| known.id != session);
                Ok(false)
            }
            Event::Control(control) => self.on_control(control).map(|()| false),
        }
    }

    fn on_control(&mut self, control: Control) -> anyhow::Result<()> {
        match control {
            Control::Stall => self.device.is_stalled = true,
            Control::Resume => self.device.is_stalled = false,
            Control::Busy(is_busy) => self.device.is_busy = is_busy,
            Control::Truncate(count) => self.device.truncate = count,
            Control::Unplug => self.unplug(),
            Control::Plug => {
                if !self.sessions.iter().any(Session::is_plugged) {
                    self.plug()?;
                }
            }
        }
        Ok(())
    }
}
