//! TLS, client and server, by rustls through futures-rustls, unchanged. The certificate is made on the spot.
//!
//! `cargo run -p brigade-examples --features tls --bin tls`

use brigade_runtime::{
    io::copy,
    net::{TcpListener, TcpStream},
    run, spawn,
};
use futures_rustls::{
    TlsAcceptor, TlsConnector,
    pki_types::{PrivateKeyDer, ServerName},
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{error::Error, sync::Arc};

/// A server with a certificate of its own making, and a client that trusts that one only.
fn both_sides() -> Result<(TlsAcceptor, TlsConnector), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((Arc::new(server).into(), Arc::new(client).into()))
}

/// Sends back what comes, to each connection in a task of its own.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let handshake = acceptor.accept(stream);
        drop(spawn(async move {
            let (mut reader, mut writer) = handshake.await?.split();
            copy(&mut reader, &mut writer).await?;
            writer.close().await
        }));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (acceptor, connector) = both_sides()?;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = spawn(serve(listener, acceptor));

        let stream = TcpStream::connect(address).await?;
        let mut stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
        println!("connected by {:?}", stream.get_ref().1.protocol_version());
        stream.write_all(b"a secret").await?;
        stream.flush().await?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"a secret");
        stream.close().await?;
        assert_eq!(stream.read(&mut answer).await?, 0);

        // Under another name the certificate is refused.
        let stream = TcpStream::connect(address).await?;
        let refused = connector.connect(ServerName::try_from("example.org")?, stream).await;
        println!("under another name: {}", refused.expect_err("the name is not in the certificate"));
        server.cancel();
        Ok(())
    })
}
