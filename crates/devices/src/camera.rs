//! Pictures: from a webcam, a screen, a test pattern or a file, newest first.

mod clip;
mod format;
mod jpeg;
mod pattern;
mod registry;
mod screen;
mod watch;
mod webcam;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::Newest;
use media::video::VideoFrame;

use crate::worker::{Reporter, StopSignal, Worker};
use crate::{DeviceState, VideoSource};

pub use screen::{Shareable, is_screen_picked_by_desktop, list_shareable, preview};
pub use webcam::list_cameras;

/// Longest that dropping a [`Camera`] may take. A frame takes 33 ms; beyond this the thread is stuck in the driver.
const PATIENCE: Duration = Duration::from_millis(400);

/// The pictures that are wished for. A camera gives what it has that is nearest; a file gives what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraSettings {
    /// Width in pixels; even.
    pub width_px: u32,
    /// Height in pixels; even.
    pub height_px: u32,
    /// Pictures a second.
    pub fps: u32,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            width_px: 640,
            height_px: 480,
            fps: 30,
        }
    }
}

/// What became of the pictures since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CameraCounters {
    /// Left in the slot.
    pub captured: u64,
    /// Left in the slot, and replaced there by a newer one before anybody took them.
    pub dropped: u64,
    /// Came from the camera, but were no whole picture.
    pub broken: u64,
}

/// A running source of pictures. Dropping it releases the device.
///
/// A thread that is stuck inside a driver cannot be ended from outside. It is then abandoned: nothing it still
/// delivers is seen any more, and no second thread touches that device before the first one has come back, so there
/// is never more than one stuck thread per device.
#[derive(Debug)]
pub struct Camera {
    _worker: Option<Worker>,
    sink: FrameSink,
}

impl Camera {
    /// Starts to leave pictures from `source` in `out`, and tells `notify` each time the state changes.
    ///
    /// Returns at once. `notify` is called on the camera's own threads (for [`VideoSource::None`] before this
    /// returns); it must not wait and must not drop the camera.
    pub fn start(
        source: VideoSource,
        settings: CameraSettings,
        out: Arc<Newest<Arc<VideoFrame>>>,
        notify: impl Fn(DeviceState) + Send + Sync + 'static,
    ) -> Self {
        let stop = StopSignal::default();
        let sink = FrameSink {
            out,
            counters: Arc::default(),
            stop: stop.clone(),
        };
        let reporter = Reporter::new(notify, stop);
        let for_thread = sink.clone();
        let worker = match source {
            VideoSource::None => {
                reporter.report(DeviceState::Off);
                None
            }
            VideoSource::Pattern => Some(Worker::start(
                "camera",
                PATIENCE,
                reporter,
                move |stop, reporter| {
                    pattern::run(settings, &for_thread, stop, reporter);
                },
            )),
            VideoSource::File(path) => Some(Worker::start(
                "camera",
                PATIENCE,
                reporter,
                move |stop, reporter| {
                    clip::run(&path, &for_thread, stop, reporter);
                },
            )),
            source if source.is_screen() => Some(Worker::start(
                "screen",
                PATIENCE,
                reporter,
                move |stop, reporter| {
                    screen::run(&source, settings, &for_thread, stop, reporter);
                },
            )),
            source => Some(Worker::start(
                "camera-watch",
                PATIENCE,
                reporter,
                move |stop, reporter| {
                    watch::run(&source, settings, &for_thread, stop, reporter);
                },
            )),
        };
        Self {
            _worker: worker,
            sink,
        }
    }

    /// What became of the pictures so far.
    pub fn counters(&self) -> CameraCounters {
        CameraCounters {
            captured: self.sink.counters.captured.load(Ordering::Relaxed),
            dropped: self.sink.out.dropped(),
            broken: self.sink.counters.broken.load(Ordering::Relaxed),
        }
    }
}

/// Where a camera thread leaves its pictures; closed by the stop signal.
#[derive(Debug, Clone)]
struct FrameSink {
    out: Arc<Newest<Arc<VideoFrame>>>,
    counters: Arc<Counters>,
    stop: StopSignal,
}

#[derive(Debug, Default)]
struct Counters {
    captured: AtomicU64,
    broken: AtomicU64,
}

impl FrameSink {
    fn put(&self, frame: VideoFrame) {
        self.stop.unless_stopped(|| {
            self.counters.captured.fetch_add(1, Ordering::Relaxed);
            self.out.put(Arc::new(frame));
        });
    }

    fn count_broken(&self) {
        self.counters.broken.fetch_add(1, Ordering::Relaxed);
    }
}

/// The time of day as pictures carry it: microseconds since the Unix epoch.
fn unix_time_us() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}
