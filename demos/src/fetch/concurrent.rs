//! The client for tasks: hyper on our runtime. While it waits for an answer, its thread serves other tasks.

use super::{Failure, FailureKind, Reply, Target, tls};
use brigade_runtime::{hyper::Io, net::TcpStream};
use bytes::Bytes;
use futures_rustls::rustls::pki_types::ServerName;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1, header, rt};
use std::{error::Error, future::poll_fn, io, pin::pin, time::Duration};

/// The size of the buffer for the head of a response and for each piece of its body. It is small, because ten
/// thousand requests have one each.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// Fetches a URL and reads the whole answer.
///
/// # Errors
///
/// Returns a [`Failure`] if no whole answer came within `limit`.
///
/// # Cancellation
///
/// Dropping the future closes the connection.
pub async fn fetch(url: &str, limit: Duration) -> Reply {
    let target = Target::parse(url)?;
    brigade_runtime::timeout(limit, connect_and_ask(&target))
        .await
        .unwrap_or_else(|_elapsed| Err(Failure::timeout(limit.as_secs_f64())))
}

async fn connect_and_ask(target: &Target) -> Reply {
    let address = (target.host.as_str(), target.port);
    let tcp = TcpStream::connect(address).await.map_err(|error| Failure::from_io(&error))?;
    if !target.secure {
        return ask(Io::new(tcp), target).await;
    }
    // The future is boxed because it is large: otherwise every request would have room for it, encrypted or
    // not.
    Box::pin(encrypt_and_ask(tcp, target)).await
}

async fn encrypt_and_ask(tcp: TcpStream, target: &Target) -> Reply {
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| Failure::new(FailureKind::Url, format!("{:?}: {error}", target.host)))?;
    let tls = tls::connector()?.connect(name, tcp).await.map_err(|error| Failure::from_io(&error))?;
    ask(Io::new(tls), target).await
}

/// Sends the request and reads the answer. The same task drives the connection.
async fn ask(io: impl rt::Read + rt::Write + Unpin, target: &Target) -> Reply {
    let (mut sender, connection) = http1::Builder::new()
        .read_buf_exact_size(Some(READ_BUFFER_BYTES))
        .handshake(io)
        .await
        .map_err(explain)?;
    let request = Request::get(target.path())
        .header(header::HOST, target.authority())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::new(FailureKind::Url, error.to_string()))?;
    let mut answer = pin!(async {
        let mut response = sender.send_request(request).await?;
        while let Some(frame) = response.body_mut().frame().await {
            frame?;
        }
        Ok(response.status().as_u16())
    });
    let mut connection = pin!(connection);
    let mut open = true;
    let reply = poll_fn(|cx| {
        let poll = answer.as_mut().poll(cx);
        if open && poll.is_pending() {
            // The connection wakes this task when it has something for the answer. Its error, if any, comes
            // out of the answer too.
            open = connection.as_mut().poll(cx).is_pending();
        }
        poll
    });
    reply.await.map_err(explain)
}

fn explain(error: hyper::Error) -> Failure {
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Failure::from_io(&io::ErrorKind::UnexpectedEof.into());
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => Failure::from_io(error),
        None => Failure::new(FailureKind::Protocol, error.to_string()),
    }
}
