//! A lock that tells a deadlock from a long wait.
//!
//! Threads that wait for one another in a ring wait for ever. This lock sees the ring close: whoever would close it is told
//! so, by a [`Deadlock`] that names every lock in the ring, who holds it, and the line of source that took it.
//!
//! # Who knows what
//!
//! * Each lock knows its **holder**: a thread, and where it took the lock. Under the lock's own small mutex.
//! * One table for the process knows what each blocked thread **waits** for. Under one mutex, the graph's.
//!
//! # Why a ring is always found, and nothing else
//!
//! A thread enters what it waits for into the table, and follows the ring from there (holder of that lock, what the holder
//! waits for, and so on), in one critical section of the graph. In a ring every thread waits, so one of them entered last;
//! it found all the others' entries, and their locks held, since a thread that waits releases nothing. So the last one
//! finds the ring, before it sleeps. And what it finds is one: a thread in the table cannot go on before it gets its lock,
//! which is held by the next.
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
//! The wait-for graph is the textbook's (Coffman, Elphick, Shoshani: *System Deadlocks*, 1971); Linux's lockdep finds
//! more (orders that could deadlock but did not), by remembering. A lock that nobody waits for costs two uncontended mutexes.

use brigade_handle::{fork::PerProcess, wait};
use brigade_trace::{Cause, because};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread::{self, ThreadId},
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
pub struct Lock<T> {
    core: Arc<Core>,
    /// Only ever locked by the holder, so never waited for.
    value: Mutex<T>,
}

/// What is known about a lock, apart from its value.
struct Core {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holder: Option<Holder>,
    waiters: VecDeque<(ThreadId, Waker)>,
}

#[derive(Clone)]
struct Holder {
    thread: ThreadId,
    name: String,
    place: &'static Location<'static>,
}

/// What a blocked thread waits for.
struct Wanted {
    core: Arc<Core>,
    name: String,
    place: &'static Location<'static>,
}

/// Who waits for what. A forked child begins with nobody, and not with a lock that may be held for ever.
static GRAPH: PerProcess<Mutex<Option<HashMap<ThreadId, Wanted>>>> = PerProcess::new();

fn wait_graph() -> MutexGuard<'static, Option<HashMap<ThreadId, Wanted>>> {
    lock_unpoisoned(GRAPH.get_or_init(Mutex::default))
}

fn lock_unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No foreign code runs under the core's and the graph's mutexes; a value outlives the panic of its holder.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_name() -> String {
    let me = thread::current();
    me.name().map_or_else(|| format!("{:?}", me.id()), str::to_owned)
}

impl<T> Lock<T> {
    /// A lock with a name for reports.
    pub fn new(name: &'static str, value: T) -> Self {
        Self { core: Arc::new(Core { name, state: Mutex::default() }), value: Mutex::new(value) }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.core.name
    }

    /// Waits until nobody else holds the lock, and holds it until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`Deadlock`] if the wait could never end. The caller still holds what it held: letting go of it frees the others.
    ///
    /// # Panics
    ///
    /// On a thread that must not block.
    #[track_caller]
    pub fn lock(&self) -> Result<Guard<'_, T>, Deadlock> {
        let place = Location::caller();
        wait::block("Lock::lock", |waker| self.core.take_or_wait(place, waker))?;
        Ok(Guard { core: &self.core, value: Some(lock_unpoisoned(&self.value)) })
    }
}

impl Core {
    fn take_or_wait(
        self: &Arc<Self>,
        place: &'static Location<'static>,
        waker: &Waker,
    ) -> Poll<Result<(), Deadlock>> {
        let me = thread::current().id();
        // In a statement of its own, so that the state is unlocked again before the graph is locked.
        let acquired = lock_unpoisoned(&self.state).take(me, place);
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
        // The graph stays locked until this thread stands in both the graph and the line, or in neither.
        let mut graph = wait_graph();
        let graph = graph.get_or_insert_default();
        let mut state = lock_unpoisoned(&self.state);
        if !matches!(state.take(me, place), Acquired::Not) {
            graph.remove(&me);
            return Poll::Ready(Ok(()));
        }
        state.enqueue(me, waker);
        drop(state);
        graph.insert(me, Wanted { core: self.clone(), name: thread_name(), place });
        let Some(deadlock) = find_cycle(graph, me) else { return Poll::Pending };
        graph.remove(&me);
        lock_unpoisoned(&self.state).remove(me);
        Poll::Ready(Err(deadlock))
    }

    fn release(&self) {
        let mut state = lock_unpoisoned(&self.state);
        state.holder = None;
        // The first in line stays there until it has the lock. A newcomer may be quicker, as with the standard library's
        // lock: handing the lock over would cost a switch of threads each time. Then the newcomer's release wakes it.
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
    fn take(&mut self, me: ThreadId, place: &'static Location<'static>) -> Acquired {
        if self.holder.is_some() {
            return Acquired::Not;
        }
        self.holder = Some(Holder { thread: me, name: thread_name(), place });
        let before = self.waiters.len();
        self.remove(me);
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

/// Follows who waits for whom from this thread on; a ring if the way leads back.
fn find_cycle(graph: &HashMap<ThreadId, Wanted>, me: ThreadId) -> Option<Deadlock> {
    let mut links = Vec::new();
    let mut at = me;
    // A way that is longer than the table goes round in a ring without us, which the last of them was told of; or it
    // passes one who has its lock and has not yet crossed out its entry.
    while links.len() < graph.len() {
        let wanted = graph.get(&at)?;
        let holder = lock_unpoisoned(&wanted.core.state).holder.clone()?;
        links.push(Link {
            waiter: wanted.name.clone(),
            wanted: wanted.core.name,
            wanted_at: wanted.place,
            holder: holder.name,
            held_since: holder.place,
        });
        if holder.thread == me {
            return Some(Deadlock { links });
        }
        at = holder.thread;
    }
    None
}

/// Threads that wait for one another in a ring.
#[derive(Debug, Clone)]
pub struct Deadlock {
    /// The ring, from the thread that was told; each link's holder is the next link's waiter.
    pub links: Vec<Link>,
}

/// One thread of a ring.
#[derive(Debug, Clone)]
pub struct Link {
    /// The name of the thread that waits.
    pub waiter: String,
    /// The name of the lock that it waits for.
    pub wanted: &'static str,
    /// The line of source that asked for it.
    pub wanted_at: &'static Location<'static>,
    /// The name of the thread that holds it.
    pub holder: String,
    /// The line of source that took it.
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

/// The value of a [`Lock`], as long as it is held.
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<'a, T> {
    core: &'a Core,
    /// There until `drop`.
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
        // First the value's own mutex, so that the next holder never waits for it.
        drop(self.value.take());
        self.core.release();
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holder = lock_unpoisoned(&self.core.state).holder.as_ref().map(|holder| holder.name.clone());
        f.debug_struct("Lock").field("name", &self.core.name).field("holder", &holder).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
