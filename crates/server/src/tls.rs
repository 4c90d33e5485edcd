//! The certificate: read from files, and read again while the server runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject as _},
        },
    },
};

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// A PEM file with the certificate of this server first and those that vouch for it after.
    pub certificate: PathBuf,
    /// A PEM file with the private key that belongs to it.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no such file, or it is not for us to read, or it is not PEM.
    #[error("cannot read the certificate {path}: {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such file, or it is not for us to read, or it is not PEM.
    #[error("cannot read the private key {path}: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Both can be read, and do not fit.
    #[error("the private key {key} does not belong to the certificate {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Something else, for instance a kind of key that is not known.
    #[error("the certificate {path} cannot be used")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate that new connections get.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: TlsSettings,
    config: Mutex<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let config = Mutex::new(read(&settings)?);
        Ok(Self { settings, config })
    }

    /// Reads the files again. If that fails, everything stays as it is.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let config = read(&self.settings)?;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config).into()
    }
}

fn read(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let TlsSettings { certificate, key } = settings;
    let chain = read_chain(certificate).map_err(|reason| TlsError::Certificate {
        path: certificate.clone(),
        reason,
    })?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key {
        path: key.clone(),
        reason: words(&error, "PRIVATE KEY"),
    })?;
    let unusable = |source| match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate: certificate.clone(),
            key: key.clone(),
        },
        source => TlsError::Unusable {
            path: certificate.clone(),
            source,
        },
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    // What is inside is told by its first bytes; who names one of these is told that it is spoken here (RFC 7443).
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"stun.turn".to_vec()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| words(&error, "CERTIFICATE"))?;
    if certificates.is_empty() {
        return Err(words(&pem::Error::NoItemsFound, "CERTIFICATE"));
    }
    Ok(certificates)
}

fn words(error: &pem::Error, label: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no '-----BEGIN … {label}-----' in it"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a certificate and its key.
    fn write(directory: &Path, name: &str) -> TlsSettings {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        TlsSettings { certificate, key }
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let good = write(directory.path(), "good");
        let other = write(directory.path(), "other");
        let nothing = directory.path().join("nothing.pem");
        let empty = directory.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        for (certificate, key, said) in [
            (&nothing, &good.key, "cannot read the certificate"),
            (&empty, &good.key, "BEGIN"),
            (&good.key, &good.key, "BEGIN"),
            (&good.certificate, &nothing, "cannot read the private key"),
            (&good.certificate, &empty, "BEGIN"),
            (&good.certificate, &good.certificate, "BEGIN"),
            (&good.certificate, &other.key, "does not belong to"),
        ] {
            let settings = TlsSettings {
                certificate: certificate.clone(),
                key: key.clone(),
            };
            let error = Tls::load(settings).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Tls::load(good).is_ok());
    }

    #[test]
    fn a_bad_new_certificate_does_not_take_the_place_of_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let settings = write(directory.path(), "it");
        let tls = Tls::load(settings.clone()).unwrap();
        let before = tls.acceptor();

        std::fs::write(&settings.certificate, "not one").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(before.config(), tls.acceptor().config()));

        write(directory.path(), "it");
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(before.config(), tls.acceptor().config()));
    }
}
