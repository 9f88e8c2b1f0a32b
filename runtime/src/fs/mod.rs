//! Files and folders, on the blocking pool.
//!
//! No operating system reports when a file is ready, so each call takes a thread while it lasts. Up to 256
//! calls are made at once, unless [the builder](crate::Builder::max_blocking_threads) sets another number;
//! further calls wait in a queue.
//!
//! # Errors
//!
//! The functions do the same as those of the same name in [`std::fs`], and return the same errors. They
//! also return [`QuotaExceeded`](io::ErrorKind::QuotaExceeded), with the reason, if the pool has no thread
//! yet and the operating system has none to give; a later call tries again. And they return
//! [`Other`](io::ErrorKind::Other) if the runtime ends before the call is made.
//!
//! # Panics
//!
//! All functions panic outside of a runtime.
//!
//! # Cancellation
//!
//! A call that has begun continues in the background, also if its future is dropped, and the end of the
//! runtime waits for it. That includes `read`, `write` and `copy` of a named pipe whose other end nobody
//! opens, unlike [`File::open`]. A call that is queued is made as well, unless the runtime ends first,
//! since no future has reported it as done. A call that has been reported as done, such as a write to a
//! [`File`], is made [in any case](File#the-promise-of-a-write).
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

use crate::{
    executor::blocking::unblock,
    shim::{os_fs as fs, os_symlink},
};
use std::{
    fs::{Metadata, Permissions},
    io,
    path::{Path, PathBuf},
};

/// Reads all bytes of a file.
///
/// # Errors
///
/// Those of [`std::fs::read`], such as `NotFound` or `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// let bytes = fs::read("Cargo.toml").await?;
/// assert!(bytes.starts_with(b"[package]"));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    unblock("fs::read", move || fs::read(path)).await
}

/// Reads a whole file as text.
///
/// # Errors
///
/// Those of [`std::fs::read_to_string`], such as `NotFound`, or `InvalidData` if the file is not UTF-8.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// let text = fs::read_to_string("Cargo.toml").await?;
/// assert!(text.contains("brigade-runtime"));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    unblock("fs::read_to_string", move || fs::read_to_string(path)).await
}

/// Writes bytes to a file. Creates the file if there is none, and replaces its content otherwise.
///
/// # Errors
///
/// Those of [`std::fs::write`], such as `NotFound` if the folder does not exist, or `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-write-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("menu"), "soup").await?;
/// fs::write(dir.join("menu"), "salad").await?;
/// assert_eq!(fs::read(dir.join("menu")).await?, b"salad");
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, bytes) = (path.as_ref().to_owned(), bytes.as_ref().to_owned());
    unblock("fs::write", move || fs::write(path, bytes)).await
}

/// Copies a file and its permissions, and returns the number of bytes.
///
/// # Errors
///
/// Those of [`std::fs::copy`], such as `NotFound` or `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-copy-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("menu"), "soup").await?;
/// assert_eq!(fs::copy(dir.join("menu"), dir.join("backup")).await?, 4);
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    unblock("fs::copy", move || fs::copy(from, to)).await
}

/// Renames a file or folder. It replaces a file that has the new name already.
///
/// # Errors
///
/// Those of [`std::fs::rename`], such as `NotFound`, or `CrossesDevices` if the names are on different disks.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-rename-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("draft"), "soup").await?;
/// fs::rename(dir.join("draft"), dir.join("menu")).await?;
/// assert_eq!(fs::read(dir.join("menu")).await?, b"soup");
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    unblock("fs::rename", move || fs::rename(from, to)).await
}

/// Gives a file one more name.
///
/// # Errors
///
/// Those of [`std::fs::hard_link`], such as `NotFound`, `AlreadyExists`, or `CrossesDevices` if the names
/// are on different disks.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    unblock("fs::hard_link", move || fs::hard_link(original, link)).await
}

/// Makes a symbolic link to a path. Nothing need exist at that path.
///
/// # Errors
///
/// Those of [`std::os::unix::fs::symlink`], such as `AlreadyExists` if there is a file at `link`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-symlink-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::symlink("menu", dir.join("link")).await?;
/// assert_eq!(fs::read_link(dir.join("link")).await?.to_str(), Some("menu"));
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    unblock("fs::symlink", move || os_symlink(original, link)).await
}

/// Returns the path that a symbolic link leads to.
///
/// # Errors
///
/// Those of [`std::fs::read_link`], such as `NotFound`, or `InvalidInput` if it is not a link.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    unblock("fs::read_link", move || fs::read_link(path)).await
}

/// Returns the absolute path of a file or folder, with links and dots resolved.
///
/// # Errors
///
/// Those of [`std::fs::canonicalize`], such as `NotFound`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// assert!(fs::canonicalize(".").await?.is_absolute());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    unblock("fs::canonicalize", move || fs::canonicalize(path)).await
}

/// Returns the metadata of a file or folder: its length, its times, its permissions. Follows symbolic links.
///
/// # Errors
///
/// Those of [`std::fs::metadata`], such as `NotFound`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// assert!(fs::metadata("Cargo.toml").await?.is_file());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    unblock("fs::metadata", move || fs::metadata(path)).await
}

/// Does the same as [`metadata`], but does not follow a symbolic link: it describes the link itself.
///
/// # Errors
///
/// Those of [`std::fs::symlink_metadata`], such as `NotFound`.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    unblock("fs::symlink_metadata", move || fs::symlink_metadata(path)).await
}

/// Returns whether there is a file or folder at a path.
///
/// # Errors
///
/// The operating system's error, if it cannot be found out, such as `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// assert!(fs::try_exists("Cargo.toml").await?);
/// assert!(!fs::try_exists("no such file").await?);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    unblock("fs::try_exists", move || fs::exists(path)).await
}

/// Sets which users may read, write and execute a file or folder.
///
/// # Errors
///
/// Those of [`std::fs::set_permissions`], such as `NotFound` or `PermissionDenied`.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::set_permissions", move || fs::set_permissions(path, permissions)).await
}

/// Makes a folder.
///
/// # Errors
///
/// Those of [`std::fs::create_dir`], such as `AlreadyExists`, or `NotFound` if its parent does not exist.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-create-dir-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::create_dir(dir.join("recipes")).await?;
/// let again = fs::create_dir(dir.join("recipes")).await.unwrap_err();
/// assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::create_dir", move || fs::create_dir(path)).await
}

/// Makes a folder and its missing parents. Does nothing if it exists already.
///
/// # Errors
///
/// Those of [`std::fs::create_dir_all`], such as `PermissionDenied`, or `NotADirectory` if a parent is a
/// file.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-create-all-{}", std::process::id()));
/// fs::create_dir_all(dir.join("recipes/soups")).await?;
/// assert!(fs::metadata(dir.join("recipes/soups")).await?.is_dir());
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::create_dir_all", move || fs::create_dir_all(path)).await
}

/// Removes a file.
///
/// # Errors
///
/// Those of [`std::fs::remove_file`], such as `NotFound` or `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-remove-file-{}", std::process::id()));
/// # fs::create_dir_all(&dir).await?;
/// fs::write(dir.join("menu"), "soup").await?;
/// fs::remove_file(dir.join("menu")).await?;
/// assert!(!fs::try_exists(dir.join("menu")).await?);
/// # fs::remove_dir_all(dir).await
/// # }).unwrap();
/// ```
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_file", move || fs::remove_file(path)).await
}

/// Removes an empty folder.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir`], such as `NotFound` or `DirectoryNotEmpty`.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_dir", move || fs::remove_dir(path)).await
}

/// Removes a folder and everything in it.
///
/// # Errors
///
/// Those of [`std::fs::remove_dir_all`], such as `NotFound` or `PermissionDenied`.
///
/// ```
/// # use brigade_runtime::fs;
/// # brigade_runtime::run(async {
/// # let dir = std::env::temp_dir().join(format!("brigade-remove-all-{}", std::process::id()));
/// fs::create_dir_all(dir.join("recipes/soups")).await?;
/// fs::remove_dir_all(&dir).await?;
/// assert!(!fs::try_exists(&dir).await?);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    unblock("fs::remove_dir_all", move || fs::remove_dir_all(path)).await
}
