//! The trusted certificates: those of this machine, for both clients.
//!
//! They are read once in a process, when the first `https` URL is fetched. The environment variables
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` put others in their place, for both clients and in children too. So a
//! server with a certificate of the user's own can be fetched from.

use super::{Failure, FailureKind};
use futures_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use std::sync::{Arc, OnceLock};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

/// Reads the trusted certificates, once.
fn certificates() -> Result<&'static [CertificateDer<'static>], Failure> {
    static CERTIFICATES: OnceLock<Result<Vec<CertificateDer<'static>>, String>> = OnceLock::new();
    let found = CERTIFICATES.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        match (found.certs.is_empty(), found.errors.first()) {
            (false, _) => Ok(found.certs),
            (true, Some(error)) => Err(error.to_string()),
            (true, None) => Err("none are installed".into()),
        }
    });
    match found {
        Ok(certificates) => Ok(certificates),
        Err(why) => Err(Failure::new(
            FailureKind::Tls,
            format!("no trusted certificates: {why} (SSL_CERT_FILE may name some)"),
        )),
    }
}

/// Makes a TLS stream of a TCP stream, for hyper.
pub(super) fn connector() -> Result<TlsConnector, Failure> {
    static CONNECTOR: OnceLock<TlsConnector> = OnceLock::new();
    if let Some(connector) = CONNECTOR.get() {
        return Ok(connector.clone());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates()?.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(FailureKind::Tls, error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(CONNECTOR.get_or_init(|| TlsConnector::from(Arc::new(config))).clone())
}

/// The same certificates and cryptography, for ureq.
pub(super) fn ureq_config() -> Result<TlsConfig, Failure> {
    let certificates: Vec<_> =
        certificates()?.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build())
}
