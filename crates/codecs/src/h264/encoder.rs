//! Pictures to H.264.

use std::ffi::c_int;

use bytes::Bytes;
use media::time::TimestampUnwrapper;
use media::video::{EncodedFrame, VideoCodec, VideoFrame};
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile,
    QpRange, RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSource;
use openh264::{OpenH264API, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_MAX_BITRATE,
    ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};

use crate::{CodecError, VideoEncoder, VideoSettings};

/// Encodes without reordering, lookahead or periodic keyframes, in one thread: each picture comes out at once.
pub struct H264Encoder {
    settings: VideoSettings,
    running: Option<Running>,
    media_time: TimestampUnwrapper,
    first_media_time: Option<u64>,
}

/// An encoder that has seen its first picture.
struct Running {
    encoder: Encoder,
    size_px: (u32, u32),
}

impl H264Encoder {
    /// The limits of OpenH264 that make sense for a call, in bits per second.
    const BITRATES: std::ops::RangeInclusive<u32> = 30_000..=50_000_000;
    /// The smallest side OpenH264 encodes.
    const MIN_SIDE_PX: u32 = 16;
    /// The largest picture OpenH264 encodes, upright or lying: the longer and the shorter side.
    const MAX_SIDES_PX: (u32, u32) = (3840, 2160);

    /// Prepares an encoder. The library starts with the first picture, when the size is known.
    pub fn new(settings: VideoSettings) -> Self {
        let target_bitrate = clamp_bitrate(settings.target_bitrate);
        let frames_per_second = clamp_frame_rate(settings.frames_per_second);
        Self {
            settings: VideoSettings {
                target_bitrate,
                frames_per_second,
                ..settings
            },
            running: None,
            media_time: TimestampUnwrapper::new(),
            first_media_time: None,
        }
    }

    /// The running encoder for this size. Another size gets a new one, whose stream begins with a keyframe.
    fn running(&mut self, size_px: (u32, u32)) -> Result<&mut Running, CodecError> {
        let running = match self.running.take() {
            Some(running) if running.size_px == size_px => running,
            _ => Running {
                encoder: start(self.settings)?,
                size_px,
            },
        };
        Ok(self.running.insert(running))
    }
}

impl VideoEncoder for H264Encoder {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        timestamp: u32,
        force_keyframe: bool,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        let size_px = (frame.width_px(), frame.height_px());
        let (shorter, longer) = (size_px.0.min(size_px.1), size_px.0.max(size_px.1));
        if shorter < Self::MIN_SIDE_PX
            || longer > Self::MAX_SIDES_PX.0
            || shorter > Self::MAX_SIDES_PX.1
        {
            return Err(CodecError::UnsupportedSize {
                width_px: size_px.0,
                height_px: size_px.1,
            });
        }
        let media_time = self.media_time.unwrap(timestamp);
        let first_media_time = *self.first_media_time.get_or_insert(media_time);
        let elapsed_ms = media_time.saturating_sub(first_media_time) / 90;

        let running = self.running(size_px)?;
        if force_keyframe {
            running.encoder.force_intra_frame();
        }
        let encoded = running
            .encoder
            .encode_at(&Source(frame), Timestamp::from_millis(elapsed_ms));
        let (data, frame_type) = match encoded {
            Ok(stream) => (stream.to_vec(), stream.frame_type()),
            Err(error) => {
                // Its state is unknown now: the next picture starts anew with a keyframe.
                self.running = None;
                return Err(error.into());
            }
        };
        let was_skipped =
            data.is_empty() || matches!(frame_type, FrameType::Skip | FrameType::Invalid);
        Ok((!was_skipped).then(|| EncodedFrame {
            codec: VideoCodec::H264,
            data: Bytes::from(data),
            is_keyframe: frame_type == FrameType::IDR,
            timestamp,
        }))
    }

    fn set_target_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        let new = clamp_bitrate(bits_per_second);
        let old = std::mem::replace(&mut self.settings.target_bitrate, new);
        match &mut self.running {
            Some(running) if new != old => set_bitrate(&mut running.encoder, old, new),
            _ => Ok(()),
        }
    }

    fn set_frame_rate(&mut self, pictures_per_second: f32) -> Result<(), CodecError> {
        let new = clamp_frame_rate(pictures_per_second);
        let old = std::mem::replace(&mut self.settings.frames_per_second, new);
        match &mut self.running {
            Some(running) if (new - old).abs() > f32::EPSILON => {
                set_option(&mut running.encoder, ENCODER_OPTION_FRAME_RATE, new)
            }
            _ => Ok(()),
        }
    }

    fn set_effort(&mut self, _: u8) -> Result<(), CodecError> {
        Ok(())
    }

    fn codec(&self) -> VideoCodec {
        VideoCodec::H264
    }
}

impl std::fmt::Debug for H264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Encoder")
            .field("settings", &self.settings)
            .field(
                "size_px",
                &self.running.as_ref().map(|running| running.size_px),
            )
            .finish_non_exhaustive()
    }
}

fn clamp_bitrate(bits_per_second: u32) -> u32 {
    bits_per_second.clamp(*H264Encoder::BITRATES.start(), *H264Encoder::BITRATES.end())
}

const fn clamp_frame_rate(pictures_per_second: f32) -> f32 {
    pictures_per_second.clamp(1.0, 60.0)
}

fn start(settings: VideoSettings) -> Result<Encoder, CodecError> {
    let config = EncoderConfig::new()
        .profile(Profile::Baseline)
        // For screens too: its mode for them gave less for its bits where it was tried (`docs/media.md`).
        .usage_type(UsageType::CameraVideoRealTime)
        .complexity(Complexity::Low)
        .rate_control_mode(RateControlMode::Bitrate)
        .bitrate(BitRate::from_bps(settings.target_bitrate))
        .max_frame_rate(FrameRate::from_hz(settings.frames_per_second))
        // A frame left out looks worse than a coarse one, and the rate holds without it.
        .skip_frames(false)
        .qp(QpRange::new(10, 51))
        // Keyframes cost many times a normal frame: they come on request only.
        .intra_frame_period(IntraFramePeriod::from_num_frames(0))
        .scene_change_detect(false)
        // It takes what has just been uncovered for background and leaves specks of what moved there.
        .background_detection(false)
        .num_threads(1)
        .vui(VuiConfig::bt601());
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)?;
    // The library would complain on stderr, about `skip_frames` first of all.
    set_option(&mut encoder, ENCODER_OPTION_TRACE_LEVEL, WELS_LOG_QUIET)?;
    Ok(encoder)
}

/// Changes the target of a running encoder from `old` to `new` bits per second.
fn set_bitrate(encoder: &mut Encoder, old: u32, new: u32) -> Result<(), CodecError> {
    let info = |layer, bits_per_second| SBitrateInfo {
        iLayer: layer,
        iBitrate: c_int::try_from(bits_per_second).expect("bitrates are clamped far below"),
    };
    // The maximum belongs to the only layer, and must never be below the target, not even between the two calls.
    let max = (
        ENCODER_OPTION_MAX_BITRATE,
        info(SPATIAL_LAYER_0, new + new / 8),
    );
    let target = (ENCODER_OPTION_BITRATE, info(SPATIAL_LAYER_ALL, new));
    let steps = if new > old {
        [max, target]
    } else {
        [target, max]
    };
    for (option, info) in steps {
        set_option(encoder, option, info)?;
    }
    Ok(())
}

/// Sets an option whose C type is `T`; the caller knows which option takes which.
#[expect(
    unsafe_code,
    reason = "the crate has no safe way to change a running encoder"
)]
fn set_option<T>(
    encoder: &mut Encoder,
    option: ENCODER_OPTION,
    mut value: T,
) -> Result<(), CodecError> {
    // SAFETY: the library reads `value`, of the type that this option has, during the call and keeps no pointer to it.
    // None of the options set here is one that the `openh264` crate relies on.
    let result = unsafe {
        encoder
            .raw_api()
            .set_option(option, (&raw mut value).cast())
    };
    if result == 0 {
        Ok(())
    } else {
        Err(openh264::Error::msg_string(format!("option {option} failed with {result}")).into())
    }
}

/// Our picture as the library wants to see it.
struct Source<'a>(&'a VideoFrame);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width_px() as usize, self.0.height_px() as usize)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let width = self.0.width_px() as usize;
        (width, width / 2, width / 2)
    }

    fn y(&self) -> &[u8] {
        self.0.y()
    }

    fn u(&self) -> &[u8] {
        self.0.u()
    }

    fn v(&self) -> &[u8] {
        self.0.v()
    }
}
