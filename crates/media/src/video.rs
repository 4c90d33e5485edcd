//! Pictures: frames, colour conversion, the test pattern, RTP payload formats, the jitter buffer and playout.

pub mod av1;
mod bits;
mod codec;
mod colors;
pub mod convert;
mod frame;
pub mod h264;
pub mod jitter_buffer;
pub mod payload;
mod pictures;
mod playout;
mod playout_delay;
mod pool;
mod scale;
mod shown;
mod test_pattern;
pub mod way;

pub use codec::VideoCodec;
pub use colors::{Colors, Matrix, Range, ToRgb};
pub use convert::to_rgba;
pub use frame::{EncodedFrame, InvalidFrame, VideoFrame};
pub use jitter_buffer::{AssembledFrame, Config, Counters, Input, JitterBuffer, Output};
pub use payload::{AccessUnit, InvalidPayload, KeyframePart};
pub use pictures::Pictures;
pub use playout::Playout;
pub use playout_delay::PlayoutDelay;
pub use pool::PicturePool;
pub use scale::Scaler;
pub use shown::{Shown, ShownNotices};
pub use test_pattern::{Mark, TestPattern, read_mark};
