//! Connections for hyper-util's pooled client (`hyper_util::client::legacy`).

use super::hyper::Io;
use crate::net::{TcpStream, unix::UnixStream};
use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tower_service::Service;

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Connection for UnixStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Says what the wrapped stream says, such as the protocol that a TLS stream has negotiated.
impl<T: Connection> Connection for Io<T> {
    fn connected(&self) -> Connected {
        self.inner().connected()
    }
}

/// Makes the TCP connections of hyper-util's pooled client, for addresses that begin with `http://`.
///
/// For `https://`, write a `tower_service::Service` that wraps what this one returns in TLS.
///
/// # Errors
///
/// The client fails to connect with
///
/// * `InvalidInput` if the address does not begin with `http://` or has no host;
/// * the errors of [`TcpStream::connect`].
///
/// # Panics
///
/// A connection outside of a runtime panics.
///
/// # Cancellation
///
/// Dropping a request abandons its connection if the request was sent, and otherwise keeps it for the next.
///
/// ```
/// use brigade_runtime::{hyper::{Connector, Executor, Io, Timer}, net::TcpListener, run, spawn};
/// use http_body_util::{BodyExt, Empty, Full};
/// use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
/// use hyper_util::client::legacy::Client;
///
/// run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = spawn(async move {
///         while let Ok((stream, _)) = listener.accept().await {
///             let hello = service_fn(async |_| {
///                 Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from("hello"))))
///             });
///             spawn(http1::Builder::new().serve_connection(Io::new(stream), hello));
///         }
///     });
///     let client = Client::builder(Executor).pool_timer(Timer).build::<_, Empty<Bytes>>(Connector);
///     // A connection is kept, and used again once it is idle.
///     for _ in 0..3 {
///         let response = client.get(format!("http://{address}/").parse()?).await?;
///         assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
///     }
///     server.cancel();
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })
/// # .unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Connector;

impl Service<Uri> for Connector {
    type Response = Io<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Io<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let (host, port) = host_and_port(&uri)?;
            let stream = TcpStream::connect((host, port)).await?;
            // hyper gathers its own writes, and a request should not wait for the answer to another packet.
            stream.set_nodelay(true)?;
            Ok(Io::new(stream))
        })
    }
}

/// Returns what to connect to.
fn host_and_port(uri: &Uri) -> io::Result<(&str, u16)> {
    let refused = |why| io::Error::new(io::ErrorKind::InvalidInput, format!("{uri}: {why}"));
    if uri.scheme_str() != Some("http") {
        return Err(refused("this connector speaks plain HTTP, so the address begins with http://"));
    }
    let host = uri.host().ok_or_else(|| refused("there is no host in this address"))?;
    // An IPv6 address stands in brackets.
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    Ok((host, uri.port_u16().unwrap_or(80)))
}
