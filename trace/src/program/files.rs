//! The files of the recordings that go on.

use super::{signals, writers::Destination};
use crate::{limits::Limits, session::Session};
use brigade_handle::fork::PerProcess;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The recordings that go on. A forked child has none.
static OPEN: PerProcess<Mutex<Files>> = PerProcess::new();

/// The recordings that go on, by their numbers.
#[derive(Default)]
pub(super) struct Files {
    open: BTreeMap<u64, OpenFile>,
    last_number: u64,
}

impl Files {
    /// Adds a recording and returns its number.
    pub(super) fn add(&mut self, open: OpenFile) -> u64 {
        self.last_number += 1;
        self.open.insert(self.last_number, open);
        self.last_number
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut OpenFile> {
        self.open.get_mut(&number)
    }

    pub(super) fn take(&mut self, number: u64) -> Option<OpenFile> {
        self.open.remove(&number)
    }
}

pub(super) fn files() -> MutexGuard<'static, Files> {
    // A panic leaves no change in here half done.
    OPEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file that was there before a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// There was none: the recording has made a file, which is empty until it is written.
    None,
    /// It stays until the recording is written.
    Stays,
}

impl Earlier {
    /// Leaves the file as it was before a recording that is not written.
    pub(super) fn leave(self, path: &Path) {
        if self == Self::None {
            // If that fails, an empty file stays.
            let _ = fs::remove_file(path);
        }
    }
}

/// A recording that goes on, and the file that it will fill.
pub(super) struct OpenFile {
    pub(super) session: Session,
    pub(super) destination: Destination,
    /// Locked, so that no other process writes it.
    pub(super) file: Locked,
    pub(super) earlier: Earlier,
    /// How many dumps were written, and how many there may be.
    pub(super) dumps: u64,
    pub(super) dumps_max: u64,
    pub(super) limits: Limits,
    pub(super) dumps_on_panic: bool,
}

/// A file that no other recording writes while this lives.
pub(super) struct Locked(pub(super) File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing it is not enough: a forked child has the same open file, and would keep the lock.
        let _ = self.0.unlock();
    }
}

impl OpenFile {
    /// Ends the recording and writes the file.
    pub(super) fn write(self) -> io::Result<PathBuf> {
        if self.limits != Limits::default() {
            signals::watch(Limits::default());
        }
        // The lock on the earlier file lasts until the new one has its name.
        let Self { session, destination, file: _locked, earlier, .. } = self;
        replace(&destination.path, &destination.bytes(&session.finish()))
            .inspect_err(|_| earlier.leave(&destination.path))?;
        if let Some(advice) = destination.advice() {
            say(&advice);
        }
        Ok(destination.path)
    }

    /// Ends the recording and leaves the earlier file, or none.
    pub(super) fn discard(self) {
        if self.limits != Limits::default() {
            signals::watch(Limits::default());
        }
        self.earlier.leave(&self.destination.path);
    }

    /// Writes what there is so far to the next file beside.
    pub(super) fn dump(&mut self) -> io::Result<PathBuf> {
        if self.dumps == self.dumps_max {
            let why = format!("{} dumps of {} are enough", self.dumps, self.destination.path.display());
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        self.dumps += 1;
        let destination = self.destination.numbered(self.dumps);
        let bytes = destination.bytes(&self.session.recording());
        replace(&destination.path, &bytes)?;
        Ok(destination.path)
    }
}

/// Puts these bytes into the place of a file. A reader finds it whole, the earlier one or the new one, and a
/// full disk leaves the earlier one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link stays, and what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A short name, whatever the length of the other one.
    let partial = target.with_file_name(format!("brigade-{}.partial", process::id()));
    let permissions = fs::metadata(&target).map(|data| data.permissions()).ok();
    // A killed process may have left one, and a link would lead elsewhere.
    let _ = fs::remove_file(&partial);
    let written = File::create_new(&partial)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| permissions.map_or(Ok(()), |given| fs::set_permissions(&partial, given)))
        .and_then(|()| fs::rename(&partial, &target));
    written.map_err(|error| {
        // It may not be there at all.
        let _ = fs::remove_file(&partial);
        cannot_write(path, &error)
    })
}

/// The error of a file that cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// Tells the user something that no caller is there for.
pub(super) fn say(line: &str) {
    // A program without stderr is told nothing.
    let _ = writeln!(io::stderr(), "brigade: {line}");
}

/// Writes all recordings that go on.
pub(super) fn write_all() {
    if OPEN.get().is_none() {
        return;
    }
    let mut files = files();
    for (_, open) in mem::take(&mut files.open) {
        if let Err(error) = open.write() {
            say(&error.to_string());
        }
    }
}

/// Whether a panic is to be dumped.
pub(super) fn dumps_on_panic() -> bool {
    OPEN.get().is_some() && files().open.values().any(|open| open.dumps_on_panic)
}

/// Writes a dump of each recording that goes on, and says why.
pub(super) fn dump_all(why: &str) {
    for open in files().open.values_mut().filter(|open| open.dumps < open.dumps_max) {
        match open.dump() {
            Ok(path) => say(&format!("{why}: the last events are in {}", path.display())),
            Err(error) => say(&error.to_string()),
        }
    }
}
