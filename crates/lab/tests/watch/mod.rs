//! Somebody who watches what is shared, for tests that share a screen.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use devices::{Camera, CameraSettings, DeviceState, VideoSource};
use media::Newest;
use media::video::VideoFrame;

/// For anything that must happen at all, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who watches what is shared.
pub(crate) struct Watch {
    _camera: Camera,
    slot: Arc<Newest<Arc<VideoFrame>>>,
    states: Receiver<DeviceState>,
}

impl Watch {
    /// Asks for it at once.
    pub(crate) fn start(source: VideoSource) -> Self {
        let slot = Arc::<Newest<Arc<VideoFrame>>>::default();
        let (sender, states) = channel();
        let settings = CameraSettings {
            fps: 15,
            ..CameraSettings::default()
        };
        let camera = Camera::start(source, settings, Arc::clone(&slot), move |state| {
            sender.send(state).ok();
        });
        Self {
            _camera: camera,
            slot,
            states,
        }
    }

    /// Waits for such a picture.
    #[track_caller]
    pub(crate) fn expect(&self, what: &str, is_it: impl Fn(&VideoFrame) -> bool) {
        wait_for(what, || {
            let frame = self.slot.wait(Duration::from_millis(100))?;
            is_it(&frame).then_some(())
        });
    }

    /// Waits for such a state, and returns those up to it.
    #[track_caller]
    pub(crate) fn expect_state(
        &self,
        what: &str,
        is_it: impl Fn(&DeviceState) -> bool,
    ) -> Vec<DeviceState> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(&is_it) {
            match self.states.recv_timeout(PATIENCE) {
                Ok(state) => seen.push(state),
                Err(error) => panic!("{what} is not told ({error}), but {seen:?}"),
            }
        }
        seen
    }
}

/// Looks again and again until there is something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come");
}

/// In pixels.
pub(crate) fn size(frame: &VideoFrame) -> (u32, u32) {
    (frame.width_px(), frame.height_px())
}
