//! Answers the stack in the place of a server that is not asked.
//!
//! The stack of `webrtc` 0.21.1 never ends gathering for a server that does not answer, and takes an error for an end
//! only from the second request of an allocation on (`turn_relayer.rs`, `poll_event`). So the first is answered as a
//! server would that wants to know the user (RFC 8656 section 7.3), and the second is refused.

use crate::runtime::stun::{self, Message};

const UNAUTHORIZED: [u8; 4] = [0, 0, 4, 1];
/// "Insufficient Capacity".
const REFUSED: [u8; 4] = [0, 0, 5, 8];

/// The answer to a request that goes nowhere, if it needs one.
pub(super) fn refuse(datagram: &[u8]) -> Option<Vec<u8>> {
    let request = Message::read(datagram)?;
    if request.kind != stun::ALLOCATE_REQUEST {
        return None;
    }
    let first_answer = [
        (stun::ERROR_CODE, &UNAUTHORIZED[..]),
        (stun::REALM, b"none"),
        (stun::NONCE, b"none"),
    ];
    let attributes = if request.attribute(stun::USERNAME).is_none() {
        &first_answer[..]
    } else {
        &[(stun::ERROR_CODE, &REFUSED[..])]
    };
    Some(stun::write(
        stun::ALLOCATE_ERROR,
        request.transaction,
        attributes,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_request_is_refused_for_good() {
        let code = |request: &[u8]| {
            let answer = refuse(request).expect("an answer");
            let answer = Message::read(&answer).unwrap();
            assert_eq!(answer.transaction, [3; 12]);
            answer.attribute(stun::ERROR_CODE).unwrap().to_vec()
        };
        let first = stun::write(stun::ALLOCATE_REQUEST, [3; 12], &[]);
        let second = stun::write(stun::ALLOCATE_REQUEST, [3; 12], &[(stun::USERNAME, b"me")]);
        assert_eq!(code(&first), UNAUTHORIZED);
        assert_eq!(code(&second), REFUSED);
    }

    #[test]
    fn nothing_else_is_answered() {
        assert_eq!(
            refuse(&stun::write(stun::BINDING_REQUEST, [3; 12], &[])),
            None
        );
        assert_eq!(refuse(&[0x40, 0, 0, 0]), None);
        assert_eq!(refuse(&[]), None);
    }
}
