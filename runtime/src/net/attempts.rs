//! Attempts and polls: for libraries that wait in their own way, as a QUIC implementation does, and for
//! system calls that have no method here.
//!
//! An attempt (`try_…`) never waits. A poll (`poll_…`) makes an attempt, and registers the task if that
//! would have blocked. Both clear the readiness as the waiting methods do (`driver/source.rs`), so they may
//! be mixed with those.

/// Implements the waits for readiness and `try_io` for a type whose field `socket` is a `Registered`.
macro_rules! readiness {
    ($type:ty) => {
        impl $type {
            /// Waits until reading is worth trying. Several tasks may wait at once.
            ///
            /// The readiness stays until an attempt would have blocked. So follow this by an attempt of this
            /// type, such as [`try_io`](Self::try_io): an attempt by the bare descriptor clears nothing,
            /// and the next wait would end at once.
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
            /// # use brigade_runtime::net::unix::UnixDatagram;
            /// # brigade_runtime::run(async {
            /// let (one, other) = UnixDatagram::pair()?;
            /// one.send(b"soup").await?;
            /// let mut buffer = [0; 8];
            /// let len = loop {
            ///     other.readable().await?;
            ///     match other.try_recv(&mut buffer) {
            ///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            ///         received => break received?,
            ///     }
            /// };
            /// assert_eq!(len, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn readable(&self) -> impl Future<Output = ::std::io::Result<()>> {
                $crate::net::attempts::ready(&self.socket, $crate::driver::source::Direction::Read)
            }

            /// Waits until writing is worth trying. Several tasks may wait at once.
            ///
            /// The readiness stays until an attempt would have blocked, as for
            /// [`readable`](Self::readable).
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
            /// # use brigade_runtime::net::unix::UnixDatagram;
            /// # brigade_runtime::run(async {
            /// let (one, _other) = UnixDatagram::pair()?;
            /// one.writable().await?;
            /// assert_eq!(one.try_send(b"soup")?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn writable(&self) -> impl Future<Output = ::std::io::Result<()>> {
                $crate::net::attempts::ready(&self.socket, $crate::driver::source::Direction::Write)
            }

            /// Polls for what [`readable`](Self::readable) waits for.
            ///
            /// # Errors
            ///
            /// `Other` if the runtime has ended.
            ///
            /// ```
            /// # use brigade_runtime::net::unix::UnixDatagram;
            /// # brigade_runtime::run(async {
            /// let (one, other) = UnixDatagram::pair()?;
            /// one.send(b"soup").await?;
            /// std::future::poll_fn(|cx| other.poll_readable(cx)).await?;
            /// assert_eq!(other.try_recv(&mut [0; 8])?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_readable(
                &self,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::net::attempts::poll_ready(&self.socket, cx, $crate::driver::source::Direction::Read)
            }

            /// Polls for what [`writable`](Self::writable) waits for.
            ///
            /// # Errors
            ///
            /// `Other` if the runtime has ended.
            ///
            /// ```
            /// # use brigade_runtime::net::unix::UnixDatagram;
            /// # brigade_runtime::run(async {
            /// let (one, _other) = UnixDatagram::pair()?;
            /// std::future::poll_fn(|cx| one.poll_writable(cx)).await?;
            /// assert_eq!(one.try_send(b"soup")?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn poll_writable(
                &self,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                $crate::net::attempts::poll_ready(&self.socket, cx, $crate::driver::source::Direction::Write)
            }

            /// Makes one attempt by any system call on this socket, without waiting, and clears the
            /// readiness if its result is the kind `WouldBlock`. That result must come from this socket,
            /// otherwise the next wait is for an edge that may never come.
            ///
            /// The operation may be called more than once: a signal that interrupts it is not reported.
            ///
            /// # Errors
            ///
            /// * Those of the operation, except `Interrupted`.
            /// * `WouldBlock` without an attempt, if an earlier one would have blocked and nothing was
            ///   reported since. Reports come while the task waits, such as in
            ///   [`readable`](Self::readable), so a loop of attempts that never waits may never succeed.
            /// * `Other` if the runtime has ended.
            ///
            /// ```
            /// # use brigade_runtime::{io::Direction, net::unix::UnixDatagram};
            /// # use std::os::{fd::AsFd, unix::net};
            /// # brigade_runtime::run(async {
            /// let (one, other) = UnixDatagram::pair()?;
            /// one.send(b"soup").await?;
            /// // A call of the standard library that has no method here.
            /// let same = net::UnixDatagram::from(other.as_fd().try_clone_to_owned()?);
            /// other.readable().await?;
            /// assert_eq!(other.try_io(Direction::Read, || same.recv(&mut [0; 8]))?, 4);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_io<R>(
                &self,
                direction: $crate::driver::source::Direction,
                mut operation: impl FnMut() -> ::std::io::Result<R>,
            ) -> ::std::io::Result<R> {
                self.socket.try_io(direction, |_| operation())
            }
        }
    };
}
pub(super) use readiness;

use crate::{
    driver::{registration::Registered, source::Direction},
    task::budget,
};
use mio::event::Source as OsSource;
use std::{
    future::Future,
    io,
    panic::Location,
    task::{Context, Poll},
};

/// Waits until an attempt is worthwhile, and charges the budget for it.
#[track_caller]
pub(super) fn ready<S: OsSource>(
    socket: &Registered<S>,
    direction: Direction,
) -> impl Future<Output = io::Result<()>> {
    let at = Location::caller();
    async move {
        socket.ready_among(direction, at).await?;
        budget::spend();
        Ok(())
    }
}

/// Polls until an attempt is worthwhile, and charges the budget for it.
pub(super) fn poll_ready<S: OsSource>(
    socket: &Registered<S>,
    cx: &mut Context<'_>,
    direction: Direction,
) -> Poll<io::Result<()>> {
    socket.poll_ready(cx, direction).map_ok(|_| budget::spend())
}
