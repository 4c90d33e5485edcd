//! A screen or a window as a camera.
//!
//! Passerby reads the screens of X11 sessions. A Wayland session shows its screen to no program directly, and other systems are not
//! supported yet; both are said in words.

#[cfg(target_os = "linux")]
mod x11;

use super::{CameraSettings, FrameSink};
use crate::worker::{Reporter, StopSignal};
use crate::{DeviceProblem, VideoSource, retry};

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

/// What can be shared now: screens first, then windows, those in front first.
///
/// # Errors
/// [`DeviceProblem`] where the system shows nothing to us.
pub fn list_shareable() -> Result<Vec<Shareable>, DeviceProblem> {
    look::list()
}

/// Delivers pictures of `source` until the stop signal. A picture that shows nothing new is left out, but for one now and then.
pub(super) fn run(
    source: &VideoSource,
    settings: CameraSettings,
    sink: &FrameSink,
    stop: &StopSignal,
    reporter: &Reporter,
) {
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
        CameraSettings, DeviceProblem, FrameSink, Reporter, Shareable, StopSignal, VideoSource, x11,
    };

    /// Whether there is a session whose screen no program may read, whatever else runs inside of it.
    fn is_wayland() -> bool {
        std::env::var_os("WAYLAND_DISPLAY").is_some_and(|name| !name.is_empty())
    }

    fn check() -> Result<(), DeviceProblem> {
        if is_wayland() {
            return Err(DeviceProblem::Other(
                "a Wayland session shows its screen to no program; in an X11 session it can be shared"
                    .to_owned(),
            ));
        }
        Ok(())
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
}

#[cfg(not(target_os = "linux"))]
mod look {
    use super::{
        CameraSettings, DeviceProblem, FrameSink, Reporter, Shareable, StopSignal, VideoSource,
    };

    fn unsupported() -> DeviceProblem {
        DeviceProblem::Other("screens cannot be shared on this system yet".to_owned())
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
}
