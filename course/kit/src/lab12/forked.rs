//! Forked children, for the real part.
//!
//! A child is a copy of the run's process with one thread. Of the descriptors it keeps its side of the
//! channel alone: otherwise it would hold the channels of its brothers open, and their ends would not be
//! seen. It must not note events, because another thread may have held a lock of the log at the fork.

use super::{
    Note, Serve, Started, doubled, expect_few_children,
    launcher::{Channel, End, Manner},
};
use crate::{
    log::{Log, demand},
    real, sys,
};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{fd::AsRawFd, unix::net::UnixStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// The children of a pool of real processes.
#[derive(Clone)]
pub(super) struct Forks {
    log: Log<Note>,
    serve: Serve,
    manners: Vec<Manner>,
    started: Started<()>,
}

/// The pool's handle to a child.
pub(super) struct ForkedChild {
    number: usize,
    log: Log<Note>,
    process: i32,
    is_reaped: Mutex<bool>,
}

/// A side of the channel to a child.
pub(super) struct ForkedEnd {
    stream: UnixStream,
    /// The operations until this process, a child, kills itself. The pool's side has none.
    doom: Option<AtomicU32>,
}

impl Forks {
    pub(super) fn new(log: &Log<Note>, serve: Serve, manners: &[Manner]) -> Self {
        Self { log: log.clone(), serve, manners: manners.to_vec(), started: Started::default() }
    }

    pub(super) fn launch(&self) -> io::Result<(ForkedChild, ForkedEnd)> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let number = started.len();
        expect_few_children(number + 1);
        started.push(());
        self.log.note(Note::Start(number));
        let (ours, theirs) = UnixStream::pair()?;
        let doom = self.manners.get(number).map(|manner| match manner {
            Manner::DiesAt(step) => AtomicU32::new(*step),
            Manner::Garbage => AtomicU32::new(u32::MAX),
        });
        let serve = self.serve;
        let process = sys::fork(move || {
            sys::keep_only(theirs.as_raw_fd());
            sys::end_with_parent();
            real::become_child();
            serve(&Channel(End::Forked(ForkedEnd { stream: theirs, doom })), &doubled);
        })?;
        drop(started);
        let child = ForkedChild { number, log: self.log.clone(), process, is_reaped: Mutex::new(false) };
        Ok((child, ForkedEnd { stream: ours, doom: None }))
    }
}

impl ForkedChild {
    pub(super) fn kill(&self) {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        demand(!*is_reaped, "stranger", "a child is not killed after it was reaped", || {
            format!("the number of child {} may be another process by now", self.number)
        });
        sys::kill(self.process);
        self.log.note(Note::Kill(self.number));
    }

    pub(super) fn wait(&self) {
        sys::wait(self.process, true);
        let mut is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        demand(!*is_reaped, "stranger", "a child is reaped once", || {
            format!("child {} is reaped again", self.number)
        });
        *is_reaped = true;
        self.log.note(Note::Reap(self.number));
    }
}

impl ForkedEnd {
    pub(super) fn read(&self, place: &mut [u8]) -> io::Result<usize> {
        if self.is_doomed() {
            sys::kill_this_process();
        }
        (&self.stream).read(place)
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_doomed() {
            // It dies in the middle of the write.
            let _ = (&self.stream).write(&bytes[..bytes.len() / 2]);
            sys::kill_this_process();
        }
        (&self.stream).write(bytes)
    }

    pub(super) fn close(&self) {
        // It fails if the other side is gone, and then nobody is left to read the end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Counts an operation down.
    fn is_doomed(&self) -> bool {
        // Relaxed: a child has one thread.
        self.doom.as_ref().is_some_and(|left| left.fetch_sub(1, Relaxed) == 0)
    }
}
