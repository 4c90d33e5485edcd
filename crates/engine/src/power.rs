//! What saving power means: fewer, smaller and cheaper pictures, both ways. The figures that this was chosen by are in
//! `docs/media.md`.

use devices::CameraSettings;
use media::video::{Shown, VideoCodec};

use crate::VideoCodecs;

/// What pictures there is use for at most. The rate is half of what most cameras give, so that pictures come evenly.
pub(crate) const SHOWN: Shown = Shown {
    size_px: (640, 480),
    most_fps: Some(MOST_FPS),
};

const MOST_FPS: u32 = 15;

/// What there is use for of pictures that are shown so.
pub(crate) fn saving(shown: Shown) -> Shown {
    let (width_px, height_px) = shown.size_px;
    Shown {
        size_px: (
            width_px.min(SHOWN.size_px.0),
            height_px.min(SHOWN.size_px.1),
        ),
        most_fps: Some(shown.most_fps.map_or(MOST_FPS, |fps| fps.min(MOST_FPS))),
    }
    .bounded()
}

/// What is asked of a camera of which this would be asked otherwise.
pub(crate) fn camera(settings: CameraSettings) -> CameraSettings {
    CameraSettings {
        width_px: settings.width_px.min(SHOWN.size_px.0),
        height_px: settings.height_px.min(SHOWN.size_px.1),
        fps: settings.fps.min(MOST_FPS),
    }
}

/// Which codecs are offered to partners who would be offered these.
pub(crate) const fn codecs(codecs: VideoCodecs) -> VideoCodecs {
    match codecs {
        VideoCodecs::Auto => VideoCodecs::Only(VideoCodec::H264),
        forced @ VideoCodecs::Only(_) => forced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_stays_unseen() {
        assert_eq!(saving(Shown::NOTHING), Shown::NOTHING);
    }

    #[test]
    fn a_codec_that_was_asked_for_is_kept() {
        let h264 = VideoCodecs::Only(VideoCodec::H264);
        let av1 = VideoCodecs::Only(VideoCodec::Av1);
        assert_eq!(codecs(VideoCodecs::Auto), h264);
        assert_eq!(codecs(av1), av1);
    }
}
