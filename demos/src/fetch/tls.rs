//! The trusted certificates: those of this machine, for both clients.
//!
//! They are read once in a process, when the first `https` URL is fetched. The environment variables
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` put others in their place, for both clients and in children too. So a
//! server with a certificate of the user's own can be fetched from.

use super::{Failure, FailureKind};
use futures_rustls::{
    TlsConnector,
    rustls::{CertificateError, ClientConfig, Error, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use std::{
    io,
    sync::{Arc, OnceLock},
};
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
            format!(
                "no trusted certificates were found: {why}; install ca-certificates, or let SSL_CERT_FILE name a \
                 readable file of them"
            ),
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

/// Says why the two sides could not agree, and what the user can do about it.
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => explain_certificate(why),
        Error::AlertReceived(alert) => {
            format!(
                "the server broke the encrypted connection off ({alert:?}); it may want other settings than ours"
            )
        }
        Error::InvalidMessage(_) => {
            "the server does not speak TLS there: is it an http:// URL, or another port?".into()
        }
        other => format!("the encrypted connection failed ({other})"),
    }
}

/// The same for an error of rustls that comes wrapped in one of I/O.
pub(super) fn explain_io(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => explain(inner),
        None => error.to_string(),
    }
}

fn explain_certificate(why: &CertificateError) -> String {
    let trust = "to trust it, let SSL_CERT_FILE name the file of the certificate that signed it";
    match why {
        CertificateError::UnknownIssuer => {
            format!("the server's certificate is signed by nobody that this machine trusts; {trust}")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; renew it there, or set this machine's clock right".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is this machine's clock right?".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name; use the name that it was made for in the URL".into()
        }
        // Webpki's name for it is CaUsedAsEndEntity, and rustls has none.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server shows the certificate of an authority as its own; make one for the server alone (with \
             `basicConstraints=critical,CA:FALSE`), and trust that one"
                .into()
        }
        other => format!("the server's certificate is not accepted ({other}); {trust}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_certificate_is_explained_with_what_to_do() {
        let rejected =
            |why| explain_io(&io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(why)));
        assert!(rejected(CertificateError::UnknownIssuer).contains("SSL_CERT_FILE"));
        assert!(rejected(CertificateError::Expired).contains("renew"));
        assert!(rejected(CertificateError::NotValidForName).contains("another name"));
        assert!(rejected(CertificateError::Revoked).contains("not accepted"));
    }
}
