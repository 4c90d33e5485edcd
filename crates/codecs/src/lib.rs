//! How frames become bytes and back: the C libraries behind safe Rust.
//!
//! One file for each codec. Video goes through the two traits below, so that a further codec is one new file. Nothing in
//! here decides on bitrates or knows a network; whoever calls runs it on a thread where a few milliseconds do no harm.

use media::video::{EncodedFrame, Pictures, VideoCodec, VideoFrame};

#[cfg(feature = "av1")]
mod av1;
mod h264;
mod opus;

#[cfg(feature = "av1")]
pub use crate::av1::{AomError, Av1Decoder, Av1Encoder};
pub use crate::h264::{H264Decoder, H264Encoder};
pub use crate::opus::{MAX_PACKET_BYTES, OpusDecoder, OpusEncoder, OpusError, OpusPlayer};

/// Why something could not be encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The picture is too small or too large for the codec or for us.
    #[error("pictures of {width_px}x{height_px} are not supported")]
    UnsupportedSize {
        /// Of the picture.
        width_px: u32,
        /// Of the picture.
        height_px: u32,
    },
    /// The bytes are damaged, or need an earlier frame that did not arrive. For video: ask for a keyframe.
    #[error("the encoded data cannot be decoded")]
    Undecodable,
    /// This build goes without the codec.
    #[error("{0} is not built in")]
    NotBuilt(VideoCodec),
    /// The AV1 library refused a call.
    #[cfg(feature = "av1")]
    #[error("the AV1 library failed")]
    Av1(#[from] AomError),
    /// The H.264 library refused a call.
    #[error("the H.264 library failed")]
    H264(#[from] openh264::Error),
    /// The Opus library refused a call.
    #[error("the Opus library failed")]
    Opus(#[source] OpusError),
}

impl From<OpusError> for CodecError {
    fn from(error: OpusError) -> Self {
        match error {
            OpusError::InvalidPacket => Self::Undecodable,
            error @ OpusError::Other(_) => Self::Opus(error),
        }
    }
}

/// The video codecs of this build, the one that is to be preferred first. H.264 is always among them.
pub const fn video_codecs() -> &'static [VideoCodec] {
    if cfg!(feature = "av1") {
        &VideoCodec::ALL
    } else {
        &[VideoCodec::H264]
    }
}

/// The slowest effort of [`VideoEncoder::set_effort`] that an encoder of this codec has.
pub const fn max_effort(codec: VideoCodec) -> u8 {
    match codec {
        // OpenH264 has one setting that is fit for calls.
        VideoCodec::H264 => 0,
        #[cfg(feature = "av1")]
        VideoCodec::Av1 => Av1Encoder::MAX_EFFORT,
        #[cfg(not(feature = "av1"))]
        VideoCodec::Av1 => 0,
    }
}

/// Prepares an encoder.
///
/// # Errors
/// [`CodecError::NotBuilt`] if it is not one of [`video_codecs`].
pub fn video_encoder(
    codec: VideoCodec,
    settings: VideoSettings,
) -> Result<Box<dyn VideoEncoder>, CodecError> {
    match codec {
        VideoCodec::H264 => Ok(Box::new(H264Encoder::new(settings))),
        #[cfg(feature = "av1")]
        VideoCodec::Av1 => Ok(Box::new(Av1Encoder::new(settings))),
        #[cfg(not(feature = "av1"))]
        VideoCodec::Av1 => Err(CodecError::NotBuilt(codec)),
    }
}

/// Starts a decoder.
///
/// # Errors
/// [`CodecError::NotBuilt`] if it is not one of [`video_codecs`], or a failure of the library for want of memory.
pub fn video_decoder(codec: VideoCodec) -> Result<Box<dyn VideoDecoder>, CodecError> {
    match codec {
        VideoCodec::H264 => Ok(Box::new(H264Decoder::new()?)),
        #[cfg(feature = "av1")]
        VideoCodec::Av1 => Ok(Box::new(Av1Decoder::new()?)),
        #[cfg(not(feature = "av1"))]
        VideoCodec::Av1 => Err(CodecError::NotBuilt(codec)),
    }
}

/// What an encoder of pictures is told at its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoSettings {
    /// Bits per second, until [`VideoEncoder::set_target_bitrate`] orders others.
    pub target_bitrate: u32,
    /// Pictures per second that will come. The encoder divides the bitrate by it: with fewer pictures the measured
    /// bitrate stays below the target, with more it exceeds it.
    pub frames_per_second: f32,
    /// What they are of.
    pub pictures: Pictures,
}

impl Default for VideoSettings {
    /// 1 Mbit/s at 30 pictures a second: a face at 640x480 with room to spare.
    fn default() -> Self {
        Self {
            target_bitrate: 1_000_000,
            frames_per_second: 30.0,
            pictures: Pictures::Camera,
        }
    }
}

/// Turns pictures into one encoded stream.
pub trait VideoEncoder: Send {
    /// Encodes the next picture, with `timestamp` on the 90 kHz clock of the stream.
    ///
    /// The size may change from one picture to the next; the stream then goes on with a keyframe where the codec needs one.
    /// So it does with `force_keyframe`, which is how a keyframe request is answered. `None` if the encoder left the picture
    /// out.
    ///
    /// # Errors
    /// [`CodecError::UnsupportedSize`]; or a failure of the library, after which the next picture may succeed.
    fn encode(
        &mut self,
        frame: &VideoFrame,
        timestamp: u32,
        force_keyframe: bool,
    ) -> Result<Option<EncodedFrame>, CodecError>;

    /// Orders a new bitrate in bits per second, in force from the next picture on. It is brought within the codec's limits.
    fn set_target_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError>;

    /// Says how many pictures come in a second from now on, between which the bitrate is divided.
    fn set_frame_rate(&mut self, pictures_per_second: f32) -> Result<(), CodecError>;

    /// Says how hard to try from the next picture on: 0 is the fastest setting, and each step up to [`max_effort`] is one
    /// slower.
    fn set_effort(&mut self, effort: u8) -> Result<(), CodecError>;

    /// What comes out.
    fn codec(&self) -> VideoCodec;
}

/// Turns one encoded stream back into pictures.
pub trait VideoDecoder: Send {
    /// Decodes one whole frame, as the jitter buffer assembled it.
    ///
    /// The picture's `captured_at` is the present. A frame that is damaged is an error, never a picture; after an error the
    /// stream can go on with a keyframe. One that refers to a missing frame is an error where the codec can tell (H.264
    /// can, AV1 cannot): the jitter buffer hands out none. `None` if the data holds no picture.
    ///
    /// # Errors
    /// [`CodecError::Undecodable`], or [`CodecError::UnsupportedSize`] for pictures over
    /// [`VideoFrame::MAX_SIDE_PX`] on a side.
    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError>;
}
