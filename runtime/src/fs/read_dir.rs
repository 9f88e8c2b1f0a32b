//! Listing a folder.

use crate::{
    executor::blocking::{self, Fate, unblock},
    shim::os_fs,
    task::budget,
};
use brigade_handle::JoinHandle;
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    fs::{self, DirEntry},
    future::poll_fn,
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How many entries one job reads. A round trip to the pool costs more than reading one entry.
const ENTRIES_PER_JOB: usize = 64;

/// The entries of a folder, in no particular order, from [`read_dir`].
///
/// [`next_entry`](Self::next_entry) returns them one by one. It is also a stream of them:
///
/// ```
/// use brigade_runtime::{fs::read_dir, run};
/// use futures_util::TryStreamExt;
///
/// run(async {
///     let names: Vec<_> = read_dir(".").await?.map_ok(|entry| entry.file_name()).try_collect().await?;
///     assert!(names.iter().any(|name| name == "Cargo.toml"));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub struct ReadDir {
    state: State,
}

// Its state changes in one step.
impl std::panic::UnwindSafe for ReadDir {}
impl std::panic::RefUnwindSafe for ReadDir {}

enum State {
    /// The entries that were read, and the rest of the folder unless its end was read.
    Idle(VecDeque<io::Result<DirEntry>>, Option<fs::ReadDir>),
    /// A job reads entries.
    Busy(JoinHandle<(VecDeque<io::Result<DirEntry>>, Option<fs::ReadDir>)>),
}

/// Opens a folder to list its entries.
///
/// # Errors
///
/// Those of [`std::fs::read_dir`], such as `NotFound` or `NotADirectory`, and `QuotaExceeded` if the
/// operating system has no thread for the call.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// ```
/// # brigade_runtime::run(async {
/// let mut entries = brigade_runtime::fs::read_dir(".").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     println!("{}", entry.path().display());
/// }
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let rest = unblock("fs::read_dir", move || os_fs::read_dir(path)).await?;
    Ok(ReadDir { state: State::Idle(VecDeque::new(), Some(rest)) })
}

impl ReadDir {
    /// Returns the next entry, or None at the end.
    ///
    /// # Errors
    ///
    /// The operating system's error of one entry; other entries may follow. `QuotaExceeded` if it has no
    /// thread for the call; the entries are not lost, and a later call tries again.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime, if more entries must be read.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no entry.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let mut entries = brigade_runtime::fs::read_dir("src").await?;
    /// let mut files = 0;
    /// while let Some(entry) = entries.next_entry().await? {
    ///     files += u32::from(entry.file_type()?.is_file());
    /// }
    /// assert!(files > 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        ready!(budget::poll(cx));
        let entry = ready!(self.poll_entry(cx));
        budget::spend();
        Poll::Ready(entry)
    }
}

impl ReadDir {
    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Idle(read, rest) => {
                    if let Some(entry) = read.pop_front() {
                        return Poll::Ready(Some(entry));
                    }
                    if rest.is_none() {
                        return Poll::Ready(None);
                    }
                    let begun = blocking::begin("fs::read_dir", Fate::Cancellable, || {
                        let mut rest = rest.take().expect("the folder's end has not been read");
                        move || {
                            let read: VecDeque<_> = rest.by_ref().take(ENTRIES_PER_JOB).collect();
                            let more = read.len() == ENTRIES_PER_JOB;
                            (read, more.then_some(rest))
                        }
                    });
                    match begun {
                        Ok(job) => self.state = State::Busy(job),
                        // The rest of the folder is kept, so a later call reads on.
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Busy(job) => {
                    let (read, rest) = match ready!(job.poll_at(cx, blocking::place())) {
                        Ok(done) => done,
                        Err(error) => {
                            (VecDeque::from([Err(blocking::io_error("fs::read_dir", &error))]), None)
                        }
                    };
                    self.state = State::Idle(read, rest);
                }
            }
        }
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").finish_non_exhaustive()
    }
}
