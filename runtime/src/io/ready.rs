//! The guard of a descriptor that is ready.

use super::AsyncFd;
use crate::driver::source::{Direction, Seen};
use std::{fmt, io, os::fd::AsFd};

/// A guard which says that an operation is worth trying, from [`AsyncFd::readable`] or [`AsyncFd::writable`].
///
/// Dropping it keeps the readiness: the next wait ends at once. After an attempt that would have blocked,
/// the readiness must be cleared, which [`try_io`](Self::try_io) does. Otherwise the next wait would end at
/// once for nothing, over and over.
///
/// ```
/// use brigade_runtime::{io::{AsyncFd, WouldBlock}, run};
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// run(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     ours.set_nonblocking(true)?;
///     let ours = AsyncFd::new(ours)?;
///     let read = |mut stream: &UnixStream| stream.read(&mut [0; 8]);
///     // The first wait ends at once, and the attempt finds out.
///     assert_eq!(ours.readable().await?.try_io(read).unwrap_err(), WouldBlock);
///     theirs.write_all(b"hi")?;
///     assert_eq!(ours.readable().await?.try_io(read).expect("the bytes are there")?, 2);
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[must_use = "the attempt is yours to make"]
pub struct Ready<'a, T: AsFd> {
    fd: &'a AsyncFd<T>,
    direction: Direction,
    seen: Seen,
}

/// The error of an attempt that would have blocked, though the descriptor was reported as ready: wait again.
///
/// [`Ready`] has an example.
///
/// ```
/// # use brigade_runtime::io::{AsyncFd, WouldBlock};
/// # use std::{io, os::unix::net::UnixStream};
/// # brigade_runtime::run(async {
/// # let fd = AsyncFd::new(UnixStream::pair()?.0)?;
/// let attempt = fd.readable().await?.try_io(|_| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()));
/// assert_eq!(attempt.unwrap_err(), WouldBlock);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldBlock;

impl<'a, T: AsFd> Ready<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, direction: Direction, seen: Seen) -> Self {
        Self { fd, direction, seen }
    }

    /// Makes one attempt, and clears the readiness if its result is the kind `WouldBlock`. That result must
    /// come from the descriptor, otherwise the next wait is for an edge that may never come.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`] if the attempt would have blocked. Every other result of the operation is inside `Ok`.
    ///
    /// ```
    /// # use brigade_runtime::io::AsyncFd;
    /// # use std::{io::Write, os::unix::net::UnixStream};
    /// # brigade_runtime::run(async {
    /// # let (ours, _theirs) = UnixStream::pair()?;
    /// # ours.set_nonblocking(true)?;
    /// let ours = AsyncFd::new(ours)?;
    /// let written = ours.writable().await?.try_io(|mut stream| stream.write(b"hi"));
    /// assert_eq!(written.expect("there is room")?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_io<R>(
        &mut self,
        mut operation: impl FnMut(&'a T) -> io::Result<R>,
    ) -> Result<io::Result<R>, WouldBlock> {
        let io = self.fd.get_ref();
        self.fd.inner.attempt(self.seen, self.direction, &mut |_| operation(io)).ok_or(WouldBlock)
    }

    /// Clears the readiness if it is still the one of this guard, so that the next wait is for a new edge.
    ///
    /// This is for an attempt that was made elsewhere and would have blocked, or after which the next
    /// attempt would block. For a stream, a read that got less than it asked for is no such attempt: the
    /// end or an error may be next, and clearing the readiness would miss it.
    pub fn clear_ready(&mut self) {
        self.fd.inner.source().clear(self.seen, self.direction);
    }

    /// Returns a reference to the descriptor that is ready.
    pub fn get_ref(&self) -> &'a T {
        self.fd.get_ref()
    }
}

impl<T: AsFd> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("direction", &self.direction).finish_non_exhaustive()
    }
}
