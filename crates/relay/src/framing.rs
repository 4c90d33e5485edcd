//! Where a message ends in a stream (RFC 8656 §12.5, RFC 8489 §6.2.2).

use crate::{MAX_PAYLOAD, stun};

/// The longest message that is taken from a stream: a Send indication around the longest payload, with room for the
/// attributes that clients like to add.
pub const MAX_FRAME: usize = MAX_PAYLOAD + 512;

/// What comes in is neither STUN nor channel data, or longer than anything that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a STUN message or channel data")]
pub struct FrameError;

/// How long the first message in `bytes` is with its padding; `None` while its header is not there yet.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let &[first, _, high, low, ..] = bytes else {
        return match bytes.first() {
            Some(&first) if !may_begin(first) => Err(FrameError),
            _ => Ok(None),
        };
    };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let frame = match first {
        0x00..=0x03 => stun::HEADER + len,
        0x40..=0x7f => 4 + len.next_multiple_of(4),
        _ => return Err(FrameError),
    };
    if frame > MAX_FRAME || (begins_stun(first) && !len.is_multiple_of(4)) {
        return Err(FrameError);
    }
    Ok(Some(frame))
}

/// Whether a message can begin with this byte (RFC 7983 §7).
const fn may_begin(first: u8) -> bool {
    begins_stun(first) || matches!(first, 0x40..=0x7f)
}

/// Whether a STUN message can begin with this byte, with which every client does (RFC 7983 §7).
pub const fn begins_stun(first: u8) -> bool {
    first <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_their_header_says() {
        assert_eq!(frame_len(&[]), Ok(None));
        assert_eq!(frame_len(&[0, 1, 0]), Ok(None));
        assert_eq!(frame_len(&[0, 1, 0, 8]), Ok(Some(28)));
        assert_eq!(frame_len(&[0x40, 0, 0, 0]), Ok(Some(4)));
        assert_eq!(frame_len(&[0x7f, 0xff, 0, 5]), Ok(Some(12)));
    }

    #[test]
    fn what_is_neither_is_refused_at_once() {
        assert_eq!(frame_len(&[0x80]), Err(FrameError));
        assert_eq!(frame_len(&[0x04]), Err(FrameError));
        assert_eq!(frame_len(b"\x16\x03\x01\x02\x00"), Err(FrameError));
        assert_eq!(frame_len(&[0, 1, 0, 7]), Err(FrameError));
        assert_eq!(frame_len(&[0, 1, 0xff, 0xfc]), Err(FrameError));
        assert_eq!(frame_len(&[0x40, 0, 0xff, 0xff]), Err(FrameError));
    }
}
