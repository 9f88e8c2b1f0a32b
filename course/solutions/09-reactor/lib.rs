//! Lab 9: a reactor over mio.

use brigade_course_kit::{
    lab09::{Events, Interest, Reactor, Registry, Selector, Source, Stream, Token, Waker as Bell},
    sync::{Arc, Mutex, MutexGuard},
};
use std::{
    collections::BTreeMap,
    io,
    task::{Context, Poll, Waker},
};

/// The student's reactor.
pub struct Student {
    /// The part of the thread that waits.
    waiting: Mutex<(Selector, Events)>,
    bell: Bell,
    shared: Arc<Shared>,
}

/// The part that sources use as well.
struct Shared {
    registry: Registry,
    table: Mutex<Table>,
}

/// The sources, by the numbers in their tokens. No number is used twice, so an event that was under way when
/// its source was dropped finds nothing.
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

#[derive(Default)]
struct Direction(Mutex<Readiness>);

struct Readiness {
    /// Whether an attempt is worthwhile. Only an attempt that would have blocked clears it.
    is_ready: bool,
    /// The task that waits until it is.
    waker: Option<Waker>,
}

impl Default for Readiness {
    fn default() -> Self {
        // Nobody has tried yet.
        Self { is_ready: true, waker: None }
    }
}

#[track_caller]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

impl Direction {
    /// Makes an attempt if one is worthwhile. Otherwise, and if it would have blocked, the task waits.
    ///
    /// The attempt, the clearing and the storing are one step, because the lock is held. A report comes
    /// either before the attempt, and then the attempt sees what was reported, or after the storing, and then
    /// the report finds the waker.
    fn attempt<T>(
        &self,
        context: &Context<'_>,
        call: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let waker = context.waker().clone();
        let mut readiness = lock(&self.0);
        if readiness.is_ready {
            match call() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.is_ready = false,
                result => return Poll::Ready(result),
            }
        }
        let old = readiness.waker.replace(waker);
        drop(readiness);
        // To drop a waker runs foreign code, which no lock of ours should be held for.
        drop(old);
        Poll::Pending
    }

    /// Notes that an attempt is worthwhile. Returns the waker of the task that waited for that.
    fn report(&self) -> Option<Waker> {
        let mut readiness = lock(&self.0);
        readiness.is_ready = true;
        readiness.waker.take()
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

    fn register(&self, mut stream: Stream) -> io::Result<Watched> {
        let state = Arc::new(State::default());
        let mut table = lock(&self.shared.table);
        let number = table.next;
        table.next += 1;
        table.states.insert(number, state.clone());
        drop(table);
        let both = Interest::READABLE.add(Interest::WRITABLE);
        let result = self.shared.registry.register(&mut stream, Token(number), both);
        // If it has failed, the drop of this takes the entry out again.
        let source = Watched { number, stream, state, shared: self.shared.clone() };
        result.map(|()| source)
    }

    fn turn(&self) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        let (selector, events) = &mut *waiting;
        match selector.poll(events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let mut woken = Vec::new();
        let table = lock(&self.shared.table);
        for event in &*events {
            let Some(state) = table.states.get(&event.token().0) else { continue };
            // An end or an error makes an attempt worthwhile as well: the attempt finds it.
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                woken.extend(state.read.report());
            }
            if event.is_writable() || event.is_write_closed() || event.is_error() {
                woken.extend(state.write.report());
            }
        }
        drop(table);
        drop(waiting);
        // A waker is foreign code, so no lock is held now.
        woken.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn notify(&self) {
        self.bell.wake().expect("the selector is there");
    }
}

/// A stream that the reactor watches.
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
        let state = lock(&self.shared.table).states.remove(&self.number);
        let _ = self.shared.registry.deregister(&mut self.stream);
        // It may hold the last wakers, which are foreign code.
        drop(state);
    }
}
