//! How the server shows an authority that a name leads to it (TLS-ALPN-01, RFC 8737): to who asks for a certain protocol it shows a
//! certificate with what the authority wants to see. That happens at the port of TLS, so that no other is needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio_rustls::rustls::{crypto::ring, pki_types::PrivateKeyDer, sign::CertifiedKey};

/// The protocol that the authority asks for (RFC 8737 section 6.2).
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// What is to be shown at this moment: one certificate for each name that is being proved.
#[derive(Debug, Default)]
pub(crate) struct Challenges(Mutex<BTreeMap<String, Arc<CertifiedKey>>>);

/// Takes everything away when it is dropped.
#[derive(Debug)]
pub(super) struct Shown<'a>(&'a Challenges);

impl Challenges {
    /// What is shown to who asks for a name.
    pub(crate) fn for_name(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.locked().get(&name.to_ascii_lowercase()).cloned()
    }

    /// Begins to show what is added.
    pub(super) fn show(&self) -> Shown<'_> {
        Shown(self)
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown<'_> {
    /// Shows for a name the digest of what the authority wants to see.
    pub(super) fn add(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let words = |error: rcgen::Error| format!("the proof cannot be made: {error}");
        if digest.len() != 32 {
            return Err("the proof cannot be made: it is no SHA-256".to_owned());
        }
        let key = KeyPair::generate().map_err(words)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(words)?;
        params.distinguished_name = DistinguishedName::new();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let made = params.self_signed(&key).map_err(words)?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(str::to_owned)?;
        let private = ring::sign::any_supported_type(&private);
        let private = private.map_err(|error| format!("the proof cannot be made: {error}"))?;
        // Without a look at it: the extension is critical, and unknown to rustls.
        let certified = CertifiedKey::new(vec![made.into()], private);
        let name = name.to_ascii_lowercase();
        self.0.locked().insert(name, Arc::new(certified));
        Ok(())
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.locked().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_shown_for_its_name_and_as_long_as_the_authority_asks() {
        let challenges = Challenges::default();
        let shown = challenges.show();
        shown.add("One.example", &[7; 32]).unwrap();

        assert!(challenges.for_name("one.EXAMPLE").is_some());
        assert!(challenges.for_name("two.example").is_none());
        assert!(shown.add("two.example", b"short").is_err());
        drop(shown);
        assert!(challenges.for_name("one.example").is_none());
    }
}
