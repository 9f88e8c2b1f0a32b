//! What tasks wait for together.
//!
//! | for | there is | in Python |
//! |---|---|---|
//! | a value that one task at a time may have | [`Mutex`] | `asyncio.Lock` |
//! | a value that many may read, or one may change | [`RwLock`] | |
//! | a value that is made once | [`OnceCell`] | |
//! | so many of something | [`Semaphore`] | `asyncio.Semaphore`, `BoundedSemaphore` |
//! | a flag | [`Event`] | `asyncio.Event` |
//! | a wake-up | [`Notify`] | |
//! | a change of what a mutex guards | [`Condition`] | `asyncio.Condition` |
//! | one another | [`Barrier`] | `asyncio.Barrier` |
//! | one value | [`oneshot`] | a `Future` that one sets |
//! | many values, to one task | [`mpsc`] | |
//! | many values, to each of many tasks | [`broadcast`] | |
//! | the latest value | [`watch`] | |
//! | work | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | `asyncio.Queue`, `LifoQueue`, `PriorityQueue` |
//!
//! They are for tasks on any number of threads, of this runtime or of any other executor: they need neither its timers nor
//! its reactor. All are fair (who came first has its turn first), and all futures may be dropped at any time: a turn that was
//! granted to one of them goes to the next.
//!
//! # Why no wake-up is lost
//!
//! Each has a lock, and under it the `Line`s of those who wait. The protocol, in words of `line.rs`:
//!
//! 1. Whoever finds nothing for it stands in line, with its waker, in the critical section in which it looked.
//! 2. Whoever makes something available grants a turn to the front of the line under the same lock, and wakes it after.
//!    What belongs to a turn (an item, room, a permit) is kept for it: no newcomer can take it.
//! 3. A future that is polled takes its turn; one that is dropped gives its turn back, and the next in line is granted it.
//!
//! So as long as somebody stands in line there is nothing available that is not granted, by 1 and 2; and by 3 each turn
//! that is granted ends in somebody's hands or is free for newcomers. Where there is a fast path around the lock (a permit,
//! a notification), one word says both what is available and whether somebody stands in line, and the fast path is a
//! compare-and-swap that fails if somebody does. The folder `model` holds the loom models.
//!
//! # Cost
//!
//! Taking a permit, a lock or a notification that is there, and giving it back while nobody waits, is one atomic operation;
//! so is waiting for an event that is set. All else takes a `std` mutex for some tens of instructions, never across an
//! `.await`. Waiting allocates nothing: the place in line lies in the future.

mod barrier;
pub mod broadcast;
mod condition;
mod event;
#[cfg(all(loom, test))]
mod model;
pub mod mpsc;
// Unsafe: the value is touched by whoever has the permit.
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
// Unsafe: the value is touched by whoever has the permits.
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
