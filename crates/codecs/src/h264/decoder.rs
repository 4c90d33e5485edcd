//! H.264 to pictures.

use std::time::Instant;

use media::video::{Colors, PicturePool, VideoFrame, h264};
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource as _;

use crate::{CodecError, VideoDecoder};

/// Decodes frame by frame, without delay and without guessing at what is missing.
pub struct H264Decoder {
    decoder: Decoder,
    /// After an error the references may be wrong: nothing but a keyframe is decoded.
    needs_keyframe: bool,
    /// As the newest parameter set has it.
    colors: Colors,
    pool: PicturePool,
}

impl H264Decoder {
    /// Starts a decoder.
    ///
    /// # Errors
    /// [`CodecError::H264`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: start()?,
            needs_keyframe: true,
            colors: Colors::default(),
            pool: PicturePool::default(),
        })
    }
}

impl VideoDecoder for H264Decoder {
    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        if self.needs_keyframe && !holds_idr(data) {
            return Err(CodecError::Undecodable);
        }
        self.colors = h264::colors(data).unwrap_or(self.colors);
        let decoded = match self.decoder.decode(data) {
            Ok(Some(picture)) => {
                to_frame(&picture, &self.pool).map(|frame| Some(frame.with_colors(self.colors)))
            }
            // Error concealment is off, so a picture with a hole in it ends here too.
            Ok(None) if holds_picture(data) => Err(CodecError::Undecodable),
            Ok(None) => Ok(None),
            Err(_) => Err(CodecError::Undecodable),
        };
        self.needs_keyframe =
            decoded.is_err() || self.needs_keyframe && !matches!(decoded, Ok(Some(_)));
        if decoded.is_err() {
            self.decoder = start()?;
        }
        decoded
    }
}

impl std::fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Decoder")
            .field("needs_keyframe", &self.needs_keyframe)
            .finish_non_exhaustive()
    }
}

fn start() -> Result<Decoder, CodecError> {
    // `NoFlush`: a flush asks for pictures that Constrained Baseline never holds back, and fails for want of them.
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    Ok(Decoder::with_api_config(
        OpenH264API::from_source(),
        config,
    )?)
}

/// The types of the NAL units in a byte stream with start codes.
fn nal_kinds(data: &[u8]) -> impl Iterator<Item = u8> {
    data.windows(4)
        .filter(|bytes| bytes.starts_with(&[0, 0, 1]))
        .map(|bytes| bytes[3] & 0x1f)
}

fn holds_idr(data: &[u8]) -> bool {
    nal_kinds(data).any(|kind| kind == 5)
}

fn holds_picture(data: &[u8]) -> bool {
    nal_kinds(data).any(|kind| (1..=5).contains(&kind))
}

/// Copies the picture out of the library's memory, without the padding of its rows, into memory of `pool`.
fn to_frame(picture: &DecodedYUV<'_>, pool: &PicturePool) -> Result<VideoFrame, CodecError> {
    let (width, height) = picture.dimensions();
    let (y_stride, u_stride, v_stride) = picture.strides();
    let (width_px, height_px) = (width as u32, height as u32);
    let unsupported = CodecError::UnsupportedSize {
        width_px,
        height_px,
    };
    if width.max(height) > VideoFrame::MAX_SIDE_PX as usize {
        return Err(unsupported);
    }
    let mut planes = pool.take(VideoFrame::len_bytes(width_px, height_px));
    let mut append = |plane: &[u8], stride: usize, width: usize, rows: usize| {
        for row in plane.chunks(stride.max(1)).take(rows) {
            planes.extend_from_slice(&row[..width.min(row.len())]);
        }
    };
    append(picture.y(), y_stride, width, height);
    append(picture.u(), u_stride, width / 2, height / 2);
    append(picture.v(), v_stride, width / 2, height / 2);
    VideoFrame::from_planes(width_px, height_px, planes, Instant::now())
        .map(|frame| frame.returning_to(pool))
        .map_err(|_| unsupported)
}
