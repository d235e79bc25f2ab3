//! TLS: a certificate and its key in files, read again when they change, so that a renewed certificate needs no restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::access::watched::Watched;

/// What connections are encrypted with.
#[derive(Clone)]
pub struct Tls(pub(super) TlsAcceptor);

impl Tls {
    /// Reads certificate chain and key (PEM), and again when they change; what can't be read then changes nothing.
    pub fn open(certificate: &Path, key: &Path) -> Result<Tls, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let files = (certificate.to_owned(), key.to_owned());
        let watched = Watched::before_reading(vec![files.0.clone(), files.1.clone()]);
        let current = Arc::new(Current(ArcSwap::from_pointee(read(&files, &provider)?)));
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let again = move || match read(&files, &provider) {
            Ok(read) => current.0.store(Arc::new(read)),
            Err(why) => tracing::error!("{why}; the certificate read before stays"),
        };
        watched.at_changes("tls-files", again).map_err(|error| error.to_string())?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// The certificate as it is now.
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

fn read((certificate, key): &(PathBuf, PathBuf), provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let said = |path: &Path, what: String| format!("{}: {what}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| said(certificate, format!("no certificates in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(said(certificate, "it holds no certificate in PEM".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| said(key, format!("no key in PEM: {error}")))?;
    // Refused where the key is not the certificate's: while both are being replaced they may not fit for a moment.
    CertifiedKey::from_der(chain, secret, provider).map_err(|error| said(key, error.to_string()))
}
