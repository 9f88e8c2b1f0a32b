//! An open file.

use crate::io::offloaded::Offloaded;
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use std::{
    fmt,
    fs::{self, Metadata, OpenOptions, Permissions},
    io::{self, SeekFrom},
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// An open file, to read, write and seek by the traits of `futures-io`, on the blocking pool.
///
/// Each call is a way to the pool and back: read and write much at once, such as by `BufReader` and `BufWriter` of
/// `futures-util`.
///
/// # What the `Ok` of a write promises
///
/// The file has taken the bytes over and writes them, after what was written before: also if the file is dropped or the task is cancelled, and
/// whichever way the runtime ends. `run`, dropping the runtime and its shutdowns wait for it, except `shutdown_background`, and a shutdown whose
/// deadline has come; then the write is made if the process lives for long enough. Nothing waits for a runtime that never ends, such as one in a
/// `static`.
///
/// It does not promise that the write went well, nor that others see it yet. [`flush`](AsyncWrite::poll_flush) waits until the bytes are with
/// the operating system, and says what went wrong; [`sync_all`](Self::sync_all) waits until they are on the disk. Flush before dropping a file
/// that was written to, or an error goes unheard.
///
/// # Pipes, terminals and devices
///
/// A read waits without a thread until there is something, so it does not hold up the end of the runtime. Opening a named pipe does not wait on a
/// thread either: to read, it is done at once, and the first read waits for a writer; to write, it is tried until there is a reader.
///
/// # Cancellation
///
/// The calls of one file keep their order, also those that are dropped. A read that is dropped loses nothing: the next one gets its bytes.
/// A write that is dropped while it is pending has written nothing. Any other call, such as [`set_len`](Self::set_len), may have
/// begun when it is dropped: then it is made all the same, before those that come later, and nobody hears of its error.
///
/// # Example
///
/// ```
/// use brigade_runtime::{fs::{self, File}, run};
/// use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
/// use std::{fs::OpenOptions, io::SeekFrom};
///
/// run(async {
///     let path = std::env::temp_dir().join(format!("brigade-file-{}", std::process::id()));
///     let mut file = File::open_with(&path, OpenOptions::new().create(true).write(true).read(true).clone()).await?;
///     file.write_all(b"soup of the day").await?;
///     file.seek(SeekFrom::Start(8)).await?;
///     let mut text = String::new();
///     file.read_to_string(&mut text).await?;
///     assert_eq!(text, "the day");
///     fs::remove_file(path).await
/// })
/// # .unwrap();
/// ```
pub struct File {
    inner: Offloaded<fs::File>,
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::open`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true).clone()).await
    }

    /// Opens a file to write to it: a new one, or one that is emptied.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::create`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().write(true).create(true).truncate(true).clone()).await
    }

    /// Opens a file as the options say. Of a named pipe the [custom flags](std::os::unix::fs::OpenOptionsExt::custom_flags) are left out.
    ///
    /// # Errors
    ///
    /// Those of [`OpenOptions::open`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn open_with(path: impl AsRef<Path>, options: OpenOptions) -> io::Result<Self> {
        super::open::open(path.as_ref(), options).await.map(Self::from_std)
    }

    /// Takes over a file of the standard library. Whether it is non-blocking makes no difference: what would have blocked is waited for.
    pub fn from_std(file: fs::File) -> Self {
        Self { inner: Offloaded::new("a file", file) }
    }

    /// What is known of the file: its length, its times, its permissions.
    ///
    /// # Errors
    ///
    /// What the operating system says, also of a write before.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn metadata(&mut self) -> io::Result<Metadata> {
        self.inner.call(fs::File::metadata).await
    }

    /// Cuts the file off, or fills it up with zeros, to that length in bytes.
    ///
    /// # Errors
    ///
    /// What the operating system says, also of a write before.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.inner.call(move |file| file.set_len(len)).await
    }

    /// Says who may read, write and execute it.
    ///
    /// # Errors
    ///
    /// What the operating system says, also of a write before.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()> {
        self.inner.call(move |file| file.set_permissions(permissions)).await
    }

    /// Waits until what was written is on the disk, with its metadata.
    ///
    /// # Errors
    ///
    /// What the operating system says, also of a write before.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.inner.call(fs::File::sync_all).await
    }

    /// Waits until what was written is on the disk, with as much metadata as is needed to read it.
    ///
    /// # Errors
    ///
    /// What the operating system says, also of a write before.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.inner.call(fs::File::sync_data).await
    }
}

impl From<fs::File> for File {
    fn from(file: fs::File) -> Self {
        Self::from_std(file)
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_read(cx, bytes)
    }
}

impl AsyncWrite for File {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.inner.poll_rewind_read_ahead(cx))?;
        self.inner.poll_write(cx, bytes)
    }

    /// Waits until all is with the operating system, and says what went wrong. For the disk see [`sync_all`](File::sync_all).
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    /// As flushing: the file is closed when it is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        self.inner.poll_seek(cx, to)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.inner.io(), f)
    }
}

#[cfg(all(test, not(loom)))]
// A test fails by panicking, in what it calls as well.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::run;
    use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt};
    use std::sync::mpsc;

    /// A file to read and write, without a name.
    fn file(name: &str) -> File {
        let path = std::env::temp_dir().join(format!("brigade-file-{name}-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        fs::remove_file(path).unwrap();
        file.into()
    }

    /// The call that is dropped waits on the pool as long as it is told to. A write that began meanwhile would be cut off by it.
    #[test]
    fn a_write_waits_for_a_call_that_was_dropped() {
        run(async {
            let mut file = file("cut");
            let (tell, told) = mpsc::channel::<()>();
            let cut = file.inner.call(move |file| {
                // Ends when the sender is dropped.
                let _ = told.recv();
                file.set_len(0)
            });
            assert!(cut.now_or_never().is_none());
            assert!(file.write(b"hello").now_or_never().is_none(), "the call before has not ended");
            drop(tell);
            file.write_all(b"hello").await.unwrap();
            assert_eq!(file.metadata().await.unwrap().len(), 5);
        });
    }

    #[test]
    fn a_call_that_was_dropped_keeps_what_was_read_ahead() {
        run(async {
            let mut file = file("ahead");
            file.write_all(b"soup").await.unwrap();
            file.seek(SeekFrom::Start(0)).await.unwrap();
            // Dropped, so that the bytes lie there; if the pool was so quick that they do not, there is nothing to keep.
            let read = file.read(&mut [0; 4]).now_or_never();
            drop(file.metadata().now_or_never());
            let error =
                file.inner.call(|_| io::Result::<()>::Err(io::ErrorKind::Other.into())).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Other);
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, if read.is_none() { &b"soup"[..] } else { b"" });
        });
    }
}
