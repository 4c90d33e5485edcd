//! What kind of datagram this is, by its first bytes.

use super::stun::{self, Message};

/// What a datagram carries (RFC 7983 section 7, RFC 8656 section 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// STUN that is not TURN: connectivity checks and keepalives.
    Check,
    /// A TURN request, answer or indication.
    TurnControl,
    /// A DTLS record of the handshake: handshake messages and the change of cipher that belongs to them.
    Handshake,
    /// Any other DTLS record: data or an alert.
    DtlsRecord,
    /// SRTP or SRTCP.
    Media,
    /// None of these.
    Other,
}

/// What a datagram is, and whether it is on its way to or from a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) content: Content,
    /// Whether it is data for or from the partner, wrapped for the relay in between.
    pub(super) is_wrapped: bool,
}

const CHANNEL_HEADER_BYTES: usize = 4;

impl Datagram {
    pub(super) fn classify(bytes: &[u8]) -> Self {
        let wrapped = unwrap(bytes);
        Self {
            content: content(wrapped.unwrap_or(bytes)),
            is_wrapped: wrapped.is_some(),
        }
    }

    /// Whether a relay is in use.
    pub(super) fn is_relayed(self) -> bool {
        self.is_wrapped || self.content == Content::TurnControl
    }
}

/// What a relay is to pass on, or has passed on: in a channel, or in a Send or Data indication (RFC 8656 sections 11, 12).
pub(super) fn unwrap(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0x40..=0x4F, ..] if bytes.len() > CHANNEL_HEADER_BYTES => {
            Some(&bytes[CHANNEL_HEADER_BYTES..])
        }
        [0, 0x16 | 0x17, ..] => {
            let message = Message::read(bytes)?;
            debug_assert!(matches!(
                message.kind,
                stun::SEND_INDICATION | stun::DATA_INDICATION
            ));
            message.attribute(stun::DATA)
        }
        _ => None,
    }
}

/// What the partner is to get, or has sent, whether wrapped for a relay or not.
pub(super) fn payload(bytes: &[u8]) -> &[u8] {
    unwrap(bytes).unwrap_or(bytes)
}

/// Another payload, wrapped as one from the partner is if `like` is wrapped in either direction.
pub(super) fn wrapped_as_arrival(like: &[u8], payload: &[u8]) -> Vec<u8> {
    match (like, unwrap(like)) {
        ([high, low, ..], Some(_)) if high & 0xF0 == 0x40 => {
            let [len_high, len_low] = (payload.len() as u16).to_be_bytes();
            [&[*high, *low, len_high, len_low], payload].concat()
        }
        (_, Some(_)) => {
            let message = Message::read(like).expect("it was unwrapped");
            let peer = message.attribute(stun::XOR_PEER_ADDRESS).unwrap_or(&[]);
            let attributes = [(stun::XOR_PEER_ADDRESS, peer), (stun::DATA, payload)];
            stun::write(stun::DATA_INDICATION, message.transaction, &attributes)
        }
        (_, None) => payload.to_vec(),
    }
}

fn content(bytes: &[u8]) -> Content {
    match bytes.first() {
        Some(0..=3) => stun_content(bytes),
        Some(20 | 22) => Content::Handshake,
        Some(21 | 23..=63) => Content::DtlsRecord,
        Some(128..=191) => Content::Media,
        _ => Content::Other,
    }
}

fn stun_content(bytes: &[u8]) -> Content {
    match Message::read(bytes).map(Message::method) {
        Some(1) => Content::Check,
        Some(_) => Content::TurnControl,
        None => Content::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(kind: u16) -> Vec<u8> {
        stun::write(kind, [0; 12], &[])
    }

    fn direct(content: Content) -> Datagram {
        Datagram {
            content,
            is_wrapped: false,
        }
    }

    #[test]
    fn kinds_are_told_apart_by_the_first_byte() {
        assert_eq!(
            Datagram::classify(&[22, 254, 253]),
            direct(Content::Handshake)
        );
        assert_eq!(
            Datagram::classify(&[20, 254, 253]),
            direct(Content::Handshake)
        );
        assert_eq!(
            Datagram::classify(&[21, 254, 253]),
            direct(Content::DtlsRecord)
        );
        assert_eq!(
            Datagram::classify(&[23, 254, 253]),
            direct(Content::DtlsRecord)
        );
        assert_eq!(Datagram::classify(&[0x80, 111]), direct(Content::Media));
        assert_eq!(Datagram::classify(&[0xFF, 0]), direct(Content::Other));
        assert_eq!(Datagram::classify(&[]), direct(Content::Other));
    }

    #[test]
    fn binding_is_a_check_and_every_other_method_is_turn() {
        // Binding request, success and error; then Allocate, Refresh, CreatePermission, ChannelBind, Send indication.
        for kind in [0x0001, 0x0101, 0x0111] {
            assert_eq!(
                Datagram::classify(&stun(kind)),
                direct(Content::Check),
                "{kind:#06x}"
            );
        }
        for kind in [0x0003, 0x0103, 0x0113, 0x0004, 0x0008, 0x0009, 0x0016] {
            assert_eq!(
                Datagram::classify(&stun(kind)),
                direct(Content::TurnControl),
                "{kind:#06x}"
            );
        }
        assert_eq!(Datagram::classify(&stun(1)[..19]), direct(Content::Other));
    }

    #[test]
    fn a_channel_is_looked_into() {
        let inside = Datagram::classify(&[0x40, 0x07, 0, 3, 22, 254, 253]);
        assert_eq!(
            inside,
            Datagram {
                content: Content::Handshake,
                is_wrapped: true
            }
        );
        assert!(inside.is_relayed());
        assert_eq!(Datagram::classify(&[0x40, 0, 0, 0]), direct(Content::Other));
    }

    #[test]
    fn what_is_wrapped_like_a_message_for_the_partner_looks_like_one_from_it() {
        assert_eq!(wrapped_as_arrival(&[22, 1], &[9]), [9]);
        let in_channel = [0x41, 7, 0, 1, 22, 0, 0, 0];
        assert_eq!(
            wrapped_as_arrival(&in_channel, &[9, 8]),
            [0x41, 7, 0, 2, 9, 8]
        );
        let peer = (stun::XOR_PEER_ADDRESS, &[0, 1, 0, 0, 1, 2, 3, 4][..]);
        for kind in [stun::SEND_INDICATION, stun::DATA_INDICATION] {
            let like = stun::write(kind, [3; 12], &[peer, (stun::DATA, &[22])]);
            let expected = stun::write(stun::DATA_INDICATION, [3; 12], &[peer, (stun::DATA, &[9])]);
            assert_eq!(wrapped_as_arrival(&like, &[9]), expected);
        }
    }

    #[test]
    fn indications_are_looked_into() {
        for kind in [stun::SEND_INDICATION, stun::DATA_INDICATION] {
            let check = stun::write(stun::BINDING_REQUEST, [1; 12], &[]);
            for (data, content) in [
                (&[22, 254, 253][..], Content::Handshake),
                (&[0x80, 111], Content::Media),
                (&check, Content::Check),
            ] {
                let bytes = stun::write(kind, [0; 12], &[(0x0012, &[0; 8]), (stun::DATA, data)]);
                let datagram = Datagram::classify(&bytes);
                assert!(datagram.is_wrapped);
                assert_eq!(datagram.content, content);
                assert_eq!(payload(&bytes), data);
            }
        }
        assert_eq!(
            Datagram::classify(&stun(stun::SEND_INDICATION)),
            direct(Content::TurnControl),
            "one without data"
        );
    }
}
