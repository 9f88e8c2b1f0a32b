//! TLS for `localhost`, for the examples: a certificate made on the spot, and a client that trusts it.

use futures_rustls::{
    TlsAcceptor, TlsConnector,
    pki_types::PrivateKeyDer,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};
use std::{error::Error, sync::Arc};

/// A server with a certificate of its own making, and a client that trusts that one only.
pub(crate) fn both_sides() -> Result<(TlsAcceptor, TlsConnector), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    // The cryptography is a library of its own: here it is ring's.
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    // A client of the web would trust the roots of the system. This one trusts this certificate alone.
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((Arc::new(server).into(), Arc::new(client).into()))
}
