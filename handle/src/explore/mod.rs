//! The seam of exploration: one place that decides which thread goes on, what the time is, and every other
//! choice that an executor leaves open.
//!
//! This module exists only with the feature `explore`. Then the shims of the crates (`sync.rs` of the ground
//! floor and of the pool, `shim.rs` of the runtime) name the types of [`sync`] and [`thread`] instead of
//! std's. Outside a [`run`] they do what std's do. Within a run the threads of the program are *managed*:
//! they are real threads of the operating system that run production code, but they pass one **baton**, and
//! only the thread that has it runs.
//!
//! ```text
//!   thread 0 (root)   ──run──┐                   ┌──run──┐     the baton moves at choice points only
//!   thread 1 (w0)            └──run──┐    ┌──────┘       └──run──
//!   thread 2 (w1)                    └run─┘
//! ```
//!
//! # Nouns
//!
//! * A **choice point**: a place at which the run can go on in several ways. [`pick`] asks the [`Oracle`] for
//!   the index of one. Index 0 is what would happen anyway.
//! * A **step**: one choice point that was reached, whether there was a choice or not. Budgets count steps.
//! * **Virtual time**: it stands still while any thread can run. When none can, it jumps to the next
//!   deadline.
//! * **Upkeep**: a sleep with a time limit that no user asked for, such as that of a worker that watches
//!   others. A run in which only upkeep is left is stuck.
//!
//! # Which interleavings there are
//!
//! A run is sequentially consistent, and switches threads at marked points only: before each operation on an
//! atomic or a lock of a shim, at each park, spawn and end of a thread. It says nothing about weak memory,
//! which loom models, nor about data races, which sanitizers find.
//!
//! A process has one run at a time. A run that got stuck leaves its threads parked for ever, so the crate
//! `brigade-explore` makes its runs in child processes.

mod baton;
mod bell;
mod choice;
mod condvar;
mod end;
pub mod files;
mod holders;
mod managed_thread;
mod moment;
mod queues;
mod state;
pub mod sync;
pub mod thread;
mod virtual_time;
mod watch;

pub(crate) use baton::{aside, note_unseen_panic};
pub use baton::{changed, is_managed, run, run_number};
pub use bell::Bell;
pub use choice::{
    Choice, Kind, LockOperation, LockOutcome, Oracle, fail, pick, point, progress, remark, spin,
};
pub use end::{Blocked, End, ManagedThread, Ran, UnseenPanic, Waiting};
pub use moment::{Doing, Pending};
pub use queues::{Queue, Queued, Stopped, queues, show_queues};
pub use state::Limits;
pub use virtual_time::{begin_stamps, now, stamp};
