//! AV1 by libaom: half the bits of H.264 for the same picture, for more of the processor.

mod decoder;
mod encoder;
mod library;

pub use decoder::Av1Decoder;
pub use encoder::Av1Encoder;
pub use library::AomError;
