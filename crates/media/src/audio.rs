//! Sound: frames, levels, resampling, the jitter buffer and comfort noise.

mod comfort_noise;
mod downmix;
mod frame;
mod framer;
pub mod jitter_buffer;
mod level;
mod microphone_watch;
mod opus_packet;
mod packetizer;
mod pitch;
mod plan;
mod resample;
mod time_stretch;
mod tone;

pub use comfort_noise::ComfortNoise;
pub use downmix::downmix;
pub use frame::{
    AudioFrame, FRAME_DURATION, FRAME_SAMPLES, PACKET_DURATION, PACKET_SAMPLES, SAMPLE_RATE_HZ,
};
pub use framer::Framer;
pub use jitter_buffer::{Config, Counters, JitterBuffer, Pull};
pub use level::{LevelMeter, level};
pub use microphone_watch::{MicrophoneNotice, MicrophoneWatch};
pub use opus_packet::{OpusRedundancy, opus_packet_redundancy, opus_packet_samples};
pub use packetizer::{Packet, Packetizer};
pub use pitch::fundamental_hz;
pub use plan::{AudioPlan, PacketLength};
pub use resample::{Resampler, UnsupportedRate};
pub use time_stretch::{Stretch, stretch};
pub use tone::Tone;
