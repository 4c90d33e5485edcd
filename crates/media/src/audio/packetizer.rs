//! Frames to what goes into one packet.

use std::time::Duration;

use super::{FRAME_DURATION, FRAME_SAMPLES};

/// What one packet is to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// One frame or more, mono at 48 kHz.
    pub samples: Vec<f32>,
    /// The RTP timestamp of the first sample.
    pub timestamp: u32,
}

/// Puts frames together to packets, whose length may change at any frame: no sample is lost or sent twice.
#[derive(Debug, Default)]
pub struct Packetizer {
    samples: Vec<f32>,
    /// Of the first sample, if there is one.
    timestamp: u32,
}

impl Packetizer {
    /// Makes one that has no sound yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next frame, whose first sample has this RTP timestamp, and gives a packet as soon as it holds `length`.
    /// A frame that does not follow the one before begins a new packet: half of one, with a gap in it, cannot be sent.
    pub fn push(
        &mut self,
        frame: &[f32; FRAME_SAMPLES],
        timestamp: u32,
        length: Duration,
    ) -> Option<Packet> {
        let follows = timestamp.wrapping_sub(self.timestamp) as usize == self.samples.len();
        if !follows {
            self.samples.clear();
        }
        if self.samples.is_empty() {
            self.timestamp = timestamp;
        }
        self.samples.extend_from_slice(frame);
        let frames = (self.samples.len() / FRAME_SAMPLES) as u32;
        (FRAME_DURATION * frames >= length).then(|| Packet {
            samples: std::mem::take(&mut self.samples),
            timestamp: self.timestamp,
        })
    }

    /// Drops what has no packet yet: the microphone is muted.
    pub fn clear(&mut self) {
        self.samples.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::{PACKET_DURATION, PACKET_SAMPLES};

    const FRAME: u32 = FRAME_SAMPLES as u32;

    #[test]
    fn a_gap_in_the_sound_never_ends_up_within_a_packet() {
        let frame = [0.1; FRAME_SAMPLES];
        let mut packetizer = Packetizer::new();
        assert_eq!(packetizer.push(&frame, 0, PACKET_DURATION), None);
        assert_eq!(packetizer.push(&frame, 5000, PACKET_DURATION), None);
        let packet = packetizer.push(&frame, 5000 + FRAME, PACKET_DURATION);
        let packet = packet.unwrap();
        assert_eq!((packet.timestamp, packet.samples.len()), (5000, 960));
        assert_eq!(packetizer.push(&frame, 9000, PACKET_DURATION), None);
        packetizer.clear();
        let after_the_mute = packetizer.push(&frame, 9000 + FRAME, PACKET_DURATION);
        assert_eq!(after_the_mute, None);
    }

    proptest! {
        #[test]
        fn lengths_may_change_at_any_frame_and_no_sample_is_lost(
            first in prop::num::u32::ANY,
            are_short in prop::collection::vec(prop::bool::ANY, 1..60),
        ) {
            let mut packetizer = Packetizer::new();
            let (mut next, mut sent) = (first, 0);
            for (number, is_short) in (0_u32..).zip(&are_short) {
                let frame = [number as f32; FRAME_SAMPLES];
                let length = if *is_short { FRAME_DURATION } else { PACKET_DURATION };
                let timestamp = first.wrapping_add(number * FRAME);
                let Some(packet) = packetizer.push(&frame, timestamp, length) else {
                    prop_assert!(!is_short);
                    continue;
                };
                prop_assert_eq!(packet.timestamp, next);
                prop_assert!(packet.samples.len() <= PACKET_SAMPLES);
                for samples in packet.samples.chunks(FRAME_SAMPLES) {
                    prop_assert!(samples.iter().all(|sample| *sample as u32 == sent));
                    sent += 1;
                }
                next = next.wrapping_add(packet.samples.len() as u32);
            }
            prop_assert!(sent as usize + 1 >= are_short.len());
        }
    }
}
