//! The certificate: read from files, and read again while the server runs, or got by ACME (`acme/`).

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
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
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};
use tracing::{info, warn};

use crate::{
    AcmeError, AcmeSettings,
    acme::{self, Acme, Challenges},
    certificate::{About, Life},
};

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// Somebody puts it there.
    Files(TlsSettings),
    /// The server gets it by itself.
    Acme(AcmeSettings),
}

impl From<TlsSettings> for CertificateSource {
    fn from(files: TlsSettings) -> Self {
        Self::Files(files)
    }
}

impl CertificateSource {
    /// Looks at the files. Makes and changes none.
    pub(crate) fn check(&self) -> Result<(), TlsError> {
        match self {
            Self::Files(files) => read(files).map(drop),
            Self::Acme(settings) => Ok(settings.check()?),
        }
    }
}

/// Files with a certificate.
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
    /// The server cannot get it by itself.
    #[error(transparent)]
    Acme(#[from] AcmeError),
}

/// What was done about the certificate when somebody asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The files were read again.
    Read,
    /// It comes by ACME, and the pause after a failure is over, if there was one.
    Hurried,
}

/// The certificate that new connections get.
#[derive(Debug)]
pub(crate) struct Tls {
    source: Source,
    current: Mutex<Current>,
}

#[derive(Debug)]
enum Source {
    Files(TlsSettings),
    Acme(Box<Acme>),
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// `None` without a certificate, or with one that makes sense to rustls alone.
    about: Option<About>,
}

/// What an operator wants to know of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFigures {
    /// In how many seconds it ends; below zero if it is over. `None` if there is none.
    pub(crate) seconds_left: Option<i64>,
    pub(crate) is_by_acme: bool,
    /// What is in the way of a new one.
    pub(crate) problem: Option<String>,
}

impl Tls {
    pub(crate) fn load(source: CertificateSource) -> Result<Self, TlsError> {
        let (source, current) = match source {
            CertificateSource::Files(files) => {
                let current = Current::of(Some(read(&files)?), None);
                (Source::Files(files), current)
            }
            CertificateSource::Acme(settings) => {
                let acme = Acme::new(settings)?;
                let current = Current::of(kept(&acme), Some(&acme.challenges));
                (Source::Acme(Box::new(acme)), current)
            }
        };
        let current = Mutex::new(current);
        Ok(Self { source, current })
    }

    /// Reads the files again, if there are any. If that fails, everything stays as it is.
    pub(crate) fn reload(&self) -> Result<Reload, TlsError> {
        match &self.source {
            Source::Files(files) => {
                *self.current() = Current::of(Some(read(files)?), None);
                Ok(Reload::Read)
            }
            Source::Acme(acme) => {
                acme.hurry();
                Ok(Reload::Hurried)
            }
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current().config).into()
    }

    pub(crate) fn acme(&self) -> Option<&Acme> {
        match &self.source {
            Source::Acme(acme) => Some(acme),
            Source::Files(_) => None,
        }
    }

    /// How long the certificate is good, if it is for all these names.
    pub(crate) fn life_for(&self, domains: &[String]) -> Option<Life> {
        let current = self.current();
        let about = current.about.as_ref()?;
        about.is_for(domains).then_some(about.life)
    }

    /// Uses what the authority has given, or says why not.
    pub(crate) fn take(&self, pem: &str) -> Result<(), String> {
        let acme = self.acme().ok_or("this certificate comes from files")?;
        let certified = from_pem(pem)?;
        let new = Current::of(Some(certified), Some(&acme.challenges));
        let now = SystemTime::now();
        match &new.about {
            None => return Err("the authority gave a certificate that makes no sense".to_owned()),
            Some(about) if !about.is_for(&acme.settings.domains) => {
                return Err("the authority gave a certificate for other names".to_owned());
            }
            // One that is not good yet may be so by clocks that are right.
            Some(about) if about.life.two_thirds() <= now => {
                let words = "the authority gave a certificate that is to be renewed already: is this machine's clock right?";
                return Err(words.to_owned());
            }
            Some(_) => {}
        }
        *self.current() = new;
        Ok(())
    }

    /// Whether newcomers can come by TLS, as far as that is the server's business.
    pub(crate) fn is_missing(&self, now: SystemTime) -> bool {
        let current = self.current();
        let is_good = current.about.as_ref().is_some_and(|it| now < it.life.until);
        self.acme().is_some() && !is_good
    }

    pub(crate) fn figures(&self, now: SystemTime) -> CertificateFigures {
        let life = self.current().about.as_ref().map(|about| about.life);
        CertificateFigures {
            seconds_left: life.map(|life| life.seconds_left(now)),
            is_by_acme: self.acme().is_some(),
            problem: self.acme().and_then(Acme::problem),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn of(certified: Option<CertifiedKey>, challenges: Option<&Arc<Challenges>>) -> Self {
        let leaf = certified.as_ref().and_then(|it| it.cert.first());
        let about = leaf.and_then(About::read);
        let shown = Shown {
            certificate: certified.map(Arc::new),
            challenges: challenges.map(Arc::clone),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the suites of all versions of TLS that are in use")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        // What is inside is told by its first bytes; who names one of these is told that it is spoken here (RFC 7443).
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"stun.turn".to_vec()];
        if challenges.is_some() {
            config.alpn_protocols.push(acme::PROTOCOL.to_vec());
        }
        let config = Arc::new(config);
        Self { config, about }
    }
}

/// What is shown to whom.
#[derive(Debug)]
struct Shown {
    certificate: Option<Arc<CertifiedKey>>,
    challenges: Option<Arc<Challenges>>,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority names this protocol and no other (RFC 8737 section 3).
        let is_authority = hello.alpn().is_some_and(|mut names| {
            names.next() == Some(acme::PROTOCOL) && names.next().is_none()
        });
        match &self.challenges {
            Some(challenges) if is_authority => challenges.for_name(hello.server_name()?),
            _ => self.certificate.clone(),
        }
    }
}

fn read(settings: &TlsSettings) -> Result<CertifiedKey, TlsError> {
    let TlsSettings { certificate, key } = settings;
    let chain = read_chain(certificate).map_err(|reason| TlsError::Certificate {
        path: certificate.clone(),
        reason,
    })?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key {
        path: key.clone(),
        reason: words(&error, "PRIVATE KEY"),
    })?;
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    certified.map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate: certificate.clone(),
            key: key.clone(),
        },
        source => TlsError::Unusable {
            path: certificate.clone(),
            source,
        },
    })
}

/// What an earlier server got.
fn kept(acme: &Acme) -> Option<CertifiedKey> {
    let pem = match acme.folder.certificate() {
        Ok(pem) => pem,
        Err(error) => {
            warn!("the certificate that was got before cannot be read: {error}");
            None
        }
    };
    let Some(pem) = pem else {
        info!("there is no certificate yet: one is ordered");
        return None;
    };
    let certified = from_pem(&pem);
    certified
        .inspect_err(|words| warn!("the certificate that was got before is of no use: {words}"))
        .ok()
}

/// A key and the chain that belongs to it.
fn from_pem(pem: &str) -> Result<CertifiedKey, String> {
    let private = PrivateKeyDer::from_pem_slice(pem.as_bytes());
    let private = private.map_err(|error| words(&error, "PRIVATE KEY"))?;
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| words(&error, "CERTIFICATE"))?;
    if chain.is_empty() {
        return Err(words(&pem::Error::NoItemsFound, "CERTIFICATE"));
    }
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    certified.map_err(|error| error.to_string())
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
            let error = Tls::load(settings.into()).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Tls::load(good.into()).is_ok());
    }

    #[test]
    fn a_bad_new_certificate_does_not_take_the_place_of_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let settings = write(directory.path(), "it");
        let tls = Tls::load(settings.clone().into()).unwrap();
        let before = tls.acceptor();

        std::fs::write(&settings.certificate, "not one").unwrap();
        assert!(tls.reload().is_err());
        assert!(Arc::ptr_eq(before.config(), tls.acceptor().config()));

        write(directory.path(), "it");
        assert_eq!(tls.reload().unwrap(), Reload::Read);
        assert!(!Arc::ptr_eq(before.config(), tls.acceptor().config()));
    }
}
