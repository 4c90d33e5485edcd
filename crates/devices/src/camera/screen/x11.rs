//! Screens and windows of an X11 session, over the X protocol: monitors from `RandR`, windows from the window manager's list (EWMH), their
//! contents from Composite although others may lie over them, and the pointer from `XFixes`.

mod cursor;
mod grabber;

use std::time::Instant;

use media::video::{PicturePool, Scaler, VideoFrame, convert};
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, MapState, Window};
use x11rb::rust_connection::RustConnection;

use self::grabber::Grabber;
use super::super::{CameraSettings, FrameSink};
use super::{REPEAT_AFTER, Shareable};
use crate::schedule::Schedule;
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, VideoSource};

/// More windows than anybody picks from are not listed.
const MAX_WINDOWS: usize = 100;
/// Of a title, in units of four bytes.
const MAX_TITLE_UNITS: u32 = 128;

/// A connection to the session's X server.
struct Session {
    connection: RustConnection,
    root: Window,
}

/// A monitor, as part of the root window.
struct Monitor {
    name: String,
    is_primary: bool,
    x: i16,
    y: i16,
    width: u16,
    height: u16,
}

impl Session {
    fn open() -> Result<Self, DeviceProblem> {
        let (connection, number) = x11rb::connect(None).map_err(|error| {
            tracing::debug!(%error, "no X server");
            DeviceProblem::Other("there is no X11 session whose screen could be shared".to_owned())
        })?;
        let screen = connection.setup().roots.get(number);
        let root = screen.ok_or(DeviceProblem::NotFound)?.root;
        Ok(Self { connection, root })
    }

    /// The monitors, the main one first. Where there is no `RandR`, the whole of the root window.
    fn monitors(&self) -> Result<Vec<Monitor>, DeviceProblem> {
        let reply = self.connection.randr_get_monitors(self.root, true);
        let told = reply.ok().and_then(|cookie| cookie.reply().ok());
        let mut monitors = Vec::new();
        for info in told.into_iter().flat_map(|reply| reply.monitors) {
            let name = self.connection.get_atom_name(info.name).map_err(lost)?;
            let name = name.reply().map_err(failed)?.name;
            monitors.push(Monitor {
                name: String::from_utf8_lossy(&name).into_owned(),
                is_primary: info.primary,
                x: info.x,
                y: info.y,
                width: info.width,
                height: info.height,
            });
        }
        if monitors.is_empty() {
            let geometry = self.connection.get_geometry(self.root).map_err(lost)?;
            let geometry = geometry.reply().map_err(failed)?;
            monitors.push(Monitor {
                name: "screen".to_owned(),
                is_primary: true,
                x: 0,
                y: 0,
                width: geometry.width,
                height: geometry.height,
            });
        }
        monitors.sort_by_key(|monitor| !monitor.is_primary);
        Ok(monitors)
    }

    fn atom(&self, name: &str) -> Result<Atom, DeviceProblem> {
        let cookie = self
            .connection
            .intern_atom(false, name.as_bytes())
            .map_err(lost)?;
        Ok(cookie.reply().map_err(failed)?.atom)
    }

    /// The windows that a window manager shows in its lists, those in front first; none where nobody manages them.
    fn windows(&self) -> Result<Vec<Shareable>, DeviceProblem> {
        let property = self.atom("_NET_CLIENT_LIST_STACKING")?;
        let list = self
            .connection
            .get_property(false, self.root, property, AtomEnum::WINDOW, 0, 1024)
            .map_err(lost)?
            .reply()
            .map_err(failed)?;
        let ids: Vec<_> = list.value32().into_iter().flatten().collect();
        let (name, utf8) = (self.atom("_NET_WM_NAME")?, self.atom("UTF8_STRING")?);
        let process = self.atom("_NET_WM_PID")?;
        let windows = ids.into_iter().rev().take(MAX_WINDOWS);
        // One that is closed meanwhile is left out.
        Ok(windows
            .filter_map(|id| self.window(id, [name, utf8, process]))
            .collect())
    }

    fn window(&self, id: Window, [name, utf8, process]: [Atom; 3]) -> Option<Shareable> {
        let connection = &self.connection;
        let property = |property, kind: Atom| {
            let cookie = connection.get_property(false, id, property, kind, 0, MAX_TITLE_UNITS);
            cookie.ok()?.reply().ok()
        };
        let owner = property(process, AtomEnum::CARDINAL.into())?;
        let is_ours =
            owner.value32().and_then(|mut value| value.next()) == Some(std::process::id());
        let attributes = connection.get_window_attributes(id).ok()?.reply().ok()?;
        if is_ours || attributes.map_state != MapState::VIEWABLE {
            return None;
        }
        let geometry = connection.get_geometry(id).ok()?.reply().ok()?;
        let title = property(name, utf8).filter(|title| !title.value.is_empty());
        let title = match title {
            Some(title) => title,
            None => property(AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())?,
        };
        Some(Shareable {
            source: VideoSource::Window(id),
            title: String::from_utf8_lossy(&title.value).into_owned(),
            width_px: geometry.width.into(),
            height_px: geometry.height.into(),
        })
    }
}

pub(super) fn list() -> Result<Vec<Shareable>, DeviceProblem> {
    let session = Session::open()?;
    let screens = session.monitors()?.into_iter().map(|monitor| Shareable {
        source: VideoSource::Screen(Some(monitor.name.clone())),
        title: monitor.name,
        width_px: monitor.width.into(),
        height_px: monitor.height.into(),
    });
    Ok(screens.chain(session.windows()?).collect())
}

pub(super) fn share(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) -> Result<(), DeviceProblem> {
    let mut grabber = Grabber::open(Session::open()?, source)?;
    reporter.working(&source.to_string());
    let mut schedule = Schedule::new(Instant::now(), settings.fps.max(1), 1);
    let mut delivered_at: Option<Instant> = None;
    let pool = PicturePool::default();
    loop {
        let (_, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) {
            return Ok(());
        }
        let captured_at = Instant::now();
        let image = grabber.grab()?;
        let is_recent = delivered_at.is_some_and(|at| captured_at < at + REPEAT_AFTER);
        if is_recent && !image.is_new {
            continue;
        }
        delivered_at = Some(captured_at);
        let frame = convert::bgrx_to_i420(
            image.width_px,
            image.height_px,
            image.bgrx,
            captured_at,
            &pool,
        );
        match frame {
            Ok(frame) => sink.put(frame),
            Err(_) => sink.count_broken(),
        }
    }
}

/// A window that is being shared anyhow is read once more for this, by a client of its own.
pub(super) fn preview(
    source: &VideoSource,
    most_px: (u32, u32),
) -> Result<VideoFrame, DeviceProblem> {
    let mut grabber = Grabber::open(Session::open()?, source)?;
    let image = grabber.grab()?;
    let size_px = (image.width_px, image.height_px);
    let unusable = |_| DeviceProblem::NoUsableFormat;
    // One look is one picture: its memory is used by nobody after it.
    let pool = PicturePool::default();
    let frame = convert::bgrx_to_i420(size_px.0, size_px.1, image.bgrx, Instant::now(), &pool);
    let frame = frame.map_err(unusable)?;
    let scaled = Scaler::default().scale(&frame, super::fitted(size_px, most_px));
    scaled.map_err(unusable)
}

fn lost(error: x11rb::errors::ConnectionError) -> DeviceProblem {
    failed(error.into())
}

/// What became of a request.
fn failed(error: x11rb::errors::ReplyError) -> DeviceProblem {
    match error {
        // A window that is closed, or a monitor that is unplugged.
        x11rb::errors::ReplyError::X11Error(_) => DeviceProblem::Unplugged,
        error @ x11rb::errors::ReplyError::ConnectionError(_) => {
            DeviceProblem::Other(error.to_string())
        }
    }
}
