//! A screen or a window as a camera.
//!
//! Passerby reads the screens of X11 sessions. A Wayland session shows its screen to no program directly, and other systems are not
//! supported yet; both are said in words.

#[cfg(target_os = "linux")]
mod x11;

use media::video::VideoFrame;

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
        VideoSource, x11,
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
