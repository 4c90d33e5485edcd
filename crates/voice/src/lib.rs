//! What makes a voice clean before it is sent: echo cancellation, noise suppression, gain control.
//!
//! Pure computation: samples in, samples out; no device, no thread, no clock. The work is done by sonora, a Rust port of
//! WebRTC's audio processing; only this crate knows it. What is decided here is when the canceller has nothing to do:
//! [`EchoFinder`] listens for the partner's voice in the microphone, and where it is not found for long (headphones) the
//! canceller rests until it is.

mod echo_finder;
mod processor;

pub use echo_finder::EchoFinder;
pub use processor::VoiceProcessor;

/// Which of the three are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceConfig {
    /// Take what the speaker plays out of what the microphone hears.
    pub echo_cancellation: bool,
    /// Lower steady noise, such as that of a fan, by about 12 dB.
    pub noise_suppression: bool,
    /// Bring quiet and loud voices to a common level.
    pub gain_control: bool,
}

impl VoiceConfig {
    /// Leave the sound as it is.
    pub const OFF: Self = Self {
        echo_cancellation: false,
        noise_suppression: false,
        gain_control: false,
    };
}

impl Default for VoiceConfig {
    /// All three.
    fn default() -> Self {
        Self {
            echo_cancellation: true,
            noise_suppression: true,
            gain_control: true,
        }
    }
}
