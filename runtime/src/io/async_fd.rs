//! Waiting for any descriptor.

use super::ready::Ready;
use crate::{
    driver::{
        registration::Registered,
        source::{Direction, Initially},
        watched_fd::WatchedFd,
    },
    executor::context,
    task::budget,
};
use std::{
    fmt,
    future::Future,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    panic::Location,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A descriptor of any kind, to wait until it can be read or written: a socket of another crate, an
/// `eventfd`, a device.
///
/// The descriptor must be non-blocking already, and this type does not change it: it only tells when an
/// operation is worth trying. Regular files cannot be waited for; read them in
/// [`spawn_blocking`](crate::spawn_blocking).
///
/// # Readiness is not lost
///
/// The operating system reports *edges*, once each, to the thread that polls the reactor at that moment,
/// and the report is kept as a bit. Only one party clears the bit, the task whose attempt would have
/// blocked, and only if no report came since that task looked: each report raises an epoch, which the guard
/// remembers. So if one thread reports while another clears, the report survives in either order. A guard
/// from before a report cannot clear anything after it.
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
    pub(super) inner: Registered<WatchedFd<T>>,
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers a descriptor with the runtime that this thread is inside of.
    ///
    /// # Errors
    ///
    /// * `InvalidInput` if the operating system cannot watch such a descriptor, such as a regular file.
    /// * `AlreadyExists` if the runtime watches it already.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::io::AsyncFd;
    /// # brigade_runtime::run(async {
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let refused = AsyncFd::new(file).unwrap_err();
    /// assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "a file is always ready");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn new(io: T) -> io::Result<Self> {
        Self::register(io, Initially::Ready)
    }

    /// Does the same as [`new`](Self::new), but the first wait asks the operating system. After `new` the
    /// first wait ends at once, and the first attempt finds out whether the descriptor is ready.
    #[track_caller]
    pub(crate) fn new_pending(io: T) -> io::Result<Self> {
        Self::register(io, Initially::Pending)
    }

    /// Returns whether the runtime that this thread is inside of watches the descriptor. True outside of a
    /// runtime.
    pub(crate) fn is_watched_here(&self) -> bool {
        let here = context::try_executor();
        here.is_none_or(|here| Arc::ptr_eq(&here.driver().reactor, self.inner.reactor()))
    }

    #[track_caller]
    fn register(io: T, initially: Initially) -> io::Result<Self> {
        match Registered::here("AsyncFd", WatchedFd(io), initially) {
            Ok(inner) => Ok(Self { inner }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a regular file is always ready, so it cannot be waited for: read it in `spawn_blocking`",
            )),
            Err(error) => Err(error),
        }
    }

    /// Returns a reference to the registered descriptor.
    pub fn get_ref(&self) -> &T {
        &self.inner.io().0
    }

    /// Ends the registration and returns the descriptor.
    ///
    /// ```
    /// # use brigade_runtime::io::AsyncFd;
    /// # use std::os::unix::net::UnixStream;
    /// # brigade_runtime::run(async {
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// let watched = AsyncFd::new(ours)?;
    /// let ours: UnixStream = watched.into_inner();
    /// AsyncFd::new(ours)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn into_inner(self) -> T {
        self.inner.into_io().0
    }

    /// Waits until reading is worth trying. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # use brigade_runtime::io::AsyncFd;
    /// # use std::{io::{Read, Write}, os::unix::net::UnixStream};
    /// # brigade_runtime::run(async {
    /// # let (ours, mut theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let ours = AsyncFd::new(ours)?;
    /// theirs.write_all(b"hi")?;
    /// let mut ready = ours.readable().await?;
    /// let read = ready.try_io(|mut stream| stream.read(&mut [0; 8]));
    /// assert_eq!(read.expect("the bytes are there")?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn readable(&self) -> impl Future<Output = io::Result<Ready<'_, T>>> {
        self.ready(Direction::Read, Location::caller())
    }

    /// Waits until writing is worth trying. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    #[track_caller]
    pub fn writable(&self) -> impl Future<Output = io::Result<Ready<'_, T>>> {
        self.ready(Direction::Write, Location::caller())
    }

    async fn ready(&self, direction: Direction, at: &'static Location<'static>) -> io::Result<Ready<'_, T>> {
        let seen = self.inner.ready_among(direction, at).await?;
        // The attempt is charged to the budget as well. The wait is charged too, since the guard may be
        // dropped without an attempt.
        budget::spend();
        Ok(Ready::new(self, direction, seen))
    }

    /// Polls for what [`readable`](Self::readable) waits for. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::io::AsyncFd;
    /// # use std::{io::{Read, Write}, os::unix::net::UnixStream};
    /// # brigade_runtime::run(async {
    /// # let (ours, mut theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// # theirs.write_all(b"hi")?;
    /// let ours = AsyncFd::new(ours)?;
    /// let ready = std::future::poll_fn(|cx| ours.poll_readable(cx)).await?;
    /// assert_eq!(ready.get_ref().read(&mut [0; 8])?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        self.poll(cx, Direction::Read)
    }

    /// Polls for what [`writable`](Self::writable) waits for. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// `Other` if the runtime has ended.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        self.poll(cx, Direction::Write)
    }

    /// Does the same as [`poll_readable`](Self::poll_readable), without the budget: it never wakes the
    /// caller itself.
    pub(crate) fn poll_unbudgeted(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready<'_, T>>> {
        let seen = ready!(self.inner.source().poll_ready(cx, Direction::Read))?;
        Poll::Ready(Ok(Ready::new(self, Direction::Read, seen)))
    }

    fn poll(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<Ready<'_, T>>> {
        let seen = ready!(self.inner.poll_ready(cx, direction))?;
        budget::spend();
        Poll::Ready(Ok(Ready::new(self, direction, seen)))
    }

    /// Makes one attempt, without waiting, and clears the readiness if its result is the kind `WouldBlock`.
    /// That result must come from the descriptor, otherwise the next wait is for an edge that may never
    /// come.
    ///
    /// The operation may be called more than once: a signal that interrupts it is not reported.
    ///
    /// # Errors
    ///
    /// * Those of the operation, except `Interrupted`.
    /// * `WouldBlock` without an attempt, if an earlier one would have blocked and nothing was reported
    ///   since. Reports come while the task waits, such as in [`readable`](Self::readable), so a loop of
    ///   attempts that never waits may never succeed.
    /// * `Other` if the runtime has ended.
    ///
    /// ```
    /// # use brigade_runtime::io::{AsyncFd, Direction};
    /// # use std::{io::{ErrorKind, Read, Write}, os::unix::net::UnixStream};
    /// # brigade_runtime::run(async {
    /// # let (ours, mut theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let ours = AsyncFd::new(ours)?;
    /// let read = || ours.try_io(Direction::Read, |mut stream| stream.read(&mut [0; 8]));
    /// assert_eq!(read().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// theirs.write_all(b"hi")?;
    /// drop(ours.readable().await?); // Waits for the report, and keeps it for the attempt.
    /// assert_eq!(read()?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.inner.try_io(direction, move |io| operation(&io.0))
    }

    /// Tries a read operation each time that it is worth trying, until its result is not `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of the operation, except `WouldBlock` and `Interrupted`, and `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped while it is pending, the operation has not been done.
    ///
    /// ```
    /// # use brigade_runtime::{io::AsyncFd, spawn};
    /// # use std::{io::{Read, Write}, os::unix::net::UnixStream};
    /// # brigade_runtime::run(async {
    /// # let (ours, mut theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let ours = AsyncFd::new(ours)?;
    /// spawn(async move { theirs.write_all(b"hi") });
    /// assert_eq!(ours.read_with(|mut stream| stream.read(&mut [0; 8])).await?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn read_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.inner.io_among(Direction::Read, move |io| operation(&io.0))
    }

    /// Tries a write operation each time that it is worth trying, until its result is not `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of the operation, except `WouldBlock` and `Interrupted`, and `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped while it is pending, the operation has not been done.
    #[track_caller]
    pub fn write_with<R>(
        &self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        self.inner.io_among(Direction::Write, move |io| operation(&io.0))
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncFd").field(self.get_ref()).finish()
    }
}
