//! libaom behind safe functions: the only unsafe code about AV1.
//!
//! Each type owns what it points to, gives the library whole pictures and slices together with their lengths and nothing
//! else, copies what comes out before the next call, and takes `&mut self` for all that changes state.
#![expect(unsafe_code, reason = "a C library; every block says why it is sound")]

use std::ffi::{c_int, c_uint, c_ulong};
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Instant;

use bytes::Bytes;
use libaom_sys as ffi;
use media::video::{Colors, PicturePool, VideoFrame};

use crate::CodecError;

/// What libaom answers when it refuses, as `aom_codec.h` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("error {0} of libaom")]
pub struct AomError(u32);

const fn checked(result: ffi::aom_codec_err_t) -> Result<(), AomError> {
    match result {
        ffi::AOM_CODEC_OK => Ok(()),
        error => Err(AomError(error)),
    }
}

/// The library keeps a pointer to this.
type Context = Box<ffi::aom_codec_ctx_t>;

/// A context as the library wants it before it initialises it.
#[expect(
    clippy::unnecessary_box_returns,
    reason = "it may not move once the library has seen it"
)]
fn empty_context() -> Context {
    // SAFETY: a C structure of pointers and numbers, for all of which zero is a value.
    Box::new(unsafe { MaybeUninit::zeroed().assume_init() })
}

/// How a running encoder is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Setting {
    pub(super) size_px: (u32, u32),
    pub(super) target_kbps: u32,
}

/// An encoder for calls: real-time usage, constant bitrate, one thread, one pass, no lookahead, no keyframes by itself.
pub(super) struct RawEncoder {
    context: Context,
    /// The library may go on reading what it was initialised with.
    config: Box<ffi::aom_codec_enc_cfg_t>,
}

// SAFETY: the state is memory that belongs to this value alone; with one thread libaom ties nothing to a thread.
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    pub(super) fn new(setting: Setting) -> Result<Self, AomError> {
        let mut config = MaybeUninit::zeroed();
        // SAFETY: the interface is a constant of the library, which writes a whole configuration if it succeeds. Zero is a
        // value for all that is in it besides.
        let config = unsafe {
            checked(ffi::aom_codec_enc_config_default(
                ffi::aom_codec_av1_cx(),
                config.as_mut_ptr(),
                ffi::AOM_USAGE_REALTIME,
            ))?;
            config.assume_init()
        };
        let mut config = Box::new(config);
        config.g_threads = 1;
        config.g_timebase = ffi::aom_rational {
            num: 1,
            den: 90_000,
        };
        config.g_input_bit_depth = 8;
        config.g_pass = ffi::AOM_RC_ONE_PASS;
        config.g_lag_in_frames = 0;
        // Keyframes cost many times a normal frame: they come on request only.
        config.kf_mode = ffi::AOM_KF_DISABLED;
        config.rc_end_usage = ffi::AOM_CBR;
        // A frame left out looks worse than a coarse one.
        config.rc_dropframe_thresh = 0;
        config.rc_min_quantizer = 10;
        config.rc_max_quantizer = 63;
        config.rc_undershoot_pct = 50;
        config.rc_overshoot_pct = 50;
        // In milliseconds: the rate is right over a second.
        config.rc_buf_sz = 1000;
        config.rc_buf_initial_sz = 600;
        config.rc_buf_optimal_sz = 600;
        apply(setting, &mut config);
        let mut context = empty_context();
        // SAFETY: both boxes stay where they are as long as the encoder lives. A failed call leaves nothing to destroy.
        checked(unsafe {
            ffi::aom_codec_enc_init_ver(
                &raw mut *context,
                ffi::aom_codec_av1_cx(),
                &raw const *config,
                0,
                ffi::AOM_ENCODER_ABI_VERSION as c_int,
            )
        })?;
        Ok(Self { context, config })
    }

    /// Sets one of the controls that take an `int` (`aomcx.h`).
    pub(super) fn control(&mut self, control: Control, value: i32) -> Result<(), AomError> {
        // SAFETY: the context is alive, and each of these controls takes one `int` or `unsigned int`.
        checked(unsafe {
            ffi::aom_codec_control(
                &raw mut *self.context,
                control.id() as c_int,
                value as c_int,
            )
        })
    }

    /// Changes size and bitrate from the next picture on.
    pub(super) fn set(&mut self, setting: Setting) -> Result<(), AomError> {
        apply(setting, &mut self.config);
        // SAFETY: both are alive; the library copies the configuration.
        checked(unsafe {
            ffi::aom_codec_enc_config_set(&raw mut *self.context, &raw const *self.config)
        })
    }

    /// Encodes a picture of the size that was set; whether it came out as a keyframe. `None` if it was left out.
    ///
    /// `at` must grow from call to call, and like `duration` counts 90,000 to a second.
    pub(super) fn encode(
        &mut self,
        frame: &VideoFrame,
        at: i64,
        duration: u32,
        force_keyframe: bool,
    ) -> Result<Option<(Bytes, bool)>, AomError> {
        if (frame.width_px(), frame.height_px()) != (self.config.g_w, self.config.g_h) {
            return Err(AomError(ffi::AOM_CODEC_INVALID_PARAM));
        }
        let flags = if force_keyframe {
            ffi::AOM_EFLAG_FORCE_KF
        } else {
            0
        };
        let mut image = MaybeUninit::zeroed();
        // SAFETY: zero is a value for all of the image's fields. The planes of a picture lie behind each other without gaps,
        // as `aom_img_wrap` lays them out with an alignment of 1; the library only reads them (it writes for a denoiser,
        // which stays off), and copies them before it returns.
        let result = unsafe {
            let wrapped = ffi::aom_img_wrap(
                image.as_mut_ptr(),
                ffi::AOM_IMG_FMT_I420,
                frame.width_px(),
                frame.height_px(),
                1,
                frame.planes().as_ptr().cast_mut(),
            );
            if wrapped.is_null() {
                return Err(AomError(ffi::AOM_CODEC_INVALID_PARAM));
            }
            ffi::aom_codec_encode(
                &raw mut *self.context,
                image.as_ptr(),
                at,
                c_ulong::from(duration),
                flags.into(),
            )
        };
        checked(result)?;
        Ok(self.take())
    }

    /// What the last picture became.
    fn take(&mut self) -> Option<(Bytes, bool)> {
        let mut data = Vec::new();
        let mut is_keyframe = false;
        let mut iterator = ptr::null();
        loop {
            // SAFETY: the context is alive, and the iterator begins at null and is the library's from then on.
            let packet =
                unsafe { ffi::aom_codec_get_cx_data(&raw mut *self.context, &raw mut iterator) };
            // SAFETY: a packet is valid until the next call, and `kind` says which part of the union is filled.
            let frame = unsafe {
                let Some(packet) = packet.as_ref() else { break };
                if packet.kind != ffi::AOM_CODEC_CX_FRAME_PKT {
                    continue;
                }
                packet.data.frame
            };
            if frame.buf.is_null() {
                continue;
            }
            // SAFETY: the library says that so many bytes are there.
            data.extend_from_slice(unsafe {
                std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz)
            });
            is_keyframe |= frame.flags & ffi::AOM_FRAME_IS_KEY != 0;
        }
        (!data.is_empty()).then(|| (data.into(), is_keyframe))
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        destroy(&mut self.context);
    }
}

fn destroy(context: &mut Context) {
    // SAFETY: the context was initialised and is not used again. What it answers changes nothing.
    unsafe { ffi::aom_codec_destroy(&raw mut **context) };
}

const fn apply(setting: Setting, config: &mut ffi::aom_codec_enc_cfg_t) {
    (config.g_w, config.g_h) = setting.size_px;
    config.rc_target_bitrate = setting.target_kbps;
}

/// The controls that we use: those of libwebrtc's encoder, which leave out what costs more than it brings in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Speed,
    /// The size of a keyframe at most, in percent of what a picture has on average.
    MaxIntraBitratePercent,
    AqMode,
    Cdef,
    Restoration,
    DeltaQMode,
    CdfUpdateMode,
    CoefficientCostUpdates,
    ModeCostUpdates,
    MotionCostUpdates,
    OrderHint,
    TplModel,
    DisableTrellis,
    MaxReferenceFrames,
    IntraDefaultTransformsOnly,
    ColorPrimaries,
    TransferCharacteristics,
    MatrixCoefficients,
    /// 1 for a screen, 0 for anything else.
    IsScreen,
    /// Tools that are switched off or on, by name.
    Tool(Tool),
}

/// Tools of AV1 that are not worth their time in a call, most of them whatever the pictures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Obmc,
    WarpedMotion,
    GlobalMotion,
    RefFrameMvs,
    CflIntra,
    SmoothIntra,
    AngleDelta,
    FilterIntra,
    PaethIntra,
    IntraEdgeFilter,
    IntraBlockCopy,
    Palette,
    DistWtdComp,
    DiffWtdComp,
    DualFilter,
    InterIntraComp,
    InterIntraWedge,
    SmoothInterIntra,
    MaskedComp,
    QuantizationMatrices,
    RectPartitions,
    Tx64,
}

impl Tool {
    pub(super) const ALL: [Self; 22] = [
        Self::Obmc,
        Self::WarpedMotion,
        Self::GlobalMotion,
        Self::RefFrameMvs,
        Self::CflIntra,
        Self::SmoothIntra,
        Self::AngleDelta,
        Self::FilterIntra,
        Self::PaethIntra,
        Self::IntraEdgeFilter,
        Self::IntraBlockCopy,
        Self::Palette,
        Self::DistWtdComp,
        Self::DiffWtdComp,
        Self::DualFilter,
        Self::InterIntraComp,
        Self::InterIntraWedge,
        Self::SmoothInterIntra,
        Self::MaskedComp,
        Self::QuantizationMatrices,
        Self::RectPartitions,
        Self::Tx64,
    ];
}

impl Control {
    const fn id(self) -> c_uint {
        match self {
            Self::Speed => ffi::AOME_SET_CPUUSED,
            Self::MaxIntraBitratePercent => ffi::AOME_SET_MAX_INTRA_BITRATE_PCT,
            Self::IsScreen => ffi::AV1E_SET_TUNE_CONTENT,
            Self::AqMode => ffi::AV1E_SET_AQ_MODE,
            Self::Cdef => ffi::AV1E_SET_ENABLE_CDEF,
            Self::Restoration => ffi::AV1E_SET_ENABLE_RESTORATION,
            Self::DeltaQMode => ffi::AV1E_SET_DELTAQ_MODE,
            Self::CdfUpdateMode => ffi::AV1E_SET_CDF_UPDATE_MODE,
            Self::CoefficientCostUpdates => ffi::AV1E_SET_COEFF_COST_UPD_FREQ,
            Self::ModeCostUpdates => ffi::AV1E_SET_MODE_COST_UPD_FREQ,
            Self::MotionCostUpdates => ffi::AV1E_SET_MV_COST_UPD_FREQ,
            Self::OrderHint => ffi::AV1E_SET_ENABLE_ORDER_HINT,
            Self::TplModel => ffi::AV1E_SET_ENABLE_TPL_MODEL,
            Self::DisableTrellis => ffi::AV1E_SET_DISABLE_TRELLIS_QUANT,
            Self::MaxReferenceFrames => ffi::AV1E_SET_MAX_REFERENCE_FRAMES,
            Self::IntraDefaultTransformsOnly => ffi::AV1E_SET_INTRA_DEFAULT_TX_ONLY,
            Self::ColorPrimaries => ffi::AV1E_SET_COLOR_PRIMARIES,
            Self::TransferCharacteristics => ffi::AV1E_SET_TRANSFER_CHARACTERISTICS,
            Self::MatrixCoefficients => ffi::AV1E_SET_MATRIX_COEFFICIENTS,
            Self::Tool(tool) => match tool {
                Tool::Obmc => ffi::AV1E_SET_ENABLE_OBMC,
                Tool::WarpedMotion => ffi::AV1E_SET_ENABLE_WARPED_MOTION,
                Tool::GlobalMotion => ffi::AV1E_SET_ENABLE_GLOBAL_MOTION,
                Tool::RefFrameMvs => ffi::AV1E_SET_ENABLE_REF_FRAME_MVS,
                Tool::CflIntra => ffi::AV1E_SET_ENABLE_CFL_INTRA,
                Tool::SmoothIntra => ffi::AV1E_SET_ENABLE_SMOOTH_INTRA,
                Tool::AngleDelta => ffi::AV1E_SET_ENABLE_ANGLE_DELTA,
                Tool::FilterIntra => ffi::AV1E_SET_ENABLE_FILTER_INTRA,
                Tool::PaethIntra => ffi::AV1E_SET_ENABLE_PAETH_INTRA,
                Tool::IntraEdgeFilter => ffi::AV1E_SET_ENABLE_INTRA_EDGE_FILTER,
                Tool::IntraBlockCopy => ffi::AV1E_SET_ENABLE_INTRABC,
                Tool::Palette => ffi::AV1E_SET_ENABLE_PALETTE,
                Tool::DistWtdComp => ffi::AV1E_SET_ENABLE_DIST_WTD_COMP,
                Tool::DiffWtdComp => ffi::AV1E_SET_ENABLE_DIFF_WTD_COMP,
                Tool::DualFilter => ffi::AV1E_SET_ENABLE_DUAL_FILTER,
                Tool::InterIntraComp => ffi::AV1E_SET_ENABLE_INTERINTRA_COMP,
                Tool::InterIntraWedge => ffi::AV1E_SET_ENABLE_INTERINTRA_WEDGE,
                Tool::SmoothInterIntra => ffi::AV1E_SET_ENABLE_SMOOTH_INTERINTRA,
                Tool::MaskedComp => ffi::AV1E_SET_ENABLE_MASKED_COMP,
                Tool::QuantizationMatrices => ffi::AV1E_SET_ENABLE_QM,
                Tool::RectPartitions => ffi::AV1E_SET_ENABLE_RECT_PARTITIONS,
                Tool::Tx64 => ffi::AV1E_SET_ENABLE_TX64,
            },
        }
    }
}

/// A decoder with one thread, which gives each picture out at once.
pub(super) struct RawDecoder {
    context: Context,
    /// Where the memory of its pictures comes from.
    pool: PicturePool,
}

// SAFETY: as for the encoder.
unsafe impl Send for RawDecoder {}

impl RawDecoder {
    pub(super) fn new(pool: PicturePool) -> Result<Self, AomError> {
        let config = ffi::aom_codec_dec_cfg {
            threads: 1,
            w: 0,
            h: 0,
            allow_lowbitdepth: 1,
        };
        let mut context = empty_context();
        // SAFETY: the context stays where it is as long as the decoder lives; the configuration is copied. A failed call leaves
        // nothing to destroy.
        checked(unsafe {
            ffi::aom_codec_dec_init_ver(
                &raw mut *context,
                ffi::aom_codec_av1_dx(),
                &raw const config,
                0,
                ffi::AOM_DECODER_ABI_VERSION as c_int,
            )
        })?;
        Ok(Self { context, pool })
    }

    /// Decodes a temporal unit and returns its last picture, if it shows any.
    pub(super) fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        // SAFETY: the context is alive, and so are these bytes; the library keeps no pointer to them beyond the next call.
        let result = unsafe {
            ffi::aom_codec_decode(
                &raw mut *self.context,
                data.as_ptr(),
                data.len(),
                ptr::null_mut(),
            )
        };
        let mut last = None;
        let mut iterator = ptr::null();
        // They are taken out also after an error, so that none comes with the next unit.
        loop {
            // SAFETY: the context is alive, and the iterator begins at null and is the library's from then on.
            let image =
                unsafe { ffi::aom_codec_get_frame(&raw mut *self.context, &raw mut iterator) };
            // SAFETY: an image is valid until the next call, which is after it was copied.
            match unsafe { image.as_ref() } {
                Some(image) if result == ffi::AOM_CODEC_OK => {
                    last = Some(to_frame(image, &self.pool));
                }
                Some(_) => {}
                None => break,
            }
        }
        checked(result).map_err(|_| CodecError::Undecodable)?;
        last.transpose()
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        destroy(&mut self.context);
    }
}

/// Copies a picture out of the library's memory, without the padding of its rows, into memory of `pool`.
fn to_frame(image: &ffi::aom_image_t, pool: &PicturePool) -> Result<VideoFrame, CodecError> {
    let (width_px, height_px) = (image.d_w, image.d_h);
    let unsupported = CodecError::UnsupportedSize {
        width_px,
        height_px,
    };
    if width_px.max(height_px) > VideoFrame::MAX_SIDE_PX {
        return Err(unsupported);
    }
    if image.fmt != ffi::AOM_IMG_FMT_I420 || image.bit_depth != 8 {
        return Err(CodecError::Undecodable);
    }
    let (width, height) = (width_px as usize, height_px as usize);
    let mut planes = pool.take(VideoFrame::len_bytes(width_px, height_px));
    for plane in 0..3 {
        let (width, height) = if plane == 0 {
            (width, height)
        } else {
            (width / 2, height / 2)
        };
        let (start, stride) = (image.planes[plane], image.stride[plane]);
        if image.monochrome != 0 && plane > 0 {
            planes.resize(planes.len() + width * height, 128);
            continue;
        }
        let stride = usize::try_from(stride).unwrap_or_default();
        if start.is_null() || stride < width {
            return Err(CodecError::Undecodable);
        }
        for row in 0..height {
            // SAFETY: the library says that a plane has so many rows, so far apart, and each is at least that wide: `d_w` is
            // no larger than `w`, and the chroma planes of I420 have half of it, rounded up.
            planes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(start.add(row * stride), width)
            });
        }
    }
    let is_full_range = image.range == ffi::AOM_CR_FULL_RANGE;
    VideoFrame::from_planes(width_px, height_px, planes, Instant::now())
        .map(|frame| frame.with_colors(Colors::of_code_points(image.mc, is_full_range)))
        .map(|frame| frame.returning_to(pool))
        .map_err(|_| unsupported)
}
