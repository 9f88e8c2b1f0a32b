//! The present: what waits for what, and who holds it. Nothing is polled again to find out.
//!
//! A session keeps what happened. This table keeps what *is*, for a report on what is stuck and for a
//! program that attaches. It hears the same calls as a session ([`record`](crate::record()) and its
//! neighbours), by a bit of its own in the switch of the ground floor.
//!
//! # Nouns
//!
//! * An **agent** is a task, a job, a call, or a thread that waits. The table (`table.rs`) has the agents
//!   that have not ended, with their waits.
//! * A probe (`probe.rs`) shows whether a task can run, and how many wakers it has. The task itself is not
//!   touched.
//! * A [`WaitGraph`] is a copy of the table at one time: who waits for which resource, and who holds it.
//!   [`WaitGraph::classify`] finds what can never go on (`stuck.rs` has the argument).
//! * [`report_stuck`] starts the thread that prints it (`watch.rs`). [`attachable`] starts the one that
//!   answers `brigade tree` and `brigade top` (`attach/mod.rs`).
//!
//! # Bounds
//!
//! The table has shards, each behind a lock that no foreign code runs under. It takes [`AGENTS_MAX`] agents.
//! Agents beyond that are counted, and then nothing is called stuck for want of somebody who acts. A forked
//! child starts with an empty table.

mod attach;
mod copy;
mod graph;
mod probe;
mod stuck;
mod table;
mod text;
pub(crate) mod threads;
mod watch;

pub use attach::{AttachError, Attachable, Snapshot, attachable, attachable_if_wanted, fetch};
pub use graph::{Ender, Hold, LaneState, Node, State, WaitEdge, WaitGraph};
pub use probe::Root;
pub use stuck::{Class, Stuck};
pub use table::AGENTS_MAX;
pub use watch::{Watching, is_wanted, report_stuck};

use crate::listener::{Listener, listen};
use brigade_handle::{
    CancelHandle, Id,
    fork::{Generation, PerProcess},
    observe,
};
use probe::Probe;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many guards keep the table. The lock makes the switch follow the number.
static KEEPERS: PerProcess<Mutex<usize>> = PerProcess::new();

fn keepers() -> MutexGuard<'static, usize> {
    KEEPERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guard of [`keep`]: the table is kept as long as there is one.
#[derive(Debug)]
#[must_use = "the table is kept as long as the guard lives"]
pub struct Keeping(Generation);

/// Keeps the table of what waits now, from this call until the guard is dropped. Work that was spawned
/// before is not in it.
///
/// ```
/// use brigade_trace::{Cause, Domain, Resource, Site, Wait, live};
///
/// let _keeping = live::keep();
/// let lock = Resource::new(Domain::Lock);
/// lock.set_name("salt");
/// let wait = Wait::begin(|| lock.id(), Cause::Unlock, Site::here());
/// assert!(live::graph().to_string().contains("\"salt\""));
/// wait.end(Cause::Unlock);
/// assert!(live::graph().edges.is_empty());
/// ```
pub fn keep() -> Keeping {
    let mut keepers = keepers();
    if *keepers == 0 {
        table::clear();
    }
    *keepers += 1;
    crate::wait::observe_handles();
    listen(Listener {
        apply: table::apply,
        label: table::label,
        has_role: threads::has_role,
        polled_again: table::polled_again,
    });
    observe::switch_live(true);
    Keeping(Generation::current())
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if !self.0.is_current() {
            return;
        }
        let mut keepers = keepers();
        *keepers -= 1;
        if *keepers == 0 {
            observe::switch_live(false);
            // It refers to tasks, of whose ends nobody hears from here on.
            table::clear();
        }
    }
}

/// Returns a copy of the table: what waits for what at this time. It is empty while nobody [keeps](keep) the
/// table.
///
/// ```
/// assert!(brigade_trace::live::graph().nodes.is_empty());
/// ```
pub fn graph() -> WaitGraph {
    copy::graph()
}

/// Shows a task to the table, which drops the handle when the task is complete.
///
/// ```
/// use brigade_trace::{Domain, fresh_id, live, record_spawn};
///
/// let _keeping = live::keep();
/// let (_completer, handle) = brigade_handle::pair::<u32>();
/// let task = fresh_id(Domain::Task);
/// record_spawn(task);
/// live::watch_task(task, || handle.cancel_handle());
/// // It is no task of a runtime, so for all that is known it may run.
/// assert!(live::graph().nodes.iter().any(|node| node.id == task && node.can_run));
/// ```
#[inline]
pub fn watch_task(task: Id, handle: impl FnOnce() -> CancelHandle) {
    if task != Id::NONE && observe::is_live() {
        observe::aside(|| table::set_probe(task, Some(Probe::Task(handle()))));
    }
}

/// Says that this wait got what it waited for. The address is that of the node that
/// [`registered`](observe::registered) has told.
#[inline]
pub fn granted(at: usize) {
    if observe::is_live() {
        table::granted(at);
    }
}

/// Says that a wait is polled again, by the waker that [`registered`](observe::registered) has told. If that
/// is another one than before, the table no longer counts it.
#[cold]
pub fn polled_again(at: usize) {
    if observe::is_live() {
        table::polled_again(at);
    }
}

/// Says that this child belongs to the scope at this address, for which its owner waits.
#[inline]
pub fn scope_child(child: Id, scope: usize) {
    if child != Id::NONE && observe::is_live() {
        table::set_scope(child, scope);
    }
}

/// Says that the guard by which this task has just taken the resource may go to another task: it is an owned
/// one.
#[inline]
pub fn travels(resource: &crate::Resource) {
    if observe::is_live() {
        table::travels(resource.id());
    }
}

/// Says that this thread does nothing that work could wait for, and so cannot end a wait. A thread that
/// draws a progress bar is an example, and so are the workers of executors: their work is known.
///
/// ```
/// std::thread::spawn(|| brigade_trace::live::helper_thread()).join().unwrap();
/// ```
pub fn helper_thread() {
    threads::own_thread();
}
