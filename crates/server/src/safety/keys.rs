//! Whether a proof is good, and whether work was done.

use protocol::{Challenge, Nonce, PublicKey, Signature, Work};
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
