//! TLS, client and server, by rustls through futures-rustls, unchanged. The certificate is made on the spot.
//!
//! `cargo run -p brigade-examples --features tls --bin tls`

mod localhost;

use brigade_runtime::{
    io::copy,
    net::{TcpListener, TcpStream},
    run, spawn,
};
use futures_rustls::{TlsAcceptor, pki_types::ServerName};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use localhost::both_sides;
use std::error::Error;

/// Sends back what comes, to each connection in a task of its own.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let handshake = acceptor.accept(stream);
        // Dropping the handle detaches the task. The handshake belongs into the task: a client that is slow
        // to shake hands keeps nobody else waiting.
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
        // The bytes may wait in a buffer of rustls until it is flushed.
        stream.flush().await?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"a secret");
        // The client says that it is done, the server answers the same, and so the stream ends here.
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
