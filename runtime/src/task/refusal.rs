//! Refusing a task: an executor that is ending drops the entry of every new task, which cancels the task.
//!
//! Dropping the future runs a destructor of the user. This destructor may spawn the next task, which is
//! refused as well:
//!
//! ```text
//!   one inside the other                        one after the other
//!   refuse 1                                    refuse 1
//!     its future's destructor spawns 2            its future's destructor spawns 2, which is left here
//!     refuse 2                                  take 2 from here, refuse it
//!       its future's destructor spawns 3 …        its future's destructor spawns 3, which is left here …
//! ```
//!
//! So the stack stays flat, however long the chain is: a list of a thousand nodes may drop each node in a
//! task of its own. A chain without an end has to be cut, or the executor would never end. After
//! [`MAX_REFUSAL_CHAIN`] tasks the next one is abandoned: its future is never dropped.

use super::Task;
use brigade_handle::contain;
use std::{cell::Cell, mem::ManuallyDrop};

/// The most tasks that the destructors of one refused task may spawn, directly and by way of each other.
const MAX_REFUSAL_CHAIN: usize = 100_000;

/// The entries that were refused inside destructors of tasks that this thread refuses.
#[derive(Default)]
struct Refusals {
    entries: Vec<Task>,
    /// The number of entries since the outermost `refuse` began.
    count: usize,
}

thread_local! {
    /// `None` while this thread refuses nothing. It has no destructor, so it can be used as long as the
    /// thread runs.
    static REFUSALS: Cell<Option<ManuallyDrop<Refusals>>> = const { Cell::new(None) };
}

/// Cancels a task that its executor does not take in. This happens at once, or after the task whose
/// destructor has spawned it.
#[cold]
pub(crate) fn refuse(entry: Task) {
    if let Some(left) = REFUSALS.take() {
        return leave(left, entry);
    }
    REFUSALS.set(Some(ManuallyDrop::default()));
    let mut next = Some(entry);
    while let Some(entry) = next {
        // Panics are contained, so that the other entries are always taken.
        contain(|| drop(entry));
        next = take();
    }
}

/// Leaves an entry for the outermost `refuse` of this thread.
fn leave(mut left: ManuallyDrop<Refusals>, entry: Task) {
    left.count += 1;
    let surplus = if left.count <= MAX_REFUSAL_CHAIN {
        left.entries.push(entry);
        None
    } else {
        Some(entry)
    };
    REFUSALS.set(Some(left));
    surplus.into_iter().for_each(Task::abandon);
}

/// Takes the entry that was left last. If there is none, the outermost `refuse` ends.
fn take() -> Option<Task> {
    let mut left = REFUSALS.take()?;
    let entry = left.entries.pop();
    if entry.is_some() {
        REFUSALS.set(Some(left));
    } else {
        drop(ManuallyDrop::into_inner(left));
    }
    entry
}
