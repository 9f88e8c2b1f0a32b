//! The task: a spawned future, in one allocation that every executor of this crate can run.
//!
//! ```text
//!   Cell<F>   ┌ Header ───────────────────────────────────────────────┐
//!             │ state      bits and reference count in one atomic     │  anyone, by its verbs
//!             │ vtable     how to run, drop and free this F           │  read only
//!             │ executor   where to go when woken                     │  read only
//!             │ origin     its id in a trace, and who spawned it      │  read only
//!             │ signal     how far runner and handle are              │  runner completes, handle joins
//!             │   note     the task's index in its executor's list    │  the executor
//!             ├ stage ────────────────────────────────────────────────┤
//!             │ future, and in its place later the output             │  the runner, then the heir
//!             └───────────────────────────────────────────────────────┘
//! ```
//!
//! # Access rules
//!
//! 1. An **entry** ([`Task`]) is the right to run the task once. The bit SCHEDULED is set exactly while an
//!    entry exists, or is about to be made: by the runner if there is one, and otherwise by the thread that
//!    set the bit. So there is at most one entry, in one queue or in one hand. A runner that completes the
//!    task makes no entry. From then on the bit means nothing (rule 4).
//! 2. The **runner** is the thread that turned an entry into the bit RUNNING. Until it clears the bit, the
//!    future is its own.
//! 3. References are counted: the task's own **until it is complete**, one for the handle, one for each
//!    waker, one for each cancel handle. An entry has none. While it exists the task is not complete, so
//!    the task's own reference keeps the task alive.
//! 4. The runner sets COMPLETE once, after the future is dropped and the signal is completed. The same step
//!    gives up the task's own reference. If no other reference is left, the runner frees the task and need
//!    not set the bit, because nobody can read it. Nobody schedules or runs a complete task.
//! 5. `executor` is read by threads that hold a reference: a waker, the handle, a cancel handle. A runner
//!    does *not* read it after it has given the task away: by setting COMPLETE, by an `end` that leaves the
//!    task idle, or by pushing the entry that `end` gave it. From then on another thread may complete and
//!    free the task at once. The runner uses its own executor instead.
//! 6. The stage holds the future until the runner drops it, at the end of the task. Then it holds the
//!    output, from just before the signal is completed until the heir takes or drops the output (`Signal`
//!    in brigade-handle says who the heir is). If the handle was gone before, the stage never holds an
//!    output. So a task that nobody has a reference to holds neither.
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
//! A new task is SCHEDULED, because `spawn` makes the first entry of a task. A wake-up during a poll sets
//! SCHEDULED beside RUNNING, and `end` then clears only RUNNING.
//!
//! # Why no wake-up is lost
//!
//! A waker sets SCHEDULED, and the runner clears RUNNING at the end of a poll, both by read-modify-write on
//! one word. If the waker comes first, the runner sees SCHEDULED and makes the entry. If the runner comes
//! first, the waker sees that nobody runs and makes it. In both orders the poll that follows sees what the
//! waker did before, because the operations release and acquire. `model/wakes.rs` models the orders.
//!
//! # Cancelling
//!
//! Cancelling sets CANCELLED and wakes. The next runner drops the future, on a thread of the executor. The
//! cancelling thread never does, because a task from `spawn_local` may hold values that must not leave
//! their thread.
//!
//! Everybody who has a reference may cancel, at any time and from any thread: the handle, a waker (a task
//! group cancels by it), a `CancelHandle`. For the state and the count, a cancel handle is a waker whose
//! wake-up also sets CANCELLED. All that is said above about wakers holds for it.
//!
//! * It never touches the stage, and of the signal it only reads whether that is completed. So it may be on
//!   any thread, whatever the future and the output are.
//! * Against completion: both are read-modify-writes on the state word. If the cancel comes first, the
//!   runner, or the next one, finds SCHEDULED or CANCELLED. If it comes second, it finds COMPLETE and makes
//!   no entry.
//! * Against the end of the executor: an executor ends when its tasks are complete. A task for which a
//!   cancel has just set SCHEDULED is not complete, so the executor waits until the entry has come. A task
//!   that was just spawned and is not counted yet has an entry, so a cancel makes no second one. Afterwards
//!   all tasks are complete, and `executor` is still there for as long as a reference is (rule 5).
//! * Against the handle: the thread that gives back the last reference frees the task. The output is gone
//!   by then (rule 6).
//!
//! `model/cancel.rs` models each of these.
//!
//! The word with state and count is tokio's idea (`tokio/src/runtime/task/state.rs`), and the entry as a
//! value is async-task's (`Runnable`). Both pay two more atomic operations for a wake-up, because their
//! entries hold a reference.

pub(crate) mod budget;
// Unsafe: raw pointers share the allocation, which counts its own references.
#[allow(unsafe_code)]
mod cell;
pub(crate) mod list;
mod refusal;
mod state;
// Unsafe: this allocates, and keeps free blocks on lists that lie in the blocks.
#[allow(unsafe_code)]
mod memory;
pub(crate) mod name;
pub(crate) mod task_local;

pub(crate) use cell::{Outcome, Task, TaskRef, UNLISTED, cancel_by as cancel, new};
pub(crate) use memory::{Lease, return_references};
pub(crate) use refusal::refuse;
