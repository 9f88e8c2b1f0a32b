//! Blocking calls on a descriptor that somebody has made non-blocking.
//!
//! `O_NONBLOCK` belongs to the open file, which is shared with every process that inherited it: a parent or a child may set it on our standard
//! output. A call that says `WouldBlock` has done nothing. So the thread waits until the descriptor is ready, and calls again.

use crate::{source::Direction, sys};
use std::{
    fs, io,
    io::{Read, Write},
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

/// So many calls in a row may find a descriptor that is said to be ready, and is not, before there are pauses between them.
const MAX_SPURIOUS_CALLS: u32 = 16;
/// The pause between such calls.
const SPURIOUS_CALL_PAUSE: Duration = Duration::from_millis(1);

/// A stream that a thread can wait for.
pub(crate) trait Waitable {
    /// Waits until a call in that direction is worth trying.
    fn wait(&self, direction: Direction) -> io::Result<()>;

    /// Whether a read would come back at once, with bytes, the end or an error.
    fn is_readable(&self) -> bool;

    /// Whether it is a file that never makes a read wait for somebody else.
    fn is_always_ready(&self) -> bool;

    /// The descriptor, for the reactor to watch.
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

/// Calls again while a signal interrupts.
pub(super) fn retry_interrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Calls again while a signal interrupts, and when the descriptor is ready if the call would have blocked.
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
            // Some devices do not know when they are ready, and others take what was there for us.
            thread::sleep(SPURIOUS_CALL_PAUSE);
        }
    }
}

/// Reads, and waits on this thread until there is something.
pub(super) fn read_blocking<T: Waitable>(io: &T, bytes: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a T: Read,
{
    let mut stream = io;
    retry_when_ready(io, Direction::Read, || stream.read(bytes))
}

/// Writes all bytes and flushes the stream, which may have a buffer of its own, such as the standard output. Waits on this thread for room.
///
/// Not by `write_all`, which does not tell how much it had written when a call would have blocked.
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
