//! The tree of a run.

use crate::sys;
use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, ErrorKind},
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// The permissions of a new file.
const NEW_FILE_MODE: u32 = 0o644;

/// The files and folders of a run, by their absolute paths.
pub(super) struct Tree {
    pub(super) run: u64,
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone)]
enum Entry {
    Folder,
    File(Arc<File>),
}

/// Returns the path from the root, without dots.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let mut absolute = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir => _ = absolute.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    absolute
}

/// The treatment of a file that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    IsCreated,
    IsAnError,
}

/// Returns what these options do with a file that is missing. They do not tell, but to create a file that is
/// only read is an error, and `/` is there in any case.
pub(super) fn missing_by(options: &OpenOptions) -> Missing {
    let mut reads = options.clone();
    let opened = reads.read(true).write(false).append(false).truncate(false).open("/");
    let creates = opened.is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
    if creates { Missing::IsCreated } else { Missing::IsAnError }
}

/// Opens a file of memory once more.
fn reopen(file: &File, options: &OpenOptions) -> io::Result<File> {
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

impl Tree {
    pub(super) fn new(run: u64) -> Self {
        let folders = ["/", "/tmp"].map(|path| (PathBuf::from(path), Entry::Folder));
        Self { run, entries: BTreeMap::from(folders) }
    }

    fn entry(&self, path: &Path) -> io::Result<&Entry> {
        let path = absolute(path);
        self.demand_parent(&path)?;
        self.entries.get(&path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Checks that there is a folder which holds this path, or can hold it.
    fn demand_parent(&self, path: &Path) -> io::Result<()> {
        // The root is its own folder.
        let folder = path.parent().unwrap_or(path);
        match self.entries.get(folder) {
            Some(Entry::Folder) => Ok(()),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => {
                let above = folder.ancestors().find_map(|above| self.entries.get(above));
                let is_file = matches!(above, Some(Entry::File(_)));
                Err(if is_file { ErrorKind::NotADirectory } else { ErrorKind::NotFound }.into())
            }
        }
    }

    /// Checks that a path is free, and that it has a folder.
    fn demand_free(&self, path: &Path) -> io::Result<()> {
        match self.entry(path) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.demand_parent(path),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(&mut self, path: &Path, options: &OpenOptions, missing: Missing) -> io::Result<File> {
        match self.entry(path) {
            Ok(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
            Ok(Entry::File(file)) => reopen(file, options),
            Err(error) if error.kind() == ErrorKind::NotFound && missing == Missing::IsCreated => {
                self.demand_free(path)?;
                let file = sys::memory_file()?;
                file.set_permissions(Permissions::from_mode(NEW_FILE_MODE))?;
                // It is there now, which the option `create_new` would take for an error.
                let opened = reopen(&file, options.clone().create_new(false).create(false))?;
                self.entries.insert(absolute(path), Entry::File(Arc::new(file)));
                Ok(opened)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        match self.entry(path)? {
            Entry::Folder => fs::metadata("/"),
            Entry::File(file) => file.metadata(),
        }
    }

    pub(super) fn set_permissions(&self, path: &Path, permissions: Permissions) -> io::Result<()> {
        match self.entry(path)? {
            Entry::Folder => Ok(()),
            Entry::File(file) => file.set_permissions(permissions),
        }
    }

    pub(super) fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.demand_free(path)?;
        self.entries.insert(absolute(path), Entry::Folder);
        Ok(())
    }

    pub(super) fn link(&mut self, original: &Path, link: &Path) -> io::Result<()> {
        let Entry::File(file) = self.entry(original)?.clone() else {
            return Err(ErrorKind::PermissionDenied.into());
        };
        self.demand_free(link)?;
        self.entries.insert(absolute(link), Entry::File(file));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let moved = self.entry(from)?.clone();
        let (from, to) = (absolute(from), absolute(to));
        if from == to {
            return Ok(());
        }
        if to.starts_with(&from) {
            return Err(ErrorKind::InvalidInput.into());
        }
        match (&moved, self.entry(&to)) {
            (Entry::File(_), Ok(Entry::Folder)) => return Err(ErrorKind::IsADirectory.into()),
            (Entry::Folder, Ok(Entry::File(_))) => return Err(ErrorKind::NotADirectory.into()),
            (Entry::Folder, Ok(Entry::Folder)) => self.demand_empty(&to)?,
            (_, Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => self.demand_parent(&to)?,
        }
        let below: Vec<_> = self.entries.keys().filter(|path| path.starts_with(&from)).cloned().collect();
        for path in below {
            let entry = self.entries.remove(&path).expect("it was there");
            let rest = path.strip_prefix(&from).expect("it lies below");
            let target = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
            self.entries.insert(target, entry);
        }
        Ok(())
    }

    fn demand_empty(&self, folder: &Path) -> io::Result<()> {
        let is_below = |path: &&PathBuf| path.starts_with(folder) && path.as_path() != folder;
        match self.entries.keys().find(is_below) {
            Some(_) => Err(ErrorKind::DirectoryNotEmpty.into()),
            None => Ok(()),
        }
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        match self.entry(path)? {
            Entry::Folder => Err(ErrorKind::IsADirectory.into()),
            Entry::File(_) => {
                self.entries.remove(&absolute(path));
                Ok(())
            }
        }
    }

    pub(super) fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        let Entry::Folder = self.entry(path)? else { return Err(ErrorKind::NotADirectory.into()) };
        let path = absolute(path);
        self.demand_empty(&path)?;
        self.entries.remove(&path);
        Ok(())
    }

    pub(super) fn remove_all(&mut self, path: &Path) -> io::Result<()> {
        let Entry::Folder = self.entry(path)? else { return Err(ErrorKind::NotADirectory.into()) };
        let path = absolute(path);
        self.entries.retain(|other, _| !other.starts_with(&path));
        Ok(())
    }
}
