//! libopus behind safe functions: the only unsafe code about sound.
//!
//! It is called directly because the safe crates offer no deep redundancy (DRED). Each type owns what it points to, gives
//! the library slices together with their lengths and nothing else, and takes `&mut self` for all that changes state.
#![expect(unsafe_code, reason = "a C library; every block says why it is sound")]

use std::ffi::c_int;
use std::ptr::NonNull;

use media::audio::SAMPLE_RATE_HZ;
use opusic_sys as ffi;

/// What libopus answers when it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The packet is damaged.
    #[error("the packet is damaged")]
    InvalidPacket,
    /// Anything else, as the library numbers it.
    #[error("error {0} of libopus")]
    Other(i32),
}

/// A count, or one of the library's negative errors.
fn checked(result: c_int) -> Result<usize, OpusError> {
    match result {
        ffi::OPUS_INVALID_PACKET => Err(OpusError::InvalidPacket),
        error if error < 0 => Err(OpusError::Other(error)),
        count => Ok(count as usize),
    }
}

/// Lengths are far below this; one that is not is refused instead of wrapped.
fn length(len: usize) -> Result<c_int, OpusError> {
    c_int::try_from(len).map_err(|_| OpusError::Other(ffi::OPUS_BAD_ARG))
}

fn created<T>(state: *mut T, error: c_int) -> Result<NonNull<T>, OpusError> {
    checked(error)?;
    NonNull::new(state).ok_or(OpusError::Other(ffi::OPUS_ALLOC_FAIL))
}

/// An encoder for voice: 48 kHz, mono.
#[derive(Debug)]
pub(super) struct RawEncoder(NonNull<ffi::OpusEncoder>);

// SAFETY: the state is plain memory that belongs to this value alone; libopus ties nothing to a thread.
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    pub(super) fn new() -> Result<Self, OpusError> {
        let mut error = ffi::OPUS_OK;
        // SAFETY: `error` outlives the call, which writes to nothing else of ours.
        let state = unsafe {
            ffi::opus_encoder_create(
                SAMPLE_RATE_HZ as i32,
                1,
                ffi::OPUS_APPLICATION_VOIP,
                &raw mut error,
            )
        };
        created(state, error).map(Self)
    }

    /// Sets one of the settings that are integers.
    pub(super) fn set(&mut self, setting: EncoderSetting, value: i32) -> Result<(), OpusError> {
        let request = match setting {
            EncoderSetting::Bitrate => ffi::OPUS_SET_BITRATE_REQUEST,
            EncoderSetting::InBandFec => ffi::OPUS_SET_INBAND_FEC_REQUEST,
            EncoderSetting::PacketLossPercent => ffi::OPUS_SET_PACKET_LOSS_PERC_REQUEST,
            EncoderSetting::Dtx => ffi::OPUS_SET_DTX_REQUEST,
            EncoderSetting::Signal => ffi::OPUS_SET_SIGNAL_REQUEST,
            EncoderSetting::DredDuration => ffi::OPUS_SET_DRED_DURATION_REQUEST,
        };
        // SAFETY: the state is alive, and each of these requests reads exactly one `opus_int32` (opus_defines.h).
        checked(unsafe { ffi::opus_encoder_ctl(self.0.as_ptr(), request, value) }).map(drop)
    }

    /// Encodes one frame into `output` and returns the packet's length.
    pub(super) fn encode(
        &mut self,
        samples: &[f32],
        output: &mut [u8],
    ) -> Result<usize, OpusError> {
        let (frame_size, room) = (length(samples.len())?, length(output.len())?);
        // SAFETY: the state is alive; with one channel the library reads `frame_size` samples and writes at most `room`
        // bytes, which are the lengths of the two slices.
        checked(unsafe {
            ffi::opus_encode_float(
                self.0.as_ptr(),
                samples.as_ptr(),
                frame_size,
                output.as_mut_ptr(),
                room,
            )
        })
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        // SAFETY: it came from `opus_encoder_create` and is given back once.
        unsafe { ffi::opus_encoder_destroy(self.0.as_ptr()) }
    }
}

/// What can be set on a [`RawEncoder`].
#[derive(Debug, Clone, Copy)]
pub(super) enum EncoderSetting {
    /// Bits per second.
    Bitrate,
    /// 0 or 1.
    InBandFec,
    /// 0 to 100.
    PacketLossPercent,
    /// 0 or 1.
    Dtx,
    /// One of the library's constants.
    Signal,
    /// In units of 10 ms; 0 is off.
    DredDuration,
}

/// A decoder: 48 kHz, mono.
#[derive(Debug)]
pub(super) struct RawDecoder(NonNull<ffi::OpusDecoder>);

// SAFETY: as for the encoder.
unsafe impl Send for RawDecoder {}

impl RawDecoder {
    pub(super) fn new() -> Result<Self, OpusError> {
        let mut error = ffi::OPUS_OK;
        // SAFETY: `error` outlives the call, which writes to nothing else of ours.
        let state = unsafe { ffi::opus_decoder_create(SAMPLE_RATE_HZ as i32, 1, &raw mut error) };
        created(state, error).map(Self)
    }

    /// How much work the decoder may do to conceal well, from 0 to 10.
    pub(super) fn set_complexity(&mut self, complexity: i32) -> Result<(), OpusError> {
        let request = ffi::OPUS_SET_COMPLEXITY_REQUEST;
        // SAFETY: the state is alive, and the request reads exactly one `opus_int32` (opus_defines.h).
        checked(unsafe { ffi::opus_decoder_ctl(self.0.as_ptr(), request, complexity) }).map(drop)
    }

    /// Decodes `packet`, or its in-band FEC; an empty packet is a lost one. Returns how many samples were written.
    pub(super) fn decode(
        &mut self,
        packet: &[u8],
        output: &mut [f32],
        from_fec: bool,
    ) -> Result<usize, OpusError> {
        let (len, frame_size) = (length(packet.len())?, length(output.len())?);
        let data = if packet.is_empty() {
            std::ptr::null()
        } else {
            packet.as_ptr()
        };
        // SAFETY: the state is alive; the library reads `len` bytes (none from the null pointer, which means a loss) and
        // writes at most `frame_size` samples of one channel, the lengths of the two slices.
        checked(unsafe {
            ffi::opus_decode_float(
                self.0.as_ptr(),
                data,
                len,
                output.as_mut_ptr(),
                frame_size,
                c_int::from(from_fec),
            )
        })
    }

    /// Reconstructs the samples that begin `before` samples before the packet that `redundancy` was parsed from.
    pub(super) fn reconstruct(
        &mut self,
        redundancy: &Redundancy,
        before: usize,
        output: &mut [f32],
    ) -> Result<usize, OpusError> {
        let (before, frame_size) = (length(before)?, length(output.len())?);
        // SAFETY: both states are alive, and the library only reads the second; it writes at most `frame_size` samples
        // of one channel, the length of the slice.
        checked(unsafe {
            ffi::opus_decoder_dred_decode_float(
                self.0.as_ptr(),
                redundancy.parsed.as_ptr(),
                before,
                output.as_mut_ptr(),
                frame_size,
            )
        })
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: it came from `opus_decoder_create` and is given back once.
        unsafe { ffi::opus_decoder_destroy(self.0.as_ptr()) }
    }
}

/// What the deep redundancy of the packet parsed last says about the sound before it.
#[derive(Debug)]
pub(super) struct Redundancy {
    parser: NonNull<ffi::OpusDREDDecoder>,
    parsed: NonNull<ffi::OpusDRED>,
}

// SAFETY: both states are plain memory that belongs to this value alone; libopus ties nothing to a thread.
unsafe impl Send for Redundancy {}

impl Redundancy {
    pub(super) fn new() -> Result<Self, OpusError> {
        let mut error = ffi::OPUS_OK;
        // SAFETY: `error` outlives the call, which writes to nothing else of ours.
        let parser = created(
            unsafe { ffi::opus_dred_decoder_create(&raw mut error) },
            error,
        )?;
        // SAFETY: as above.
        let parsed = unsafe { ffi::opus_dred_alloc(&raw mut error) };
        match created(parsed, error) {
            Ok(parsed) => {
                let mut this = Self { parser, parsed };
                // The library leaves the memory as it finds it. Parsing, even of a packet without redundancy, is what
                // makes it say that there is nothing in it.
                this.parse(&[0xf8], 0)?;
                Ok(this)
            }
            Err(error) => {
                // SAFETY: it came from `opus_dred_decoder_create` and nobody else has it.
                unsafe { ffi::opus_dred_decoder_destroy(parser.as_ptr()) };
                Err(error)
            }
        }
    }

    /// Parses the redundancy in `packet` as far back as `max_samples`. Returns how many samples before the packet it
    /// reaches back and where, nearer to the packet, it ends; both zero if there is none.
    pub(super) fn parse(
        &mut self,
        packet: &[u8],
        max_samples: usize,
    ) -> Result<std::ops::Range<usize>, OpusError> {
        let (len, max_samples) = (length(packet.len())?, length(max_samples)?);
        let mut end = 0;
        // SAFETY: both states are alive and different; the library reads `len` bytes, the length of the slice, and
        // writes to `end`, which outlives the call.
        let begin = checked(unsafe {
            ffi::opus_dred_parse(
                self.parser.as_ptr(),
                self.parsed.as_ptr(),
                packet.as_ptr(),
                len,
                max_samples,
                SAMPLE_RATE_HZ as i32,
                &raw mut end,
                0,
            )
        })?;
        Ok(usize::try_from(end).unwrap_or(0)..begin)
    }
}

impl Drop for Redundancy {
    fn drop(&mut self) {
        // SAFETY: they came from `opus_dred_alloc` and `opus_dred_decoder_create` and are given back once.
        unsafe {
            ffi::opus_dred_free(self.parsed.as_ptr());
            ffi::opus_dred_decoder_destroy(self.parser.as_ptr());
        }
    }
}
