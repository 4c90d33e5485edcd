//! How frames become bytes and back: the C libraries behind safe Rust.
//!
//! One file for each codec. Video goes through the two traits below, so that a further codec is one new file. Nothing in
//! here decides on bitrates or knows a network; whoever calls runs it on a thread where a few milliseconds do no harm.

use media::video::{EncodedFrame, VideoFrame};

mod h264;
mod opus;

pub use crate::h264::{H264Decoder, H264Encoder, H264Settings};
pub use crate::opus::{MAX_PACKET_BYTES, OpusDecoder, OpusEncoder, OpusError};

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

/// Turns pictures into one encoded stream.
pub trait VideoEncoder: Send {
    /// Encodes the next picture, with `timestamp` on the 90 kHz clock of the stream.
    ///
    /// The size may change from one picture to the next; the stream then goes on with a keyframe. So it does with
    /// `force_keyframe`, which is how a keyframe request is answered. `None` if the encoder left the picture out.
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

    /// The codec's name for people, such as "H.264".
    fn name(&self) -> &'static str;
}

/// Turns one encoded stream back into pictures.
pub trait VideoDecoder: Send {
    /// Decodes one whole frame, as the jitter buffer assembled it.
    ///
    /// The picture's `captured_at` is the present. A frame that is damaged or refers to a missing one is an error, never
    /// a picture; after an error the stream can go on with a keyframe. `None` if the data holds no picture.
    ///
    /// # Errors
    /// [`CodecError::Undecodable`], or [`CodecError::UnsupportedSize`] for pictures over
    /// [`VideoFrame::MAX_SIDE_PX`] on a side.
    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError>;
}
