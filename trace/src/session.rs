//! A session: the time between start and stop, and the rings of the threads that record meanwhile.

use crate::{
    export::{Mode, Trace},
    file::Recording,
    limits::Limits,
    part,
    registry::{self, Part, Sharing},
};
use brigade_handle::{fork::Generation, observe};
use std::{fmt, time::Duration};

/// A running recording. [`stop`](Self::stop) returns the events; dropping the session discards them.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// record(Kind::QueueDepth, fresh_id(Domain::Worker), 3);
/// assert!(session.stop().events().any(|event| event.kind == Kind::QueueDepth));
/// ```
#[derive(Debug)]
pub struct Session {
    /// The process that the session records.
    process: Generation,
    /// Present if another session goes on when this one ends.
    part: Option<Part>,
}

/// The error of [`Session::start`]: another session is running in this process. A session
/// that a [`RecordingFile`](crate::RecordingFile) runs is no obstacle.
///
/// ```
/// use brigade_trace::{Busy, Session};
///
/// let _running = Session::start(16).unwrap();
/// assert_eq!(Session::start(16).unwrap_err(), Busy);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another trace session is running in this process; stop it first")
    }
}

impl std::error::Error for Busy {}

/// The settings of a session that is not running yet.
///
/// ```
/// use brigade_trace::{Domain, Kind, Mode, Session, fresh_id, record};
///
/// // A flight recorder: whatever happens, the last events are there.
/// let session = Session::builder().capacity(4).mode(Mode::KeepLast).start().unwrap();
/// let worker = fresh_id(Domain::Worker);
/// (0..100).for_each(|depth| record(Kind::QueueDepth, worker, depth));
/// let trace = session.snapshot();
/// let depths: Vec<_> = trace.events().map(|event| event.detail).collect();
/// assert_eq!(depths, [96, 97, 98, 99]);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a session runs from `start` on"]
pub struct Builder {
    capacity: usize,
    mode: Mode,
    pub(crate) dumps_max: u64,
    pub(crate) limits: Limits,
    pub(crate) dumps_on_panic: bool,
    pub(crate) title: Option<String>,
    sharing: Sharing,
}

impl Builder {
    /// Sets the number of events of 32 bytes that each thread has room for: 65,536 unless told.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// Sets which events are kept when there are more: the first ones unless told.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the title of the page or text that a recording is written as: the name of the file unless told.
    ///
    /// ```
    /// use brigade_trace::Session;
    ///
    /// let path = std::env::temp_dir().join(format!("title-{}.brigade", std::process::id()));
    /// let recording = Session::builder().title("The soup").record_to(&path)?;
    /// recording.discard();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets how many [dumps](crate::RecordingFile::dump) a recording writes at most: 8 unless told.
    ///
    /// ```
    /// use brigade_trace::Session;
    ///
    /// let path = std::env::temp_dir().join(format!("dumps-{}.txt", std::process::id()));
    /// let recording = Session::builder().dumps_max(0).record_to(&path)?;
    /// assert!(recording.dump().is_err());
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dumps_max(mut self, files: u64) -> Self {
        self.dumps_max = files;
        self
    }

    /// Has a recording write a dump when a poll of a task or a run of a job takes longer than this, also
    /// while it goes on.
    ///
    /// ```
    /// use brigade_trace::{Mode, Session};
    /// use std::time::Duration;
    ///
    /// let path = std::env::temp_dir().join(format!("slow-{}.brigade", std::process::id()));
    /// let flight = Session::builder().mode(Mode::KeepLast);
    /// let limits = flight.dump_on_run_over(Duration::from_millis(50));
    /// let limits = limits.dump_on_wait_over(Duration::from_secs(1));
    /// let recording = limits.dump_on_panic().dumps_max(3).record_to(&path)?;
    /// # drop(recording);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn dump_on_run_over(mut self, limit: Duration) -> Self {
        self.limits.run = Some(limit);
        self
    }

    /// Has a recording write a dump when a wait takes longer than this, also while it goes on.
    /// [`dump_on_run_over`](Self::dump_on_run_over) has an example.
    pub fn dump_on_wait_over(mut self, limit: Duration) -> Self {
        self.limits.wait = Some(limit);
        self
    }

    /// Has a recording write a dump when a thread panics, also if the panic is caught. The dump is written
    /// before the panic goes on. [`dump_on_run_over`](Self::dump_on_run_over) has an example.
    pub fn dump_on_panic(mut self) -> Self {
        self.dumps_on_panic = true;
        self
    }

    /// Lets other sessions begin and end while this one runs, as parts of it. A recording into a file does
    /// so.
    ///
    /// ```
    /// use brigade_trace::Session;
    ///
    /// let whole = Session::builder().shared().start()?;
    /// drop(Session::start(16)?);
    /// # Ok::<(), brigade_trace::Busy>(())
    /// ```
    pub fn shared(mut self) -> Self {
        self.sharing = Sharing::Shared;
        self
    }

    /// Starts recording.
    ///
    /// # Errors
    ///
    /// Returns [`Busy`] if a session is running already that is not [shared](Self::shared).
    pub fn start(self) -> Result<Session, Busy> {
        let sharing = self.sharing;
        self.start_as(sharing)
    }

    /// Starts recording, perhaps such that other sessions may begin meanwhile.
    pub(crate) fn start_as(self, sharing: Sharing) -> Result<Session, Busy> {
        let part = registry::begin(self.capacity, self.mode, sharing).ok_or(Busy)?;
        // The begin of this thread's part.
        part::cpu();
        Ok(Session { process: Generation::current(), part })
    }
}

impl Session {
    /// Returns the settings of a session, to change and to [start](Builder::start).
    pub fn builder() -> Builder {
        Builder {
            capacity: 1 << 16,
            mode: Mode::KeepFirst,
            dumps_max: 8,
            limits: Limits::default(),
            dumps_on_panic: false,
            title: None,
            sharing: Sharing::Alone,
        }
    }

    /// Starts recording, with room for the first `capacity` events of 32 bytes on each thread.
    ///
    /// # Errors
    ///
    /// Returns [`Busy`] if a session is running already.
    ///
    /// ```
    /// let session = brigade_trace::Session::start(1024)?;
    /// assert_eq!(session.stop().dropped(), 0);
    /// # Ok::<(), brigade_trace::Busy>(())
    /// ```
    pub fn start(capacity: usize) -> Result<Self, Busy> {
        Self::builder().capacity(capacity).start()
    }

    /// Returns the events so far, and goes on recording. A forked child gets an empty trace: the session is
    /// its parent's.
    ///
    /// ```
    /// use brigade_trace::{Domain, Kind, Session, fresh_id, record};
    ///
    /// let session = Session::start(16).unwrap();
    /// record(Kind::Spawn, fresh_id(Domain::Task), 0);
    /// let before = session.snapshot().events().count();
    /// record(Kind::Spawn, fresh_id(Domain::Task), 0);
    /// assert_eq!(session.snapshot().events().count(), before + 1);
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Trace {
        if self.process.is_current() { registry::snapshot(self.part) } else { Trace::default() }
    }

    /// Returns the events so far with those of the [worker processes](crate::Role::Child), and goes on
    /// recording.
    ///
    /// ```
    /// let session = brigade_trace::Session::start(16).unwrap();
    /// assert_eq!(session.recording().segments.len(), 1, "there is no worker");
    /// ```
    #[must_use]
    pub fn recording(&self) -> Recording {
        if self.process.is_current() { registry::recording(self.part) } else { Recording::default() }
    }

    /// Stops recording and returns the events with those of the [worker processes](crate::Role::Child).
    ///
    /// ```
    /// let session = brigade_trace::Session::start(16).unwrap();
    /// assert_eq!(session.finish().segments[0].process.pid, std::process::id());
    /// ```
    #[must_use]
    pub fn finish(self) -> Recording {
        self.close();
        self.recording()
    }

    /// Stops recording and returns the events. A forked child gets an empty trace: the session is its
    /// parent's.
    #[must_use]
    pub fn stop(self) -> Trace {
        self.close();
        self.snapshot()
    }

    fn close(&self) {
        if self.process.is_current() {
            // The end of this thread's part. Other threads cannot be asked.
            part::cpu();
            if self.part.is_none() {
                observe::switch(false);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.process.is_current() && self.part.is_none() {
            registry::end();
        }
    }
}
