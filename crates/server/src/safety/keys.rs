//! Whether a proof is good.

use protocol::{Challenge, PublicKey, Signature};
use ring::signature::{ED25519, UnparsedPublicKey};

/// Whether `signature` was made with `key` over this challenge (Ed25519, RFC 8032).
pub(crate) fn is_proof(challenge: &Challenge, key: &PublicKey, signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key.as_bytes())
        .verify(&challenge.statement(), signature.as_bytes())
        .is_ok()
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
}
