//! AV1 to pictures.

use media::video::{PicturePool, VideoFrame, av1};

use super::library::RawDecoder;
use crate::{CodecError, VideoDecoder};

/// Decodes frame by frame, without delay.
pub struct Av1Decoder {
    decoder: RawDecoder,
    /// After an error the references may be wrong: nothing but a keyframe is decoded.
    needs_keyframe: bool,
    /// Outlives a library that is started anew.
    pool: PicturePool,
}

impl Av1Decoder {
    /// 4:2:0 with 8 or 10 bits; we have 8. What else a partner sends was not agreed on.
    const PROFILE: u8 = 0;

    /// Starts a decoder.
    ///
    /// # Errors
    /// [`CodecError::Av1`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        let pool = PicturePool::default();
        Ok(Self {
            decoder: RawDecoder::new(pool.clone())?,
            needs_keyframe: true,
            pool,
        })
    }

    fn try_decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        // Before the library allocates anything for it.
        let header = av1::check_sizes(data).map_err(|_| CodecError::Undecodable)?;
        let is_acceptable = match header {
            Some(header) => header.profile == Self::PROFILE,
            None => !self.needs_keyframe,
        };
        if !is_acceptable {
            return Err(CodecError::Undecodable);
        }
        self.decoder.decode(data)
    }
}

impl VideoDecoder for Av1Decoder {
    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        let decoded = self.try_decode(data);
        match &decoded {
            Ok(Some(_)) => self.needs_keyframe = false,
            Ok(None) => {}
            Err(_) => {
                // One that has decoded nothing yet has nothing wrong in it.
                if !std::mem::replace(&mut self.needs_keyframe, true) {
                    self.decoder = RawDecoder::new(self.pool.clone())?;
                }
            }
        }
        decoded
    }
}

impl std::fmt::Debug for Av1Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Av1Decoder")
            .field("needs_keyframe", &self.needs_keyframe)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use media::video::{Colors, TestPattern};

    use super::super::library::{Control, RawEncoder, Setting};
    use super::*;

    #[test]
    fn a_picture_has_the_colours_that_the_stream_speaks_of() {
        let setting = Setting {
            size_px: (320, 240),
            target_kbps: 500,
        };
        let frame = TestPattern::new(320, 240).draw(0, 0, std::time::Instant::now());
        for code_point in [1, 2, 6] {
            let mut encoder = RawEncoder::new(setting).unwrap();
            let control = Control::MatrixCoefficients;
            encoder.control(control, code_point).unwrap();
            let (data, _) = encoder.encode(&frame, 0, 3_000, true).unwrap().unwrap();
            let picture = Av1Decoder::new().unwrap().decode(&data).unwrap().unwrap();
            let expected = Colors::of_code_points(code_point as u32, false);
            assert_eq!(picture.colors(), expected, "{code_point}");
        }
    }
}
