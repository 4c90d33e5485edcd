//! Packets that were sent, to be sent again: because they were lost (RFC 4585, RFC 4588), or to fill a probe.
//!
//! The responder of `rtc-interceptor` 0.21.1 is not used: it answers each request, also one that crosses with the answer to the
//! last, and its retransmissions have no transport-wide sequence number, so that nobody knows what they cost.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use rtc::rtp;

/// Packets that are kept: at 4 Mbit/s more than two seconds. A power of two.
const KEPT_PACKETS: usize = 1024;

/// Requests for the same packet within this share of the round trip are the same request, or crossed with the answer.
const AGAIN_AFTER_ROUND_TRIPS: f64 = 0.8;

/// As many of the newest packets may fill a probe.
const FILLERS: u16 = 64;

/// How a stream repeats its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repair {
    pub(super) ssrc: u32,
    /// Of the stream's usual codec.
    pub(super) payload_type: u8,
}

#[derive(Debug, Clone)]
struct Kept {
    packet: rtp::Packet,
    /// The payload type for its repetition, where its codec has one of its own.
    repair_type: Option<u8>,
    /// As it is kept, with its transport-wide number.
    has_left: bool,
    repeated_at: Option<Instant>,
}

/// The newest packets of one stream.
#[derive(Debug)]
pub(super) struct Retransmissions {
    /// Without one, packets are repeated as they were.
    repair: Option<Repair>,
    repair_number: u16,
    kept: Box<[Option<Kept>]>,
    newest: Option<u16>,
}

impl Retransmissions {
    pub(super) fn new(repair: Option<Repair>) -> Self {
        Self {
            repair,
            repair_number: 0,
            kept: vec![None; KEPT_PACKETS].into(),
            newest: None,
        }
    }

    /// The agreement has changed.
    pub(super) fn set_repair(&mut self, repair: Option<Repair>) {
        self.repair = repair;
    }

    /// A packet leaves for the first time.
    pub(super) fn keep(&mut self, packet: &rtp::Packet, repair_type: Option<u8>) {
        let number = packet.header.sequence_number;
        self.newest = Some(number);
        self.kept[usize::from(number) % KEPT_PACKETS] = Some(Kept {
            packet: packet.clone(),
            repair_type,
            has_left: false,
            repeated_at: None,
        });
    }

    /// A packet has left for the first time, with this header.
    pub(super) fn on_left(&mut self, header: &rtp::Header) {
        let kept = &mut self.kept[usize::from(header.sequence_number) % KEPT_PACKETS];
        if let Some(kept) = kept
            && kept.packet.header.sequence_number == header.sequence_number
        {
            kept.packet.header.clone_from(header);
            kept.has_left = true;
        }
    }

    /// What was sent so far is not sent again.
    pub(super) fn forget(&mut self) {
        self.kept.fill(None);
        self.newest = None;
    }

    /// Whether the number is one of so many that were sent last.
    pub(super) fn is_among_newest(&self, number: u16, count: u16) -> bool {
        (self.newest).is_some_and(|newest| newest.wrapping_sub(number) < count)
    }

    /// The partner lacks the packet of this number. `None` if it is not kept any more, has not left yet, or is on its way already.
    pub(super) fn repeat(
        &mut self,
        number: u16,
        round_trip: Duration,
        now: Instant,
    ) -> Option<rtp::Packet> {
        let kept = self.kept[usize::from(number) % KEPT_PACKETS].as_mut()?;
        let is_there = kept.has_left || self.repair.is_some();
        if kept.packet.header.sequence_number != number || !is_there {
            return None;
        }
        let again_after = round_trip.mul_f64(AGAIN_AFTER_ROUND_TRIPS);
        let is_on_its_way = |at: Instant| now.saturating_duration_since(at) < again_after;
        if kept.repeated_at.is_some_and(is_on_its_way) {
            return None;
        }
        kept.repeated_at = Some(now);
        self.copy(number)
    }

    /// The same once more, whenever it was last repeated.
    pub(super) fn copy(&mut self, number: u16) -> Option<rtp::Packet> {
        let kept = self.kept[usize::from(number) % KEPT_PACKETS].as_ref()?;
        if kept.packet.header.sequence_number != number {
            return None;
        }
        let kept = kept.clone();
        Some(match self.repair {
            Some(repair) => self.wrap(&kept, repair),
            None => kept.packet,
        })
    }

    /// A repair packet for `protected`, of the stream with that SSRC. `None` on a stream without repair.
    pub(super) fn protect(
        &mut self,
        protected: &rtp::Header,
        payload: Bytes,
    ) -> Option<rtp::Packet> {
        let kept = self.kept[usize::from(protected.sequence_number) % KEPT_PACKETS].as_ref();
        let repair_type = kept.and_then(|kept| kept.repair_type);
        let mut header = self.repair_header(self.repair?, repair_type, protected);
        header.marker = false;
        header.csrc = vec![protected.ssrc];
        Some(rtp::Packet { header, payload })
    }

    /// One of the newest packets once more, the largest that fits or else the smallest, to fill a probe with something that may be of
    /// use. `None` if there is none, and on a stream without repair: there it would count as a new arrival.
    pub(super) fn fill(&mut self, size_bytes: usize) -> Option<rtp::Packet> {
        let (repair, newest) = (self.repair?, self.newest?);
        let recent = (0..FILLERS).filter_map(|age| {
            let number = newest.wrapping_sub(age);
            let kept = self.kept[usize::from(number) % KEPT_PACKETS].as_ref()?;
            (kept.packet.header.sequence_number == number).then_some(kept)
        });
        let kept = recent
            .max_by_key(|kept| {
                let len = kept.packet.payload.len();
                let fits = (len <= size_bytes).then_some(len);
                (fits, Reverse(len))
            })?
            .clone();
        Some(self.wrap(&kept, repair))
    }

    /// RFC 4588 section 4: the original sequence number before the original payload.
    fn wrap(&mut self, kept: &Kept, repair: Repair) -> rtp::Packet {
        let packet = &kept.packet;
        let mut payload = BytesMut::with_capacity(2 + packet.payload.len());
        payload.put_u16(packet.header.sequence_number);
        payload.extend_from_slice(&packet.payload);
        rtp::Packet {
            header: self.repair_header(repair, kept.repair_type, &packet.header),
            payload: Bytes::from(payload),
        }
    }

    /// The header for what repairs the packet with this one.
    fn repair_header(
        &mut self,
        repair: Repair,
        repair_type: Option<u8>,
        original: &rtp::Header,
    ) -> rtp::Header {
        let number = self.repair_number;
        self.repair_number = number.wrapping_add(1);
        rtp::Header {
            version: 2,
            ssrc: repair.ssrc,
            payload_type: repair_type.unwrap_or(repair.payload_type),
            sequence_number: number,
            timestamp: original.timestamp,
            marker: original.marker,
            ..rtp::Header::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);
    const REPAIR: Repair = Repair {
        ssrc: 2,
        payload_type: 103,
    };

    fn packet(number: u16) -> rtp::Packet {
        rtp::Packet {
            header: rtp::Header {
                version: 2,
                ssrc: 1,
                payload_type: 102,
                sequence_number: number,
                timestamp: 9,
                marker: true,
                ..rtp::Header::default()
            },
            payload: Bytes::from_static(b"abc"),
        }
    }

    #[test]
    fn a_lost_packet_goes_out_on_the_repair_stream() {
        let now = Instant::now();
        let mut kept = Retransmissions::new(Some(REPAIR));
        kept.keep(&packet(0x0102), None);
        let repeated = kept.repeat(0x0102, ROUND_TRIP, now).unwrap();
        assert_eq!(
            (repeated.header.ssrc, repeated.header.payload_type),
            (2, 103)
        );
        assert_eq!(
            (repeated.header.timestamp, repeated.header.marker),
            (9, true)
        );
        assert_eq!(&repeated.payload[..], b"\x01\x02abc");
        assert_eq!(
            kept.fill(3).unwrap().header.sequence_number,
            1,
            "its own count"
        );
    }

    #[test]
    fn a_packet_is_repeated_as_its_codec_has_it() {
        let now = Instant::now();
        let mut kept = Retransmissions::new(Some(REPAIR));
        kept.keep(&packet(5), Some(46));
        let repeated = kept.repeat(5, ROUND_TRIP, now).unwrap();
        assert_eq!(repeated.header.payload_type, 46);
        assert_eq!(kept.fill(1000).unwrap().header.payload_type, 46);
    }

    #[test]
    fn a_probe_is_filled_with_the_largest_that_fits_or_else_the_smallest() {
        let mut kept = Retransmissions::new(Some(REPAIR));
        for (number, len) in [(1, 700), (2, 300), (3, 500), (4, 900)] {
            let payload = vec![0; len].into();
            kept.keep(
                &rtp::Packet {
                    payload,
                    ..packet(number)
                },
                None,
            );
        }
        for (size_bytes, filler) in [(2000, 4), (900, 4), (899, 1), (499, 2), (200, 2)] {
            let filled = kept.fill(size_bytes).unwrap();
            assert_eq!(filled.payload[..2], [0, filler], "{size_bytes}");
        }
    }

    #[test]
    fn a_repair_packet_names_what_it_protects_and_counts_with_the_retransmissions() {
        let now = Instant::now();
        let mut kept = Retransmissions::new(Some(REPAIR));
        kept.keep(&packet(5), Some(46));
        let protecting = kept
            .protect(&packet(5).header, Bytes::from_static(b"sum"))
            .unwrap();
        assert_eq!(
            (protecting.header.ssrc, &protecting.header.csrc[..]),
            (2, &[1][..])
        );
        let header = &protecting.header;
        assert_eq!((header.timestamp, header.payload_type), (9, 46));
        let again = kept.repeat(5, ROUND_TRIP, now).unwrap();
        assert_eq!(
            (again.header.sequence_number, again.header.csrc.len()),
            (1, 0)
        );
        assert_eq!(kept.copy(5).unwrap().payload, again.payload, "at once");
        let mut without = Retransmissions::new(None);
        assert_eq!(without.protect(&packet(5).header, Bytes::new()), None);
    }

    #[test]
    fn a_request_that_crosses_with_the_answer_is_not_answered_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut kept = Retransmissions::new(Some(REPAIR));
        kept.keep(&packet(5), None);
        assert!(kept.repeat(5, ROUND_TRIP, at(0)).is_some());
        assert!(kept.repeat(5, ROUND_TRIP, at(79)).is_none());
        assert!(
            kept.repeat(5, ROUND_TRIP, at(80)).is_some(),
            "lost once more"
        );
    }

    #[test]
    fn a_stream_without_repair_repeats_packets_as_they_were() {
        let mut kept = Retransmissions::new(None);
        kept.keep(&packet(5), None);
        let now = Instant::now();
        assert_eq!(kept.repeat(5, ROUND_TRIP, now), None, "it has not left");
        let mut left = packet(5);
        left.header
            .set_extension(4, Bytes::from_static(&[0, 7]))
            .unwrap();
        kept.on_left(&left.header);
        assert_eq!(kept.repeat(5, ROUND_TRIP, now), Some(left));
        assert_eq!(kept.fill(1000), None);
        kept.keep(&packet(5), None);
        assert_eq!(
            kept.repeat(5, ROUND_TRIP, now),
            None,
            "another one of this number"
        );
    }

    #[test]
    fn packets_that_are_too_old_or_were_never_sent_are_not_there() {
        let now = Instant::now();
        let mut kept = Retransmissions::new(Some(REPAIR));
        assert_eq!(kept.fill(1000), None);
        for number in 0..=KEPT_PACKETS as u16 {
            kept.keep(&packet(number), None);
        }
        assert!(kept.repeat(0, ROUND_TRIP, now).is_none());
        assert!(kept.repeat(1, ROUND_TRIP, now).is_some());
        assert!(
            kept.repeat(KEPT_PACKETS as u16 + 1, ROUND_TRIP, now)
                .is_none()
        );
    }
}
