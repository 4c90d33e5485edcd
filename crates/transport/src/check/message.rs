//! The bytes of STUN and TURN requests and of what is answered (RFC 8489, RFC 8656). No sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::addr::{MappedAddress, OtherAddress};
use rtc::stun::attributes::{
    ATTR_CHANGE_REQUEST, ATTR_CHANGED_ADDRESS, ATTR_MAPPED_ADDRESS, ATTR_NONCE, ATTR_OTHER_ADDRESS,
    ATTR_REALM, ATTR_USERNAME, RawAttribute,
};
use rtc::stun::error_code::ErrorCodeAttribute;
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter as _, Message, MessageType,
    Method, Setter, TransactionId, is_stun_message,
};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;
use rtc::turn::proto::relayaddr::RelayedAddress;

/// Asks for an answer from the server's other port (RFC 5780 section 7.2).
pub(super) const CHANGE_PORT: u32 = 0x02;
/// Asks for an answer from the server's other address.
pub(super) const CHANGE_ADDRESS: u32 = 0x04;

/// What is added to a request besides method and transaction.
pub(super) type Attributes<'a> = Vec<Box<dyn Setter + 'a>>;

/// A request, ready to be sent, and what it takes to recognise its answer.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    method: Method,
    transaction: TransactionId,
    signer: Option<Signer>,
}

/// The long-term credential (RFC 8489 section 9.2), with what the server added to it. Has no `Debug`.
#[derive(Clone)]
pub(super) struct Signer {
    username: String,
    realm: String,
    nonce: String,
    key: Vec<u8>,
    crypto: Arc<dyn RTCCryptoProvider>,
}

/// What a server answered.
pub(super) enum Answer {
    Success(Message),
    Refused(Refusal),
}

/// An error response.
pub(super) struct Refusal {
    pub(super) code: u16,
    /// What a request must be signed with; present in 401 and 438.
    pub(super) challenge: Option<Challenge>,
}

pub(super) struct Challenge {
    realm: String,
    nonce: String,
}

/// What some bytes from a server are.
pub(super) enum Reading {
    /// The answer to the request.
    Answer(Answer),
    /// Something that may be all right, but is no answer to this request.
    Foreign,
    /// Nothing that a server should send.
    Garbage,
}

/// A request could not be made: a user name or password is longer than the protocol allows.
#[derive(Debug)]
pub(super) struct Unsendable;

impl Signer {
    /// `None` if there is no such cryptography, or the user name is longer than allowed.
    pub(super) fn new(username: &str, password: &str, challenge: &Challenge) -> Option<Self> {
        let crypto = rtc::crypto::default_provider().ok()?;
        let key = MessageIntegrity::long_term_integrity_key(
            username.to_owned(),
            challenge.realm.clone(),
            password.to_owned(),
            crypto.crypto(),
        );
        Some(Self {
            username: username.to_owned(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            key: key.ok()?,
            crypto,
        })
    }

    /// Takes the nonce of a server that finds the old one stale.
    pub(super) fn renew(&mut self, challenge: &Challenge) {
        self.nonce.clone_from(&challenge.nonce);
    }
}

impl Request {
    pub(super) fn new(
        method: Method,
        attributes: Attributes<'_>,
        signer: Option<&Signer>,
    ) -> Result<Self, Unsendable> {
        let transaction = TransactionId::new();
        let mut setters: Attributes<'_> = vec![
            Box::new(transaction),
            Box::new(MessageType::new(method, CLASS_REQUEST)),
        ];
        setters.extend(attributes);
        if let Some(signer) = signer {
            let text = |kind, text: &String| Box::new(TextAttribute::new(kind, text.clone()));
            setters.push(text(ATTR_USERNAME, &signer.username));
            setters.push(text(ATTR_REALM, &signer.realm));
            setters.push(text(ATTR_NONCE, &signer.nonce));
            let integrity = MessageIntegrity::new_raw_integrity_with_provider(
                signer.key.clone(),
                signer.crypto.crypto(),
            );
            setters.push(Box::new(integrity));
        }
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).map_err(|_| Unsendable)?;
        Ok(Self {
            bytes: message.raw,
            method,
            transaction,
            signer: signer.cloned(),
        })
    }

    /// What `bytes` are to this request.
    pub(super) fn read(&self, bytes: &[u8]) -> Reading {
        if !is_stun_message(bytes) {
            return Reading::Garbage;
        }
        let mut message = Message::new();
        if message.unmarshal_binary(bytes).is_err() {
            return Reading::Garbage;
        }
        let class = message.typ.class;
        let is_response = class == CLASS_SUCCESS_RESPONSE || class == CLASS_ERROR_RESPONSE;
        if !is_response || message.transaction_id != self.transaction {
            return Reading::Foreign;
        }
        if message.typ.method != self.method {
            return Reading::Garbage;
        }
        if class == CLASS_ERROR_RESPONSE {
            let mut error = ErrorCodeAttribute::default();
            return match error.get_from(&message) {
                Ok(()) => Reading::Answer(Answer::Refused(Refusal {
                    code: error.code.0,
                    challenge: challenge(&message),
                })),
                Err(_) => Reading::Garbage,
            };
        }
        // An unsigned answer to a signed request is somebody else's (RFC 8489 section 9.2.5).
        if let Some(signer) = &self.signer
            && MessageIntegrity::check(&mut message, &signer.key, signer.crypto.crypto()).is_err()
        {
            return Reading::Garbage;
        }
        Reading::Answer(Answer::Success(message))
    }
}

fn challenge(message: &Message) -> Option<Challenge> {
    let text = |kind| TextAttribute::get_from_as(message, kind).ok();
    Some(Challenge {
        realm: text(ATTR_REALM)?.text,
        nonce: text(ATTR_NONCE)?.text,
    })
}

/// The attribute that asks for an answer from elsewhere: [`CHANGE_PORT`], [`CHANGE_ADDRESS`] or both.
pub(super) fn change_request(flags: u32) -> RawAttribute {
    RawAttribute {
        typ: ATTR_CHANGE_REQUEST,
        length: 4,
        value: flags.to_be_bytes().to_vec(),
    }
}

/// How the server sees us.
pub(super) fn mapped_address(message: &Message) -> Option<SocketAddr> {
    let mut masked = XorMappedAddress::default();
    if masked.get_from(message).is_ok() {
        return Some(SocketAddr::new(masked.ip, masked.port));
    }
    // Servers older than RFC 5389.
    let mut plain = MappedAddress::default();
    plain.get_from_as(message, ATTR_MAPPED_ADDRESS).ok()?;
    Some(SocketAddr::new(plain.ip, plain.port))
}

/// From where else the server can answer, if it can (RFC 5780, and RFC 3489 before it).
pub(super) fn other_address(message: &Message) -> Option<SocketAddr> {
    let mut other = OtherAddress::default();
    other
        .get_from_as(message, ATTR_OTHER_ADDRESS)
        .or_else(|_| other.get_from_as(message, ATTR_CHANGED_ADDRESS))
        .ok()?;
    Some(SocketAddr::new(other.ip, other.port))
}

/// The address that the server allocated.
pub(super) fn relayed_address(message: &Message) -> Option<SocketAddr> {
    let mut relayed = RelayedAddress::default();
    relayed.get_from(message).ok()?;
    Some(SocketAddr::new(relayed.ip, relayed.port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::stun::message::{METHOD_ALLOCATE, METHOD_BINDING};

    use super::*;

    fn signer() -> Signer {
        let challenge = Challenge {
            realm: "test".into(),
            nonce: "once".into(),
        };
        Signer::new("me", "secret", &challenge).unwrap()
    }

    fn response(
        request: &Request,
        class: rtc::stun::message::MessageClass,
        with: Attributes<'_>,
    ) -> Vec<u8> {
        let mut setters: Attributes<'_> = vec![
            Box::new(request.transaction),
            Box::new(MessageType::new(request.method, class)),
        ];
        setters.extend(with);
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw
    }

    fn seen() -> Box<dyn Setter> {
        Box::new(XorMappedAddress {
            ip: "192.0.2.1".parse().unwrap(),
            port: 4242,
        })
    }

    #[test]
    fn an_answer_tells_how_the_server_sees_us() {
        let request = Request::new(METHOD_BINDING, vec![], None).unwrap();
        let bytes = response(&request, CLASS_SUCCESS_RESPONSE, vec![seen()]);
        let Reading::Answer(Answer::Success(message)) = request.read(&bytes) else {
            panic!("it is the answer");
        };
        assert_eq!(
            mapped_address(&message),
            Some("192.0.2.1:4242".parse().unwrap())
        );
        assert_eq!(other_address(&message), None);
        let another = Request::new(METHOD_BINDING, vec![], None).unwrap();
        assert!(matches!(another.read(&bytes), Reading::Foreign));
    }

    #[test]
    fn the_answer_to_a_signed_request_must_be_signed() {
        let signer = signer();
        let request = Request::new(METHOD_ALLOCATE, vec![], Some(&signer)).unwrap();
        let unsigned = response(&request, CLASS_SUCCESS_RESPONSE, vec![seen()]);
        assert!(matches!(request.read(&unsigned), Reading::Garbage));
        let integrity = |key: &[u8]| -> Box<dyn Setter + '_> {
            Box::new(MessageIntegrity::new_raw_integrity_with_provider(
                key,
                signer.crypto.crypto(),
            ))
        };
        let forged = response(
            &request,
            CLASS_SUCCESS_RESPONSE,
            vec![seen(), integrity(b"guess")],
        );
        assert!(matches!(request.read(&forged), Reading::Garbage));
        let signed = response(
            &request,
            CLASS_SUCCESS_RESPONSE,
            vec![seen(), integrity(&signer.key)],
        );
        assert!(matches!(
            request.read(&signed),
            Reading::Answer(Answer::Success(_))
        ));
    }

    #[test]
    fn a_user_name_that_is_too_long_cannot_be_sent() {
        let challenge = Challenge {
            realm: "test".into(),
            nonce: "once".into(),
        };
        let signer = Signer::new(&"x".repeat(600), "secret", &challenge).unwrap();
        assert!(Request::new(METHOD_ALLOCATE, vec![], Some(&signer)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// A server may answer anything, signed or not, with our transaction or another.
        #[test]
        fn no_bytes_make_a_reader_panic(
            is_signed in any::<bool>(),
            knows_transaction in any::<bool>(),
            kind in prop::sample::select(vec![0x0101_u16, 0x0111, 0x0103, 0x0113, 0x0017]),
            attributes in prop::collection::vec(
                (prop::sample::select(vec![0x0001_u16, 0x0006, 0x0008, 0x0009, 0x0014, 0x0015, 0x0016, 0x0020, 0x802c, 0x8028]),
                 prop::collection::vec(any::<u8>(), 0..40)),
                0..6),
            cut in 0..8_usize,
        ) {
            let signer = signer();
            let method = if kind & 0x0f == 3 { METHOD_ALLOCATE } else { METHOD_BINDING };
            let request = Request::new(method, vec![], is_signed.then_some(&signer)).unwrap();
            let mut body = Vec::new();
            for (kind, value) in attributes {
                body.extend_from_slice(&kind.to_be_bytes());
                body.extend_from_slice(&(value.len() as u16).to_be_bytes());
                body.extend_from_slice(&value);
                body.resize(body.len().next_multiple_of(4), 0);
            }
            let mut bytes = [kind.to_be_bytes(), (body.len() as u16).to_be_bytes()].concat();
            bytes.extend_from_slice(&rtc::stun::message::MAGIC_COOKIE.to_be_bytes());
            bytes.extend_from_slice(if knows_transaction { &request.transaction.0 } else { &[7; 12] });
            bytes.extend_from_slice(&body);
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Reading::Answer(Answer::Success(message)) = request.read(&bytes) {
                let _ = (mapped_address(&message), other_address(&message), relayed_address(&message));
            }
        }
    }
}
