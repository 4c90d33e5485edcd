//! Pictures to AV1.

use media::video::{EncodedFrame, Pictures, VideoCodec, VideoFrame};

use super::library::{AomError, Control, RawEncoder, Setting, Tool};
use crate::{CodecError, VideoEncoder, VideoSettings};

/// Encodes without reordering, lookahead or periodic keyframes, in one thread: each picture comes out at once.
pub struct Av1Encoder {
    settings: VideoSettings,
    effort: u8,
    running: Option<Running>,
}

/// An encoder that has seen its first picture.
struct Running {
    encoder: RawEncoder,
    setting: Setting,
    /// The largest width and height that it was started for.
    most_px: (u32, u32),
    effort: u8,
    /// On libaom's own time line, which must not stand still.
    at: i64,
}

impl Av1Encoder {
    /// Limits that make sense for a call, in bits per second.
    const BITRATES: std::ops::RangeInclusive<u32> = 20_000..=50_000_000;
    /// The smallest side that is encoded.
    const MIN_SIDE_PX: u32 = 16;
    /// libaom's speeds, from the fastest on: with each effort one step slower. 10 and 11 save little and leave even areas as they
    /// were for a picture or two when these change as a whole.
    const SPEEDS: [i32; 2] = [9, 8];
    /// The slowest effort.
    pub(crate) const MAX_EFFORT: u8 = Self::SPEEDS.len() as u8 - 1;
    /// A keyframe has at most so many percent of what a picture has on average: then it is about as good as H.264's, and smaller
    /// where the path is thin.
    const KEYFRAME_PERCENT: i32 = 1000;

    /// Prepares an encoder. The library starts with the first picture, when the size is known.
    pub fn new(settings: VideoSettings) -> Self {
        Self {
            settings: VideoSettings {
                target_bitrate: clamp_bitrate(settings.target_bitrate),
                frames_per_second: clamp_frame_rate(settings.frames_per_second),
                ..settings
            },
            effort: 0,
            running: None,
        }
    }

    /// What the next picture is to be encoded with.
    const fn setting(&self, size_px: (u32, u32)) -> Setting {
        Setting {
            size_px,
            target_kbps: self.settings.target_bitrate / 1000,
        }
    }

    /// The running encoder, brought to this size, bitrate and effort.
    ///
    /// A smaller picture may build on larger ones (references are scaled). One that is larger than any before gets a new
    /// encoder, because the sequence header has no room for it.
    fn running(&mut self, size_px: (u32, u32)) -> Result<&mut Running, AomError> {
        let setting = self.setting(size_px);
        let fits =
            |running: &Running| size_px.0 <= running.most_px.0 && size_px.1 <= running.most_px.1;
        let mut running = match self.running.take() {
            Some(running) if fits(&running) => running,
            _ => Running {
                encoder: start(setting, self.settings.pictures)?,
                setting,
                most_px: size_px,
                effort: u8::MAX,
                at: 0,
            },
        };
        if running.setting != setting {
            running.encoder.set(setting)?;
            running.setting = setting;
        }
        if running.effort != self.effort {
            let speed = Self::SPEEDS[usize::from(self.effort)];
            running.encoder.control(Control::Speed, speed)?;
            running.effort = self.effort;
        }
        Ok(self.running.insert(running))
    }
}

impl VideoEncoder for Av1Encoder {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        timestamp: u32,
        force_keyframe: bool,
    ) -> Result<Option<EncodedFrame>, CodecError> {
        let size_px = (frame.width_px(), frame.height_px());
        if size_px.0.min(size_px.1) < Self::MIN_SIDE_PX {
            return Err(CodecError::UnsupportedSize {
                width_px: size_px.0,
                height_px: size_px.1,
            });
        }
        let duration = (90_000.0 / self.settings.frames_per_second) as u32;
        let running = self.running(size_px)?;
        let encoded = running
            .encoder
            .encode(frame, running.at, duration, force_keyframe);
        running.at += i64::from(duration);
        match encoded {
            Ok(encoded) => Ok(encoded.map(|(data, is_keyframe)| EncodedFrame {
                codec: VideoCodec::Av1,
                data,
                is_keyframe,
                timestamp,
            })),
            Err(error) => {
                // Its state is unknown now: the next picture starts anew with a keyframe.
                self.running = None;
                Err(error.into())
            }
        }
    }

    fn set_target_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        self.settings.target_bitrate = clamp_bitrate(bits_per_second);
        Ok(())
    }

    fn set_frame_rate(&mut self, pictures_per_second: f32) -> Result<(), CodecError> {
        self.settings.frames_per_second = clamp_frame_rate(pictures_per_second);
        Ok(())
    }

    fn set_effort(&mut self, effort: u8) -> Result<(), CodecError> {
        self.effort = effort.min(Self::MAX_EFFORT);
        Ok(())
    }

    fn codec(&self) -> VideoCodec {
        VideoCodec::Av1
    }
}

impl std::fmt::Debug for Av1Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Av1Encoder")
            .field("settings", &self.settings)
            .field("effort", &self.effort)
            .field(
                "running",
                &self.running.as_ref().map(|running| running.setting),
            )
            .finish_non_exhaustive()
    }
}

fn clamp_bitrate(bits_per_second: u32) -> u32 {
    bits_per_second.clamp(*Av1Encoder::BITRATES.start(), *Av1Encoder::BITRATES.end())
}

const fn clamp_frame_rate(pictures_per_second: f32) -> f32 {
    pictures_per_second.clamp(1.0, 60.0)
}

/// Starts libaom with the settings of libwebrtc's encoder, which were measured to be the best for calls.
fn start(setting: Setting, pictures: Pictures) -> Result<RawEncoder, AomError> {
    /// BT.601, as in H.264.
    const BT_601: i32 = 6;
    let mut encoder = RawEncoder::new(setting)?;
    let controls = [
        (Control::Speed, Av1Encoder::SPEEDS[0]),
        (
            Control::MaxIntraBitratePercent,
            Av1Encoder::KEYFRAME_PERCENT,
        ),
        // Finer where the eye looks: cyclic refresh.
        (Control::AqMode, 3),
        (Control::Cdef, 1),
        (Control::Restoration, 0),
        (Control::DeltaQMode, 0),
        (Control::CdfUpdateMode, 1),
        (Control::CoefficientCostUpdates, 3),
        (Control::ModeCostUpdates, 3),
        (Control::MotionCostUpdates, 3),
        (Control::OrderHint, 0),
        (Control::TplModel, 0),
        (Control::DisableTrellis, 1),
        (Control::MaxReferenceFrames, 3),
        (Control::IntraDefaultTransformsOnly, 1),
        (Control::ColorPrimaries, BT_601),
        (Control::TransferCharacteristics, BT_601),
        (Control::MatrixCoefficients, BT_601),
    ];
    for (control, value) in controls {
        encoder.control(control, value)?;
    }
    let is_screen = pictures == Pictures::Screen;
    encoder.control(Control::IsScreen, i32::from(is_screen))?;
    for tool in Tool::ALL {
        // Writing has few colours.
        let is_used = is_screen && tool == Tool::Palette;
        encoder.control(Control::Tool(tool), i32::from(is_used))?;
    }
    Ok(encoder)
}
