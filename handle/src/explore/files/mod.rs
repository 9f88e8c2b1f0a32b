//! The file system of a run: a tree of folders in memory, and files of memory.
//!
//! The functions are those of [`std::fs`]. Within a run they work on a tree that begins empty, but for the
//! folder `/tmp`. A file is an anonymous file of the operating system (`memfd_create`), so an open one is a
//! [`File`] like any other, and nothing is left on a disk. Outside of a run the functions are std's.
//!
//! Each function comes to a choice point before it begins. A function of several steps, such as [`write`],
//! comes to one before each step: another thread can see a file that was emptied and not yet written.

mod tree;

use self::tree::{Tree, missing_by};
use super::{baton, point};
use std::{
    fs::{self as os, File, Metadata, OpenOptions, Permissions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

pub use os::{DirEntry, ReadDir};

static TREE: Mutex<Option<Tree>> = Mutex::new(None);

/// Comes to a choice point and calls `f` with the tree of this run.
fn with<R>(f: impl FnOnce(&mut Tree) -> R) -> R {
    point();
    let mut tree = TREE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = baton::run_number();
    match &mut *tree {
        Some(tree) if tree.run == run => f(tree),
        other => f(other.insert(Tree::new(run))),
    }
}

/// Refuses a call that is not simulated.
fn refuse<R>(call: &str) -> io::Result<R> {
    let message = format!("an explored run does not simulate {call}");
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// As [`OpenOptions::open`].
///
/// # Errors
///
/// As there.
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> io::Result<File> {
    if !baton::is_managed() {
        return options.open(path);
    }
    let missing = missing_by(options);
    with(|tree| tree.open(path.as_ref(), options, missing))
}

/// As [`std::fs::read`].
///
/// # Errors
///
/// As there.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    if !baton::is_managed() {
        return os::read(path);
    }
    let mut file = open(path, OpenOptions::new().read(true))?;
    let mut bytes = Vec::new();
    point();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// As [`std::fs::read_to_string`].
///
/// # Errors
///
/// As there.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    if !baton::is_managed() {
        return os::read_to_string(path);
    }
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// As [`std::fs::write`].
///
/// # Errors
///
/// As there.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    if !baton::is_managed() {
        return os::write(path, bytes);
    }
    let mut file = open(path, OpenOptions::new().write(true).create(true).truncate(true))?;
    point();
    file.write_all(bytes.as_ref())
}

/// As [`std::fs::copy`].
///
/// # Errors
///
/// As there.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    if !baton::is_managed() {
        return os::copy(from, to);
    }
    let bytes = read(&from)?;
    let permissions = metadata(&from)?.permissions();
    write(&to, &bytes)?;
    set_permissions(to, permissions)?;
    Ok(bytes.len() as u64)
}

/// As [`std::fs::rename`].
///
/// # Errors
///
/// As there.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    if !baton::is_managed() {
        return os::rename(from, to);
    }
    with(|tree| tree.rename(from.as_ref(), to.as_ref()))
}

/// As [`std::fs::hard_link`].
///
/// # Errors
///
/// As there.
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    if !baton::is_managed() {
        return os::hard_link(original, link);
    }
    with(|tree| tree.link(original.as_ref(), link.as_ref()))
}

/// As [`std::os::unix::fs::symlink`]. Refused within a run.
///
/// # Errors
///
/// As there, or `Unsupported`.
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    if baton::is_managed() { refuse("fs::symlink") } else { std::os::unix::fs::symlink(original, link) }
}

/// As [`std::fs::read_link`]. A run has no links.
///
/// # Errors
///
/// As there.
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    if !baton::is_managed() {
        return os::read_link(path);
    }
    with(|tree| tree.metadata(path.as_ref()))?;
    Err(io::ErrorKind::InvalidInput.into())
}

/// As [`std::fs::canonicalize`]. Relative paths begin at the root.
///
/// # Errors
///
/// As there.
pub fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    if !baton::is_managed() {
        return os::canonicalize(path);
    }
    with(|tree| tree.metadata(path.as_ref()))?;
    Ok(tree::absolute(path.as_ref()))
}

/// As [`std::fs::metadata`]. The times are those of the operating system, and a folder has those of its root.
///
/// # Errors
///
/// As there.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    if baton::is_managed() { with(|tree| tree.metadata(path.as_ref())) } else { os::metadata(path) }
}

/// As [`std::fs::symlink_metadata`]. A run has no links.
///
/// # Errors
///
/// As there.
pub fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    if baton::is_managed() { metadata(path) } else { os::symlink_metadata(path) }
}

/// As [`std::fs::exists`].
///
/// # Errors
///
/// As there.
pub fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    if baton::is_managed() { Ok(metadata(path).is_ok()) } else { os::exists(path) }
}

/// As [`std::fs::set_permissions`]. Those of a folder change nothing.
///
/// # Errors
///
/// As there.
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    if !baton::is_managed() {
        return os::set_permissions(path, permissions);
    }
    with(|tree| tree.set_permissions(path.as_ref(), permissions))
}

/// As [`std::fs::create_dir`].
///
/// # Errors
///
/// As there.
pub fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if baton::is_managed() { with(|tree| tree.create_folder(path.as_ref())) } else { os::create_dir(path) }
}

/// As [`std::fs::create_dir_all`].
///
/// # Errors
///
/// As there.
pub fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    if !baton::is_managed() {
        return os::create_dir_all(path);
    }
    let path = tree::absolute(path.as_ref());
    let folders: Vec<_> = path.ancestors().collect();
    for folder in folders.into_iter().rev() {
        match create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && metadata(folder)?.is_dir() => {}
            result => result?,
        }
    }
    Ok(())
}

/// As [`std::fs::remove_file`].
///
/// # Errors
///
/// As there.
pub fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    if baton::is_managed() { with(|tree| tree.remove_file(path.as_ref())) } else { os::remove_file(path) }
}

/// As [`std::fs::remove_dir`].
///
/// # Errors
///
/// As there.
pub fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    if baton::is_managed() { with(|tree| tree.remove_folder(path.as_ref())) } else { os::remove_dir(path) }
}

/// As [`std::fs::remove_dir_all`]. Within a run it is one step.
///
/// # Errors
///
/// As there.
pub fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    if baton::is_managed() { with(|tree| tree.remove_all(path.as_ref())) } else { os::remove_dir_all(path) }
}

/// As [`std::fs::read_dir`]. Refused within a run: std's entries cannot be made by anybody else.
///
/// # Errors
///
/// As there, or `Unsupported`.
pub fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    if baton::is_managed() { refuse("fs::read_dir") } else { os::read_dir(path) }
}
