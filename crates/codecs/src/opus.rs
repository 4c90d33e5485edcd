//! Opus (RFC 6716) by libopus: 48 kHz mono voice.

use bytes::Bytes;
use media::audio::{FRAME_SAMPLES, SAMPLE_RATE_HZ, opus_packet_samples};
use opus::{Application, Bitrate, Channels, Decoder, Encoder, Signal};

use crate::CodecError;

/// The largest packet we make: well within one datagram, and far above what voice needs in 20 ms.
pub const MAX_PACKET_BYTES: usize = 1000;

/// Encodes frames of 20 ms, each with a coarse copy of the one before (in-band FEC) when loss is expected.
#[derive(Debug)]
pub struct OpusEncoder {
    encoder: Encoder,
    buffer: Box<[u8; MAX_PACKET_BYTES]>,
}

impl OpusEncoder {
    /// Bits per second at the start: full-band voice that few can tell from the original.
    pub const DEFAULT_BITRATE: u32 = 32_000;
    /// What Opus can do, in bits per second.
    const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=256_000;

    /// Starts an encoder with [`Self::DEFAULT_BITRATE`], in-band FEC ready for 5 % of loss, and DTX off.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        let mut encoder = Encoder::new(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)?;
        encoder.set_inband_fec(true)?;
        // Only the voice modes of Opus carry FEC.
        encoder.set_signal(Signal::Voice)?;
        let mut this = Self {
            encoder,
            buffer: Box::new([0; MAX_PACKET_BYTES]),
        };
        this.set_target_bitrate(Self::DEFAULT_BITRATE)?;
        // Without expected loss the encoder would put no FEC in: the first loss would be heard.
        this.set_expected_loss(0.05)?;
        this.set_dtx(false)?;
        Ok(this)
    }

    /// Encodes 20 ms. With DTX, silence makes packets of one or two bytes that need not be sent.
    pub fn encode(&mut self, samples: &[f32; FRAME_SAMPLES]) -> Result<Bytes, CodecError> {
        let len = self.encoder.encode_float(samples, &mut self.buffer[..])?;
        Ok(Bytes::copy_from_slice(&self.buffer[..len]))
    }

    /// Orders a bitrate in bits per second, brought within what Opus can do.
    pub fn set_target_bitrate(&mut self, bits_per_second: u32) -> Result<(), CodecError> {
        let bitrate = bits_per_second.clamp(*Self::BITRATES.start(), *Self::BITRATES.end());
        Ok(self.encoder.set_bitrate(Bitrate::Bits(bitrate as i32))?)
    }

    /// Says which share of the packets will be lost (0 to 1): the more, the more goes into FEC.
    pub fn set_expected_loss(&mut self, loss_ratio: f32) -> Result<(), CodecError> {
        let percent = (loss_ratio.clamp(0.0, 1.0) * 100.0).round() as i32;
        Ok(self.encoder.set_packet_loss_perc(percent)?)
    }

    /// Turns discontinuous transmission on or off: next to nothing is sent while nobody speaks.
    pub fn set_dtx(&mut self, is_on: bool) -> Result<(), CodecError> {
        Ok(self.encoder.set_dtx(is_on)?)
    }
}

/// Decodes one stream to 48 kHz mono. Stereo from other senders is mixed down.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: Decoder,
}

impl OpusDecoder {
    /// Starts a decoder.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        Ok(Self {
            decoder: Decoder::new(SAMPLE_RATE_HZ, Channels::Mono)?,
        })
    }

    /// Decodes one packet: as many samples as it holds, 120 (2.5 ms) to 5760 (120 ms). Ours hold [`FRAME_SAMPLES`].
    ///
    /// # Errors
    /// [`CodecError::Undecodable`] if the packet is damaged. The stream goes on with the next one.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Vec<f32>, CodecError> {
        let samples = opus_packet_samples(packet).ok_or(CodecError::Undecodable)?;
        self.run(packet, samples as usize, false)
    }

    /// Reconstructs the 20 ms *before* `next_packet`, which was not lost, from the copy that it carries. If it carries
    /// none, this is concealment.
    ///
    /// # Errors
    /// [`CodecError::Undecodable`] if the packet is damaged.
    pub fn decode_fec(&mut self, next_packet: &[u8]) -> Result<Vec<f32>, CodecError> {
        if next_packet.is_empty() {
            return Err(CodecError::Undecodable);
        }
        self.run(next_packet, FRAME_SAMPLES, true)
    }

    /// Makes 20 ms up from the sound before; repeated, it fades out.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library fails, which it has no reason to.
    pub fn conceal(&mut self) -> Result<Vec<f32>, CodecError> {
        self.run(&[], FRAME_SAMPLES, false)
    }

    /// An empty packet means to the library that one was lost.
    fn run(
        &mut self,
        packet: &[u8],
        samples: usize,
        from_fec: bool,
    ) -> Result<Vec<f32>, CodecError> {
        let mut output = vec![0.0; samples];
        match self.decoder.decode_float(packet, &mut output, from_fec) {
            Ok(decoded) => {
                output.truncate(decoded);
                Ok(output)
            }
            Err(error) if error.code() == opus::ErrorCode::InvalidPacket => {
                Err(CodecError::Undecodable)
            }
            Err(error) => Err(error.into()),
        }
    }
}
