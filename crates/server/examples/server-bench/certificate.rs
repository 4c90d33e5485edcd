//! A certificate for this run, which the clients trust and nobody else.

use std::{fs, path::Path, sync::Arc};

use anyhow::Context as _;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// The name in it.
pub(crate) const NAME: &str = "localhost";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Where it and its key are.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) certificate: std::path::PathBuf,
    pub(crate) key: std::path::PathBuf,
}

impl Certificate {
    /// The one that was made in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            certificate: folder.join(CERTIFICATE),
            key: folder.join(KEY),
        }
    }

    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
        let it = Self::of(folder);
        fs::write(&it.certificate, made.cert.pem())?;
        fs::write(&it.key, made.signing_key.serialize_pem())?;
        Ok(it)
    }

    fn read(&self) -> anyhow::Result<CertificateDer<'static>> {
        CertificateDer::from_pem_file(&self.certificate).context("the certificate of this run")
    }

    pub(crate) fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let key = PrivateKeyDer::from_pem_file(&self.key).context("the key of this run")?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.read()?], key)?;
        Ok(Arc::new(config).into())
    }

    /// For a client that trusts it alone.
    pub(crate) fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.read()?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
