//! The task: a spawned future, in one allocation that every executor of this crate can run.
//!
//! ```text
//!   Cell<F>   ┌ Header ───────────────────────────────────────────────┐
//!             │ state      bits and reference count in one atomic     │  anyone, by its verbs
//!             │ vtable     how to run, drop and free this F           │  read only
//!             │ executor   where to go when woken                     │  read only
//!             │ id         the name in a trace                        │  read only
//!             │ signal     how far runner and handle are              │  the runner completes, the handle joins
//!             │   note     where the executor's roll has it           │  the executor
//!             ├ stage ────────────────────────────────────────────────┤
//!             │ future, and in its place later the output             │  the runner, then the heir
//!             └───────────────────────────────────────────────────────┘
//! ```
//!
//! # Who may touch what, and when
//!
//! 1. An **entry** ([`Task`]) is the right to run the task once. The bit SCHEDULED is set exactly while an entry exists or
//!    is about to be made by the thread that set it. So there is at most one entry, in one queue, or in one hand.
//! 2. The **runner** is whoever turned an entry into the bit RUNNING. Until it clears the bit, the future is its own.
//! 3. References are counted: one that the task has in itself **until it is complete**, one for the handle, one for each
//!    waker, one for each cancel handle. An entry has none: while it exists the task is not complete, so the task's own reference keeps it alive.
//! 4. COMPLETE is set once, by the runner, after the future is dropped and the signal is completed, and gives up the task's
//!    own reference in the same step. Nobody schedules or runs a complete task.
//! 5. ExecutorRef is read by whoever holds a reference: a waker, the handle, a cancel handle. A runner does *not* read it after it has
//!    given the entry away: another thread may complete and free the task at once. It uses its executor's own.
//! 6. The stage holds the future until the runner drops it, at the task's end; then the output, from just before the signal is
//!    completed until its heir takes or drops it (`Signal` in brigade-handle says who that is). If the handle was gone before, it
//!    never holds one. So a task that nobody has a reference to holds neither.
//!
//! # One life
//!
//! ```text
//!                      wake: push                    pop: begin
//!      idle ─────────────────────────▶ SCHEDULED ─────────────────▶ RUNNING ──▶ COMPLETE
//!       ▲                                  ▲                          │  │ ready, panicked, cancelled
//!       │                                  └── end: woken meanwhile ──┘  │
//!       └───────────────────────────────────── end: not woken ───────────┘
//! ```
//!
//! # Why no wake-up is lost
//!
//! A waker sets SCHEDULED, the runner clears RUNNING at the end of a poll, both by read-modify-write on one word. If the
//! waker comes first, the runner sees SCHEDULED and makes the entry; if the runner comes first, the waker sees that
//! nobody runs and makes it. In both orders what the waker did before is visible to the poll that follows, since the
//! operations release and acquire. `model.rs` models the orders.
//!
//! # Cancelling
//!
//! Cancelling sets CANCELLED and wakes. The future is dropped by the next runner, on a thread of the executor, never by the
//! one who cancels: a task that was spawned by `spawn_local` may hold what must not leave its thread.
//!
//! Whoever has a reference may cancel, at any time and from any thread: the handle, a waker (a task group cancels by it), a
//! `CancelHandle`. To state and count a cancel handle is a waker whose wake-up also sets CANCELLED: what is said above of wakers
//! holds for it.
//!
//! * It never touches the stage, and what it does to the signal is to look whether it is completed. So it may be on any thread, whatever the future and the output are.
//! * Against completion: both are read-modify-writes on the state word. If the cancel comes first, the runner, or the next one,
//!   finds SCHEDULED or CANCELLED; if it comes second it finds COMPLETE, and makes no entry.
//! * Against the executor's end: an executor ends when its tasks are complete. One for which a cancel has just set SCHEDULED is not, so the
//!   executor waits until the entry has come. A task that is not counted yet, since it has just been spawned, has an entry, and a
//!   cancel makes no second one. Afterwards all are complete, and `executor` is still there for as long as a reference is (rule 5).
//! * Against the handle: who gives back the last reference frees, whoever that is; the output is gone by then (rule 6).
//!
//! `model/cancel.rs` models each of these.
//!
//! The word with state and count is tokio's idea (`runtime/task/state.rs`), the entry as a value is async-task's
//! (`Runnable`); that an entry needs no reference of its own saves two atomic operations a wake-up over both.

pub(crate) mod budget;
// Unsafe: the allocation is shared by raw pointers and counts its own references.
#[allow(unsafe_code)]
mod cell;
pub(crate) mod list;
mod refusal;
mod state;
// Unsafe: allocates, and keeps memory on lists that lie in it.
#[allow(unsafe_code)]
mod memory;
pub(crate) mod task_local;

pub(crate) use cell::{Outcome, Task, TaskRef, UNLISTED, cancel_by as cancel, new};
pub(crate) use memory::{Lease, return_references};
pub(crate) use refusal::refuse;
