//! What happens to pixels, samples, time and bitrate: the pure part of both media paths.
//!
//! Nothing here opens a device, a socket or a file, reads a clock or spawns a task. Time comes in as an argument.

pub mod audio;
pub mod congestion;
pub mod newest;
pub mod packet;
pub mod repair;
pub mod sync;
pub mod time;
pub mod video;

pub use newest::Newest;
pub use packet::{Codec, RtpPacket};
