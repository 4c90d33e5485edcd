//! Samples to packets.

use std::time::Duration;

use bytes::Bytes;
use media::audio::AudioPlan;

use super::library::{EncoderSetting, RawEncoder};
use crate::CodecError;

/// The largest packet we make: well within one datagram, and far above what voice needs.
pub const MAX_PACKET_BYTES: usize = 1000;

/// Encodes packets of 10 or 20 ms, which may follow each other as they like. Each can carry a coarse copy of the one before
/// (in-band FEC) and deep redundancy (DRED) about many before.
#[derive(Debug)]
pub struct OpusEncoder {
    encoder: RawEncoder,
    buffer: Box<[u8; MAX_PACKET_BYTES]>,
}

impl OpusEncoder {
    /// Bits per second at the start: full-band voice that few can tell from the original.
    pub const DEFAULT_BITRATE: u32 = 32_000;
    /// The furthest back that deep redundancy reaches.
    pub const MAX_DRED: Duration = Duration::from_millis(1040);
    /// What Opus can do, in bits per second.
    const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=256_000;

    /// Starts an encoder with [`Self::DEFAULT_BITRATE`], in-band FEC ready for 5 % of loss, DRED and DTX off.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        let mut this = Self {
            encoder: RawEncoder::new()?,
            buffer: Box::new([0; MAX_PACKET_BYTES]),
        };
        // Only the voice modes of Opus carry FEC.
        this.encoder
            .set(EncoderSetting::Signal, opusic_sys::OPUS_SIGNAL_VOICE)?;
        this.set_in_band_fec(true)?;
        this.set_target_bitrate(Self::DEFAULT_BITRATE)?;
        // Without expected loss the encoder would put no FEC in: the first loss would be heard.
        this.set_expected_loss(0.05)?;
        this.set_dred(Duration::ZERO)?;
        this.set_dtx(false)?;
        Ok(this)
    }

    /// Encodes one packet: 2.5, 5, 10, 20, 40 or 60 ms. With DTX, silence makes packets of one or two bytes that need not be
    /// sent.
    ///
    /// # Errors
    /// [`CodecError::Opus`] for any other number of samples.
    pub fn encode(&mut self, samples: &[f32]) -> Result<Bytes, CodecError> {
        let len = self.encoder.encode(samples, &mut self.buffer[..])?;
        Ok(Bytes::copy_from_slice(&self.buffer[..len]))
    }

    /// Does all that `plan` says, from the next packet on; how long it is, is decided by who brings the samples.
    pub fn follow(&mut self, plan: &AudioPlan) -> Result<(), CodecError> {
        self.set_target_bitrate(plan.bitrate_bps)?;
        self.set_expected_loss(plan.expected_loss_ratio)?;
        self.set_in_band_fec(plan.has_in_band_fec)?;
        self.set_dred(plan.dred)?;
        self.set_dtx(plan.has_dtx)
    }

    /// Orders a bitrate in bits per second, brought within what Opus can do. Redundancy is part of it.
    pub fn set_target_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        let bitrate = bits_per_second.clamp(*Self::BITRATES.start(), *Self::BITRATES.end());
        Ok(self.encoder.set(EncoderSetting::Bitrate, bitrate as i32)?)
    }

    /// Says which share of the packets will be lost (0 to 1): the more, the more goes into FEC and DRED.
    pub fn set_expected_loss(&mut self, loss_ratio: f32) -> Result<(), CodecError> {
        let percent = (loss_ratio.clamp(0.0, 1.0) * 100.0).round() as i32;
        Ok(self
            .encoder
            .set(EncoderSetting::PacketLossPercent, percent)?)
    }

    /// Lets packets carry a copy of the frame before, or not.
    pub fn set_in_band_fec(&mut self, is_on: bool) -> Result<(), CodecError> {
        Ok(self
            .encoder
            .set(EncoderSetting::InBandFec, i32::from(is_on))?)
    }

    /// Lets packets describe so much of the sound before them in deep redundancy, up to [`Self::MAX_DRED`]; zero turns it
    /// off. The library puts in less where the bitrate does not allow it. Old decoders skip it.
    pub fn set_dred(&mut self, duration: Duration) -> Result<(), CodecError> {
        let tens_of_ms = duration.min(Self::MAX_DRED).as_millis() / 10;
        Ok(self
            .encoder
            .set(EncoderSetting::DredDuration, tens_of_ms as i32)?)
    }

    /// Turns discontinuous transmission on or off: next to nothing is sent while nobody speaks.
    pub fn set_dtx(&mut self, is_on: bool) -> Result<(), CodecError> {
        Ok(self.encoder.set(EncoderSetting::Dtx, i32::from(is_on))?)
    }
}
