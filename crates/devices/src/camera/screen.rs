//! A screen or a window as a camera.
//!
//! Passerby reads the screens of X11 sessions by itself. A Wayland session shows its screen to no program directly: there the person picks in
//! the desktop's own dialog. Other systems are not supported yet, which is said in words.

#[cfg(target_os = "linux")]
mod portal;
#[cfg(target_os = "linux")]
mod x11;

#[cfg(target_os = "linux")]
use std::time::Duration;

use media::video::VideoFrame;

use super::{CameraSettings, FrameSink};
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, VideoSource, retry};

/// A picture that shows nothing new is delivered all the same after so long: somebody may have begun to watch.
#[cfg(target_os = "linux")]
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// A screen or a window that can be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shareable {
    /// What to ask for.
    pub source: VideoSource,
    /// What people call it: a monitor's name, or a window's title.
    pub title: String,
    /// Its width in pixels at present.
    pub width_px: u32,
    /// Its height in pixels at present.
    pub height_px: u32,
}

/// Whether the desktop lets the person pick what to share, in a dialog of its own with previews ([`VideoSource::Portal`]), and shows no list
/// of it to programs.
pub fn is_screen_picked_by_desktop() -> bool {
    look::is_picked_by_desktop()
}

/// What can be shared now: screens first, then windows, those in front first.
///
/// # Errors
/// [`DeviceProblem`] where the system shows nothing to us.
pub fn list_shareable() -> Result<Vec<Shareable>, DeviceProblem> {
    look::list()
}

/// A small picture of a screen or a window as it is now, that fits into `most_px`, which is even.
///
/// # Errors
/// [`DeviceProblem`] where it cannot be read.
pub fn preview(source: &VideoSource, most_px: (u32, u32)) -> Result<VideoFrame, DeviceProblem> {
    look::preview(source, most_px)
}

/// The largest even size with the proportions of `size_px` that fits into `most_px`, and no larger than it is.
fn fitted(size_px: (u32, u32), most_px: (u32, u32)) -> (u32, u32) {
    let share = |most: u32, size: u32| f64::from(most) / f64::from(size.max(1));
    let scale = share(most_px.0, size_px.0)
        .min(share(most_px.1, size_px.1))
        .min(1.0);
    let side = |size: u32| ((f64::from(size) * scale / 2.0).round() as u32).max(1) * 2;
    (side(size_px.0), side(size_px.1))
}

/// Delivers pictures of `source` until the stop signal. A picture that shows nothing new is left out, but for one now and then.
pub(super) fn run(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) {
    if *source == VideoSource::Portal {
        look::share_picked(settings, sink, stop, reporter);
        return;
    }
    let mut failures = 0;
    loop {
        let Err(problem) = look::share(source, settings, sink, stop, reporter) else {
            return;
        };
        failures += 1;
        let pause = retry::delay(&problem, failures);
        reporter.failed(problem);
        if !stop.sleep(pause) {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
mod look {
    use super::{
        CameraSettings, DeviceProblem, FrameSink, Reporter, Shareable, StopSignal, VideoFrame,
        VideoSource, portal, x11,
    };

    /// Whatever else runs inside of such a session.
    pub(super) fn is_picked_by_desktop() -> bool {
        let variable = |name| std::env::var(name).ok();
        let (display, kind) = (variable("WAYLAND_DISPLAY"), variable("XDG_SESSION_TYPE"));
        portal::is_wayland(display.as_deref(), kind.as_deref())
    }

    fn check() -> Result<(), DeviceProblem> {
        if is_picked_by_desktop() {
            return Err(DeviceProblem::Other(
                "a Wayland session shows its screens to no program by their names; what you pick in its own dialog is called `portal`"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn share_picked(
        settings: CameraSettings,
        sink: &FrameSink,
        stop: &StopSignal,
        reporter: &Reporter,
    ) {
        portal::run(settings, sink, stop, reporter);
    }

    pub(super) fn list() -> Result<Vec<Shareable>, DeviceProblem> {
        check()?;
        x11::list()
    }

    pub(super) fn share(
        source: &VideoSource,
        settings: CameraSettings,
        sink: &FrameSink,
        stop: &StopSignal,
        reporter: &Reporter,
    ) -> Result<(), DeviceProblem> {
        check()?;
        x11::share(source, settings, sink, stop, reporter)
    }

    pub(super) fn preview(
        source: &VideoSource,
        most_px: (u32, u32),
    ) -> Result<VideoFrame, DeviceProblem> {
        check()?;
        x11::preview(source, most_px)
    }
}

#[cfg(not(target_os = "linux"))]
mod look {
    use super::{
        CameraSettings, DeviceProblem, FrameSink, Reporter, Shareable, StopSignal, VideoFrame,
        VideoSource,
    };

    fn unsupported() -> DeviceProblem {
        DeviceProblem::Other("screens cannot be shared on this system yet".to_owned())
    }

    pub(super) fn is_picked_by_desktop() -> bool {
        false
    }

    pub(super) fn share_picked(
        _: CameraSettings,
        _: &FrameSink,
        _: &StopSignal,
        reporter: &Reporter,
    ) {
        reporter.failed(unsupported());
    }

    pub(super) fn list() -> Result<Vec<Shareable>, DeviceProblem> {
        Err(unsupported())
    }

    pub(super) fn share(
        _: &VideoSource,
        _: CameraSettings,
        _: &FrameSink,
        _: &StopSignal,
        _: &Reporter,
    ) -> Result<(), DeviceProblem> {
        Err(unsupported())
    }

    pub(super) fn preview(_: &VideoSource, _: (u32, u32)) -> Result<VideoFrame, DeviceProblem> {
        Err(unsupported())
    }
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_preview_keeps_its_proportions_is_even_and_no_larger_than_what_it_shows() {
        assert_eq!(fitted((1920, 1080), (160, 100)), (160, 90));
        assert_eq!(fitted((1080, 1920), (160, 100)), (56, 100));
        assert_eq!(fitted((100, 50), (160, 100)), (100, 50));
        assert_eq!(fitted((8000, 3), (160, 100)), (160, 2));
        assert_eq!(fitted((0, 0), (160, 100)), (2, 2));
    }
}
