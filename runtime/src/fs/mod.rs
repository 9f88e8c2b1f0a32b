//! Files and folders, on the blocking pool: no operating system tells when a file is ready, so each call has a thread while it
//! lasts. Up to 256 of them, unless [the builder](crate::Builder::max_blocking_threads) says otherwise; further calls wait in a queue.
//!
//! The functions do what those of the same name in [`std::fs`] do, and fail as they do. They also fail if the operating system has no thread
//! to give, with [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) and the reason, unless there is one already; a later call tries again.
//!
//! # Panics
//!
//! All of them outside of a runtime.
//!
//! # Cancellation
//!
//! A call that has begun goes on to its end behind the scenes, also when its future is dropped; the end of the runtime waits
//! for it: also for `read`, `write` and `copy` of a named pipe whose other end nobody opens, unlike [`File::open`]. One that is queued is made as well, unless the runtime ends before: it has told nobody that it is done. What has, such as a write to
//! a [`File`], is made [in any case](File#what-the-ok-of-a-write-promises).
//!
//! # Example
//!
//! ```
//! use brigade_runtime::{fs, run};
//!
//! run(async {
//!     let folder = std::env::temp_dir().join(format!("brigade-fs-{}", std::process::id()));
//!     fs::create_dir_all(&folder).await?;
//!     fs::write(folder.join("menu"), "soup").await?;
//!     assert_eq!(fs::read_to_string(folder.join("menu")).await?, "soup");
//!     fs::remove_dir_all(&folder).await
//! })
//! # .unwrap();
//! ```

mod file;
mod open;
mod read_dir;

pub use file::File;
pub use read_dir::{ReadDir, read_dir};

use crate::blocking::unblock;
use std::{
    fs::{self, Metadata, Permissions},
    io,
    path::{Path, PathBuf},
};

/// All bytes of a file.
///
/// # Errors
///
/// Those of [`std::fs::read`].
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    unblock("fs::read", move || fs::read(path)).await
}

/// All of a file, as text.
///
/// # Errors
///
/// Those of [`std::fs::read_to_string`], such as that it is no UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    unblock("fs::read_to_string", move || fs::read_to_string(path)).await
}

/// Makes a file of these bytes, or replaces what is in it.
///
/// # Errors
///
/// Those of [`std::fs::write`].
pub async fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, bytes) = (path.as_ref().to_owned(), bytes.as_ref().to_owned());
    unblock("fs::write", move || fs::write(path, bytes)).await
}

/// Copies a file and its permissions. How many bytes that were.
///
/// # Errors
///
/// Those of [`std::fs::copy`].
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    unblock("fs::copy", move || fs::copy(from, to)).await
}

/// Gives a file or folder another name, in place of what has that name.
///
/// # Errors
///
/// Those of [`std::fs::rename`], such as that the names are on different disks.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    unblock("fs::rename", move || fs::rename(from, to)).await
}

/// Gives a file one more name.
///
/// # Errors
///
/// Those of [`std::fs::hard_link`].
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    unblock("fs::hard_link", move || fs::hard_link(original, link)).await
}

/// Makes a link that leads to a path, whether or not there is something.
///
/// # Errors
///
/// Those of [`std::os::unix::fs::symlink`].
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    unblock("fs::symlink", move || std::os::unix::fs::symlink(original, link)).await
}

/// Where a symbolic link leads.
///
/// # Errors
///
/// Those of [`std::fs::read_link`].
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    unblock("fs::read_link", move || fs::read_link(path)).await
}

/// The whole path, without links and dots.
///
/// # Errors
///
/// Those of [`std::fs::canonicalize`].
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    unblock("fs::canonicalize", move || fs::canonicalize(path)).await
}

/// What is known of a file or folder: its length, its times, its permissions. Of a link: of what it leads to.
///
/// # Errors
///
/// Those of [`std::fs::metadata`].
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    unblock("fs::metadata", move || fs::metadata(path)).await
}

/// [`metadata`] of a link itself.
///
/// # Errors
///
/// Those of [`std::fs::symlink_metadata`].
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    unblock("fs::symlink_metadata", move || fs::symlink_metadata(path)).await
}

/// Whether there is something at that path.
///
/// # Errors
///
/// If that cannot be found out.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    unblock("fs::try_exists", move || path.try_exists()).await
}

/// Says who may read, write and execute it.
///
/// # Errors
///
/// Those of [`std::fs::set_permissions`].
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::set_permissions", move || fs::set_permissions(path, permissions)).await
}

/// Makes a folder.
///
/// # Errors
///
/// Those of [`std::fs::create_dir`], such as that it exists.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::create_dir", move || fs::create_dir(path)).await
}

/// Makes a folder, and those that it lies in, unless they exist.
///
/// # Errors
///
/// Those of [`std::fs::create_dir_all`].
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::create_dir_all", move || fs::create_dir_all(path)).await
}

/// Removes a file.
///
/// # Errors
///
/// Those of [`std::fs::remove_file`].
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_file", move || fs::remove_file(path)).await
}

/// Removes an empty folder.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir`].
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_dir", move || fs::remove_dir(path)).await
}

/// Removes a folder and all that is in it.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir_all`].
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_dir_all", move || fs::remove_dir_all(path)).await
}
