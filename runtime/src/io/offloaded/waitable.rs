//! Blocking calls on a descriptor that may have been made non-blocking by another process.
//!
//! `O_NONBLOCK` belongs to the open file, which is shared with every process that inherited it: a parent or
//! a child may set it on our standard output. A call that returns `WouldBlock` has done nothing. So the
//! thread waits until the descriptor is ready, and calls again.

use crate::{driver::source::Direction, sys};
use std::{
    fs, io,
    io::{Read, Write},
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

/// How many calls in a row may find that a descriptor reported as ready is not, before there are pauses
/// between them.
const MAX_SPURIOUS_CALLS: u32 = 16;
/// The pause between such calls after the first [`MAX_SPURIOUS_CALLS`].
const SPURIOUS_CALL_PAUSE: Duration = Duration::from_millis(1);

/// A stream whose descriptor a thread can wait for.
pub(crate) trait Waitable {
    /// Waits, on this thread, until a call in that direction is worth trying.
    fn wait(&self, direction: Direction) -> io::Result<()>;

    /// Returns whether a read would return at once, with bytes, the end or an error.
    fn is_readable(&self) -> bool;

    /// Returns whether reads never wait for another process, because it is a regular file, a folder or a
    /// disk.
    fn is_always_ready(&self) -> bool;

    /// Returns the descriptor, for the reactor to watch.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

macro_rules! impl_waitable {
    ($type:ty) => {
        impl Waitable for $type {
            fn wait(&self, direction: Direction) -> io::Result<()> {
                match direction {
                    Direction::Read => sys::wait_until_readable(self.as_fd()),
                    Direction::Write => sys::wait_until_writable(self.as_fd()),
                }
            }

            fn is_readable(&self) -> bool {
                sys::is_readable(self.as_fd())
            }

            fn is_always_ready(&self) -> bool {
                sys::is_always_ready(self.as_fd())
            }

            fn descriptor(&self) -> Option<BorrowedFd<'_>> {
                Some(self.as_fd())
            }
        }
    };
}

impl_waitable!(fs::File);
impl_waitable!(io::Stdout);
impl_waitable!(io::Stderr);

/// Repeats a call that a signal has interrupted.
pub(crate) fn retry_interrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Repeats a call that a signal has interrupted. If the call would have blocked, waits until the descriptor
/// is ready and then repeats it.
fn retry_when_ready<T: Waitable, R>(
    io: &T,
    direction: Direction,
    mut call: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    let mut spurious_calls = 0;
    loop {
        match retry_interrupted(&mut call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => io.wait(direction)?,
            result => return result,
        }
        spurious_calls += 1;
        if spurious_calls > MAX_SPURIOUS_CALLS {
            // Some devices report that they are ready when they are not. And another process may have taken
            // the bytes.
            thread::sleep(SPURIOUS_CALL_PAUSE);
        }
    }
}

/// Reads, and waits on this thread until there is something to read.
pub(super) fn read_blocking<T: Waitable>(io: &T, bytes: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a T: Read,
{
    let mut stream = io;
    retry_when_ready(io, Direction::Read, || stream.read(bytes))
}

/// Writes all bytes and flushes the stream, which may have a buffer of its own, such as the standard
/// output. Waits on this thread for room.
///
/// This cannot use `write_all`, which does not report how much it had written when a call would have blocked.
pub(super) fn write_all_blocking<T: Waitable>(io: &T, mut bytes: &[u8]) -> io::Result<()>
where
    for<'a> &'a T: Write,
{
    let mut stream = io;
    while !bytes.is_empty() {
        match retry_when_ready(io, Direction::Write, || stream.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    retry_when_ready(io, Direction::Write, || stream.flush())
}
