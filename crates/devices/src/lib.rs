//! How a camera, microphone and speaker are opened, and lost.
//!
//! Synthetic and file devices stand beside real ones: whoever takes pictures or sound cannot tell them apart. Nothing
//! here ever gives up: a device that cannot be had is reported as [`DeviceState::Failed`] and tried again until the
//! owner drops it. Only this crate knows nokhwa and cpal.
//!
//! ```text
//!  Camera      ─ thread `camera` ───────────────────────▶ Newest<Arc<VideoFrame>>
//!                └ `camera-watch` notices a stall
//!  Microphone  ─ cpal callback ─▶ ring ─ `microphone` ──▶ FnMut(AudioFrame), 10 ms at 48 kHz
//!  Speaker     ◀ cpal callback ◀─ ring ◀ `speaker` ────── FnMut(&mut [f32; 960])
//! ```
//!
//! The functions that a device is given run on its threads. They must not wait, and must not drop the device.

mod camera;
mod choice;
mod microphone;
mod retry;
mod schedule;
mod sound;
mod speaker;
mod state;
mod wav;
mod worker;

pub use camera::{
    Camera, CameraCounters, CameraSettings, Shareable, is_screen_picked_by_desktop, list_cameras,
    list_shareable, preview,
};
pub use choice::{AudioSink, AudioSource, InvalidChoice, VideoSource};
pub use microphone::{Microphone, MicrophoneCounters};
pub use sound::{list_microphones, list_speakers};
pub use speaker::{Speaker, SpeakerCounters};
pub use state::{DeviceProblem, DeviceState, Lacking};
