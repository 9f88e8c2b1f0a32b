//! What is in a folder.

use crate::{
    blocking::{self, Fate, unblock},
    context::budget,
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

/// How many entries one job reads: a way to the pool and back costs more than reading one.
const ENTRIES_PER_JOB: usize = 64;

/// What is in a folder, in no order: [`next_entry`](Self::next_entry), or a stream. From [`read_dir`].
pub struct ReadDir {
    state: State,
}

enum State {
    /// Entries that were read, and those that are still to be, unless there are none.
    Idle(VecDeque<io::Result<DirEntry>>, Option<fs::ReadDir>),
    Busy(JoinHandle<(VecDeque<io::Result<DirEntry>>, Option<fs::ReadDir>)>),
}

/// Opens a folder, to see what is in it.
///
/// # Errors
///
/// Those of [`std::fs::read_dir`].
///
/// # Panics
///
/// Outside of a runtime.
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
    let rest = unblock("fs::read_dir", move || fs::read_dir(path)).await?;
    Ok(ReadDir { state: State::Idle(VecDeque::new(), Some(rest)) })
}

impl ReadDir {
    /// The next entry, or None at the end.
    ///
    /// # Errors
    ///
    /// What the operating system says of one entry; the others may follow.
    ///
    /// # Cancellation
    ///
    /// No entry is lost.
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
                        let mut rest = rest.take().expect("it was there just now");
                        move || {
                            let read: VecDeque<_> = rest.by_ref().take(ENTRIES_PER_JOB).collect();
                            let more = read.len() == ENTRIES_PER_JOB;
                            (read, more.then_some(rest))
                        }
                    });
                    match begun {
                        Ok(job) => self.state = State::Busy(job),
                        // The entries are still to be had.
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Busy(job) => {
                    let (read, rest) = match ready!(Pin::new(job).poll(cx)) {
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
