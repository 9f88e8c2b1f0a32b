//! A lock that distinguishes a deadlock from a long wait.
//!
//! Threads that wait for one another in a cycle wait for ever. This lock detects the cycle: the thread
//! that would close it gets a [`Deadlock`], which names every lock in the cycle, the thread that holds
//! it, and the line of source that took it.
//!
//! # Where the knowledge lies
//!
//! * Each lock knows its **holder**: a thread, and the place where it took the lock. The lock's own small
//!   mutex guards this.
//! * One graph for the process knows which lock each blocked thread **waits** for. One mutex guards the
//!   graph.
//!
//! # Why a cycle is always found, and nothing else
//!
//! A thread enters the lock that it waits for into the graph, and follows the graph from there (holder of
//! that lock, lock that the holder waits for, and so on), in one critical section of the graph. In a
//! cycle every thread waits, so one of them entered last. It found the entries of all others, and their
//! locks held, because a waiting thread releases nothing. So the last one finds the cycle, before it
//! sleeps. And what it finds is a cycle: a thread in the graph cannot go on before it gets its lock,
//! which is held by the next thread.
//!
//! ```text
//!   thread 1                      thread 2
//!   holds A                       holds B
//!   graph { waits B; B's holder   graph { waits A; A's holder is thread 1,
//!     is thread 2: not waiting }    which waits for B, which is mine: Deadlock }
//!   sleeps                        is told, lets B go
//!   gets B
//! ```
//!
//! The wait-for graph is the textbook's (Coffman, Elphick, Shoshani: *System Deadlocks*, 1971). Linux's
//! lockdep finds more, orders that could deadlock but did not, because it remembers. A lock without
//! contention costs two uncontended mutexes.

use crate::sync::os_thread::{self as thread, Thread, ThreadId};
use brigade_handle::{fork::PerProcess, observe, wait};
use brigade_trace::{Cause, Domain, Resource, Wait, because};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// A mutual exclusion lock that detects deadlock. A panic while it is held does not poison it.
///
/// ```
/// use brigade_pool::lock::Lock;
///
/// let purse = Lock::new("purse", 5);
/// *purse.lock().unwrap() += 1;
/// assert_eq!(*purse.lock().unwrap(), 6);
///
/// // Taking it twice is a ring of one.
/// let held = purse.lock().unwrap();
/// assert!(purse.lock().is_err());
/// # drop(held);
/// ```
#[doc(alias = "Mutex")]
pub struct Lock<T> {
    core: Arc<Core>,
    /// Only the holder locks it, so no thread waits for it.
    value: Mutex<T>,
}

/// The state of a lock, apart from its value.
struct Core {
    name: &'static str,
    state: Mutex<State>,
    resource: Resource,
}

#[derive(Default)]
struct State {
    holder: Option<Holder>,
    waiters: VecDeque<(ThreadId, Waker)>,
}

#[derive(Clone)]
struct Holder {
    /// Its name is copied for a report only, so that taking a lock allocates nothing.
    thread: Thread,
    place: &'static Location<'static>,
}

/// The lock that a blocked thread waits for.
struct Wanted {
    core: Arc<Core>,
    thread: Thread,
    place: &'static Location<'static>,
}

/// The wait-for graph. A forked child begins with an empty one, because the parent's may be locked there
/// for ever.
static GRAPH: PerProcess<Mutex<Option<HashMap<ThreadId, Wanted>>>> = PerProcess::new();

fn wait_graph() -> MutexGuard<'static, Option<HashMap<ThreadId, Wanted>>> {
    lock_unpoisoned(GRAPH.get_or_init(Mutex::default))
}

fn lock_unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No foreign code runs under the mutexes of the core and the graph; a value outlives the panic of its
    // holder.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name_of(thread: &Thread) -> String {
    thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned)
}

impl<T> Lock<T> {
    /// Makes a lock with a name for reports.
    ///
    /// ```
    /// let purse = brigade_pool::lock::Lock::new("purse", 5);
    /// assert_eq!(*purse.lock().unwrap(), 5);
    /// ```
    pub fn new(name: &'static str, value: T) -> Self {
        let resource = Resource::new(Domain::Lock);
        let core = Core { name, state: Mutex::default(), resource };
        Self { core: Arc::new(core), value: Mutex::new(value) }
    }

    /// Returns the name.
    ///
    /// ```
    /// let purse = brigade_pool::lock::Lock::new("purse", 5);
    /// assert_eq!(purse.name(), "purse");
    /// ```
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    /// Waits until no other thread holds the lock, and holds it until the guard is dropped.
    ///
    /// ```
    /// use brigade_pool::lock::Lock;
    ///
    /// let (salt, pepper) = (Lock::new("salt", 1), Lock::new("pepper", 2));
    /// let one = salt.lock().unwrap();
    /// let two = pepper.lock().unwrap();
    /// let deadlock = salt.lock().unwrap_err();
    /// assert_eq!(deadlock.links[0].wanted, "salt");
    /// assert_eq!(*one + *two, 3);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Deadlock`] if the wait could never end. The caller still holds the locks that it held;
    /// releasing them lets the other threads go on.
    ///
    /// # Panics
    ///
    /// Panics on a thread that must not block.
    #[track_caller]
    pub fn lock(&self) -> Result<Guard<'_, T>, Deadlock> {
        let place = Location::caller();
        let (core, mut recorded) = (&self.core, Wait::NONE);
        let _blocking = observe::blocking();
        wait::block("Lock::lock", |waker| core.take_or_wait(place, waker, &mut recorded))?;
        recorded.ended(Cause::Unlock);
        core.resource.held(1);
        Ok(Guard { core: &self.core, value: Some(lock_unpoisoned(&self.value)) })
    }
}

impl Core {
    fn take_or_wait(
        self: &Arc<Self>,
        place: &'static Location<'static>,
        waker: &Waker,
        recorded: &mut Wait,
    ) -> Poll<Result<(), Deadlock>> {
        let thread = thread::current();
        let me = thread.id();
        // A statement of its own, so that the state is unlocked again before the graph is locked.
        let acquired = lock_unpoisoned(&self.state).take(&thread, place);
        match acquired {
            Acquired::AtOnce => return Poll::Ready(Ok(())),
            Acquired::AfterWaiting => {
                if let Some(graph) = &mut *wait_graph() {
                    graph.remove(&me);
                }
                return Poll::Ready(Ok(()));
            }
            Acquired::Not => {}
        }
        // The graph stays locked until this thread is in both the graph and the queue of waiters, or in
        // neither.
        let mut graph = wait_graph();
        let graph = graph.get_or_insert_default();
        let mut state = lock_unpoisoned(&self.state);
        if !matches!(state.take(&thread, place), Acquired::Not) {
            graph.remove(&me);
            return Poll::Ready(Ok(()));
        }
        state.enqueue(me, waker);
        drop(state);
        graph.insert(me, Wanted { core: self.clone(), thread, place });
        // Under the graph's lock: a trace then has the waits of a cycle in the order in which it closed.
        self.record_wait(place, recorded);
        let Some(deadlock) = find_cycle(graph, me) else { return Poll::Pending };
        graph.remove(&me);
        lock_unpoisoned(&self.state).remove(me);
        Poll::Ready(Err(deadlock))
    }

    #[inline]
    fn record_wait(&self, place: &'static Location<'static>, recorded: &mut Wait) {
        if brigade_trace::on() {
            brigade_trace::label(self.resource.id(), || self.name.to_owned());
            recorded.begun(|| self.resource.id(), Cause::Unlock, place);
            self.resource.still_held();
        }
    }

    fn release(&self) {
        self.resource.released_by_holder();
        let mut state = lock_unpoisoned(&self.state);
        state.holder = None;
        // The first waiter stays in the queue until it has the lock. A newcomer may be faster, as with
        // the standard library's lock: handing the lock over would cost a switch of threads each time.
        // Then the newcomer's release wakes the waiter.
        let next = state.waiters.front().map(|waiter| waiter.1.clone());
        drop(state);
        if let Some(waker) = next {
            because(Cause::Unlock, || waker.wake());
        }
    }
}

/// Whether a thread got the lock.
enum Acquired {
    AtOnce,
    AfterWaiting,
    Not,
}

impl State {
    /// Takes the lock if it is free.
    fn take(&mut self, thread: &Thread, place: &'static Location<'static>) -> Acquired {
        if self.holder.is_some() {
            return Acquired::Not;
        }
        self.holder = Some(Holder { thread: thread.clone(), place });
        let before = self.waiters.len();
        self.remove(thread.id());
        if self.waiters.len() < before { Acquired::AfterWaiting } else { Acquired::AtOnce }
    }

    fn enqueue(&mut self, me: ThreadId, waker: &Waker) {
        match self.waiters.iter_mut().find(|waiter| waiter.0 == me) {
            Some(waiter) => waiter.1.clone_from(waker),
            None => self.waiters.push_back((me, waker.clone())),
        }
    }

    fn remove(&mut self, me: ThreadId) {
        self.waiters.retain(|waiter| waiter.0 != me);
    }
}

/// Follows the wait-for graph from this thread on. Returns the cycle if the path leads back.
fn find_cycle(graph: &HashMap<ThreadId, Wanted>, me: ThreadId) -> Option<Deadlock> {
    let mut links = Vec::new();
    let mut at = me;
    // A path that is longer than the graph goes round in a cycle without this thread, and the last thread
    // of that cycle was told of it. Or the path passes a thread that has its lock and has not removed its
    // entry yet.
    while links.len() < graph.len() {
        let wanted = graph.get(&at)?;
        let holder = lock_unpoisoned(&wanted.core.state).holder.clone()?;
        links.push(Link {
            waiter: name_of(&wanted.thread),
            wanted: wanted.core.name,
            wanted_at: wanted.place,
            holder: name_of(&holder.thread),
            held_since: holder.place,
        });
        at = holder.thread.id();
        if at == me {
            return Some(Deadlock { links });
        }
    }
    None
}

/// A cycle of threads that wait for one another.
///
/// ```
/// use brigade_pool::lock::Lock;
///
/// let salt = Lock::new("salt", 1);
/// let held = salt.lock().unwrap();
/// let deadlock = salt.lock().unwrap_err();
/// assert!(deadlock.to_string().starts_with("deadlock: "));
/// assert_eq!(deadlock.links.len(), 1);
/// # drop(held);
/// ```
#[derive(Debug, Clone)]
pub struct Deadlock {
    /// The cycle, from the thread that was told of it. Each link's holder is the next link's waiter.
    pub links: Vec<Link>,
}

/// One thread of a cycle, and the lock that it waits for. [`Deadlock`] has an example.
#[derive(Debug, Clone)]
pub struct Link {
    /// The name of the thread that waits.
    pub waiter: String,
    /// The name of the lock that it waits for.
    pub wanted: &'static str,
    /// The line of source that asked for the lock.
    pub wanted_at: &'static Location<'static>,
    /// The name of the thread that holds the lock.
    pub holder: String,
    /// The line of source that took the lock.
    pub held_since: &'static Location<'static>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiter, wanted, wanted_at, holder, held_since } = self;
        write!(f, "{waiter} waits for {wanted} ({}:{}), ", wanted_at.file(), wanted_at.line())?;
        write!(f, "held by {holder} ({}:{})", held_since.file(), held_since.line())
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: ")?;
        for (place, link) in self.links.iter().enumerate() {
            write!(f, "{}{link}", if place > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Deadlock {}

/// A held [`Lock`]: gives access to its value, and releases the lock when it is dropped.
///
/// ```
/// let purse = brigade_pool::lock::Lock::new("purse", 5);
/// let mut guard = purse.lock().unwrap();
/// *guard += 1;
/// drop(guard);
/// assert_eq!(*purse.lock().unwrap(), 6);
/// ```
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<'a, T> {
    core: &'a Core,
    /// Present until `drop`.
    value: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // The value's own mutex goes first, so that the next holder never waits for it.
        drop(self.value.take());
        self.core.release();
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = lock_unpoisoned(&self.core.state).holder.as_ref().map(|holder| name_of(&holder.thread));
        f.debug_struct("Lock").field("name", &self.core.name).field("holder", &holder).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
