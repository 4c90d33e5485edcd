//! H.264 Constrained Baseline by OpenH264: the codec that every browser has, and the cheapest to run.

mod decoder;
mod encoder;

pub use decoder::H264Decoder;
pub use encoder::H264Encoder;
