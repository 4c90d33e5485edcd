//! Spares the handshake the round trip of its cookie.
//!
//! A DTLS server answers the first `ClientHello` with a cookie, and the client says hello again with that (RFC 6347 section
//! 4.2.1), to show that it is where its address says. The connectivity checks have shown that already, and so browsers
//! leave it out, but `rtc-dtls` 0.21.1 has no such setting. So each side tells its cookie in its description, and whoever
//! is the client gives its stack the server's `HelloVerifyRequest` itself: only the second `ClientHello` travels. The server
//! gives its stack the first, made from the second.
//!
//! The cookie is random and used for one connection. Whoever did not see the description has to ask for it as ever, and a
//! partner that tells of none is asked as ever.
//!
//! Owns no socket and no clock.

use std::fmt::Write as _;

pub(super) const COOKIE_BYTES: usize = 20;

/// Its line in a session description. Those who do not know it ignore it (RFC 8866 section 5.13).
const ATTRIBUTE: &str = "a=passerby-dtls-cookie:";

/// What a client shows that it can be reached by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookie([u8; COOKIE_BYTES]);

impl std::fmt::Debug for Cookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cookie")
    }
}

impl Cookie {
    /// Another one.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; COOKIE_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The cookie that a description tells of.
    pub(crate) fn told_in(sdp: &str) -> Option<Self> {
        let text = sdp.lines().find_map(|line| line.strip_prefix(ATTRIBUTE))?;
        let digits = text.trim_end().as_bytes();
        let mut bytes = [0; COOKIE_BYTES];
        if digits.len() != 2 * COOKIE_BYTES {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |index: usize| char::from(pair[index]).to_digit(16);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Some(Self(bytes))
    }

    /// The description with this cookie told for the whole session.
    pub(crate) fn tell_in(self, sdp: &str) -> String {
        let mut line = ATTRIBUTE.to_owned();
        for byte in self.0 {
            write!(line, "{byte:02x}").expect("a string takes everything");
        }
        protocol::sdp::with_line(sdp, &line)
    }

    /// As a client: the answer to the first `ClientHello` that a server with this cookie would give. `None` if this is
    /// anything else.
    pub(super) fn answer(self, record: &[u8]) -> Option<Vec<u8>> {
        let hello = ClientHello::read(record)?;
        if hello.message_sequence != 0 || !hello.cookie.is_empty() {
            return None;
        }
        let mut body = PROTOCOL_VERSION.to_vec();
        body.push(COOKIE_BYTES as u8);
        body.extend(self.0);
        // As the server's own, which the stack takes for a repeat if it comes.
        Some(handshake_record(0, HELLO_VERIFY_REQUEST, 0, &body))
    }

    /// As a server: the first `ClientHello`, which the client kept to itself, made from the second. `None` if this is
    /// anything else, or has another cookie.
    pub(super) fn first_hello(self, record: &[u8]) -> Option<Vec<u8>> {
        let hello = ClientHello::read(record)?;
        if hello.message_sequence != 1 || hello.cookie != self.0 {
            return None;
        }
        let body = [hello.before_cookie, &[0], hello.after_cookie].concat();
        let sequence = hello.record_sequence.checked_sub(1)?;
        Some(handshake_record(sequence, CLIENT_HELLO, 0, &body))
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// DTLS 1.2.
const PROTOCOL_VERSION: [u8; 2] = [254, 253];
const RECORD_HEADER_BYTES: usize = 13;
const MESSAGE_HEADER_BYTES: usize = 12;
/// Version and random.
const BEFORE_SESSION_ID_BYTES: usize = 34;

/// A `ClientHello` that is alone in its record and whole (RFC 6347 sections 4.1, 4.2.2 and 4.3.2).
struct ClientHello<'a> {
    record_sequence: u64,
    message_sequence: u16,
    before_cookie: &'a [u8],
    cookie: &'a [u8],
    after_cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    fn read(record: &'a [u8]) -> Option<Self> {
        let (header, message) = record.split_at_checked(RECORD_HEADER_BYTES)?;
        let (message_header, body) = message.split_at_checked(MESSAGE_HEADER_BYTES)?;
        let number = |bytes: &[u8]| {
            let mut wide = [0; 8];
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            u64::from_be_bytes(wide)
        };
        let (kind, epoch, len) = (header[0], number(&header[3..5]), number(&header[11..13]));
        let body_len = body.len() as u64;
        let is_whole = len == message.len() as u64
            && number(&message_header[1..4]) == body_len
            && number(&message_header[6..9]) == 0
            && number(&message_header[9..12]) == body_len;
        if kind != HANDSHAKE || epoch != 0 || message_header[0] != CLIENT_HELLO || !is_whole {
            return None;
        }
        let session_id_len = usize::from(*body.get(BEFORE_SESSION_ID_BYTES)?);
        let cookie_len_at = BEFORE_SESSION_ID_BYTES + 1 + session_id_len;
        let (before_cookie, rest) = body.split_at_checked(cookie_len_at)?;
        let (cookie_len, rest) = rest.split_first()?;
        let (cookie, after_cookie) = rest.split_at_checked(usize::from(*cookie_len))?;
        Some(Self {
            record_sequence: number(&header[5..11]),
            message_sequence: number(&message_header[4..6]) as u16,
            before_cookie,
            cookie,
            after_cookie,
        })
    }
}

/// A record with one whole handshake message, before there are keys.
fn handshake_record(record_sequence: u64, kind: u8, message_sequence: u16, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    let record_len = (MESSAGE_HEADER_BYTES + body.len()) as u16;
    let mut record = vec![HANDSHAKE];
    record.extend(PROTOCOL_VERSION);
    record.extend([0, 0]);
    record.extend(&record_sequence.to_be_bytes()[2..]);
    record.extend(record_len.to_be_bytes());
    record.push(kind);
    record.extend(&len[1..]);
    record.extend(message_sequence.to_be_bytes());
    record.extend([0, 0, 0]);
    record.extend(&len[1..]);
    record.extend(body);
    record
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COOKIE: Cookie = Cookie([0xC0; COOKIE_BYTES]);

    /// A `ClientHello` with a session and without extensions.
    fn hello(record_sequence: u64, message_sequence: u16, cookie: &[u8]) -> Vec<u8> {
        let mut body = PROTOCOL_VERSION.to_vec();
        body.extend([7; 32]);
        body.extend([2, 1, 2]);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend([0, 2, 0xC0, 0x2B, 1, 0]);
        handshake_record(record_sequence, CLIENT_HELLO, message_sequence, &body)
    }

    #[test]
    fn a_description_tells_the_cookie_for_the_whole_session() {
        let sdp = "v=0\r\ns=-\r\nm=audio 9 RTP 0\r\na=mid:0\r\nm=video 9 RTP 0\r\n";
        let told = COOKIE.tell_in(sdp);
        let line = format!("a=passerby-dtls-cookie:{}\r\n", "c0".repeat(COOKIE_BYTES));
        let (session, sections) = sdp.split_at("v=0\r\ns=-\r\n".len());
        assert_eq!(told, [session, &line, sections].concat());
        assert_eq!(Cookie::told_in(&told), Some(COOKIE));
        assert_eq!(Cookie::told_in(sdp), None);
        for bad in [
            "",
            "c0",
            &"c0".repeat(21),
            &"é".repeat(20),
            &"+1".repeat(20),
        ] {
            assert_eq!(
                Cookie::told_in(&format!("{ATTRIBUTE}{bad}\r\n")),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn the_first_hello_is_answered_and_no_other_message() {
        let answer = COOKIE.answer(&hello(0, 0, &[])).expect("answered");
        // RFC 6347 section 4.2.1: version, then the cookie with its length.
        assert_eq!(answer[..13], [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 35]);
        assert_eq!(answer[13..25], [3, 0, 0, 23, 0, 0, 0, 0, 0, 0, 0, 23]);
        assert_eq!(answer[25..28], [254, 253, 20]);
        assert_eq!(answer[28..], COOKIE.0);
        assert_eq!(COOKIE.answer(&hello(1, 1, &COOKIE.0)), None);
        assert_eq!(COOKIE.answer(&answer), None);
    }

    #[test]
    fn the_second_hello_gives_the_first() {
        let second = hello(1, 1, &COOKIE.0);
        assert_eq!(COOKIE.first_hello(&second), Some(hello(0, 0, &[])));
        assert_eq!(COOKIE.first_hello(&hello(0, 0, &[])), None);
        assert_eq!(COOKIE.first_hello(&hello(0, 1, &COOKIE.0)), None);
        let other = Cookie([1; COOKIE_BYTES]);
        assert_eq!(
            other.first_hello(&second),
            None,
            "not the one that was told"
        );
        let two = [second.clone(), second.clone()].concat();
        assert_eq!(COOKIE.first_hello(&two), None, "two records");
        assert_eq!(COOKIE.first_hello(&second[..second.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            body in prop::collection::vec(any::<u8>(), 0..80),
            cut in 0..100_usize,
        ) {
            let record = handshake_record(1, CLIENT_HELLO, 1, &body);
            COOKIE.first_hello(&record);
            COOKIE.answer(&record[..cut.min(record.len())]);
            COOKIE.answer(&body);
        }
    }
}
