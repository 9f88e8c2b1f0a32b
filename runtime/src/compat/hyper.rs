//! Adapters to hyper's runtime traits, so that its client and its server run on this runtime unchanged.
//!
//! With the feature `hyper-client`, hyper-util's pooled client runs on this runtime as well: `Connector`
//! makes its connections.
//!
//! # Example
//!
//! ```
//! use brigade_runtime::{hyper::Io, net::{TcpListener, TcpStream}, run, spawn};
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::{Request, Response, body::Bytes, service::service_fn};
//!
//! run(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     spawn(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let hello = || Response::new(Full::new(Bytes::from("hello")));
//!         let hello = service_fn(async |_| Ok::<_, hyper::Error>(hello()));
//!         let server = hyper::server::conn::http1::Builder::new();
//!         server.serve_connection(Io::new(stream), hello).await.map_err(std::io::Error::other)
//!     });
//!     let stream = TcpStream::connect(address).await?;
//!     let (mut client, connection) = hyper::client::conn::http1::handshake(Io::new(stream)).await?;
//!     spawn(connection);
//!     let response = client.send_request(Request::get("/").body(Empty::<Bytes>::new())?).await?;
//!     assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! })
//! # .unwrap();
//! ```

#[cfg(feature = "hyper-client")]
pub use super::hyper_client::Connector;

use crate::{
    executor::{blocking::place, context, spawn::spawn},
    time,
};
use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// How many bytes one read returns at most.
const MAX_READ_BYTES: usize = 64 * 1024;

/// An adapter that gives hyper's I/O traits to a stream of `futures-io`, such as a
/// [`TcpStream`](crate::net::TcpStream).
///
/// The [module](self) has an example of a server and a client.
///
/// ```
/// # use brigade_runtime::{hyper::Io, net::unix::UnixStream, run};
/// # run(async {
/// let (stream, _peer) = UnixStream::pair()?;
/// let io = Io::new(stream);
/// let connection = hyper::client::conn::http1::handshake::<_, http_body_util::Empty<&[u8]>>(io).await;
/// assert!(connection.is_ok());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "TokioIo")]
#[derive(Debug)]
pub struct Io<T> {
    inner: T,
}

impl<T> Io<T> {
    /// Wraps a stream of `futures-io`.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// Returns a reference to the wrapped stream.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Returns the wrapped stream, such as after an upgrade of the connection.
    ///
    /// ```
    /// # use brigade_runtime::hyper::Io;
    /// let io = Io::new("a stream");
    /// assert_eq!(*io.inner(), "a stream");
    /// assert_eq!(io.into_inner(), "a stream");
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead + Unpin> Read for Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's buffer may be uninitialised, but `futures-io` reads into initialised bytes. So the bytes
        // go through a buffer of this thread, which costs a copy and saves unsafe code and clearing.
        context::with_scratch(buffer.remaining().min(MAX_READ_BYTES), |scratch| {
            let read = ready!(Pin::new(&mut self.inner).poll_read(cx, scratch))?;
            buffer.put_slice(&scratch[..read]);
            Poll::Ready(Ok(()))
        })
    }
}

impl<T: AsyncWrite + Unpin> Write for Io<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// An executor for hyper, which spawns hyper's own futures as detached tasks.
///
/// ```
/// # use brigade_runtime::{hyper::Executor, run, yield_now};
/// use hyper::rt::Executor as _;
///
/// run(async {
///     Executor.execute(async { println!("a task of hyper") });
///     yield_now().await;
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}

/// Timers for hyper, which are those of this runtime.
///
/// ```
/// # use brigade_runtime::{hyper::Timer, run};
/// use hyper::rt::Timer as _;
/// use std::time::Duration;
///
/// run(async { Timer.sleep(Duration::from_millis(1)).await });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let mut sleep = time::sleep(duration);
        sleep.at(place());
        Box::pin(sleep)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let mut sleep = time::sleep_until(deadline);
        sleep.at(place());
        Box::pin(sleep)
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<time::Sleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl hyper::rt::Sleep for time::Sleep {}
