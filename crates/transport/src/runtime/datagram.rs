//! What kind of datagram this is, by its first bytes.

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

/// What a datagram is, and whether it travels through a TURN channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) content: Content,
    /// The channel number, or `None` outside of a channel.
    pub(super) channel: Option<u16>,
}

const STUN_HEADER_BYTES: usize = 20;
const STUN_MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const CHANNEL_HEADER_BYTES: usize = 4;

impl Datagram {
    pub(super) fn classify(bytes: &[u8]) -> Self {
        match bytes {
            [high @ 0x40..=0x4F, low, ..] if bytes.len() > CHANNEL_HEADER_BYTES => {
                let content = content(&bytes[CHANNEL_HEADER_BYTES..]);
                Self {
                    content,
                    channel: Some(u16::from_be_bytes([*high, *low])),
                }
            }
            _ => Self {
                content: content(bytes),
                channel: None,
            },
        }
    }

    /// Whether a relay is in use.
    pub(super) fn is_relayed(self) -> bool {
        self.channel.is_some() || self.content == Content::TurnControl
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
    if bytes.len() < STUN_HEADER_BYTES || bytes[4..8] != STUN_MAGIC_COOKIE {
        return Content::Other;
    }
    // The method is spread over the message type (RFC 8489 section 5); the two class bits are in between.
    let kind = u16::from_be_bytes([bytes[0], bytes[1]]);
    let method = (kind & 0x000F) | ((kind & 0x00E0) >> 1) | ((kind & 0x3E00) >> 2);
    if method == 1 {
        Content::Check
    } else {
        Content::TurnControl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(kind: u16) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(STUN_MAGIC_COOKIE);
        bytes.extend([0; 12]);
        bytes
    }

    fn direct(content: Content) -> Datagram {
        Datagram {
            content,
            channel: None,
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
                channel: Some(0x4007)
            }
        );
        assert!(inside.is_relayed());
        assert_eq!(Datagram::classify(&[0x40, 0, 0, 0]), direct(Content::Other));
    }
}
