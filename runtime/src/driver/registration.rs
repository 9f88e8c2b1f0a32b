//! A registered descriptor: the one type under TCP, UDP, Unix sockets, pipes, children and `AsyncFd`.
//!
//! A registration ties a descriptor to its [`Source`] and knows the one way to use both. It tries the
//! operation when the source says so. If the operation would have blocked, it clears that readiness and
//! waits. This file also reads and writes bytes, for every type that can be read and written by reference.

use crate::{
    driver::{
        reactor::Reactor,
        slab::Key,
        slices,
        source::{Direction, Initially, Seen, Source},
    },
    executor::context,
    task::budget,
};
use brigade_trace::{Cause, Wait};
use mio::{Interest, event::Source as OsSource};
use std::{
    fmt,
    future::Future,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    panic::Location,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A descriptor that is registered with a reactor as long as this value lives.
pub(crate) struct Registered<S: OsSource> {
    /// None once it has been taken out.
    io: Option<S>,
    source: Arc<Source>,
    key: Key,
    reactor: Arc<Reactor>,
}

impl<S: OsSource> Registered<S> {
    /// Registers a descriptor with this thread's runtime, for reading and writing.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses the descriptor, and an error if the runtime is
    /// gone.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime; the message names `what` as the caller. Panics in a forked child of the
    /// process that made the runtime.
    #[track_caller]
    pub(crate) fn here(what: &str, io: S, initially: Initially) -> io::Result<Self> {
        Self::here_for(what, io, initially, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers a descriptor as [`here`](Self::here) does, with other interests.
    #[track_caller]
    pub(crate) fn here_for(
        what: &str,
        mut io: S,
        initially: Initially,
        interest: Interest,
    ) -> io::Result<Self> {
        let reactor = context::executor(what).driver().reactor.clone();
        let (source, key) = reactor.register(&mut io, initially, interest)?;
        Ok(Self { io: Some(io), source, key, reactor })
    }

    #[inline]
    pub(crate) fn io(&self) -> &S {
        self.io.as_ref().expect("only `into_io` takes it out, and consumes this value")
    }

    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.reactor
    }

    /// Ends the registration and returns the descriptor.
    pub(crate) fn into_io(mut self) -> S {
        let mut io = self.io.take().expect("only this function takes it out, and consumes this value");
        self.reactor.deregister(&mut io, self.key);
        io
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Returns the readiness if an attempt in this direction is worthwhile. Otherwise registers the task.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Seen>> {
        ready!(budget::poll(cx));
        self.source.poll_ready(cx, direction)
    }

    /// Tries the operation once, and again as long as a signal interrupts it. Returns `None` if it would
    /// have blocked.
    #[inline]
    pub(crate) fn attempt<R>(
        &self,
        seen: Seen,
        direction: Direction,
        operation: &mut impl FnMut(&S) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        loop {
            match operation(self.io()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.source.clear(seen, direction) {
                        // The caller tries again. That spends budget, so that endless reports do not hold
                        // the thread.
                        budget::spend();
                    }
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    budget::spend();
                    return Some(result);
                }
            }
        }
    }

    /// Tries the operation once if the source says that it is worthwhile, without waiting.
    ///
    /// # Errors
    ///
    /// Those of the operation. `WouldBlock` if the operation returned that, and also if the source says that
    /// an attempt would be in vain: then the operation is not called. An error if the reactor is gone.
    pub(crate) fn try_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let would_block = || Err(io::ErrorKind::WouldBlock.into());
        match self.source.ready_now(direction) {
            Some(seen) => self.attempt(seen?, direction, &mut operation).unwrap_or_else(would_block),
            None => would_block(),
        }
    }

    /// Tries the operation whenever an attempt is worthwhile, until it does not block. Otherwise registers
    /// the task.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let seen = ready!(self.poll_ready(cx, direction))?;
            if let Some(result) = self.attempt(seen, direction, &mut operation) {
                return Poll::Ready(result);
            }
        }
    }

    /// Repeats the operation until it does not block. Several tasks may wait at once.
    #[track_caller]
    pub(crate) fn io_among<R>(
        &self,
        direction: Direction,
        operation: impl FnMut(&S) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.io_among_at(direction, operation, Location::caller())
    }

    /// Does what [`io_among`](Self::io_among) does, at this place of the program.
    pub(crate) async fn io_among_at<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<R>,
        at: &'static Location<'static>,
    ) -> io::Result<R> {
        loop {
            let seen = self.ready_among(direction, at).await?;
            if let Some(result) = self.attempt(seen, direction, &mut operation) {
                return result;
            }
        }
    }

    /// Waits until an attempt in that direction is worthwhile. Several tasks may wait at once.
    pub(crate) async fn ready_among(
        &self,
        direction: Direction,
        at: &'static Location<'static>,
    ) -> io::Result<Seen> {
        /// A place in the source's table of futures. Dropping it leaves the table, also when the future is
        /// dropped early.
        struct Place<'a>(&'a Source, Option<Key>);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(key) = self.1 {
                    self.0.leave(key);
                }
            }
        }
        let mut place = Place(&self.source, None);
        let mut wait = Wait::NONE;
        std::future::poll_fn(|cx| {
            ready!(budget::poll(cx));
            let poll = self.source.poll_ready_among(cx, direction, &mut place.1);
            match &poll {
                Poll::Pending => wait.begun(|| self.source.id, Cause::Readiness, at),
                Poll::Ready(_) => wait.ended(Cause::Readiness),
            }
            poll
        })
        .await
    }
}

/// A descriptor that is read and written by reference.
pub(crate) trait Bytes: OsSource {
    /// True if a read that fills less than its buffer has emptied the buffer of the operating system. On
    /// Linux this holds for TCP as long as no bytes are urgent, and the source is told of urgent bytes. A
    /// read from a Unix socket also ends where another process passed a descriptor along. A read from a
    /// pipe ends with a packet if the writer had set `O_DIRECT`, and the reader's end does not know of
    /// that.
    const SHORT_READ_IS_LAST: bool = false;
    /// True if a write that takes less than its buffer has filled the buffer of the operating system. This
    /// does not hold for pipes: a write to a pipe also stops when there is no memory.
    const SHORT_WRITE_IS_LAST: bool = false;
}

impl Bytes for mio::net::TcpStream {
    const SHORT_READ_IS_LAST: bool = cfg!(target_os = "linux");
    const SHORT_WRITE_IS_LAST: bool = cfg!(target_os = "linux");
}
impl Bytes for mio::net::UnixStream {
    const SHORT_WRITE_IS_LAST: bool = cfg!(target_os = "linux");
}
impl Bytes for mio::unix::pipe::Receiver {}
impl Bytes for mio::unix::pipe::Sender {}

/// The largest number of bytes that one system call transfers, however many it is asked for:
/// `MAX_RW_COUNT`, for the largest pages that Linux has.
const MAX_BYTES_PER_CALL: usize = 0x7fff_0000;

impl<S: Bytes> Registered<S> {
    /// Tries `operation` whenever the descriptor is ready, until it does not return `WouldBlock`. The
    /// operation fills or empties a buffer of `len` bytes. If a short transfer shows that the buffer of the
    /// operating system is empty or full, the next call waits for an edge instead of trying in vain.
    #[inline]
    fn poll_bytes(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let short_is_last = match direction {
            Direction::Read => S::SHORT_READ_IS_LAST,
            Direction::Write => S::SHORT_WRITE_IS_LAST,
        };
        loop {
            ready!(budget::poll(cx));
            let seen = ready!(self.source.poll_ready(cx, direction))?;
            match self.attempt(seen, direction, &mut operation) {
                Some(Ok(done)) => {
                    if short_is_last && 0 < done && done < len.min(MAX_BYTES_PER_CALL) {
                        self.source.clear_used_up(seen, direction);
                    }
                    return Poll::Ready(Ok(done));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {}
            }
        }
    }
}

impl<S: Bytes> Registered<S>
where
    for<'a> &'a S: Read,
{
    #[inline]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = bytes.len();
        self.poll_bytes(cx, Direction::Read, len, |mut io| io.read(bytes))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices::asked(bytes.iter().map(|slice| slice.len()));
        self.poll_bytes(cx, Direction::Read, len, |mut io| io.read_vectored(bytes))
    }
}

impl<S: Bytes> Registered<S>
where
    for<'a> &'a S: Write,
{
    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_bytes(cx, Direction::Write, bytes.len(), |mut io| io.write(bytes))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = slices::asked(bytes.iter().map(|slice| slice.len()));
        self.poll_bytes(cx, Direction::Write, len, |io| slices::write(io, bytes))
    }
}

impl<S: OsSource> Drop for Registered<S> {
    fn drop(&mut self) {
        if let Some(io) = &mut self.io {
            self.reactor.deregister(io, self.key);
        }
    }
}

impl<S: OsSource + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.io(), f)
    }
}

/// Implements a trait of `futures-io` for a type by calls of methods that take shared references:
/// `poll_read` and `poll_read_vectored`, or `poll_write` and `poll_write_vectored`. The arguments are
/// `AsyncRead [generics] Type, |this| expression`, where the expression is the value that has the methods;
/// `AsyncWrite` also takes an expression that closes the writing direction.
macro_rules! by_reference {
    (AsyncRead [$($generics:tt)*] $type:ty, |$this:ident| $io:expr) => {
        impl<$($generics)*> ::futures_io::AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &mut [u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this = &*self;
                $io.poll_read(cx, bytes)
            }

            fn poll_read_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &mut [::std::io::IoSliceMut<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this = &*self;
                $io.poll_read_vectored(cx, bytes)
            }
        }
    };
    (AsyncWrite [$($generics:tt)*] $type:ty, |$this:ident| $io:expr, close: $close:expr) => {
        impl<$($generics)*> ::futures_io::AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this = &*self;
                $io.poll_write(cx, bytes)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                let $this = &*self;
                $io.poll_write_vectored(cx, bytes)
            }

            /// Does nothing: the operating system has all written bytes already.
            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                _cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::task::Poll::Ready(Ok(()))
            }

            /// Closes the writing direction: the other side reads to the end.
            fn poll_close(
                self: ::std::pin::Pin<&mut Self>,
                _cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                let $this = &*self;
                ::std::task::Poll::Ready($close)
            }
        }
    };
}
pub(crate) use by_reference;
