//! Makes repair packets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::coefficients::coefficients;
use super::{HEADER_BYTES, MAX_WINDOW, SourcePacket, symbol};

/// Keeps the packets of the last moments, at most [`MAX_WINDOW`], and makes repair packets of them.
#[derive(Debug, Default)]
pub struct RlcEncoder {
    window: VecDeque<(Instant, SourcePacket)>,
    key: u16,
}

impl RlcEncoder {
    /// The longest payload that is protected. A repair packet is [`Self::OVERHEAD_BYTES`] longer than the longest in its window.
    pub const MAX_PAYLOAD_BYTES: usize = 1400;
    /// See [`Self::MAX_PAYLOAD_BYTES`].
    pub const OVERHEAD_BYTES: usize = HEADER_BYTES + symbol::len_bytes(0);

    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet leaves, the one after the last. Where numbers are left out the window begins anew.
    pub fn push(&mut self, packet: SourcePacket, now: Instant) {
        if packet.payload.len() > Self::MAX_PAYLOAD_BYTES {
            self.window.clear();
            return;
        }
        let follows = |before: &SourcePacket| {
            before.sequence_number.wrapping_add(1) == packet.sequence_number
        };
        if self
            .window
            .back()
            .is_some_and(|(_, before)| !follows(before))
        {
            self.window.clear();
        }
        if self.window.len() == MAX_WINDOW {
            self.window.pop_front();
        }
        self.window.push_back((now, packet));
    }

    /// A repair packet for what left within `reach`. `None` if nothing did.
    pub fn repair(&mut self, reach: Duration, now: Instant) -> Option<Bytes> {
        let is_old = |left_at: Instant| now.saturating_duration_since(left_at) > reach;
        while self
            .window
            .front()
            .is_some_and(|(left_at, _)| is_old(*left_at))
        {
            self.window.pop_front();
        }
        let (_, first) = self.window.front()?;
        let longest = self
            .window
            .iter()
            .map(|(_, packet)| packet.payload.len())
            .max()?;
        self.key = self.key.wrapping_add(1);
        let mut repair = BytesMut::zeroed(HEADER_BYTES + symbol::len_bytes(longest));
        let (mut header, sum) = repair.split_at_mut(HEADER_BYTES);
        header.put_u16(self.key);
        header.put_u16(first.sequence_number);
        header.put_u8(self.window.len() as u8);
        for ((_, packet), factor) in self.window.iter().zip(coefficients(self.key)) {
            packet.add_to(sum, factor);
        }
        Some(repair.freeze())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.window.clear();
    }
}
