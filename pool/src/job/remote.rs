//! Children that are astray: those of a scope that do not lie in the queue of its owner. The owner has to find them nevertheless.
//!
//! A worker that waits for a scope may hold a lock that strangers want. If a child lies behind a stranger, in whatever queue, then all who could
//! run it may come to wait for that lock. So the owner must be able to run every child that nobody has begun. Those that it spawned lie in
//! its own queue. All others, those that somebody else spawned and those that a waiting worker found in a queue and may not run, are put into
//! a list of the scope; into the queue goes a **ticket** in the place of the child.
//!
//! ```text
//!   queue of a worker, or the injector     list of the scope S
//!     stranger                               child of S
//!     ticket for S                           child of S
//!     ticket for S
//! ```
//!
//! Whoever runs a ticket runs the newest child of the list; the owner, while it waits, takes the oldest. So there are at least as many
//! tickets as children, and what is left of them when the list is empty does nothing. The tickets share the list with the scope, and may
//! outlive it.
//!
//! # Why the owner finds every child
//!
//! The owner parks only after it has seen, under the lock of the list, that the list is empty, and has left word there. Whoever puts a
//! child into the list does so under the same lock, and unparks the owner if there is word. And no child comes into another
//! queue: a worker's own queue holds children of its own scopes alone, and whoever steals one runs it, or puts it into the list.
//! `tests/loom/waiting.rs` models it.

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

/// The list: see the head of `astray.rs`.
pub struct RemoteChildren<T>(Mutex<State<T>>);

struct State<T> {
    jobs: VecDeque<T>,
    /// The owner parks, and is to be told of the next one.
    parks: bool,
}

impl<T> RemoteChildren<T> {
    /// An empty list.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Mutex::new(State { jobs: VecDeque::new(), parks: false }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No foreign code runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a child. True if the owner has to be unparked.
    #[must_use = "if it says so, the owner has to be unparked"]
    pub fn push(&self, job: T) -> bool {
        let mut state = self.lock();
        state.jobs.push_back(job);
        std::mem::take(&mut state.parks)
    }

    /// The newest child.
    pub fn pop_newest(&self) -> Option<T> {
        self.lock().jobs.pop_back()
    }

    /// The oldest one.
    pub fn pop_oldest(&self) -> Option<T> {
        self.lock().jobs.pop_front()
    }

    /// The owner will park until there is a child. False if there is one.
    #[must_use = "if there is a child, nobody will unpark the owner"]
    pub fn begin_park(&self) -> bool {
        let mut state = self.lock();
        state.parks = state.jobs.is_empty();
        state.parks
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().jobs.is_empty()
    }
}

/// The list of a scope as a job: what a ticket points to.
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
    /// Somebody waits for the children, so they cannot be discarded: one is run.
    const VTABLE: JobVtable =
        JobVtable { run: Self::run, discard: Self::run_instead, may_be_cancelled: false };

    fn placeholder(self: &Arc<Self>) -> JobRef {
        let raw = Arc::into_raw(self.clone());
        let raw = NonNull::new(raw.cast_mut()).expect("an Arc's pointer is never null");
        // SAFETY: the header is the first field, children are Send, and the reference that was made here keeps the list until a verb
        // takes it.
        unsafe { JobRef::from_raw(raw.cast()) }
    }

    /// # Safety
    ///
    /// As for `run`.
    unsafe fn run_instead(job: NonNull<JobHeader>) -> bool {
        // SAFETY: this is the only call.
        unsafe { Self::run(job) };
        false
    }

    /// # Safety
    ///
    /// This is the queue's only call for this ticket.
    unsafe fn run(job: NonNull<JobHeader>) {
        // SAFETY: the pointer is from `ticket`, whose reference is taken back once.
        let remote = unsafe { Arc::from_raw(job.cast::<Self>().as_ptr()) };
        let child = remote.list.pop_newest();
        drop(remote);
        child.into_iter().for_each(JobRef::run);
    }
}

/// What a scope's children know of it, and whoever finds one of them.
pub(crate) struct ScopeBase {
    /// The innermost scope of which a child was running on the owner's thread when this one was opened.
    outer: Option<NonNull<Self>>,
    /// Where the owner, who is there as long as the scope, is unparked.
    sleep: NonNull<Sleep>,
    /// The bed of the owner.
    owner: usize,
    /// Made for the first child that goes astray, or when the owner parks.
    remote: OnceLock<Arc<RemoteList>>,
}

impl ScopeBase {
    pub(crate) fn new(outer: Option<NonNull<Self>>, sleep: NonNull<Sleep>, owner: usize) -> Self {
        Self { outer, sleep, owner, remote: OnceLock::new() }
    }

    /// Whether the scope was opened, directly or not, in the course of a child of that other one.
    pub(crate) fn is_descendant_of(&self, other: NonNull<Self>) -> bool {
        // SAFETY: this scope is there; so a child of the outer one is still running, since it waits for this one, and the outer one
        // is there; and so on outwards.
        let further = |outer: &NonNull<Self>| unsafe { outer.as_ref() }.outer;
        // A loop, not a recursion: joins that are nested deeper than the deque of halves open a scope each (`join.rs`).
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

    /// Puts a child into the list. What is returned is its ticket, to be queued. Somebody may run the child at once, and then the scope may be
    /// gone when this returns, unless the caller is a child of it.
    ///
    /// # Safety
    ///
    /// The lineage is that of the child's scope.
    pub(crate) unsafe fn add_remote_child(this: NonNull<Self>, child: JobRef) -> JobRef {
        let (remote, owner, sleep) = {
            // SAFETY: the scope is there as long as the child has not been run. The borrow ends before somebody else can have it.
            let scope = unsafe { this.as_ref() };
            (scope.remote().clone(), scope.owner, scope.sleep)
        };
        // From here on the scope may be gone.
        if remote.list.push(child) {
            // SAFETY: the pool's threads keep the crew alive, and this is one of them or one that borrows the pool.
            unsafe { sleep.as_ref() }.unpark(owner);
        }
        remote.placeholder()
    }

    /// The oldest child in the list, for the owner.
    pub(crate) fn oldest_remote_child(&self) -> Option<JobRef> {
        self.remote.get()?.list.pop_oldest()
    }

    /// The owner will park until a child goes astray. False if one has.
    #[must_use = "if a child has gone astray, nobody will unpark the owner"]
    pub(crate) fn begin_park(&self) -> bool {
        self.remote().list.begin_park()
    }

    /// Whether a child lies in the list.
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
    fn a_lineage_may_be_longer_than_the_stack_is_deep() {
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
