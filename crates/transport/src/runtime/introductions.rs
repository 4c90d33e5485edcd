//! Lets the stack get to know a relayed stream by its first packet, before the others come.
//!
//! Works round a fault of `webrtc` 0.21.1 (`peer_connection/driver.rs`, `poll_reads`): whatever a relay has delivered in one
//! turn of the driver is decrypted and handed out in that turn, and the track that it belongs to is announced in the
//! next. All of it is dropped: often half of the first keyframe. So the first packet of each stream goes ahead alone, and
//! is the one that is lost (senders of ours send one to be lost, see `send.rs`), and the others follow a little later.

use std::time::{Duration, Instant};

/// How long the others wait: a few turns of the driver.
pub(super) const INTRODUCTION: Duration = Duration::from_millis(10);

/// How many streams are introduced: audio, video, retransmissions, and some more. Others are dropped by the stack anyway.
const MAX_STREAMS: usize = 8;

/// The streams of one peer, by SSRC.
#[derive(Debug, Default)]
pub(super) struct Introductions {
    streams: Vec<(u32, Instant)>,
}

impl Introductions {
    /// Whether a packet has to wait.
    pub(super) fn must_wait(&mut self, ssrc: u32, now: Instant) -> bool {
        if let Some((_, since)) = self.streams.iter().find(|(known, _)| *known == ssrc) {
            return now.saturating_duration_since(*since) < INTRODUCTION;
        }
        if self.streams.len() < MAX_STREAMS {
            self.streams.push((ssrc, now));
        }
        false
    }
}

/// The stream that an RTP packet belongs to (RFC 3550 section 5.1); `None` for RTCP (RFC 5761 section 4).
pub(super) fn ssrc(packet: &[u8]) -> Option<u32> {
    let [first, kind, _, _, _, _, _, _, a, b, c, d, ..] = packet else {
        return None;
    };
    let is_rtp = first >> 6 == 2 && !(192..=223).contains(kind);
    is_rtp.then(|| u32::from_be_bytes([*a, *b, *c, *d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_of_each_stream_goes_ahead() {
        let start = Instant::now();
        let mut introductions = Introductions::default();
        assert!(!introductions.must_wait(1, start));
        assert!(introductions.must_wait(1, start));
        assert!(!introductions.must_wait(2, start + INTRODUCTION / 2));
        assert!(!introductions.must_wait(1, start + INTRODUCTION));
        assert!(introductions.must_wait(2, start + INTRODUCTION));
    }

    #[test]
    fn a_partner_with_streams_without_end_fills_no_memory() {
        let start = Instant::now();
        let mut introductions = Introductions::default();
        for ssrc in 0..1000 {
            assert!(!introductions.must_wait(ssrc, start));
        }
        assert_eq!(introductions.streams.len(), MAX_STREAMS);
    }

    #[test]
    fn rtp_is_told_from_rtcp() {
        let packet = |kind| [0x80, kind, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9];
        assert_eq!(ssrc(&packet(96)), Some(9));
        assert_eq!(ssrc(&packet(0xE0)), Some(9));
        assert_eq!(ssrc(&packet(200)), None);
        assert_eq!(ssrc(&packet(96)[..11]), None);
        assert_eq!(ssrc(&[]), None);
    }
}
