//! Repair packets for pictures, and second copies of what is sent again.
//!
//! A repair packet (`media::repair::rlc`) travels on the stream of retransmissions (RFC 4588), which each side knows anyway, and
//! names the stream that it protects as its one contributing source (CSRC), as `FlexFEC` does (RFC 8627 section 4.2.1). No
//! retransmission has one. It is sent only to a partner that has said that it can make use of it: others would take it for a
//! retransmission.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::congestion::EstimatorSnapshot;
use media::repair::Protection;
use media::repair::rlc::{RlcEncoder, SourcePacket};
use rtc::rtp;

/// So much later than the first a second copy leaves: what loses one is often over by then.
const COPY_AFTER: Duration = Duration::from_millis(10);
/// Copies that wait. As many as one request may name.
const MAX_COPIES: usize = super::MAX_REQUESTED;

/// Decides what protects pictures, and makes it.
#[derive(Debug, Default)]
pub(super) struct Protecting {
    protection: Protection,
    encoder: RlcEncoder,
    copies: VecDeque<(Instant, u32, u16)>,
}

impl Protecting {
    /// What is known of the path now; `has_decoder` says whether the partner can use repair packets.
    pub(super) fn update(
        &mut self,
        has_decoder: bool,
        path: EstimatorSnapshot,
        round_trip: Duration,
        now: Instant,
    ) {
        self.protection.set_has_decoder(has_decoder);
        self.protection
            .update(path.loss_ratio, path.is_congested, round_trip, now);
        if self.protection.ratio() == 0.0 {
            self.encoder.clear();
        }
    }

    /// What repair takes, for each byte of pictures.
    pub(super) fn overhead(&self) -> f64 {
        self.protection.overhead()
    }

    /// A packet of a picture is to leave. Returns the payloads of the repair packets that follow it.
    pub(super) fn on_picture(&mut self, packet: &rtp::Packet, now: Instant) -> Vec<Bytes> {
        let due = self.protection.on_packet(packet.header.marker, now);
        if self.protection.ratio() == 0.0 {
            return Vec::new();
        }
        self.encoder.push(
            source(
                &packet.header,
                packet.header.sequence_number,
                &packet.payload,
            ),
            now,
        );
        let reach = self.protection.reach();
        (0..due)
            .filter_map(|_| self.encoder.repair(reach, now))
            .collect()
    }

    /// Packets of this stream were just sent again. Some are to follow once more.
    pub(super) fn on_sent_again(&mut self, ssrc: u32, number: u16, now: Instant) {
        let more = self.protection.copies().saturating_sub(1);
        for copy in 1..=more {
            if self.copies.len() == MAX_COPIES {
                return;
            }
            self.copies
                .push_back((now + COPY_AFTER * copy, ssrc, number));
        }
    }

    /// The next copy that is due: of the packet of which stream.
    pub(super) fn poll_copy(&mut self, now: Instant) -> Option<(u32, u16)> {
        let (due_at, ssrc, number) = *self.copies.front()?;
        if due_at > now {
            return None;
        }
        self.copies.pop_front();
        Some((ssrc, number))
    }

    /// When the next copy is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.copies.front().map(|(due_at, _, _)| *due_at)
    }
}

/// What of a packet is protected. A retransmission bears the number of what it repeats elsewhere.
pub(crate) fn source(header: &rtp::Header, sequence_number: u16, payload: &Bytes) -> SourcePacket {
    SourcePacket {
        sequence_number,
        payload_type: header.payload_type,
        marker: header.marker,
        timestamp: header.timestamp,
        payload: payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use media::repair::rlc::RlcDecoder;

    use super::*;

    fn losing(loss_ratio: f64) -> EstimatorSnapshot {
        EstimatorSnapshot {
            loss_ratio,
            ..EstimatorSnapshot::default()
        }
    }

    fn packet(number: u16) -> rtp::Packet {
        rtp::Packet {
            header: rtp::Header {
                version: 2,
                ssrc: 1,
                payload_type: 102,
                sequence_number: number,
                timestamp: u32::from(number / 4) * 3000,
                marker: number % 4 == 3,
                ..rtp::Header::default()
            },
            payload: vec![number as u8; 300].into(),
        }
    }

    #[test]
    fn what_protects_pictures_gives_them_back() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut protecting = Protecting::default();
        for second in 0..10 {
            protecting.update(
                true,
                losing(0.1),
                Duration::from_millis(100),
                at(1000 * second),
            );
        }
        let mut decoder = RlcDecoder::new();
        let mut recovered = Vec::new();
        for number in 0..100_u16 {
            let packet = packet(number);
            let now = at(10_000 + 8 * u64::from(number));
            if number % 10 != 7 {
                let source = source(&packet.header, number, &packet.payload);
                decoder.on_packet(source);
            }
            for repair in protecting.on_picture(&packet, now) {
                decoder.on_repair(&repair);
            }
            recovered.extend(std::iter::from_fn(|| decoder.poll_output()));
        }
        let numbers: Vec<u16> = recovered
            .iter()
            .map(|packet| packet.sequence_number)
            .collect();
        assert_eq!(numbers, [7, 17, 27, 37, 47, 57, 67, 77, 87, 97]);
        assert!(recovered[1].payload == [17; 300][..] && recovered[1].timestamp == 12_000);
    }

    #[test]
    fn no_more_copies_wait_than_the_limit() {
        let now = Instant::now();
        let mut protecting = Protecting::default();
        for second in 0..10 {
            let at = now + Duration::from_secs(second);
            protecting.update(false, losing(0.3), Duration::from_millis(300), at);
        }
        for number in 0..5000 {
            protecting.on_sent_again(1, number, now);
        }
        assert_eq!(protecting.poll_copy(now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!(
            std::iter::from_fn(|| protecting.poll_copy(later)).count(),
            MAX_COPIES
        );
    }
}
