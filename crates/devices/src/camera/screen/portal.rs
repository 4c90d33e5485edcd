//! What the person picks in the desktop's own dialog: screens and windows of a Wayland session, which shows them to no program directly.
//!
//! The portal asks the person ([`bus`]) and names a node of PipeWire's, whose pictures are taken as those of an X server are: when their time
//! has come, and the newest only ([`stream`]). Nothing is tried again by itself, because that would open a dialog that nobody asked for, and
//! what was picked is remembered for nobody: it was picked for one stranger.

mod bus;
mod library;
mod picture;
mod pod;
mod stream;

use std::time::{Duration, Instant};

use media::video::{PicturePool, convert};

use self::bus::{Refusal, Session};
use self::library::Library;
use self::picture::Picture;
use self::stream::{Lost, Stream, Taken};
use super::super::{CameraSettings, FrameSink};
use super::REPEAT_AFTER;
use crate::schedule::Schedule;
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, DeviceState, Lacking};

/// A stream that does not run for so long has lost its source, or never had one.
const STALL: Duration = Duration::from_secs(10);
/// Where a stream ends, the portal says by then whether it was ended on purpose.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Whether a session's variables say that no program may read its screen by itself.
pub(super) fn is_wayland(display: Option<&str>, kind: Option<&str>) -> bool {
    display.is_some_and(|name| !name.is_empty()) || kind == Some("wayland")
}

/// What the person has picked, as a working device is called.
const SCREEN: &str = "screen";
const WINDOW: &str = "window";

/// Lets the person pick, and delivers pictures of that until the stop signal. Whatever ends it is told; [`DeviceState::Off`] says that the
/// person did.
pub(super) fn run(
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) {
    reporter.report(DeviceState::Opening);
    match share(settings, sink, stop, reporter) {
        Refusal::Stopped => {}
        Refusal::Declined => reporter.report(DeviceState::Off),
        Refusal::Problem(problem) => reporter.failed(problem),
    }
}

fn share(
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) -> Refusal {
    // Before somebody is asked to choose for nothing.
    let Some(library) = Library::find() else {
        return Refusal::Problem(DeviceProblem::SystemLacks(Lacking::PipeWire));
    };
    let fps = settings.fps.max(1);
    let opened = Session::open(stop).and_then(|mut session| {
        let granted = session.ask()?;
        let name = if granted.is_window { WINDOW } else { SCREEN };
        let stream = Stream::open(library, granted.remote, granted.node, fps);
        let stream = stream.map_err(Refusal::Problem)?;
        Ok((session, stream, name))
    });
    let (mut session, mut stream, name) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return refusal,
    };
    let mut schedule = Schedule::new(Instant::now(), fps, 1);
    let pool = PicturePool::default();
    let mut picture = Picture::default();
    let mut has_picture = false;
    let (mut delivered_at, mut runs_at) = (None::<Instant>, Instant::now());
    loop {
        let (_, due) = schedule.next(Instant::now());
        if !stop.sleep_until(due) {
            return Refusal::Stopped;
        }
        if session.is_closed() {
            return Refusal::Declined;
        }
        let now = Instant::now();
        match stream.take(&mut picture) {
            Ok(Taken::New) => {
                (has_picture, runs_at) = (true, now);
                delivered_at = None;
                reporter.working(name);
            }
            // A stream that runs owes nobody a picture but the first.
            Ok(Taken::Nothing) if has_picture => runs_at = now,
            Ok(Taken::Nothing | Taken::Idle) => {}
            Ok(Taken::Broken) => sink.count_broken(),
            Err(Lost::Failed(problem)) => return Refusal::Problem(problem),
            Err(Lost::Gone) => return last_word(&mut session, stop),
        }
        if now.saturating_duration_since(runs_at) >= STALL {
            return Refusal::Problem(DeviceProblem::Stalled);
        }
        let is_due = delivered_at.is_none_or(|at| now >= at + REPEAT_AFTER);
        if has_picture && is_due {
            delivered_at = Some(now);
            let (width, height) = (picture.width_px, picture.height_px);
            match convert::bgrx_to_i420(width, height, &picture.bgrx, now, &pool) {
                Ok(frame) => sink.put(frame),
                Err(_) => sink.count_broken(),
            }
        }
    }
}

/// The stream has ended: by the person's hand, which the portal says too, or because something is gone.
fn last_word(session: &mut Session<'_>, stop: &StopSignal) -> Refusal {
    let deadline = Instant::now() + LAST_WORD;
    loop {
        if session.is_closed() {
            return Refusal::Declined;
        }
        if Instant::now() >= deadline {
            return Refusal::Problem(DeviceProblem::Stalled);
        }
        if !stop.sleep(Duration::from_millis(20)) {
            return Refusal::Stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_wayland;

    #[test]
    fn a_wayland_session_is_known_by_its_display_or_by_what_it_calls_itself() {
        assert!(is_wayland(Some("wayland-0"), None));
        assert!(is_wayland(None, Some("wayland")));
        assert!(!is_wayland(Some(""), Some("x11")));
        assert!(!is_wayland(None, None));
    }
}
