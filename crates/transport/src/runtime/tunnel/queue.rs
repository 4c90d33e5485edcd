//! What waits to be written to a stream that takes less than we make.

use std::collections::VecDeque;

use crate::runtime::datagram::{Content, Datagram};

/// What may wait: at 2 Mbit/s half a second.
const MAX_BYTES: usize = 128 * 1024;
/// And how many datagrams, however small.
const MAX_DATAGRAMS: usize = 512;

/// Datagrams in order. When there are too many, the oldest media goes: it is late already, and nobody repeats a lost
/// handshake message or TURN request as soon.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    items: VecDeque<Item>,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Item {
    is_media: bool,
    bytes: Vec<u8>,
}

impl Outgoing {
    pub(super) fn push(&mut self, datagram: &[u8]) {
        let is_media = Datagram::classify(datagram).content == Content::Media;
        while self.bytes + datagram.len() > MAX_BYTES || self.items.len() >= MAX_DATAGRAMS {
            let Some(oldest) = self.items.iter().position(|item| item.is_media) else {
                self.dropped += 1;
                return;
            };
            self.bytes -= self.items.remove(oldest).map_or(0, |item| item.bytes.len());
            self.dropped += 1;
        }
        self.bytes += datagram.len();
        self.items.push_back(Item {
            is_media,
            bytes: datagram.to_vec(),
        });
    }

    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes.len();
        Some(item.bytes)
    }

    /// Forgets what waits, without counting it: its connection is gone.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// How many were dropped because there were too many.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(number: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![0x80; len];
        bytes[1] = number;
        bytes
    }

    fn handshake(number: u8) -> Vec<u8> {
        vec![22, number, 0]
    }

    fn contents(queue: &mut Outgoing) -> Vec<(u8, u8)> {
        std::iter::from_fn(|| queue.pop())
            .map(|bytes| (bytes[0], bytes[1]))
            .collect()
    }

    #[test]
    fn the_oldest_media_makes_room_and_nothing_else_does() {
        let mut queue = Outgoing::default();
        queue.push(&handshake(1));
        queue.push(&media(2, MAX_BYTES / 2));
        queue.push(&media(3, MAX_BYTES / 4));
        queue.push(&media(4, MAX_BYTES / 2));
        assert_eq!(queue.dropped(), 1);
        assert_eq!(contents(&mut queue), [(22, 1), (0x80, 3), (0x80, 4)]);
        assert!(queue.items.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn it_is_bounded_whatever_is_in_it() {
        let mut queue = Outgoing::default();
        for number in 0..10_000_u32 {
            queue.push(&handshake(number as u8));
            queue.push(&media(number as u8, 1200));
            assert!(queue.bytes <= MAX_BYTES && queue.items.len() <= MAX_DATAGRAMS);
        }
        assert!(queue.dropped() > 0);
        assert_eq!(queue.pop(), Some(handshake(0)), "the first is still there");
        queue.clear();
        assert!(queue.items.is_empty());
    }

    #[test]
    fn media_in_a_channel_is_media() {
        let mut queue = Outgoing::default();
        let mut wrapped = vec![0x40, 0, 0x60, 0];
        wrapped.extend(media(1, 0x6000));
        for _ in 0..10 {
            queue.push(&wrapped);
        }
        assert!(queue.dropped() > 0);
    }
}
