//! What goes into the jitter buffer and what comes out.

use std::time::Duration;

use bytes::Bytes;

use crate::audio::{FRAME_DURATION, Stretch};

/// How much delay is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The least delay the buffer aims at: 10 ms. Below it every hiccup of a thread would be heard.
    pub min_delay: Duration,
    /// The most delay it aims at and keeps. Beyond half a second people interrupt each other.
    pub max_delay: Duration,
    /// How long sound is made up when nothing comes, before there is silence. Longer, and it sounds like a machine.
    pub max_conceal: Duration,
    /// How long the delay is watched before it is judged, and corrected by a period of the voice or in the next pause
    /// ([`Stretch`]). Large errors are not watched.
    pub patience: Duration,
    /// How much of the delay may be for deep redundancy, which comes with the packet after a burst of losses. Where bursts
    /// are frequent the delay grows with their length up to this; longer bursts are reconstructed late.
    pub max_redundancy_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            min_delay: FRAME_DURATION,
            max_delay: Duration::from_millis(500),
            max_conceal: Duration::from_millis(100),
            patience: Duration::from_millis(100),
            max_redundancy_delay: Duration::from_millis(100),
        }
    }
}

/// What to play next. All samples that come out are played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pull {
    /// Decode this packet.
    Decode {
        /// The packet.
        packet: Bytes,
        /// What is to be done with what comes out before it is played, as far as it can be done
        /// ([`stretch`](crate::audio::stretch)); [`super::JitterBuffer::on_stretched`] is to hear of it.
        stretch: Option<Stretch>,
    },
    /// A packet is lost, this one came after it: reconstruct the sound of the lost one from its in-band FEC. It will be given
    /// again to decode.
    Recover {
        /// The packet.
        packet: Bytes,
        /// How much sound is missing, in samples.
        samples: usize,
    },
    /// Packets are lost, this one came after them and carries deep redundancy: reconstruct the sound that begins
    /// `samples_before` samples before it. Where it does not reach so far, make it up and say so with
    /// [`super::JitterBuffer::on_out_of_reach`]. It will be given again to decode.
    Reconstruct {
        /// The packet.
        packet: Bytes,
        /// From what is missing to the beginning of the packet's own sound, in samples.
        samples_before: u32,
        /// How much of it is to be played now, in samples.
        samples: usize,
    },
    /// Let the decoder make so many samples up.
    Conceal {
        /// In samples.
        samples: usize,
    },
    /// Play so much silence, or comfort noise: nothing has come yet, or nothing has come for long (muted, DTX).
    Silence {
        /// In samples.
        samples: usize,
    },
}

/// What has happened since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets given out to decode.
    pub packets_decoded: u64,
    /// Samples reconstructed from FEC.
    pub samples_recovered: u64,
    /// Samples reconstructed from deep redundancy.
    pub samples_reconstructed: u64,
    /// Samples made up.
    pub samples_concealed: u64,
    /// Packets that were shortened.
    pub packets_shortened: u64,
    /// Packets that were lengthened.
    pub packets_lengthened: u64,
    /// Packets left out because there were more than the most delay allows.
    pub packets_dropped: u64,
    /// Packets that came after their turn.
    pub packets_late: u64,
    /// Packets that were there already.
    pub packets_duplicate: u64,
}
