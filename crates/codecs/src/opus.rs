//! Opus (RFC 6716) by libopus: 48 kHz mono voice.

mod decoder;
mod encoder;
mod library;
mod player;

pub use decoder::OpusDecoder;
pub use encoder::{MAX_PACKET_BYTES, OpusEncoder};
pub use library::OpusError;
pub use player::OpusPlayer;
