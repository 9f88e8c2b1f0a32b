//! What tasks wait for together: a [`Queue`], an [`Event`], a [`Mutex`].
//!
//! They are what `asyncio.Queue`, `asyncio.Event` and `asyncio.Lock` are in Python, but for tasks on any number of threads,
//! of this runtime or of any other executor: they need neither its timers nor its reactor. All are fair (who came first has
//! its turn first), and all futures may be dropped at any time: a turn that was granted to one of them goes to the next.
//!
//! # Why no wake-up is lost
//!
//! Each has one lock, and under it the state and the `Line`s of those who wait. The protocol, in words of `line`:
//!
//! 1. Whoever finds nothing for it stands in line, with its waker, in the critical section in which it looked.
//! 2. Whoever makes something available grants a turn to the front of the line in the same critical section, and wakes it
//!    after. What belongs to a turn (an item, room, the lock) is kept for it: no newcomer can take it.
//! 3. A future that is polled takes its turn; one that is dropped gives its turn back, and in the same critical section the
//!    next in line is granted it.
//!
//! So as long as somebody stands in line there is nothing available that is not granted, by 1 and 2; and by 3 each turn
//! that is granted ends in somebody's hands or is free for newcomers. The race that a flag and a waker in two words
//! would have,
//!
//! ```text
//!   waits                        makes available
//!   looks: nothing
//!                                makes available; nobody in line to wake
//!   stands in line, for ever
//! ```
//!
//! cannot happen because looking and standing are one critical section. A future is woken for its latest waker: a poll
//! that finds no turn leaves the waker that it was polled with, in that same section. `model.rs` holds the loom models.
//!
//! # Cost
//!
//! A `std` mutex around each operation, taken for some tens of instructions and never across an `.await`. Waiting allocates
//! only while a line is longer than it ever was before.

mod event;
mod line;
#[cfg(all(loom, test))]
mod model;
mod mutex;
mod queue;

pub use event::{Event, Wait};
pub use mutex::{Guard, Locking, Mutex};
pub use queue::{Full, Get, Join, Put, Queue};
