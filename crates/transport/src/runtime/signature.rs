//! Connectivity checks and their answers, signed with a password of the partner (RFC 8489 section 9.1).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::{
    ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_SUCCESS, Getter as _, Message, Setter, TransactionId as StackTransactionId,
};
use rtc::stun::xoraddr::XorMappedAddress;

use super::stun::TransactionId;

/// Reads and writes what the partner's ICE password signs: requests to it, and its answers.
#[derive(Clone)]
pub(super) struct Signer {
    password: Vec<u8>,
    crypto: Arc<dyn RTCCryptoProvider>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signer")
    }
}

impl Signer {
    /// `None` if there is no such cryptography.
    pub(super) fn new(password: &str) -> Option<Self> {
        Some(Self {
            password: password.as_bytes().to_vec(),
            crypto: rtc::crypto::default_provider().ok()?,
        })
    }

    /// The same request as `transaction` and with USE-CANDIDATE (RFC 8445 section 7.1.2); `None` if it is not signed with
    /// this password.
    pub(super) fn nominate(&self, request: &[u8], transaction: TransactionId) -> Option<Vec<u8>> {
        let message = self.read(request)?;
        let is_kept = |attribute: &&RawAttribute| {
            attribute.typ != ATTR_MESSAGE_INTEGRITY && attribute.typ != ATTR_FINGERPRINT
        };
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(message.typ),
            Box::new(StackTransactionId(transaction)),
        ];
        for attribute in message.attributes.0.iter().filter(is_kept) {
            setters.push(Box::new(attribute.clone()));
        }
        setters.push(Box::new(RawAttribute {
            typ: ATTR_USE_CANDIDATE,
            ..RawAttribute::default()
        }));
        self.sign(setters)
    }

    /// The address that a success response tells; `None` if it is not signed with this password.
    pub(super) fn mapped_address(&self, answer: &[u8]) -> Option<SocketAddr> {
        let message = self.read(answer)?;
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&message).ok()?;
        Some(SocketAddr::new(mapped.ip, mapped.port))
    }

    /// A success response, as the partner would make it.
    pub(super) fn answer(&self, transaction: TransactionId, mapped: SocketAddr) -> Option<Vec<u8>> {
        self.sign(vec![
            Box::new(BINDING_SUCCESS),
            Box::new(StackTransactionId(transaction)),
            Box::new(XorMappedAddress {
                ip: mapped.ip(),
                port: mapped.port(),
            }),
        ])
    }

    /// An unpredictable transaction (RFC 8489 section 5).
    pub(super) fn new_transaction() -> TransactionId {
        StackTransactionId::new().0
    }

    fn read(&self, bytes: &[u8]) -> Option<Message> {
        let mut message = Message::new();
        message.unmarshal_binary(bytes).ok()?;
        MessageIntegrity::check(&mut message, &self.password, self.crypto.crypto()).ok()?;
        Some(message)
    }

    fn sign<'a>(&'a self, mut setters: Vec<Box<dyn Setter + 'a>>) -> Option<Vec<u8>> {
        let password = self.password.clone();
        let crypto = self.crypto.crypto();
        setters.push(Box::new(MessageIntegrity::new_raw_integrity_with_provider(
            password, crypto,
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).ok()?;
        Some(message.raw)
    }
}

/// A check as the stack makes it. For tests.
#[cfg(test)]
pub(super) fn check(signer: &Signer, transaction: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    use rtc::stun::attributes::AttrType;
    use rtc::stun::message::BINDING_REQUEST;

    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(StackTransactionId([transaction; 12])),
    ];
    for (kind, value) in attributes {
        setters.push(Box::new(RawAttribute {
            typ: AttrType(*kind),
            length: value.len() as u16,
            value: value.to_vec(),
        }));
    }
    signer.sign(setters).expect("small")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::stun::fingerprint::FINGERPRINT;

    use super::*;
    use crate::runtime::stun;

    #[test]
    fn a_nominating_check_is_the_check_with_one_more_attribute() {
        let signer = Signer::new("a password of the partner").unwrap();
        let plain = check(
            &signer,
            7,
            &[
                (stun::USERNAME, b"theirs:ours"),
                (stun::ICE_CONTROLLING, &[9; 8]),
            ],
        );
        let nominating = signer.nominate(&plain, [8; 12]).expect("signed");
        assert_eq!(nominating.len(), plain.len() + 4);
        let message = signer.read(&nominating).expect("signed again");
        FINGERPRINT.check(&message).expect("a good fingerprint");
        let (before, after) = (
            stun::Message::read(&plain).unwrap(),
            stun::Message::read(&nominating).unwrap(),
        );
        assert_eq!((before.transaction, after.transaction), ([7; 12], [8; 12]));
        assert_eq!(after.attribute(stun::USERNAME), Some(&b"theirs:ours"[..]));
        assert_eq!(after.attribute(stun::ICE_CONTROLLING), Some(&[9; 8][..]));
        assert_eq!(after.attribute(stun::USE_CANDIDATE), Some(&[][..]));
        let other = Signer::new("another").unwrap();
        assert_eq!(other.nominate(&plain, [8; 12]), None, "not ours to change");
    }

    #[test]
    fn an_answer_tells_its_address_to_whoever_has_the_password() {
        let signer = Signer::new("a password of the partner").unwrap();
        for mapped in ["192.0.2.7:4000", "[2001:db8::7]:4000"] {
            let mapped: SocketAddr = mapped.parse().unwrap();
            let answer = signer.answer([3; 12], mapped).unwrap();
            assert_eq!(signer.mapped_address(&answer), Some(mapped));
            let other = Signer::new("another").unwrap();
            assert_eq!(other.mapped_address(&answer), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..120)) {
            let signer = Signer::new("p").unwrap();
            let mut bytes = stun::write(stun::BINDING_SUCCESS, [1; 12], &[]);
            bytes.extend(&body);
            bytes[3] = body.len() as u8;
            prop_assert_eq!(signer.mapped_address(&bytes), None);
            prop_assert_eq!(signer.nominate(&bytes, [8; 12]), None);
        }
    }
}
