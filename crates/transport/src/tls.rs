//! Whom to trust to vouch for the name of a server.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Trusts whom the system trusts, which is read once, and `extra_roots`.
///
/// A system without usable certificates trusts nobody but the extra ones.
///
/// # Errors
/// If there is no cryptography for it.
pub(crate) async fn client_config(
    extra_roots: &[CertificateDer<'static>],
) -> io::Result<Arc<ClientConfig>> {
    static SYSTEM_ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    let system_roots = match SYSTEM_ROOTS.get() {
        Some(roots) => roots,
        // It reads files.
        None => tokio::task::spawn_blocking(|| {
            SYSTEM_ROOTS.get_or_init(|| {
                let loaded = rustls_native_certs::load_native_certs();
                for error in &loaded.errors {
                    tracing::debug!(%error, "a root certificate of the system cannot be read");
                }
                loaded.certs
            })
        })
        .await
        .map_err(io::Error::other)?,
    };
    let mut roots = RootCertStore::empty();
    // Systems ship a few certificates that cannot be parsed.
    roots.add_parsable_certificates(system_roots.iter().cloned());
    roots.add_parsable_certificates(extra_roots.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
