//! Raw sound.

use std::time::{Duration, Instant};

/// All sound inside Passerby has this rate, which is also Opus's RTP clock rate (RFC 7587 section 4.1).
pub const SAMPLE_RATE_HZ: u32 = 48_000;
/// How much sound one frame holds: the piece in which devices and the cleaning of voices work.
pub const FRAME_DURATION: Duration = Duration::from_millis(10);
/// How many samples one frame holds.
pub const FRAME_SAMPLES: usize = 480;
/// How much sound a packet usually holds. Where the network has room it holds one frame ([`super::PacketLength`]).
pub const PACKET_DURATION: Duration = Duration::from_millis(20);
/// How many samples a packet usually holds.
pub const PACKET_SAMPLES: usize = 2 * FRAME_SAMPLES;

/// 10 ms of mono sound at 48 kHz.
#[derive(Clone, PartialEq)]
pub struct AudioFrame {
    /// Exactly [`FRAME_SAMPLES`] samples from -1 to 1.
    pub samples: Box<[f32; FRAME_SAMPLES]>,
    /// When the first sample was taken, in local time.
    pub captured_at: Instant,
}

impl AudioFrame {
    /// A frame of silence.
    pub fn silence(captured_at: Instant) -> Self {
        Self {
            samples: Box::new([0.0; FRAME_SAMPLES]),
            captured_at,
        }
    }
}

impl std::fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AudioFrame(10 ms)")
    }
}
