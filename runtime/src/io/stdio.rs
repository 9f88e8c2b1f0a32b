//! The standard streams of this process, for tasks.
//!
//! The terminal or pipe behind a standard stream is shared with other processes: the shell, the rest of a
//! pipeline. Making it non-blocking would make it so for all of them and break them, so that is never done.
//! Another process may have done it all the same: then reads and writes wait where they would have blocked.
//!
//! Reads and writes block, on the blocking pool. A read begins there only once there is something to read.
//! The reactor reports that where it can (not for regular files, which never block for long). So no thread
//! sits in a read of the keyboard, and the end of the runtime does not wait for a line.

use super::offloaded::Offloaded;
use crate::driver::conversion::as_fd;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    fmt,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

/// The standard input, from [`stdin`].
///
/// ```no_run
/// use brigade_runtime::{io::stdin, run};
/// use futures_util::AsyncReadExt;
///
/// let mut text = String::new();
/// run(async { stdin()?.read_to_string(&mut text).await }).unwrap();
/// ```
pub struct Stdin {
    inner: Offloaded<File>,
}

/// The standard output, from [`stdout`].
///
/// ```
/// # use futures_util::AsyncWriteExt;
/// # brigade_runtime::run(async {
/// let mut out: brigade_runtime::io::Stdout = brigade_runtime::io::stdout();
/// out.write_all(b"ready\n").await?;
/// out.flush().await
/// # }).unwrap();
/// ```
pub struct Stdout {
    inner: Offloaded<io::Stdout>,
}

/// The standard error, from [`stderr`].
///
/// ```
/// # use futures_util::AsyncWriteExt;
/// # brigade_runtime::run(async {
/// let mut err: brigade_runtime::io::Stderr = brigade_runtime::io::stderr();
/// err.write_all(b"the soup is burning\n").await?;
/// err.flush().await
/// # }).unwrap();
/// ```
pub struct Stderr {
    inner: Offloaded<io::Stderr>,
}

/// Returns the standard input of this process.
///
/// It bypasses the buffer of [`std::io::stdin`]: use only one of the two.
///
/// # Errors
///
/// The operating system's error, if the standard input is closed or a descriptor is refused. A read returns
/// `QuotaExceeded` if it needs a thread and the operating system has none.
///
/// # Panics
///
/// A read panics outside of a runtime.
///
/// # Cancellation
///
/// A read that is dropped loses nothing: the next read of the same [`Stdin`] gets its bytes.
///
/// ```no_run
/// use brigade_runtime::{io::stdin, run};
/// use futures_util::{AsyncBufReadExt, StreamExt, io::BufReader};
///
/// run(async {
///     let mut lines = BufReader::new(stdin()?).lines();
///     while let Some(line) = lines.next().await {
///         println!("you said {}", line?);
///     }
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn stdin() -> io::Result<Stdin> {
    Ok(Stdin::from_fd(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Returns the standard output of this process.
///
/// Each write goes to the buffer of [`std::io::stdout`], which is then flushed, on the blocking pool.
///
/// # The promise of a write
///
/// The bytes have been accepted and will be written, after earlier writes of the same [`Stdout`], whichever
/// way the runtime ends, as for [`File`](crate::fs::File#the-promise-of-a-write). If nobody reads
/// them, the end of the runtime waits. Flush to wait until the operating system has them, such as before
/// the process exits or prints by other means, and to learn of errors.
///
/// # Errors
///
/// Each call returns the error of an earlier write, if there was one. It returns `QuotaExceeded` if it
/// needs a thread and the operating system has none.
///
/// # Panics
///
/// A write panics outside of a runtime.
///
/// # Cancellation
///
/// A write that is dropped while it is pending has written nothing.
///
/// ```
/// use brigade_runtime::{io::stdout, run};
/// use futures_util::AsyncWriteExt;
///
/// run(async {
///     let mut out = stdout();
///     out.write_all(b"hello\n").await?;
///     out.flush().await
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn stdout() -> Stdout {
    Stdout { inner: Offloaded::new("the standard output", io::stdout()) }
}

/// Returns the standard error of this process. It behaves as [`stdout`] does.
///
/// ```
/// use brigade_runtime::{io::stderr, run};
/// use futures_util::AsyncWriteExt;
///
/// run(async {
///     let mut err = stderr();
///     err.write_all(b"careful: hot\n").await?;
///     err.flush().await
/// })
/// # .unwrap();
/// ```
pub fn stderr() -> Stderr {
    Stderr { inner: Offloaded::new("the standard error", io::stderr()) }
}

impl Stdin {
    fn from_fd(fd: OwnedFd) -> Self {
        Self { inner: Offloaded::new("the standard input", File::from(fd)) }
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_read(cx, bytes)
    }
}

macro_rules! write_offloaded {
    ($type:ty) => {
        impl AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.inner.poll_write(cx, bytes)
            }

            /// Waits until the operating system has all bytes.
            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.inner.poll_flush(cx)
            }

            /// Flushes. The stream belongs to the process and stays open.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

write_offloaded!(Stdout);
write_offloaded!(Stderr);

as_fd!(Stdin, |stdin| stdin.inner.io().as_fd());
as_fd!(Stdout, |stdout| stdout.inner.io().as_fd());
as_fd!(Stderr, |stderr| stderr.inner.io().as_fd());

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").finish_non_exhaustive()
    }
}

impl fmt::Debug for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stderr").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
// A test fails by panicking, in what it calls as well.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{executor::spawn::spawn, run::run};
    use std::{future::poll_fn, io::Write};

    async fn read(stdin: &mut Stdin, bytes: &mut [u8]) -> usize {
        poll_fn(|cx| Pin::new(&mut *stdin).poll_read(cx, bytes)).await.unwrap()
    }

    #[test]
    fn bytes_read_keep_their_order_whatever_the_buffers() {
        run(async {
            let (reader, mut writer) = io::pipe().unwrap();
            let mut stdin = Stdin::from_fd(reader.into());
            writer.write_all(b"abcdef").unwrap();
            let mut all = Vec::new();
            for len in [1, 2, 8] {
                let mut bytes = [0; 8];
                let len = read(&mut stdin, &mut bytes[..len]).await;
                all.extend_from_slice(&bytes[..len]);
            }
            assert_eq!(all, b"abcdef");
            // There is nothing to read at first, and then there is.
            let reading = spawn(async move {
                let mut bytes = [0; 8];
                let len = read(&mut stdin, &mut bytes).await;
                (bytes[..len].to_vec(), stdin)
            });
            writer.write_all(b"more").unwrap();
            let (more, mut stdin) = reading.await.unwrap();
            assert_eq!(more, b"more");
            drop(writer);
            assert_eq!(read(&mut stdin, &mut [0; 8]).await, 0);
        });
    }

    /// Nobody writes, so a thread that sat in a read would keep the runtime from ending.
    #[test]
    fn the_end_of_the_runtime_does_not_wait_for_a_line() {
        let (reader, writer) = io::pipe().unwrap();
        run(async {
            let mut stdin = Stdin::from_fd(reader.into());
            let reading = spawn(async move { read(&mut stdin, &mut [0; 8]).await });
            crate::combine::yield_now::yield_now().await;
            assert!(!reading.is_finished());
        });
        drop(writer);
    }

    #[test]
    fn a_regular_file_is_read_as_well() {
        run(async {
            let file = File::open(std::env::current_exe().unwrap()).unwrap();
            let mut stdin = Stdin::from_fd(file.into());
            let mut bytes = [0; 4];
            assert_eq!(read(&mut stdin, &mut bytes).await, 4);
            assert_eq!(&bytes[1..], b"ELF");
        });
    }
}
