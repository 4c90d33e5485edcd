//! Which codecs pictures may be sent in.

use std::str::FromStr;

use media::video::VideoCodec;

/// Which codecs pictures may be sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoCodecs {
    /// The best that the partner takes and this machine affords.
    #[default]
    Auto,
    /// This one, if the partner takes it; else H.264.
    Only(VideoCodec),
}

impl VideoCodecs {
    /// Those that are sent, the preferred one first.
    pub(crate) const fn in_order(self) -> &'static [VideoCodec] {
        match self {
            Self::Only(VideoCodec::H264) => &[VideoCodec::H264],
            Self::Auto | Self::Only(VideoCodec::Av1) => codecs::video_codecs(),
        }
    }
}

/// The name is none of those that there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCodec {
    /// Not one that we know.
    #[error("{0:?} is no codec: it is auto, h264 or av1")]
    Name(String),
    /// Known, but left out of this program.
    #[error("{0} is not built into this program")]
    NotBuilt(VideoCodec),
}

impl FromStr for VideoCodecs {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        let codec = match name {
            "auto" => return Ok(Self::Auto),
            "h264" => VideoCodec::H264,
            "av1" => VideoCodec::Av1,
            other => return Err(UnknownCodec::Name(other.to_owned())),
        };
        if codecs::video_codecs().contains(&codec) {
            Ok(Self::Only(codec))
        } else {
            Err(UnknownCodec::NotBuilt(codec))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_called_by_their_names() {
        assert_eq!("auto".parse(), Ok(VideoCodecs::Auto));
        let h264 = VideoCodecs::Only(VideoCodec::H264);
        assert_eq!("h264".parse(), Ok(h264));
        assert_eq!(h264.in_order(), [VideoCodec::H264]);
        let unknown: Result<VideoCodecs, _> = "vp8".parse();
        assert!(
            unknown
                .unwrap_err()
                .to_string()
                .contains("auto, h264 or av1")
        );
    }

    #[test]
    fn h264_can_always_be_received() {
        for codecs in [VideoCodecs::Auto, VideoCodecs::Only(VideoCodec::Av1)] {
            assert!(codecs.in_order().contains(&VideoCodec::H264));
        }
    }
}
