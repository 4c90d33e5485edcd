//! Datagrams on a stream (RFC 8656 section 12.5): each says its own length.

use crate::runtime::stun::{HEADER_BYTES, MAGIC_COOKIE};

/// The header of `ChannelData`.
const CHANNEL_HEADER_BYTES: usize = 4;

/// The stream holds something that is neither STUN nor `ChannelData`. There is no way to find the next datagram in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay sent what is neither STUN nor channel data")]
pub(crate) struct Garbage;

/// Appends `datagram` to `stream` in the stream's framing. False if it is nothing that a relay understands.
///
/// Over UDP channel data may be padded too, so there may be some padding already.
pub(super) fn frame(datagram: &[u8], stream: &mut Vec<u8>) -> bool {
    let Ok(Some(total)) = total_len(datagram) else {
        return false;
    };
    let padded = total.datagram + total.padding;
    if !(total.datagram..=padded).contains(&datagram.len()) {
        return false;
    }
    stream.extend_from_slice(datagram);
    stream.resize(stream.len() + padded - datagram.len(), 0);
    true
}

/// The longest datagram that can say its length.
const LONGEST_DATAGRAM_BYTES: usize = HEADER_BYTES + u16::MAX as usize;

/// Cuts what a stream brings into datagrams. Holds at most one datagram and what came with its end.
#[derive(Debug)]
pub(crate) struct Cutter {
    buffer: Vec<u8>,
    has_begun: bool,
    limit: usize,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::with_limit(LONGEST_DATAGRAM_BYTES)
    }
}

impl Cutter {
    /// Takes a datagram of more than `limit` bytes for garbage.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            has_begun: false,
            limit,
        }
    }

    /// Takes the next bytes of the stream. Call [`next`](Self::next) until it has none before the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole datagram, without padding.
    ///
    /// # Errors
    /// [`Garbage`], from then on each time.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Garbage> {
        // There is no channel before the first answer, and "HTTP" would pass for one.
        if !self.has_begun && self.buffer.first().is_some_and(|first| *first > 0x3F) {
            return Err(Garbage);
        }
        let Some(total) = total_len(&self.buffer)? else {
            return Ok(None);
        };
        if total.datagram > self.limit {
            return Err(Garbage);
        }
        let len = total.datagram + total.padding;
        if self.buffer.len() < len {
            return Ok(None);
        }
        let mut datagram: Vec<u8> = self.buffer.drain(..len).collect();
        datagram.truncate(total.datagram);
        self.has_begun = true;
        Ok(Some(datagram))
    }
}

struct Total {
    datagram: usize,
    padding: usize,
}

/// How long the datagram is that these bytes begin with; `None` if they are too few to say.
fn total_len(bytes: &[u8]) -> Result<Option<Total>, Garbage> {
    let [first, _, high, low, ..] = bytes else {
        return match bytes.first() {
            None | Some(0x00..=0x4F) => Ok(None),
            Some(_) => Err(Garbage),
        };
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    match first {
        0x00..=0x3F => {
            let is_aligned = len.is_multiple_of(4);
            let cookie = &bytes[4..bytes.len().min(8)];
            if !is_aligned || !MAGIC_COOKIE.starts_with(cookie) {
                return Err(Garbage);
            }
            Ok(Some(Total {
                datagram: HEADER_BYTES + len,
                padding: 0,
            }))
        }
        0x40..=0x4F => {
            let datagram = CHANNEL_HEADER_BYTES + len;
            Ok(Some(Total {
                datagram,
                padding: datagram.next_multiple_of(4) - datagram,
            }))
        }
        _ => Err(Garbage),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stun(words: usize) -> Vec<u8> {
        let mut bytes = vec![0x00, 0x01];
        bytes.extend((4 * words as u16).to_be_bytes());
        bytes.extend(MAGIC_COOKIE);
        bytes.resize(HEADER_BYTES + 4 * words, 7);
        bytes
    }

    fn channel_data(len: usize) -> Vec<u8> {
        let mut bytes = vec![0x40, 0x01];
        bytes.extend((len as u16).to_be_bytes());
        bytes.resize(CHANNEL_HEADER_BYTES + len, 9);
        bytes
    }

    fn framed(datagram: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        assert!(frame(datagram, &mut stream));
        stream
    }

    #[test]
    fn channel_data_is_padded_to_words_and_stun_is_not() {
        assert_eq!(framed(&channel_data(5)).len(), 12);
        assert_eq!(framed(&channel_data(8)).len(), 12);
        assert_eq!(framed(&channel_data(0)).len(), 4);
        assert_eq!(framed(&stun(3)), stun(3));
        let mut padded = channel_data(5);
        padded.extend([0, 0, 0]);
        assert_eq!(framed(&padded), padded, "padding is not padded");
    }

    #[test]
    fn what_is_no_datagram_of_turn_is_not_framed() {
        let mut stream = Vec::new();
        let too_long = [channel_data(4), vec![0; 4]].concat();
        for datagram in [
            &[][..],
            &[0x80; 40],
            &[22; 40],
            &stun(3)[..31],
            &[0; 20],
            &too_long,
        ] {
            assert!(!frame(datagram, &mut stream));
        }
        assert!(stream.is_empty());
    }

    #[test]
    fn garbage_is_seen_at_its_first_bytes() {
        for garbage in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"SSH-2.0-x",
            b"\x16\x03\x01 TLS?",
            &[0x80],
            &[0xFF],
            &[0, 1, 0, 3],
            &[0, 1, 0, 4, 1],
        ] {
            let mut cutter = Cutter::default();
            cutter.feed(garbage);
            assert_eq!(cutter.next(), Err(Garbage), "{garbage:?}");
            cutter.feed(&stun(1));
            assert_eq!(cutter.next(), Err(Garbage), "there is no way back");
        }
    }

    #[test]
    fn what_is_longer_than_the_limit_is_garbage_before_it_is_there() {
        let mut cutter = Cutter::with_limit(64);
        cutter.feed(&stun(11));
        assert_eq!(cutter.next(), Ok(Some(stun(11))));
        cutter.feed(&stun(12)[..8]);
        assert_eq!(cutter.next(), Err(Garbage));
    }

    fn datagram() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (0..300_usize).prop_map(stun),
            (0..1500_usize).prop_map(channel_data),
            Just(channel_data(65_535)),
        ]
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_out_again_however_the_stream_is_cut(
            datagrams in prop::collection::vec(datagram(), 0..8),
            cuts in prop::collection::vec(1..4000_usize, 1..20),
        ) {
            let datagrams: Vec<_> = std::iter::once(stun(2)).chain(datagrams).collect();
            let stream: Vec<u8> = datagrams.iter().flat_map(|datagram| framed(datagram)).collect();
            let (mut cutter, mut received) = (Cutter::default(), Vec::new());
            let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                rest = later;
                cutter.feed(now);
                while let Some(datagram) = cutter.next().unwrap() {
                    received.push(datagram);
                }
            }
            prop_assert_eq!(received, datagrams);
            prop_assert!(cutter.buffer.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic_or_hold_more_than_one_datagram(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..80),
        ) {
            let mut cutter = Cutter::default();
            for chunk in chunks {
                cutter.feed(&chunk);
                loop {
                    match cutter.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(Garbage) => return Ok(()),
                    }
                }
                prop_assert!(cutter.buffer.len() <= 65_535 + HEADER_BYTES);
            }
        }
    }
}
