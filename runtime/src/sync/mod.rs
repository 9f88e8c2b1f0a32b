//! Synchronisation between tasks: locks, permits, notifications, channels and queues.
//!
//! | to wait for | use | in Python |
//! |---|---|---|
//! | exclusive access to a value | [`Mutex`] | `asyncio.Lock` |
//! | shared or exclusive access to a value | [`RwLock`] | |
//! | a value that is computed once | [`OnceCell`] | |
//! | a number of permits | [`Semaphore`] | `asyncio.Semaphore`, `BoundedSemaphore` |
//! | a flag | [`Event`] | `asyncio.Event` |
//! | a notification | [`Notify`] | |
//! | a change of a value that a mutex guards | [`Condition`] | `asyncio.Condition` |
//! | each other | [`Barrier`] | `asyncio.Barrier` |
//! | one value | [`oneshot`] | a `Future` whose result is set by hand |
//! | many values, for one task | [`mpsc`] | |
//! | many values, each of them for each of many tasks | [`broadcast`] | |
//! | the latest value | [`watch`] | |
//! | work items | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | `Queue`, `LifoQueue`, `PriorityQueue` |
//!
//! These types work for tasks on any number of threads, of this runtime or of any other executor: they need
//! neither its timers nor its reactor. All of them are fair: the task that came first is served first. All
//! futures may be dropped at any time: a grant that one of them had received goes to the next waiter.
//!
//! # Why no wake-up is lost
//!
//! Each type has a lock, and under it one or more wait queues (`wait_queue.rs`). The protocol:
//!
//! 1. A task that finds nothing available joins the wait queue, with its waker, in the critical section in
//!    which it looked.
//! 2. A task that makes something available grants it to the front of the queue under the same lock, and
//!    wakes that waiter after it has released the lock. Everything that belongs to the grant (an item,
//!    room, a permit) is kept for the waiter: no newcomer can take it.
//! 3. A waiter that is polled takes its grant. A waiter that is dropped gives its grant back, and the next
//!    one in the queue receives it.
//!
//! By 1 and 2, nothing is available and ungranted while a task is queued. By 3, each grant ends in the
//! hands of a task, or is free for newcomers. Some types have a fast path around the lock (for a permit,
//! for a notification). There, one word says both what is available and whether a task is queued, and the
//! fast path is a compare-and-swap that fails if one is. The folder `model` holds the loom models.
//!
//! # Cost
//!
//! Each of these is one atomic operation: taking a permit, a lock or a notification that is available;
//! giving it back while nobody waits; waiting for an event that is set. Every other operation holds a `std`
//! mutex for some tens of instructions, and never across an `.await`. Waiting does not allocate: the queue
//! node lies in the future.

mod barrier;
pub mod broadcast;
mod condition;
mod event;
#[cfg(all(loom, test))]
mod model;
pub mod mpsc;
// Unsafe: the holder of the permit accesses the value through a cell.
#[allow(unsafe_code)]
mod mutex;
// Unsafe: projects a pin.
#[allow(unsafe_code)]
mod notify;
mod once_cell;
// Unsafe: the value and the wakers are cells guarded by the state byte, and the last side frees the channel.
#[allow(unsafe_code)]
pub mod oneshot;
mod order;
mod permit;
mod queue;
// Unsafe: the holders of the permits access the value through a cell.
#[allow(unsafe_code)]
mod rw_lock;
mod semaphore;
// Unsafe: waiters are linked by pointers into their pinned futures.
#[allow(unsafe_code)]
mod wait_queue;
mod waiter;
mod wakers;
pub mod watch;

pub use barrier::{Arrival, Barrier, Broken};
pub use condition::Condition;
pub use event::Event;
pub use mutex::{Guard, Mutex, OwnedGuard};
pub use notify::{Notified, Notify};
pub use once_cell::{OnceCell, SetError};
pub use order::{Fifo, Lifo, LifoQueue, Order, Priority, PriorityQueue};
pub use permit::{Closed, OwnedPermit, Permit, TryAcquireError};
pub use queue::{Full, Queue};
pub use rw_lock::{OwnedReadGuard, OwnedWriteGuard, ReadGuard, RwLock, WriteGuard};
pub use semaphore::Semaphore;
