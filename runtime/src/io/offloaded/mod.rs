//! A blocking stream whose calls run on the blocking pool: the common ground of files and the standard
//! streams.
//!
//! ```text
//!   Idle ── read, seek, another call: a job begins ──> Busy ── the job ends ──> Idle, with the read bytes
//!     └──── write: the bytes are copied, a job begins, and the write is done already ──> Busy
//! ```
//!
//! There is one job at a time, whatever it does, so calls keep their order. A future that is dropped while
//! its job is queued or running loses nothing: the next call finds the job, waits for it, and takes over
//! the bytes that it read. A write is done once the job has its bytes. If the job fails, the next call
//! returns the error, at the latest the flush.
//!
//! # When the runtime ends
//!
//! All jobs except reads are [accepted](Fate::Accepted): a write that returned `Ok` is made, and so is a
//! `set_len` whose future was dropped. A read that is still queued is cancelled, and the next one begins
//! anew: nothing was taken from the stream.
//!
//! # Streams that are not ready
//!
//! A read of a pipe, a terminal or a device may block for as long as nobody writes, and its thread would
//! hold up the end of the runtime. So such a read begins only once the reactor reports that there is
//! something to read. A stream that the reactor cannot watch is read at once. Regular files are such
//! streams, and they never block for long.
//!
//! Another process that shares the open file may have made it non-blocking. A read that would block waits
//! for the reactor as well. A write has been accepted and must be carried out: it waits on its thread until
//! there is room ([`waitable`]).

mod buffer;
#[cfg(all(test, not(loom)))]
// A test fails by panicking, in what it calls as well.
#[allow(clippy::unwrap_used)]
mod tests;
pub(crate) mod waitable;
mod watch;

use self::{
    buffer::Buffer,
    waitable::{Waitable, retry_interrupted, write_all_blocking},
    watch::{ReadMode, ReadWatch},
};
use crate::{
    executor::{
        blocking::{self, Fate},
        context,
    },
    shim::{Mutex, lock},
    task::budget,
};
use brigade_handle::{JoinError, JoinHandle};
use std::{
    future::poll_fn,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Arc,
    task::{Context, Poll, ready},
};

/// How many bytes one job reads or writes at most. It is large because a round trip to the pool costs more
/// than a small copy.
const MAX_JOB_BYTES: usize = 256 * 1024;

/// A blocking stream, for tasks.
pub(crate) struct Offloaded<T> {
    /// Its name in errors.
    name: &'static str,
    io: Arc<T>,
    state: State,
    /// The error of an earlier job that no future has returned yet.
    failed: Option<io::Error>,
    /// Reports when there is something to read, for a stream whose reads may block for long.
    watch: ReadWatch,
}

// Its state changes in one step, after the foreign code of a poll: a waker.
impl<T> std::panic::UnwindSafe for Offloaded<T> {}
impl<T> std::panic::RefUnwindSafe for Offloaded<T> {}

enum State {
    /// No job is queued or running.
    Idle(Buffer),
    /// The job has the buffer.
    Busy(JoinHandle<(Buffer, JobOutcome)>),
}

/// The outcome of a job.
enum JobOutcome {
    Read(io::Result<usize>),
    /// A read would have blocked, and took nothing.
    NothingToRead,
    Write(io::Result<()>),
    /// A seek, with the position that was asked for.
    Seek(SeekFrom, io::Result<u64>),
    /// Another call, which has left its result with its caller.
    Call,
}

impl<T: Send + Sync + 'static> Offloaded<T> {
    pub(crate) fn new(name: &'static str, io: T) -> Self {
        let (state, watch) = (State::Idle(Buffer::default()), ReadWatch::default());
        Self { name, io: Arc::new(io), state, failed: None, watch }
    }

    /// Returns the stream itself. A job may be using it.
    pub(crate) fn io(&self) -> &Arc<T> {
        &self.io
    }

    /// Waits for the job in progress. Returns its outcome, or None if there was no job, or it was a write,
    /// or never ran. Returns the error of an earlier job, or of a write.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<JobOutcome>>> {
        let State::Busy(job) = &mut self.state else {
            return Poll::Ready(self.failed.take().map_or(Ok(None), Err));
        };
        let joined = ready!(job.poll_at(cx, blocking::place()));
        let (buffer, done) = match joined {
            Ok((buffer, done)) => (buffer, Ok(Some(done))),
            // A read that never ran because its runtime has ended. The next read may be in another runtime.
            Err(JoinError::Cancelled(_)) if context::try_executor().is_some() => {
                (Buffer::default(), Ok(None))
            }
            // The buffer is lost with the job.
            Err(error) => (Buffer::default(), Err(blocking::io_error(self.name, &error))),
        };
        self.state = State::Idle(buffer);
        Poll::Ready(match done? {
            Some(JobOutcome::Write(result)) => result.map(|()| None),
            done => Ok(done),
        })
    }

    /// Begins a job if there is a thread for it, and prepares the buffer only then. The stream must be
    /// idle, and is still idle after an error.
    fn begin(
        &mut self,
        fate: Fate,
        prepare: impl FnOnce(&mut Buffer),
        job: impl FnOnce(&T, &mut Buffer) -> JobOutcome + Send + 'static,
    ) -> io::Result<()> {
        let (state, io) = (&mut self.state, &self.io);
        let job = blocking::begin(self.name, fate, || {
            let State::Idle(buffer) = state else { unreachable!("there is one job at a time") };
            let (mut buffer, io) = (std::mem::take(buffer), io.clone());
            prepare(&mut buffer);
            move || {
                let done = job(&io, &mut buffer);
                (buffer, done)
            }
        })?;
        self.state = State::Busy(job);
        Ok(())
    }

    /// Returns the buffer. The stream must be idle, as it is after `poll_idle`.
    fn buffer(&mut self) -> &mut Buffer {
        let State::Idle(buffer) = &mut self.state else { unreachable!("the caller has waited for the job") };
        buffer
    }

    /// Reads bytes that were read ahead, or begins a read.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Read,
        T: Waitable,
    {
        ready!(budget::poll(cx));
        let read = ready!(self.poll_read_unbudgeted(cx, bytes));
        budget::spend();
        Poll::Ready(read)
    }

    fn poll_read_unbudgeted(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Read,
        T: Waitable,
    {
        loop {
            match ready!(self.poll_idle(cx))? {
                // At the end and after an error the buffer is empty.
                Some(JobOutcome::Read(Ok(0))) => return Poll::Ready(Ok(0)),
                Some(JobOutcome::Read(Err(error))) => return Poll::Ready(Err(error)),
                Some(JobOutcome::NothingToRead) => {
                    let watched = self.watch.begin(&*self.io)?;
                    self.buffer().read_mode = if watched { ReadMode::Watched } else { ReadMode::Unwatchable };
                }
                _ => {}
            }
            if bytes.is_empty() || self.buffer().unread() > 0 {
                return Poll::Ready(Ok(self.buffer().take(bytes)));
            }
            if !ready!(self.watch.poll_readable(cx))? {
                // The stream was watched by another runtime. The next read finds out whether this one can
                // watch it.
                self.buffer().read_mode = ReadMode::Unknown;
            }
            let len = bytes.len().min(MAX_JOB_BYTES);
            self.begin(Fate::Cancellable, |_| (), move |io, buffer| buffer.read(io, len))?;
        }
    }

    /// Begins a write. The caller has given back read-ahead bytes, by
    /// [`poll_rewind_read_ahead`](Self::poll_rewind_read_ahead).
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Write,
        T: Waitable,
    {
        ready!(budget::poll(cx));
        ready!(self.poll_idle(cx))?;
        budget::spend();
        let len = bytes.len().min(MAX_JOB_BYTES);
        let prepare = |buffer: &mut Buffer| buffer.fill(&bytes[..len]);
        self.begin(Fate::Accepted, prepare, |io, buffer| {
            JobOutcome::Write(write_all_blocking(io, buffer.unwritten()))
        })?;
        Poll::Ready(Ok(len))
    }

    /// Waits until no job is in progress, and keeps the bytes that it read.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(budget::poll(cx));
        if let Some(JobOutcome::Read(Err(error))) = ready!(self.poll_idle(cx))? {
            // The next call returns it.
            self.failed = Some(error);
        }
        budget::spend();
        Poll::Ready(Ok(()))
    }

    /// Makes a call that neither reads nor writes, after the job in progress. Read-ahead bytes stay in the
    /// buffer.
    ///
    /// If the future is dropped after the call has begun, the call is made all the same, before later
    /// calls, and its error is lost.
    pub(crate) async fn call<R: Send + 'static>(
        &mut self,
        call: impl FnOnce(&T) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let answer = Arc::new(Mutex::new(None));
        let place = answer.clone();
        self.begin(
            Fate::Accepted,
            |_| (),
            move |io, _| {
                let result = call(io);
                *lock(&place) = Some(result);
                JobOutcome::Call
            },
        )?;
        // This fails only if the job never ran.
        poll_fn(|cx| self.poll_flush(cx)).await?;
        let result = lock(&answer).take();
        result.expect("a job that has ended has left its result")
    }

    /// Seeks back to the byte after the last one that was taken, if the buffer has read-ahead bytes. If the
    /// stream has no position, such as a terminal or a socket, the bytes stay for the next read.
    pub(crate) fn poll_rewind_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        for<'a> &'a T: Seek,
    {
        ready!(budget::poll(cx));
        loop {
            match ready!(self.poll_idle(cx))? {
                Some(JobOutcome::Seek(SeekFrom::Current(0), Err(error)))
                    if error.kind() != io::ErrorKind::NotSeekable =>
                {
                    return Poll::Ready(Err(error));
                }
                // The next call returns it.
                Some(JobOutcome::Read(Err(error))) => self.failed = Some(error),
                _ => {}
            }
            if self.buffer().unread() == 0 || self.buffer().is_unseekable {
                budget::spend();
                return Poll::Ready(Ok(()));
            }
            self.begin_seek(SeekFrom::Current(0))?;
        }
    }

    /// Returns the stream, when the job in progress has ended.
    ///
    /// # Errors
    ///
    /// The error of an earlier job, and `NotSeekable` if bytes were read ahead that cannot be given back.
    pub(crate) async fn into_io(mut self) -> io::Result<Arc<T>>
    where
        for<'a> &'a T: Seek,
    {
        poll_fn(|cx| self.poll_rewind_read_ahead(cx)).await?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.buffer().unread() > 0 {
            let advice =
                "a read that was dropped has taken bytes, which cannot be given back: read them first";
            return Err(io::Error::new(io::ErrorKind::NotSeekable, advice));
        }
        Ok(self.io)
    }

    /// Seeks to a position, and drops read-ahead bytes, unless the seek fails. A relative position counts
    /// from the last byte that was taken.
    pub(crate) fn poll_seek(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>>
    where
        for<'a> &'a T: Seek,
    {
        ready!(budget::poll(cx));
        loop {
            match ready!(self.poll_idle(cx))? {
                Some(JobOutcome::Seek(asked, result)) if asked == to => {
                    budget::spend();
                    return Poll::Ready(result);
                }
                _ => {}
            }
            self.begin_seek(to)?;
        }
    }

    /// Begins a seek. The stream must be idle.
    fn begin_seek(&mut self, to: SeekFrom) -> io::Result<()>
    where
        for<'a> &'a T: Seek,
    {
        self.begin(
            Fate::Accepted,
            |_| (),
            move |mut io, buffer| {
                let ahead = buffer.unread() as i64;
                let corrected = match to {
                    SeekFrom::Current(by) => SeekFrom::Current(by.saturating_sub(ahead)),
                    to => to,
                };
                let result = retry_interrupted(|| io.seek(corrected));
                match &result {
                    Ok(_) => buffer.clear(),
                    Err(error) => buffer.is_unseekable = error.kind() == io::ErrorKind::NotSeekable,
                }
                JobOutcome::Seek(to, result)
            },
        )
    }
}
