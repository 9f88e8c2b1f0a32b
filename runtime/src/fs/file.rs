//! An open file.

use crate::{driver::conversion::as_fd, io::offloaded::Offloaded};
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use std::{
    fmt,
    fs::{self, Metadata, OpenOptions, Permissions},
    io::{self, SeekFrom},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// An open file, to read, write and seek by the traits of `futures-io`, on the blocking pool.
///
/// Each call is a round trip to the pool, so read and write much at once, such as by `BufReader` and
/// `BufWriter` of `futures-util`.
///
/// # The promise of a write
///
/// The file has accepted the bytes and will write them, after earlier writes. That holds if the file is
/// dropped or the task is cancelled, and whichever way the runtime ends. `run`, dropping the runtime and
/// its shutdowns wait for the write. The exceptions are `shutdown_background`, and a shutdown whose deadline
/// has passed, which waits for half a second at most: then the write is made if the process lives for long
/// enough. For a runtime that never ends, such as one in a `static`, nothing waits.
///
/// The `Ok` does not promise that the write succeeded, nor that other processes see it yet.
/// [`flush`](AsyncWrite::poll_flush) waits until the operating system has the bytes, and returns the error
/// if there was one. [`sync_all`](Self::sync_all) waits until the bytes are on the disk. Flush a written
/// file before dropping it, or an error is lost.
///
/// # Pipes, terminals and devices
///
/// A read waits without a thread until there is something to read, so it does not hold up the end of the
/// runtime. Opening a named pipe does not wait on a thread either: opening to read succeeds at once, and
/// the first read waits for a writer; opening to write is tried again until there is a reader.
///
/// # Cancellation
///
/// The calls of one file keep their order, also those whose futures are dropped. A read that is dropped
/// loses nothing: the next read gets its bytes. A write that is dropped while it is pending has written
/// nothing. Any other call, such as [`set_len`](Self::set_len), may have begun when it is dropped: then it
/// is made all the same, before later calls, and its error is lost.
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
///     let options = OpenOptions::new().create(true).write(true).read(true).clone();
///     let mut file = File::open_with(&path, options).await?;
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
    /// Those of [`std::fs::File::open`], such as `NotFound` or `PermissionDenied`, and `QuotaExceeded` if
    /// the operating system has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{fs::File, run};
    /// use futures_util::AsyncReadExt;
    ///
    /// run(async {
    ///     let mut manifest = File::open("Cargo.toml").await?;
    ///     let mut text = String::new();
    ///     manifest.read_to_string(&mut text).await?;
    ///     assert!(text.contains("[package]"));
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true).clone()).await
    }

    /// Opens a file to write to it. Creates the file if there is none, and empties it otherwise.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::create`], such as `NotFound` if the folder does not exist or
    /// `PermissionDenied`, and `QuotaExceeded` if the operating system has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{fs::{self, File}, run};
    /// use futures_util::AsyncWriteExt;
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-create-{}", std::process::id()));
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"soup").await?;
    ///     file.flush().await?; // Returns the error of the write, if there was one.
    ///     assert_eq!(fs::read(&path).await?, b"soup");
    ///     fs::remove_file(path).await
    /// })
    /// # .unwrap();
    /// ```
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().write(true).create(true).truncate(true).clone()).await
    }

    /// Opens a file with the given options. For a named pipe, the
    /// [custom flags](std::os::unix::fs::OpenOptionsExt::custom_flags) are ignored.
    ///
    /// # Errors
    ///
    /// Those of [`OpenOptions::open`], such as `NotFound`, `PermissionDenied` or `AlreadyExists`, and
    /// `QuotaExceeded` if the operating system has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::fs::{self, File};
    /// # use futures_util::AsyncWriteExt;
    /// # use std::fs::OpenOptions;
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-open-with-{}", std::process::id()));
    /// for line in ["soup\n", "salad\n"] {
    ///     let mut log = File::open_with(&path, OpenOptions::new().append(true).create(true).clone()).await?;
    ///     log.write_all(line.as_bytes()).await?;
    ///     log.flush().await?;
    /// }
    /// assert_eq!(fs::read(&path).await?, b"soup\nsalad\n");
    /// # fs::remove_file(path).await
    /// # }).unwrap();
    /// ```
    pub async fn open_with(path: impl AsRef<Path>, options: OpenOptions) -> io::Result<Self> {
        super::open::open(path.as_ref(), options).await.map(Self::from_std)
    }

    /// Takes over a file of the standard library. It may be non-blocking: calls that would have blocked
    /// wait all the same.
    ///
    /// ```
    /// # use futures_util::AsyncReadExt;
    /// # brigade_runtime::run(async {
    /// let mut file = brigade_runtime::fs::File::from_std(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(file.read(&mut [0; 1]).await?, 1);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn from_std(file: fs::File) -> Self {
        Self { inner: Offloaded::new("a file", file) }
    }

    /// Returns the file as one of the standard library, when the calls before have ended. Its position is
    /// behind the last byte that was taken or written.
    ///
    /// # Errors
    ///
    /// * The error of an earlier write.
    /// * `NotSeekable` if a read of a pipe or terminal was dropped and has taken bytes, which would be
    ///   lost.
    /// * `QuotaExceeded` if the operating system has no thread for a call that is needed.
    ///
    /// The file is closed then.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// The file is closed when the calls before have ended.
    ///
    /// ```
    /// # use futures_util::AsyncReadExt;
    /// # use std::io::Read;
    /// # brigade_runtime::run(async {
    /// let mut file = brigade_runtime::fs::File::open("Cargo.toml").await?;
    /// file.read_exact(&mut [0; 1]).await?;
    /// let mut file: std::fs::File = file.into_std().await?;
    /// let mut text = String::new();
    /// file.read_to_string(&mut text)?;
    /// assert!(text.starts_with("package]"));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn into_std(self) -> io::Result<fs::File> {
        let file = self.inner.into_io().await?;
        // A job that was cancelled may not have let go of the file yet.
        Arc::try_unwrap(file).or_else(|shared| shared.try_clone())
    }

    /// Returns the file's metadata: its length, its times, its permissions.
    ///
    /// # Errors
    ///
    /// The operating system's error of this call or of an earlier write, and `QuotaExceeded` if it has no
    /// thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let mut file = brigade_runtime::fs::File::open("Cargo.toml").await?;
    /// assert!(file.metadata().await?.len() > 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn metadata(&mut self) -> io::Result<Metadata> {
        self.inner.call(fs::File::metadata).await
    }

    /// Truncates the file to `len` bytes, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// The operating system's error of this call or of an earlier write, such as `InvalidInput` if the file
    /// is not open for writing, and `QuotaExceeded` if it has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::fs::{self, File};
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-set-len-{}", std::process::id()));
    /// let mut file = File::create(&path).await?;
    /// file.set_len(3).await?;
    /// assert_eq!(fs::read(&path).await?, [0, 0, 0]);
    /// # fs::remove_file(path).await
    /// # }).unwrap();
    /// ```
    pub async fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.inner.call(move |file| file.set_len(len)).await
    }

    /// Sets which users may read, write and execute the file.
    ///
    /// # Errors
    ///
    /// The operating system's error of this call or of an earlier write, such as `PermissionDenied`, and
    /// `QuotaExceeded` if it has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    pub async fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()> {
        self.inner.call(move |file| file.set_permissions(permissions)).await
    }

    /// Waits until all written bytes and the file's metadata are on the disk.
    ///
    /// # Errors
    ///
    /// The operating system's error of this call or of an earlier write, such as `StorageFull`, and
    /// `QuotaExceeded` if it has no thread for the call.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::fs::{self, File};
    /// # use futures_util::AsyncWriteExt;
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-sync-all-{}", std::process::id()));
    /// let mut order = File::create(&path).await?;
    /// order.write_all(b"soup for table 7").await?;
    /// order.sync_all().await?;
    /// // From here on the order survives a power cut.
    /// # fs::remove_file(path).await
    /// # }).unwrap();
    /// ```
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.inner.call(fs::File::sync_all).await
    }

    /// Waits until all written bytes are on the disk, with the metadata that is needed to read them.
    ///
    /// # Errors
    ///
    /// Those of [`sync_all`](Self::sync_all).
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.inner.call(fs::File::sync_data).await
    }
}

as_fd!(File, |file| file.inner.io().as_fd());

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

    /// Waits until the operating system has all bytes, and returns the error of a write. To wait for the
    /// disk, use [`sync_all`](File::sync_all).
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_flush(cx)
    }

    /// Flushes. The file is closed when it is dropped.
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
mod tests;
