//! Recording a whole program into a file.
//!
//! ```text
//!   record_to(path) ──┐                        ┌── the guard is dropped, or `finish`
//!   BRIGADE_TRACE ────┴── a session runs ──────┼── main returns, `exit`              ──▸ the file is written
//!                                              └── SIGINT, SIGTERM, SIGHUP
//! ```
//!
//! Meanwhile, dumps of what there is so far are written to numbered files beside: on demand, on SIGUSR1, on a
//! panic, and when a run or a wait lasts longer than a limit (`limits.rs`).
//!
//! The session keeps the last events, so its memory is bounded however long the program runs. The open
//! recordings lie in one list, and each is taken out and written under the list's lock. So whatever comes
//! first writes a file, once, and the process does not exit in the middle.

mod files;
mod panics;
mod signals;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
mod writers;

pub use writers::{Writer, register_writer};

use self::{
    files::{Earlier, Locked, OpenFile, cannot_write, files, say, write_all},
    writers::Destination,
};
use crate::{
    export::Mode,
    limits::Limits,
    registry::Sharing,
    session::{Builder, Session},
};
use brigade_handle::{contain, fork::Generation};
use std::{
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io, mem,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// The variable that names the file.
const VARIABLE: &str = "BRIGADE_TRACE";

/// Records this program from now on, and writes the recording to a file: when the guard is dropped, or else
/// when the process exits. The ending of the file's name chooses the form:
///
/// | ending | form |
/// |---|---|
/// | `.brigade` | the events, for `brigade view` |
/// | `.txt` | lines of text |
/// | `.html` | a page for a browser |
///
/// The page needs the crate `brigade` with its feature `timeline`. In other programs a `.brigade` file is
/// written beside, and a line on stderr says how to view it.
///
/// `%p` in the name stands for the process id. The session keeps the last 65,536 events of each thread; a
/// [`Builder`] changes that. While it runs, other [sessions](Session) may begin and end as parts of it.
///
/// An earlier file stays until this one is written. If the program ends by SIGINT, SIGTERM or SIGHUP, which
/// it does not handle, the file is written first. A process that is killed or aborts writes nothing. A
/// forked child is not recorded.
///
/// # Errors
///
/// Returns `InvalidInput` if the ending is none of these or the path leads to a pipe or a device,
/// `ResourceBusy` if a session records that shares nothing, or if another recording goes to this file, and
/// the operating system's error if the file cannot be written or the thread that waits for signals cannot be
/// started.
///
/// ```
/// let path = std::env::temp_dir().join(format!("soup-{}.txt", std::process::id()));
/// let recording = brigade_trace::record_to(&path)?;
/// brigade_trace::park(brigade_trace::own_id());
/// assert_eq!(recording.finish()?, path);
/// assert!(std::fs::read_to_string(&path)?.contains("park"));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn record_to(path: impl AsRef<Path>) -> io::Result<RecordingFile> {
    Session::builder().mode(Mode::KeepLast).record_to(path)
}

impl Builder {
    /// Starts recording into a file, as [`record_to`] does.
    ///
    /// # Errors
    ///
    /// As [`record_to`].
    ///
    /// ```
    /// use brigade_trace::{Mode, Session};
    ///
    /// let path = std::env::temp_dir().join(format!("first-{}.brigade", std::process::id()));
    /// let recording = Session::builder().capacity(100).mode(Mode::KeepFirst).record_to(&path)?;
    /// drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn record_to(self, path: impl AsRef<Path>) -> io::Result<RecordingFile> {
        let path = with_process_id(path.as_ref());
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let mut destination =
            Destination::of(&path).map_err(|why| invalid(format!("{}: {why}", path.display())))?;
        let path = destination.path.clone();
        // To open a pipe would wait for its reader, and no other kind of file can be replaced.
        if fs::metadata(&path).is_ok_and(|data| !data.is_file() && !data.is_dir()) {
            return Err(invalid(format!("cannot write {}: it is no regular file", path.display())));
        }
        destination.title = self.title.clone();
        let earlier = if path.exists() { Earlier::Stays } else { Earlier::None };
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let file = opened.map_err(|error| cannot_write(&path, &error))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let why =
                format!("{} is being recorded to already; %p in the name is the process id", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
        }
        self.record_into(destination, file, earlier).inspect_err(|_| earlier.leave(&path))
    }

    fn record_into(
        self,
        destination: Destination,
        file: File,
        earlier: Earlier,
    ) -> io::Result<RecordingFile> {
        let file = Locked(file);
        signals::listen()?;
        let busy = |busy| io::Error::new(io::ErrorKind::ResourceBusy, busy);
        let Self { dumps_max, limits, dumps_on_panic, .. } = self;
        let session = self.start_as(Sharing::Shared).map_err(busy)?;
        static AT_EXIT: AtomicBool = AtomicBool::new(false);
        // Once: a forked child inherits it. Relaxed: it guards nothing else.
        if !AT_EXIT.swap(true, Relaxed) {
            sys::at_exit(write_at_exit);
        }
        let dumps = 0;
        let open = OpenFile { session, destination, file, earlier, dumps, dumps_max, limits, dumps_on_panic };
        let number = files().add(open);
        if limits != Limits::default() {
            signals::watch(limits);
        }
        if dumps_on_panic {
            panics::listen();
        }
        Ok(RecordingFile { number, process: Generation::current() })
    }
}

/// Puts the process id in the place of `%p` in the name.
fn with_process_id(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%p", &process::id().to_string()).into(),
        None => path.to_owned(),
    }
}

/// A recording of this program that goes on, and is written to a file when this is dropped. [`record_to`]
/// makes one.
#[derive(Debug)]
#[must_use = "the recording ends when this is dropped"]
pub struct RecordingFile {
    number: u64,
    process: Generation,
}

impl RecordingFile {
    /// Ends the recording and writes the file. Returns its path. [`record_to`] has an example.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if the file cannot be written, and `NotFound` in a forked child.
    pub fn finish(self) -> io::Result<PathBuf> {
        let this = mem::ManuallyDrop::new(self);
        this.end().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Ends the recording and writes nothing. An earlier file stays.
    ///
    /// ```
    /// let path = std::env::temp_dir().join(format!("burnt-{}.txt", std::process::id()));
    /// brigade_trace::record_to(&path)?.discard();
    /// assert!(!path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn discard(self) {
        let this = mem::ManuallyDrop::new(self);
        if this.process.is_current() {
            let open = files().take(this.number);
            open.into_iter().for_each(OpenFile::discard);
        }
    }

    /// Writes what there is so far to a file beside, and goes on: for `soup.html` to `soup-1.html`, then to
    /// `soup-2.html`. Returns its path.
    ///
    /// # Errors
    ///
    /// Returns `QuotaExceeded` if there are [`Builder::dumps_max`] of them, the operating system's error if
    /// the file cannot be written, and `NotFound` in a forked child.
    ///
    /// ```
    /// let path = std::env::temp_dir().join(format!("dish-{}.txt", std::process::id()));
    /// let recording = brigade_trace::record_to(&path)?;
    /// let dump = recording.dump()?;
    /// assert!(dump.to_string_lossy().ends_with("-1.txt") && dump.exists());
    /// # std::fs::remove_file(dump)?;
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump(&self) -> io::Result<PathBuf> {
        let missing = || Err(io::ErrorKind::NotFound.into());
        if !self.process.is_current() {
            return missing();
        }
        files().get(self.number).map_or_else(missing, OpenFile::dump)
    }

    /// None if the file is written already, or is another process's.
    fn end(&self) -> Option<io::Result<PathBuf>> {
        if !self.process.is_current() {
            return None;
        }
        let mut files = files();
        files.take(self.number).map(OpenFile::write)
    }
}

impl Drop for RecordingFile {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.end() {
            say(&error.to_string());
        }
    }
}

extern "C" fn write_at_exit() {
    // The thread is ending, so what it uses may be gone already.
    contain(write_all);
}

/// Whether the variable was read, or is to be left alone.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Records this program if the variable `BRIGADE_TRACE` names a file. Each executor calls this when it is
/// made; the first call in a process reads the variable. The file is written when the process exits, as by
/// [`record_to`]. If that cannot be, one line on stderr says why, and the program goes on.
///
/// ```
/// brigade_trace::record_if_asked(); // Nothing happens if the variable is not set.
/// ```
#[inline]
pub fn record_if_asked() {
    // Relaxed: it guards nothing else.
    if !cfg!(loom) && !ASKED.load(Relaxed) {
        ask();
    }
}

#[cold]
fn ask() {
    let is_first = !ASKED.swap(true, Relaxed);
    let path = env::var_os(VARIABLE).filter(|path| is_first && !path.is_empty());
    if let Some(path) = path {
        match record_to(OsString::as_os_str(&path)) {
            // It is written when the process exits.
            Ok(recording) => mem::forget(recording),
            Err(error) => say(&format!("{VARIABLE}: {error}; the program runs without a recording")),
        }
    }
}

/// Has this process leave `BRIGADE_TRACE` alone: it is a worker of the process that the variable is for.
///
/// ```
/// brigade_trace::recorded_by_parent();
/// brigade_trace::record_if_asked(); // Nothing happens.
/// ```
pub fn recorded_by_parent() {
    ASKED.store(true, Relaxed);
}
