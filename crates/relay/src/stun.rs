//! STUN messages (RFC 8489), as far as a TURN server needs them: read where they lie, written into a buffer that is used
//! again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// Length of the header.
pub const HEADER: usize = 20;

const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// What makes an answer belong to its request.
pub type TransactionId = [u8; 12];

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The answer that says yes.
    Success,
    /// The answer that says no.
    Error,
}

/// Method numbers, with the names of RFC 8489 and RFC 8656.
pub mod method {
    pub const BINDING: u16 = 0x001;
    pub const ALLOCATE: u16 = 0x003;
    pub const REFRESH: u16 = 0x004;
    pub const SEND: u16 = 0x006;
    pub const DATA: u16 = 0x007;
    pub const CREATE_PERMISSION: u16 = 0x008;
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// Attribute numbers, with the names of RFC 8489 and RFC 8656.
pub mod attribute {
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    pub const LIFETIME: u16 = 0x000d;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001a;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub const FINGERPRINT: u16 = 0x8028;
}

/// Why bytes are not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a STUN message")]
pub struct ParseError;

/// A well-formed message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// What kind of message it is.
    pub class: Class,
    /// Its method.
    pub method: u16,
    /// Its transaction.
    pub transaction: TransactionId,
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
    /// Where the attributes end that count: what comes after MESSAGE-INTEGRITY is not protected by it.
    attributes_end: usize,
    /// Whether there is a FINGERPRINT; it is right then.
    pub has_fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads `bytes`, which must be one whole message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(ParseError)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if kind & 0xc000 != 0
            || header[4..8] != MAGIC_COOKIE
            || len != body.len()
            || !len.is_multiple_of(4)
        {
            return Err(ParseError);
        }
        let class = match (kind & 0x100 != 0, kind & 0x010 != 0) {
            (false, false) => Class::Request,
            (false, true) => Class::Indication,
            (true, false) => Class::Success,
            (true, true) => Class::Error,
        };
        let mut message = Self {
            bytes,
            class,
            method: (kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2),
            transaction: header[8..].try_into().map_err(|_| ParseError)?,
            integrity_at: None,
            attributes_end: bytes.len(),
            has_fingerprint: false,
        };
        let mut at = HEADER;
        while at < bytes.len() {
            let (number, value) = attribute_at(bytes, at).ok_or(ParseError)?;
            let next = at + 4 + value.len().next_multiple_of(4);
            match number {
                attribute::MESSAGE_INTEGRITY if message.integrity_at.is_none() => {
                    if value.len() != 20 {
                        return Err(ParseError);
                    }
                    message.integrity_at = Some(at);
                    message.attributes_end = at;
                }
                attribute::FINGERPRINT => {
                    let right = fingerprint(&bytes[..at]).to_be_bytes();
                    if value != right || next != bytes.len() {
                        return Err(ParseError);
                    }
                    message.has_fingerprint = true;
                    message.attributes_end = message.attributes_end.min(at);
                }
                _ => {}
            }
            at = next;
        }
        Ok(message)
    }

    /// The attributes in front of MESSAGE-INTEGRITY and FINGERPRINT.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + Clone + use<'a> {
        let bytes = &self.bytes[..self.attributes_end];
        let mut at = HEADER;
        std::iter::from_fn(move || {
            let (number, value) = attribute_at(bytes, at)?;
            at += 4 + value.len().next_multiple_of(4);
            Some((number, value))
        })
    }

    /// The first attribute with this number, which is the one that counts (RFC 8489 §14).
    pub fn attribute(&self, number: u16) -> Option<&'a [u8]> {
        self.attributes()
            .find(|(found, _)| *found == number)
            .map(|(_, value)| value)
    }

    /// The first attribute with this number, as text.
    pub fn text(&self, number: u16) -> Option<&'a str> {
        std::str::from_utf8(self.attribute(number)?).ok()
    }

    /// The first attribute with this number, as a number of 32 bits.
    pub fn number(&self, number: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.attribute(number)?.try_into().ok()?))
    }

    /// Reads a value as an address with XOR (RFC 8489 §14.2).
    pub fn xor_address(&self, value: &[u8]) -> Option<SocketAddr> {
        read_xor_address(value, self.transaction)
    }

    /// Whether there is a MESSAGE-INTEGRITY, right or wrong.
    pub(crate) const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether MESSAGE-INTEGRITY was made with `key`.
    pub fn is_signed_with(&self, key: &[u8; 16]) -> bool {
        let Some(at) = self.integrity_at else {
            return false;
        };
        integrity(&self.bytes[..at], key)
            .verify_slice(&self.bytes[at + 4..at + 24])
            .is_ok()
    }
}

/// Number and value of the attribute that begins there, if it fits with its padding.
fn attribute_at(bytes: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let rest = bytes.get(at..)?;
    let (header, rest) = rest.split_at_checked(4)?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    rest.get(..len.next_multiple_of(4))?;
    let number = u16::from_be_bytes([header[0], header[1]]);
    Some((number, &rest[..len]))
}

/// The HMAC over a message up to MESSAGE-INTEGRITY, with the length in its header as if it ended there.
fn integrity(up_to: &[u8], key: &[u8; 16]) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    let len = (up_to.len() - HEADER + 24) as u16;
    mac.update(&up_to[..2]);
    mac.update(&len.to_be_bytes());
    mac.update(&up_to[4..]);
    mac
}

/// The FINGERPRINT of a message that ends in front of it, with the length in its header as if it were there.
fn fingerprint(up_to: &[u8]) -> u32 {
    let len = (up_to.len() - HEADER + 8) as u16;
    let crc = crc32(!0, &up_to[..2]);
    let crc = crc32(crc, &len.to_be_bytes());
    !crc32(crc, &up_to[4..]) ^ FINGERPRINT_XOR
}

/// CRC-32 of ITU V.42, a bit at a time by table.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut crc = i as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 0 {
                    crc >> 1
                } else {
                    (crc >> 1) ^ 0xedb8_8320
                };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    bytes.iter().fold(crc, |crc, &byte| {
        (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]
    })
}

fn read_xor_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let (header, ip) = value.split_at_checked(4)?;
    let port = u16::from_be_bytes([header[2], header[3]]) ^ 0x2112;
    let ip = match (header[1], ip.len()) {
        (1, 4) => {
            let mut octets: [u8; 4] = ip.try_into().ok()?;
            xor(&mut octets, &MAGIC_COOKIE);
            IpAddr::V4(Ipv4Addr::from(octets))
        }
        (2, 16) => {
            let mut octets: [u8; 16] = ip.try_into().ok()?;
            xor(&mut octets[..4], &MAGIC_COOKIE);
            xor(&mut octets[4..], &transaction);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Writes an address with XOR; returns how many bytes of `value` it took: 8 or 20.
fn write_xor_address(value: &mut [u8; 20], addr: SocketAddr, transaction: TransactionId) -> usize {
    let port = addr.port() ^ 0x2112;
    value[0] = 0;
    value[2..4].copy_from_slice(&port.to_be_bytes());
    match addr.ip() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&ip.octets());
            xor(&mut value[4..8], &MAGIC_COOKIE);
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..].copy_from_slice(&ip.octets());
            xor(&mut value[4..8], &MAGIC_COOKIE);
            xor(&mut value[8..], &transaction);
            20
        }
    }
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}

/// The first two bytes of a message.
const fn kind(class: Class, method: u16) -> [u8; 2] {
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let method = (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2);
    (class | method).to_be_bytes()
}

/// Writes a message into a buffer, replacing what was in it.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut Vec<u8>,
    transaction: TransactionId,
}

impl<'b> Writer<'b> {
    /// Begins a message.
    pub fn new(
        buffer: &'b mut Vec<u8>,
        class: Class,
        method: u16,
        transaction: TransactionId,
    ) -> Self {
        buffer.clear();
        buffer.extend_from_slice(&kind(class, method));
        buffer.extend_from_slice(&[0, 0]);
        buffer.extend_from_slice(&MAGIC_COOKIE);
        buffer.extend_from_slice(&transaction);
        Self {
            buffer,
            transaction,
        }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(self, number: u16, value: &[u8]) -> Self {
        let len = value.len() as u16;
        self.buffer.extend_from_slice(&number.to_be_bytes());
        self.buffer.extend_from_slice(&len.to_be_bytes());
        self.buffer.extend_from_slice(value);
        self.buffer.resize(self.buffer.len().next_multiple_of(4), 0);
        let body = (self.buffer.len() - HEADER) as u16;
        self.buffer[2..4].copy_from_slice(&body.to_be_bytes());
        self
    }

    /// Adds an address with XOR.
    #[must_use]
    pub fn xor_address(self, number: u16, addr: SocketAddr) -> Self {
        let mut value = [0; 20];
        let len = write_xor_address(&mut value, addr, self.transaction);
        self.attribute(number, &value[..len])
    }

    /// Adds ERROR-CODE with its reason.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let mut value = [0; 64];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        let len = reason.len().min(60);
        value[4..4 + len].copy_from_slice(&reason.as_bytes()[..len]);
        self.attribute(attribute::ERROR_CODE, &value[..4 + len])
    }

    /// Adds MESSAGE-INTEGRITY; only FINGERPRINT may follow.
    #[must_use]
    pub fn sign(self, key: &[u8; 16]) -> Self {
        let mac = integrity(self.buffer, key).finalize().into_bytes();
        self.attribute(attribute::MESSAGE_INTEGRITY, &mac)
    }

    /// Adds FINGERPRINT; nothing may follow.
    pub fn fingerprint(self) {
        let fingerprint = fingerprint(self.buffer);
        self.attribute(attribute::FINGERPRINT, &fingerprint.to_be_bytes())
            .finish();
    }

    /// Adds nothing more.
    pub const fn finish(self) {}
}

/// How long the header of a Data indication is for a peer of this kind.
pub(crate) const fn data_header_len(peer: SocketAddr) -> usize {
    HEADER + 4 + if peer.is_ipv4() { 8 } else { 20 } + 4
}

/// Writes the header of a Data indication in front of its payload. `header` is as long as [`data_header_len`] says;
/// the padding of the payload is left to the caller.
pub(crate) fn write_data_header(
    header: &mut [u8],
    peer: SocketAddr,
    payload: usize,
    transaction: TransactionId,
) {
    let body = header.len() - HEADER + payload.next_multiple_of(4);
    header[..2].copy_from_slice(&kind(Class::Indication, method::DATA));
    header[2..4].copy_from_slice(&(body as u16).to_be_bytes());
    header[4..8].copy_from_slice(&MAGIC_COOKIE);
    header[8..20].copy_from_slice(&transaction);
    let mut address = [0; 20];
    let len = write_xor_address(&mut address, peer, transaction);
    header[20..22].copy_from_slice(&attribute::XOR_PEER_ADDRESS.to_be_bytes());
    header[22..24].copy_from_slice(&(len as u16).to_be_bytes());
    header[24..24 + len].copy_from_slice(&address[..len]);
    header[24 + len..26 + len].copy_from_slice(&attribute::DATA.to_be_bytes());
    header[26 + len..28 + len].copy_from_slice(&(payload as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.1: a request with MESSAGE-INTEGRITY (of a short-term password) and FINGERPRINT.
    const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\
        \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_standards_sample_is_understood() {
        let message = Message::parse(SAMPLE).unwrap();

        assert_eq!((message.class, message.method), (Class::Request, 1));
        assert!(message.has_fingerprint && message.has_integrity());
        assert_eq!(message.text(attribute::USERNAME), Some("evtj:h6vY"));
        assert_eq!(message.number(0x24), Some(0x6e00_01ff));
        assert_eq!(message.attributes().count(), 4);
    }

    #[test]
    fn the_standards_sample_is_not_taken_with_any_byte_changed() {
        // Without its number, FINGERPRINT would be an attribute that nobody has to understand.
        let number = SAMPLE.len() - 8..SAMPLE.len() - 6;
        for at in (0..SAMPLE.len()).filter(|at| !number.contains(at)) {
            let mut changed = SAMPLE.to_vec();
            changed[at] ^= 0x10;
            assert!(Message::parse(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut buffer = vec![1, 2, 3];
        let key = [9; 16];
        for (addr, method) in [
            ("192.0.2.1:32853", method::ALLOCATE),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", 0xfff),
        ] {
            let addr: SocketAddr = addr.parse().unwrap();
            Writer::new(&mut buffer, Class::Error, method, [7; 12])
                .error(438, "Stale Nonce")
                .xor_address(attribute::XOR_PEER_ADDRESS, addr)
                .sign(&key)
                .fingerprint();

            let message = Message::parse(&buffer).unwrap();
            assert_eq!((message.class, message.method), (Class::Error, method));
            assert_eq!(message.transaction, [7; 12]);
            let value = message.attribute(attribute::XOR_PEER_ADDRESS).unwrap();
            assert_eq!(message.xor_address(value), Some(addr));
            assert!(message.is_signed_with(&key) && !message.is_signed_with(&[8; 16]));
            assert!(message.has_fingerprint);
        }
    }

    #[test]
    fn the_standards_address_is_written_as_there() {
        // RFC 5769 §2.2.
        let mut value = [0; 20];
        let transaction = SAMPLE[8..20].try_into().unwrap();
        let len = write_xor_address(&mut value, "192.0.2.1:32853".parse().unwrap(), transaction);

        assert_eq!(value[..len], *b"\x00\x01\xa1\x47\xe1\x12\xa6\x43");
    }

    #[test]
    fn a_data_header_makes_an_indication() {
        for peer in ["192.0.2.1:9", "[2001:db8::1]:9"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let header = data_header_len(peer);
            let mut bytes = vec![0; header + 8];
            bytes[header..header + 5].copy_from_slice(b"hello");
            write_data_header(&mut bytes[..header], peer, 5, [3; 12]);

            let message = Message::parse(&bytes).unwrap();
            assert_eq!(
                (message.class, message.method),
                (Class::Indication, method::DATA)
            );
            assert_eq!(message.attribute(attribute::DATA), Some(&b"hello"[..]));
            let value = message.attribute(attribute::XOR_PEER_ADDRESS).unwrap();
            assert_eq!(message.xor_address(value), Some(peer));
        }
    }
}
