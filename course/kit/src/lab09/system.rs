//! mio as the lab sees it: each type is one of mio's, and the harness notes the calls.
//!
//! Under the exploring scheduler the selector and the sockets are simulated (`explore/engine/mio`). In the
//! real part of the lab they are those of the operating system.

use super::Note;
use crate::{log::Log, thread::place};
use brigade_explore::{mio, remark};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::Shutdown,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use brigade_explore::mio::{Events, Interest, Token};

/// The streams that a selector watches, by their tokens.
type Watched = Arc<Mutex<BTreeMap<usize, (&'static str, Log<Note>)>>>;

/// As `mio::Poll`: a selector of the operating system, with the right to wait in it.
#[derive(Debug)]
pub struct Poll {
    os: mio::Poll,
    registry: Registry,
}

/// As `mio::Registry`: a selector of the operating system, with the right to change what it watches.
pub struct Registry {
    os: mio::Registry,
    // No choice point lies under this lock, so it can be std's.
    watched: Watched,
}

/// As `mio::Waker`: ends the wait in a selector.
#[derive(Debug)]
pub struct Waker(mio::Waker);

/// A connected socket that never blocks. It is closed when it is dropped.
pub struct Stream {
    name: &'static str,
    log: Log<Note>,
    os: mio::net::UnixStream,
}

impl Poll {
    /// Makes a selector.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn new() -> io::Result<Self> {
        let os = mio::Poll::new()?;
        let registry = Registry { os: os.registry().try_clone()?, watched: Arc::default() };
        Ok(Self { os, registry })
    }

    /// Returns the registry of this selector.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Waits until a registered stream is ready, until the selector is woken, or for `timeout`, and fills
    /// `events`. The selector is *edge-triggered*: it reports a stream once for each thing that happens to
    /// it, with everything for which it is ready then. It does not repeat itself.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error, such as `Interrupted`.
    #[track_caller]
    pub fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let at = place();
        remark(|| format!("wait for events{at}"));
        self.os.poll(events, timeout)?;
        for event in &*events {
            let watched = self.registry.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((name, log)) = watched.get(&event.token().0).cloned() else { continue };
            drop(watched);
            let ends = event.is_read_closed();
            log.note(Note::Report { name, reads: event.is_readable(), writes: event.is_writable(), ends });
        }
        Ok(())
    }
}

impl Registry {
    /// Begins to watch a stream. Its events carry the token.
    ///
    /// # Errors
    ///
    /// Returns `AlreadyExists` if the stream is watched already.
    pub fn register(&self, stream: &mut Stream, token: Token, interest: Interest) -> io::Result<()> {
        stream.log.note(Note::Register(stream.name));
        self.watched().insert(token.0, (stream.name, stream.log.clone()));
        self.os.register(&mut stream.os, token, interest)
    }

    /// Watches a stream anew, with another token or another interest.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the stream is not watched.
    pub fn reregister(&self, stream: &mut Stream, token: Token, interest: Interest) -> io::Result<()> {
        stream.log.note(Note::Register(stream.name));
        self.watched().insert(token.0, (stream.name, stream.log.clone()));
        self.os.reregister(&mut stream.os, token, interest)
    }

    /// Ends the watch of a stream.
    ///
    /// # Errors
    ///
    /// Returns `NotFound` if the stream is not watched.
    pub fn deregister(&self, stream: &mut Stream) -> io::Result<()> {
        stream.log.note(Note::Deregister(stream.name));
        self.watched().retain(|_, (name, _)| *name != stream.name);
        self.os.deregister(&mut stream.os)
    }

    /// Returns another handle to the same selector.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { os: self.os.try_clone()?, watched: self.watched.clone() })
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, (&'static str, Log<Note>)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Waker {
    /// Makes a waker. When it is called, the selector reports an event with the token. A selector has one
    /// waker.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        mio::Waker::new(&registry.os, token).map(Self)
    }

    /// Ends the wait in the selector. If nobody waits, ends the next wait at once.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

impl Stream {
    pub(super) fn new(log: &Log<Note>, name: &'static str, os: mio::net::UnixStream) -> Self {
        Self { name, log: log.clone(), os }
    }

    /// Reads what is there, at most so much that `place` is full. Returns 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns `WouldBlock` if nothing is there yet, or another error of the operating system.
    pub fn read(&self, place: &mut [u8]) -> io::Result<usize> {
        let result = (&self.os).read(place);
        self.log.note(Note::Read(self.name, Tried::of(&result)));
        result
    }

    /// Writes as many of the bytes as there is room for. Returns their number.
    ///
    /// # Errors
    ///
    /// Returns `WouldBlock` if there is no room at all, or another error of the operating system.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let result = (&self.os).write(bytes);
        self.log.note(Note::Write(self.name, Tried::of(&result)));
        result
    }

    /// Closes the direction in which this side writes. The other direction stays open.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error.
    pub fn close_write(&self) -> io::Result<()> {
        self.os.shutdown(Shutdown::Write)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.log.note(Note::Close(self.name));
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Done(usize),
    WouldBlock,
    Failed,
}

impl Tried {
    fn of(result: &io::Result<usize>) -> Self {
        match result {
            Ok(count) => Self::Done(*count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::WouldBlock,
            Err(_) => Self::Failed,
        }
    }
}
