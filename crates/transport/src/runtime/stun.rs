//! As much of STUN (RFC 8489) and TURN (RFC 8656) as it takes to see what passes. Nothing is checked for integrity: that
//! is the stack's business.

use std::net::{IpAddr, SocketAddr};

pub(super) const HEADER_BYTES: usize = 20;
pub(super) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

pub(super) const BINDING_REQUEST: u16 = 0x0001;
pub(super) const BINDING_SUCCESS: u16 = 0x0101;
pub(super) const ALLOCATE_REQUEST: u16 = 0x0003;
pub(super) const ALLOCATE_SUCCESS: u16 = 0x0103;
pub(super) const ALLOCATE_ERROR: u16 = 0x0113;
pub(super) const REFRESH_REQUEST: u16 = 0x0004;
pub(super) const CHANNEL_BIND_REQUEST: u16 = 0x0009;
pub(super) const SEND_INDICATION: u16 = 0x0016;
pub(super) const DATA_INDICATION: u16 = 0x0017;

pub(super) const USERNAME: u16 = 0x0006;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const CHANNEL_NUMBER: u16 = 0x000C;
pub(super) const LIFETIME: u16 = 0x000D;
pub(super) const XOR_PEER_ADDRESS: u16 = 0x0012;
pub(super) const DATA: u16 = 0x0013;
pub(super) const REALM: u16 = 0x0014;
pub(super) const NONCE: u16 = 0x0015;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const ICE_CONTROLLING: u16 = 0x802A;

/// Ties an answer to its request.
pub(super) type TransactionId = [u8; 12];

/// A STUN message by its header. What follows the header is read only when asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    /// Method and class (RFC 8489 section 5).
    pub(super) kind: u16,
    pub(super) transaction: TransactionId,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` if this is not STUN.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
        let is_stun = header[0] <= 3 && header[4..8] == MAGIC_COOKIE;
        is_stun.then(|| Self {
            kind: u16::from_be_bytes([header[0], header[1]]),
            transaction: header[8..].try_into().expect("twelve bytes are left"),
            body,
        })
    }

    /// The method, whose bits are spread around the two of the class.
    pub(super) fn method(self) -> u16 {
        (self.kind & 0x000F) | ((self.kind & 0x00E0) >> 1) | ((self.kind & 0x3E00) >> 2)
    }

    /// Whether an answer is expected to this message.
    pub(super) fn is_request(self) -> bool {
        self.kind & 0x0110 == 0
    }

    /// XOR-PEER-ADDRESS (RFC 8656 section 18.3).
    pub(super) fn peer_address(self) -> Option<SocketAddr> {
        let [_, _, port_high, port_low, address @ ..] = self.attribute(XOR_PEER_ADDRESS)? else {
            return None;
        };
        let mask = MAGIC_COOKIE.iter().chain(&self.transaction);
        let mut bytes = address.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        let mut next = || bytes.next().expect("the mask is as long as any address");
        let ip = match address.len() {
            4 => IpAddr::from(std::array::from_fn::<u8, 4, _>(|_| next())),
            16 => IpAddr::from(std::array::from_fn::<u8, 16, _>(|_| next())),
            _ => return None,
        };
        let port = u16::from_be_bytes([port_high ^ MAGIC_COOKIE[0], port_low ^ MAGIC_COOKIE[1]]);
        Some(SocketAddr::new(ip, port))
    }

    /// The first attribute of this type.
    pub(super) fn attribute(self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.body;
        while let [high, low, len_high, len_low, after @ ..] = rest {
            let len = usize::from(u16::from_be_bytes([*len_high, *len_low]));
            let value = after.get(..len)?;
            if u16::from_be_bytes([*high, *low]) == wanted {
                return Some(value);
            }
            rest = after.get(len.next_multiple_of(4)..)?;
        }
        None
    }
}

/// Writes a message. For answers in a server's place, and for tests.
pub(super) fn write(kind: u16, transaction: TransactionId, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (attribute, value) in attributes {
        body.extend(attribute.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(MAGIC_COOKIE);
    bytes.extend(transaction);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = write(
            SEND_INDICATION,
            [7; 12],
            &[(DATA, b"hello"), (USERNAME, b"me")],
        );
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.kind, SEND_INDICATION);
        assert_eq!(message.method(), 6);
        assert_eq!(message.transaction, [7; 12]);
        assert_eq!(message.attribute(DATA), Some(&b"hello"[..]));
        assert_eq!(message.attribute(USERNAME), Some(&b"me"[..]));
        assert_eq!(message.attribute(REALM), None);
        assert!(!message.is_request());
        assert!(
            Message::read(&write(ALLOCATE_REQUEST, [0; 12], &[]))
                .unwrap()
                .is_request()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut bytes = write(BINDING_REQUEST, [1; 12], &[]);
            bytes.extend(body);
            let message = Message::read(&bytes).unwrap();
            for wanted in 0..40 {
                message.attribute(wanted);
            }
            message.peer_address();
        }
    }
}
