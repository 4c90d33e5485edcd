//! Whether a proof is good, whether lines of chat are somebody's, and whether work was done.

use protocol::{Challenge, LineHash, Nonce, PublicKey, RoomId, Signature, SignedLine, Work};
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};

/// Whether `signature` was made with `key` over this challenge (Ed25519, RFC 8032).
pub(crate) fn is_proof(challenge: &Challenge, key: &PublicKey, signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key.as_bytes())
        .verify(&challenge.statement(), signature.as_bytes())
        .is_ok()
}

/// Whether all these lines were written in this room by who has the key, in this order. Lines may be left out between them.
pub(crate) fn are_lines_of(key: &PublicKey, room: &RoomId, lines: &[SignedLine]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key.as_bytes());
    // The last number, and the hash of the line with it.
    let mut last = (0, LineHash::NOTHING);
    for line in lines {
        let statement = line.statement(room);
        let is_in_place = if last.0 + 1 == u64::from(line.number) {
            line.previous == last.1
        } else {
            u64::from(line.number) > last.0
        };
        if !is_in_place || key.verify(&statement, line.signature.as_bytes()).is_err() {
            return false;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &statement).as_ref());
        last = (u64::from(line.number), LineHash::from_bytes(hash));
    }
    true
}

/// Whether that was found by the work. Takes one hash.
pub(crate) fn is_done(work: &Work, nonce: Nonce) -> bool {
    work.is_done_by(digest(&SHA256, &work.preimage(nonce)).as_ref())
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    fn proof(seed: u8, statement: &[u8]) -> (PublicKey, Signature) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is a key");
        let key = pair.public_key().as_ref().try_into().expect("32 bytes");
        let signature = pair.sign(statement);
        let signature = signature.as_ref().try_into().expect("64 bytes");
        (PublicKey::from_bytes(key), Signature::from_bytes(signature))
    }

    #[test]
    fn a_proof_is_for_one_challenge_and_one_key() {
        let challenge = Challenge::from_bytes([1; 16]);
        let (key, signature) = proof(9, &challenge.statement());
        assert!(is_proof(&challenge, &key, &signature));

        let other = Challenge::from_bytes([2; 16]);
        assert!(!is_proof(&other, &key, &signature), "an old proof");
        let (other_key, _) = proof(8, &[]);
        assert!(!is_proof(&challenge, &other_key, &signature));
        let (_, bare) = proof(9, challenge.as_bytes());
        assert!(
            !is_proof(&challenge, &key, &bare),
            "signed for something else"
        );
    }

    /// Lines that one after the other hang together.
    fn lines(pair: &Ed25519KeyPair, room: &RoomId, texts: &[&str]) -> Vec<SignedLine> {
        let mut previous = LineHash::NOTHING;
        let mut lines = Vec::new();
        for (text, number) in texts.iter().zip(1..) {
            let statement = protocol::line_statement(room, number, &previous, text);
            let signature = pair.sign(&statement);
            lines.push(SignedLine {
                number,
                previous,
                text: (*text).to_owned(),
                signature: Signature::from_bytes(signature.as_ref().try_into().expect("64 bytes")),
            });
            let hash = digest(&SHA256, &statement);
            previous = LineHash::from_bytes(hash.as_ref().try_into().expect("32 bytes"));
        }
        lines
    }

    #[test]
    fn lines_are_of_one_key_one_room_and_one_order_and_some_may_be_left_out() {
        let room = RoomId::from_bytes([1; 16]);
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("any seed is a key");
        let key = |pair: &Ed25519KeyPair| {
            PublicKey::from_bytes(pair.public_key().as_ref().try_into().expect("32 bytes"))
        };
        let said = lines(&pair, &room, &["one", "two", "three"]);
        let is_his = |lines: &[SignedLine]| are_lines_of(&key(&pair), &room, lines);
        assert!(is_his(&said) && is_his(&[]));
        for some in [&said[..1], &said[1..], &[said[0].clone(), said[2].clone()]] {
            assert!(is_his(some));
        }
        let other = Ed25519KeyPair::from_seed_unchecked(&[6; 32]).expect("any seed is a key");
        assert!(!are_lines_of(&key(&other), &room, &said));
        assert!(!are_lines_of(
            &key(&pair),
            &RoomId::from_bytes([2; 16]),
            &said
        ));
        let changed = |change: fn(&mut SignedLine)| {
            let mut lines = said.clone();
            change(&mut lines[1]);
            lines
        };
        for wrong in [
            changed(|line| line.text.push('!')),
            changed(|line| line.number += 5),
            changed(|line| line.previous = LineHash::NOTHING),
            changed(|line| line.number = 0),
            vec![said[1].clone(), said[0].clone()],
            vec![said[0].clone(), said[0].clone()],
        ] {
            assert!(!is_his(&wrong), "{wrong:?}");
        }
        // Who signs two stories has only one of them before a line.
        let mut two_stories = lines(&pair, &room, &["another one", "two"]);
        two_stories[0] = said[0].clone();
        assert!(is_his(&two_stories[1..]) && !is_his(&two_stories));
    }

    #[test]
    fn work_is_for_one_challenge() {
        let work = |number, bits| Work {
            challenge: Challenge::from_bytes([number; 16]),
            bits,
        };
        let nonces = (0_u64..).map(|number| Nonce::from_bytes(number.to_be_bytes()));
        let found = nonces.clone().find(|nonce| is_done(&work(1, 10), *nonce));
        let found = found.expect("one in a thousand");
        // One in a million does both; this one does not.
        assert!(!is_done(&work(2, 10), found));
        assert!(!is_done(&work(1, 30), found));
        let tries = nonces.take_while(|nonce| *nonce != found).count();
        assert!((1..20_000).contains(&tries), "{tries}");
    }
}
