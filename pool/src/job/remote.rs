//! Remote children: children of a scope that are not in the queue of the scope's owner. The owner has to
//! find them nevertheless.
//!
//! A worker that waits for a scope may hold a lock that unrelated jobs want. If a child were behind an
//! unrelated job, in whatever queue, then all threads that could run the child might come to wait for
//! that lock. So the owner must be able to run every child that no thread has begun. The children that
//! the owner spawned are in its own queue. All other children go into a list of the scope: those that
//! another thread spawned, and those that a waiting worker found in a queue and must not run. A
//! **placeholder** goes into the queue in place of the child.
//!
//! ```text
//!   queue of a worker, or the injector     list of the scope S
//!     unrelated job                          child of S
//!     placeholder for S                      child of S
//!     placeholder for S
//! ```
//!
//! A thread that runs a placeholder runs the newest child of the list. The owner, while it waits, takes
//! the oldest. So there are at least as many placeholders as children, and a placeholder that finds the
//! list empty does nothing. The placeholders share the list with the scope, and may outlive the scope.
//!
//! # Why the owner finds every child
//!
//! The owner parks only after it has seen, under the lock of the list, that the list is empty, and has
//! set `is_owner_parking` there. A thread that puts a child into the list does so under the same lock,
//! and unparks the owner if `is_owner_parking` was set. And no child itself gets into another queue: the
//! only children in a worker's own queue are those of its own scopes, and a thief of such a child runs it
//! or puts it into the list. `tests/loom/waiting.rs` models this.

use crate::{
    job::{JobHeader, JobRef, JobVtable},
    registry::sleep::Sleep,
    sync::{Mutex, MutexGuard},
};
use std::{
    collections::VecDeque,
    fmt, iter,
    ptr::NonNull,
    sync::{Arc, OnceLock, PoisonError},
};

/// The list of remote children of a scope. `job/remote.rs` describes the protocol.
pub struct RemoteChildren<T>(Mutex<State<T>>);

struct State<T> {
    jobs: VecDeque<T>,
    /// The owner parks, and is to be unparked for the next child.
    is_owner_parking: bool,
}

impl<T> RemoteChildren<T> {
    /// Makes an empty list.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Mutex::new(State { jobs: VecDeque::new(), is_owner_parking: false }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No foreign code runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a child. Returns whether the caller must unpark the owner.
    #[must_use = "if true, the caller must unpark the owner"]
    pub fn push(&self, job: T) -> bool {
        let mut state = self.lock();
        state.jobs.push_back(job);
        std::mem::take(&mut state.is_owner_parking)
    }

    /// Removes and returns the newest child.
    pub fn pop_newest(&self) -> Option<T> {
        self.lock().jobs.pop_back()
    }

    /// Removes and returns the oldest child.
    pub fn pop_oldest(&self) -> Option<T> {
        self.lock().jobs.pop_front()
    }

    /// Records that the owner will park until there is a child. Returns false if there is one already.
    #[must_use = "if false, no thread will unpark the owner"]
    pub fn begin_park(&self) -> bool {
        let mut state = self.lock();
        state.is_owner_parking = state.jobs.is_empty();
        state.is_owner_parking
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.lock().jobs.is_empty()
    }
}

/// The list of a scope in the form of a job. Placeholders point to it.
#[repr(C)]
struct RemoteList {
    header: JobHeader,
    list: RemoteChildren<JobRef>,
}

// SAFETY: the header names no scope, and is only read; jobs may be sent, and the list has a lock.
unsafe impl Send for RemoteList {}
// SAFETY: as above.
unsafe impl Sync for RemoteList {}

impl RemoteList {
    /// A scope waits for the children, so they cannot be discarded: discarding a placeholder runs one.
    const VTABLE: JobVtable =
        JobVtable { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    fn placeholder(self: &Arc<Self>) -> JobRef {
        let raw = Arc::into_raw(self.clone());
        let raw = NonNull::new(raw.cast_mut()).expect("an Arc's pointer is never null");
        // SAFETY: the header is the first field, children are Send, and the reference that was made here
        // keeps the list until a function of the vtable takes it.
        unsafe { JobRef::from_raw(raw.cast()) }
    }

    /// Runs a child, since discarding it would leave its scope waiting.
    ///
    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<JobHeader>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// Runs the newest child of the list, if there is one.
    ///
    /// # Safety
    ///
    /// This is the queue's only call for this placeholder.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: the pointer is from `placeholder`, whose reference is taken back once.
        let remote = unsafe { Arc::from_raw(job.cast::<Self>().as_ptr()) };
        let child = remote.list.pop_newest();
        drop(remote);
        child.into_iter().for_each(JobRef::run);
    }
}

/// The part of a scope that is known to its children, and to the threads that find one of them. It does
/// not depend on the scope's lifetime parameter.
pub(crate) struct ScopeBase {
    /// The innermost scope whose child was running on the owner's thread when this scope was opened.
    outer: Option<NonNull<Self>>,
    /// The sleep protocol of the owner's pool, which exists as long as the scope.
    sleep: NonNull<Sleep>,
    /// The index of the owner, which is unparked by it.
    owner: usize,
    /// Made for the first remote child, or when the owner parks.
    remote: OnceLock<Arc<RemoteList>>,
}

impl ScopeBase {
    pub(crate) fn new(outer: Option<NonNull<Self>>, sleep: NonNull<Sleep>, owner: usize) -> Self {
        Self { outer, sleep, owner, remote: OnceLock::new() }
    }

    /// Returns whether this scope was opened, directly or not, while a child of the other scope ran.
    pub(crate) fn is_descendant_of(&self, other: NonNull<Self>) -> bool {
        // SAFETY: this scope exists. So a child of the outer scope is still running, because it waits for
        // this one, and the outer scope exists; and so on outwards.
        let further = |outer: &NonNull<Self>| unsafe { outer.as_ref() }.outer;
        // A loop, not a recursion: joins that are nested deeper than the deque of stack jobs open a scope
        // each (`join/mod.rs`).
        iter::successors(self.outer, further).any(|outer| outer == other)
    }

    pub(crate) fn owner(&self) -> usize {
        self.owner
    }

    pub(crate) fn sleep(&self) -> NonNull<Sleep> {
        self.sleep
    }

    fn remote(&self) -> &Arc<RemoteList> {
        let make = || RemoteList { header: JobHeader::new(&RemoteList::VTABLE), list: RemoteChildren::new() };
        self.remote.get_or_init(|| Arc::new(make()))
    }

    /// Puts a child into the list, and returns its placeholder, which the caller queues. Another thread
    /// may run the child at once. So the scope may be gone when this returns, unless the caller is a
    /// child of it.
    ///
    /// # Safety
    ///
    /// The base belongs to the child's scope.
    pub(crate) unsafe fn add_remote_child(this: NonNull<Self>, child: JobRef) -> JobRef {
        let (remote, owner, sleep) = {
            // SAFETY: the scope exists as long as the child has not been run. The borrow ends before
            // another thread can have the child.
            let scope = unsafe { this.as_ref() };
            (scope.remote().clone(), scope.owner, scope.sleep)
        };
        // From here on the scope may be gone.
        if remote.list.push(child) {
            // SAFETY: the pool's threads keep its registry alive, and this is one of them or a thread
            // that borrows the pool.
            unsafe { sleep.as_ref() }.unpark(owner);
        }
        remote.placeholder()
    }

    /// Removes and returns the oldest child in the list, for the owner.
    pub(crate) fn oldest_remote_child(&self) -> Option<JobRef> {
        self.remote.get()?.list.pop_oldest()
    }

    /// Records that the owner will park until there is a remote child. Returns false if there is one
    /// already.
    #[must_use = "if false, no thread will unpark the owner"]
    pub(crate) fn begin_park(&self) -> bool {
        self.remote().list.begin_park()
    }

    /// Returns whether the list holds a child.
    pub(crate) fn has_remote_children(&self) -> bool {
        self.remote.get().is_some_and(|remote| !remote.list.is_empty())
    }
}

impl fmt::Debug for ScopeBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBase").field("owner", &self.owner).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_chain_of_scopes_may_be_longer_than_the_stack_is_deep() {
        let is_descendant_of = || {
            let base = |outer| ScopeBase::new(outer, NonNull::dangling(), 0);
            let outermost = base(None);
            let mut scopes = Vec::with_capacity(500_000);
            let mut outer = NonNull::from(&outermost);
            for _ in 0..500_000 {
                scopes.push(base(Some(outer)));
                outer = NonNull::from(scopes.last().expect("one was just pushed"));
            }
            let innermost = scopes.last().expect("there are many");
            innermost.is_descendant_of(NonNull::from(&outermost)) && !outermost.is_descendant_of(outer)
        };
        let thread = thread::Builder::new().stack_size(256 << 10).spawn(is_descendant_of).unwrap();
        assert!(thread.join().unwrap());
    }
}
