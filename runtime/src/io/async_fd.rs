//! Any descriptor, awaited.

use crate::{
    context::{self, budget},
    registered::Registered,
    source::{Direction, Initially, Seen},
};
use mio::{Interest, Registry, Token, event::Source as OsSource, unix::SourceFd};
use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A descriptor of any kind, to wait until it can be read or written: a socket of another crate, an `eventfd`, a device.
///
/// It has to be non-blocking already, and stays what it is: this only tells when an operation is worth trying. Regular files
/// cannot be waited for; `spawn_blocking` reads those.
///
/// # Readiness is not lost
///
/// The operating system reports *edges*, once each, to whichever thread turns the reactor, and
/// the report is kept as a bit. It is cleared by one party only, the task whose attempt would have blocked, and only if no
/// report came since that task looked: each report raises a turn, which the guard remembers. So of a report on one thread and
/// a clearing on another, in either order, the report survives. A guard from before a report can
/// clear nothing after it.
///
/// # Example
///
/// ```
/// use brigade_runtime::{io::AsyncFd, run, spawn};
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// run(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let ours = AsyncFd::new(ours)?;
///     spawn(async move { theirs.write_all(b"hello") });
///     let mut buffer = [0; 16];
///     let read = loop {
///         let mut guard = ours.readable().await?;
///         if let Ok(result) = guard.try_io(|mut stream| stream.read(&mut buffer)) {
///             break result?;
///         }
///     };
///     assert_eq!(&buffer[..read], b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub struct AsyncFd<T: AsFd> {
    inner: Registered<WatchedFd<T>>,
}

/// What mio is to watch. None once it has been taken out.
struct WatchedFd<T>(Option<T>);

impl<T: AsFd> WatchedFd<T> {
    fn get(&self) -> &T {
        self.0.as_ref().expect("it is taken out by the last call only")
    }
}

impl<T: AsFd> OsSource for WatchedFd<T> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.get().as_fd().as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.get().as_fd().as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &self.0 {
            Some(io) => SourceFd(&io.as_fd().as_raw_fd()).deregister(registry),
            None => Ok(()),
        }
    }
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers a descriptor with the runtime that this thread is inside of.
    ///
    /// # Errors
    ///
    /// If the operating system cannot watch it, such as a regular file or one that the runtime watches already.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn new(io: T) -> io::Result<Self> {
        Self::register(io, Initially::Ready)
    }

    /// [`new`](Self::new) for a descriptor of which nothing is known: the first wait asks the operating system. With `new`
    /// the first wait ends at once, and the attempt finds out.
    #[track_caller]
    pub(crate) fn new_pending(io: T) -> io::Result<Self> {
        Self::register(io, Initially::Pending)
    }

    /// Whether it is the runtime that this thread is inside of, if it is, that watches the descriptor.
    pub(crate) fn is_watched_here(&self) -> bool {
        let here = context::try_scheduler();
        here.is_none_or(|here| Arc::ptr_eq(&here.driver().reactor, self.inner.reactor()))
    }

    #[track_caller]
    fn register(io: T, initially: Initially) -> io::Result<Self> {
        match Registered::here("AsyncFd", WatchedFd(Some(io)), initially) {
            Ok(inner) => Ok(Self { inner }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a regular file is always ready, so it cannot be waited for: read it in spawn_blocking",
            )),
            Err(error) => Err(error),
        }
    }

    /// What was registered.
    pub fn get_ref(&self) -> &T {
        self.inner.io().get()
    }

    /// What was registered, which is not watched any more.
    pub fn into_inner(mut self) -> T {
        self.inner.deregister();
        self.inner.io_mut().0.take().expect("it is taken out by the last call only")
    }

    /// Waits until reading is worth trying. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn readable(&self) -> io::Result<Ready<'_, T>> {
        self.ready(Direction::Read).await
    }

    /// Waits until writing is worth trying. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn writable(&self) -> io::Result<Ready<'_, T>> {
        self.ready(Direction::Write).await
    }

    async fn ready(&self, direction: Direction) -> io::Result<Ready<'_, T>> {
        let seen = self.inner.ready_among(direction).await?;
        // An attempt counts as well, if there is one: it may be dropped without.
        budget::spend();
        Ok(Ready { fd: self, direction, seen })
    }

    /// [`readable`](Self::readable) as a poll. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        self.poll(cx, Direction::Read)
    }

    /// [`writable`](Self::writable) as a poll. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// If the runtime is gone.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        self.poll(cx, Direction::Write)
    }

    /// [`poll_readable`](Self::poll_readable), which never wakes the caller itself.
    pub(crate) fn poll_unbudgeted(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        let seen = ready!(self.inner.source().poll_ready(cx, Direction::Read))?;
        Poll::Ready(Ok(Ready { fd: self, direction: Direction::Read, seen }))
    }

    fn poll(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Ready<'_, T>>> {
        let seen = ready!(self.inner.poll_ready(cx, direction))?;
        budget::spend();
        Poll::Ready(Ok(Ready { fd: self, direction, seen }))
    }

    /// Tries an operation that reads, whenever it is worth trying, until it does not say `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of the operation, and if the runtime is gone.
    ///
    /// # Cancellation
    ///
    /// The operation has not been done.
    pub async fn read_with<R>(&self, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.inner.io_among(Direction::Read, |io| operation(io.get())).await
    }

    /// Tries an operation that writes, whenever it is worth trying, until it does not say `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of the operation, and if the runtime is gone.
    ///
    /// # Cancellation
    ///
    /// The operation has not been done.
    pub async fn write_with<R>(&self, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.inner.io_among(Direction::Write, |io| operation(io.get())).await
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}

/// Says that an operation is worth trying, from [`AsyncFd::readable`] or [`AsyncFd::writable`].
///
/// Dropping it keeps the readiness: the next wait ends at once. After an attempt that would have blocked the readiness has to
/// be cleared, which [`try_io`](Self::try_io) does, or the next wait would end at once for nothing, over and over.
#[must_use = "the attempt is yours to make"]
pub struct Ready<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    direction: Direction,
    seen: Seen,
}

/// The attempt would have blocked, though the descriptor was said to be ready: wait again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldBlock;

impl<'a, T: AsFd> Ready<'a, T> {
    /// Makes one attempt, and clears the readiness if it says `WouldBlock`. It has to be the descriptor that says so, else
    /// the next wait is for something that may never come.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if it would have blocked. What else the operation says is inside of `Ok`.
    pub fn try_io<R>(
        &mut self,
        mut operation: impl FnMut(&'a T) -> io::Result<R>,
    ) -> Result<io::Result<R>, WouldBlock> {
        let io = self.fd.get_ref();
        self.fd.inner.attempt(self.seen, self.direction, &mut |_| operation(io)).ok_or(WouldBlock)
    }

    /// Clears the readiness, if it is still the one of this guard: the next wait is for a new one. For an attempt that was made elsewhere and
    /// would have blocked, or one after which the next would.
    ///
    /// A read that got less than it asked for does not say so of a stream: the end or an error may be next, and to clear the readiness
    /// would be to miss it.
    pub fn clear_ready(&mut self) {
        self.fd.inner.source().clear(self.seen, self.direction);
    }

    /// What is ready.
    pub fn get_ref(&self) -> &'a T {
        self.fd.get_ref()
    }
}

impl<T: AsFd> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("direction", &self.direction).finish_non_exhaustive()
    }
}
