//! Packets to samples, and to samples that are missing.

use bytes::Bytes;
use media::audio::{SAMPLE_RATE_HZ, opus_packet_samples};

use super::library::{RawDecoder, Redundancy};
use crate::CodecError;

/// How much work goes into concealment, from 0 to 10. From 5 on the library conceals with its neural network.
const COMPLEXITY: i32 = 5;
/// Deep redundancy further back than this is not even parsed: a second.
const MAX_SAMPLES_BEFORE: usize = SAMPLE_RATE_HZ as usize;

/// Decodes one stream to 48 kHz mono. Stereo from other senders is mixed down.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: RawDecoder,
    /// Made when the first packet with deep redundancy is needed.
    dred: Option<Dred>,
}

/// The redundancy of one packet, which serves for all frames that are missing before it.
#[derive(Debug)]
struct Dred {
    redundancy: Redundancy,
    packet: Bytes,
    /// What it covers, in samples before the packet: from the latest to the earliest.
    reach: std::ops::Range<usize>,
}

impl OpusDecoder {
    /// Starts a decoder.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library does not start, which would be for want of memory.
    pub fn new() -> Result<Self, CodecError> {
        let mut decoder = RawDecoder::new()?;
        decoder.set_complexity(COMPLEXITY)?;
        Ok(Self {
            decoder,
            dred: None,
        })
    }

    /// Decodes one packet: as many samples as it holds, 120 (2.5 ms) to 5760 (120 ms).
    ///
    /// # Errors
    /// [`CodecError::Undecodable`] if the packet is damaged. The stream goes on with the next one.
    pub fn decode(&mut self, packet: &[u8]) -> Result<Vec<f32>, CodecError> {
        let samples = opus_packet_samples(packet).ok_or(CodecError::Undecodable)?;
        self.run(packet, samples as usize, false)
    }

    /// Reconstructs so many samples *before* `next_packet`, which was not lost, from the copy that it carries, which is as
    /// long as the packet. What is beyond it, and all of it if there is none, is concealment. (`samples` are a multiple of
    /// 2.5 ms.)
    ///
    /// # Errors
    /// [`CodecError::Undecodable`] if the packet is damaged.
    pub fn decode_fec(
        &mut self,
        next_packet: &[u8],
        samples: usize,
    ) -> Result<Vec<f32>, CodecError> {
        if next_packet.is_empty() {
            return Err(CodecError::Undecodable);
        }
        self.run(next_packet, samples, true)
    }

    /// Reconstructs so many samples, a multiple of 2.5 ms, that begin `samples_before` samples before `later_packet` from the deep redundancy (DRED)
    /// that it carries. `None`, and nothing is done, if it carries none that reaches so far.
    ///
    /// # Errors
    /// [`CodecError::Undecodable`] if the packet is damaged.
    pub fn reconstruct(
        &mut self,
        later_packet: &Bytes,
        samples_before: usize,
        samples: usize,
    ) -> Result<Option<Vec<f32>>, CodecError> {
        let dred = match &mut self.dred {
            Some(dred) => dred,
            none => none.insert(Dred::new()?),
        };
        dred.parse(later_packet)?;
        if !dred.covers(samples_before) {
            return Ok(None);
        }
        let mut output = vec![0.0; samples];
        let decoded = self
            .decoder
            .reconstruct(&dred.redundancy, samples_before, &mut output)?;
        output.truncate(decoded);
        Ok(Some(output))
    }

    /// Makes so many samples, a multiple of 2.5 ms, up from the sound before; repeated, it fades out.
    ///
    /// # Errors
    /// [`CodecError::Opus`] if the library fails, which it has no reason to.
    pub fn conceal(&mut self, samples: usize) -> Result<Vec<f32>, CodecError> {
        self.run(&[], samples, false)
    }

    /// An empty packet means to the library that one was lost.
    fn run(
        &mut self,
        packet: &[u8],
        samples: usize,
        from_fec: bool,
    ) -> Result<Vec<f32>, CodecError> {
        let mut output = vec![0.0; samples];
        let decoded = self.decoder.decode(packet, &mut output, from_fec)?;
        output.truncate(decoded);
        Ok(output)
    }
}

impl Dred {
    fn new() -> Result<Self, CodecError> {
        Ok(Self {
            redundancy: Redundancy::new()?,
            packet: Bytes::new(),
            reach: 0..0,
        })
    }

    fn parse(&mut self, packet: &Bytes) -> Result<(), CodecError> {
        if self.packet != *packet {
            // Should it fail, nothing of the packet before may be taken for this one.
            self.reach = 0..0;
            self.packet = packet.clone();
            self.reach = self.redundancy.parse(packet, MAX_SAMPLES_BEFORE)?;
        }
        Ok(())
    }

    fn covers(&self, samples_before: usize) -> bool {
        samples_before <= self.reach.end && samples_before > self.reach.start
    }
}
