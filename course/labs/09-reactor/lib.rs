//! Lab 9: a reactor over mio. The chapter is `course/book/src/labs/09-reactor.md`.

use brigade_course_kit::{
    lab09::{Events, Interest, Reactor, Registry, Selector, Source, Stream, Token, Waker as Bell},
    sync::{Arc, Mutex},
    to_write,
};
use std::{
    collections::BTreeMap,
    io,
    task::{Context, Poll, Waker},
};

/// Your reactor.
pub struct Student {
    /// The part of the thread that waits.
    waiting: Mutex<(Selector, Events)>,
    /// It ends the wait of that thread.
    bell: Bell,
    shared: Arc<Shared>,
}

/// The part that sources use as well.
struct Shared {
    registry: Registry,
    table: Mutex<Table>,
}

/// The sources, by the numbers in their tokens.
struct Table {
    next: usize,
    states: BTreeMap<usize, Arc<State>>,
}

/// The two directions of a source.
#[derive(Default)]
struct State {
    read: Direction,
    write: Direction,
}

/// One direction: what the reactor has told, and who waits.
#[derive(Default)]
struct Direction {
    // Step 1: a flag and a waker, under one lock.
    _readiness: Mutex<Option<Waker>>,
}

impl Direction {
    /// Makes an attempt if one is worthwhile. Otherwise, and if it would have blocked, the task waits.
    fn attempt<T>(
        &self,
        _context: &Context<'_>,
        _call: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        to_write("step 3: try if the flag says so; after `WouldBlock` clear it and store the waker")
    }

    /// Notes that an attempt is worthwhile. Returns the waker of the task that waited for that.
    fn report(&self) -> Option<Waker> {
        to_write("step 4: set the flag, and take the waker")
    }
}

/// The token of the bell. Sources have the numbers from 1.
const BELL: Token = Token(0);
/// The most events of one turn. Others wait for the next turn.
const MAX_EVENTS: usize = 64;

impl Reactor for Student {
    type Source = Watched;

    fn new() -> io::Result<Self> {
        let selector = Selector::new()?;
        let registry = selector.registry().try_clone()?;
        let bell = Bell::new(&registry, BELL)?;
        let table = Mutex::new(Table { next: BELL.0 + 1, states: BTreeMap::new() });
        let waiting = Mutex::new((selector, Events::with_capacity(MAX_EVENTS)));
        Ok(Self { waiting, bell, shared: Arc::new(Shared { registry, table }) })
    }

    fn register(&self, _stream: Stream) -> io::Result<Watched> {
        to_write("step 2: draw a number, put a new state into the table, and register the stream")
    }

    fn turn(&self) -> io::Result<()> {
        to_write("step 5: wait for events, report them to their directions, and wake the tasks")
    }

    fn notify(&self) {
        self.bell.wake().expect("the selector is there");
    }
}

/// A stream that your reactor watches.
pub struct Watched {
    number: usize,
    stream: Stream,
    state: Arc<State>,
    shared: Arc<Shared>,
}

impl Source for Watched {
    fn poll_read(&self, context: &mut Context<'_>, place: &mut [u8]) -> Poll<io::Result<usize>> {
        self.state.read.attempt(context, || self.stream.read(place))
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.state.write.attempt(context, || self.stream.write(bytes))
    }

    fn close_write(&self) -> io::Result<()> {
        self.stream.close_write()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        to_write("step 6: take the state out of the table, and deregister the stream")
    }
}
