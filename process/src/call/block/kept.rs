//! Recycling: the memory of blocks that nobody reads any more is kept for the next blocks, since new memory
//! costs a page fault and a cleared page for every 4 KiB.
//!
//! # Forks
//!
//! A child has a copy of this list, and of every block. The memory in its list is its parent's, too, so the
//! child uses none of it. It may read its blocks as long as its parent does not recycle them. The parent
//! cannot know when the child is done, so it recycles no block that was alive at a fork:
//!
//! ```text
//!   parent                                               child
//!   take: block A, made at fork count 0
//!   fork { lock; count = 1; clone; unlock }              unlock, and note that the parent knows
//!   the last reference to A goes: 0 is not 1, unmap      reads A
//!   take: block B, made at fork count 1
//!   the last reference to B goes: keep it
//! ```
//!
//! The lock is held across the fork, so that no block is taken or recycled between the count and the clone.
//! Libc's `fork` calls us for that. A bare `clone` does not, and then the child, which misses the note,
//! refuses to read.

use super::sys::{self, Mapping};
use brigade_handle::fork::Generation;
use std::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// How much is kept at most.
pub(super) struct Bounds {
    bytes: usize,
    /// How many blocks. Each has a descriptor, of which a process may have few.
    blocks: usize,
}

/// The bounds for blocks that the program has asked for.
pub(super) const MAX_KEPT_BLOCKS: Bounds = Bounds { bytes: 512 << 20, blocks: 128 };
/// Those for blocks that carry parts of plain values.
pub(super) const MAX_KEPT_CARRIERS: Bounds = Bounds { bytes: 8 << 20, blocks: 8 };

struct Kept {
    mappings: Vec<Mapping>,
    /// How many pools there are in this process: without one nothing is kept.
    pools: usize,
    /// How often this process and its ancestors have forked by libc's `fork`.
    forks: u64,
    /// The processes that have forked so on the way to this one.
    ancestors: Vec<Generation>,
}

static KEPT: Mutex<Kept> =
    Mutex::new(Kept { mappings: Vec::new(), pools: 0, forks: 0, ancestors: Vec::new() });

fn kept() -> MutexGuard<'static, Kept> {
    // No code panics under the lock.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes memory of at least `bytes` bytes, and at most twice as many, if any is kept. Also returns the
/// count of forks, by which [`recycle`] will know whether it may keep the memory again.
pub(super) fn take(bytes: usize) -> (Option<Mapping>, u64) {
    notice_forks();
    let fits = |mapping: &Mapping| (bytes..=bytes.saturating_mul(2)).contains(&mapping.capacity());
    let mut kept = kept();
    let forks = kept.forks;
    if kept.mappings.first().is_some_and(|mapping| !mapping.is_ours()) {
        // These were kept by the process that this one was forked from.
        let theirs = std::mem::take(&mut kept.mappings);
        drop(kept);
        drop(theirs);
        return (None, forks);
    }
    let found = kept.mappings.iter().rposition(fits);
    (found.map(|at| kept.mappings.swap_remove(at)), forks)
}

/// Keeps memory that was taken when there had been `forks` forks, if nobody else can read it, and if then no
/// more than these bounds allow are kept.
pub(super) fn recycle(mapping: Mapping, forks: u64, bounds: &Bounds) {
    let mut kept = kept();
    let held: usize = kept.mappings.iter().map(Mapping::capacity).sum();
    let has_room = kept.mappings.len() < bounds.blocks && held + mapping.capacity() <= bounds.bytes;
    if kept.pools > 0 && kept.forks == forks && has_room {
        kept.mappings.push(mapping);
    }
}

/// Lets memory be recycled while there is a pool, or in a worker.
#[derive(Debug)]
pub(crate) struct Keeper(());

impl Keeper {
    pub(crate) fn new() -> Self {
        kept().pools += 1;
        Self(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut kept = kept();
        kept.pools -= 1;
        if kept.pools == 0 {
            let gone = std::mem::take(&mut kept.mappings);
            drop(kept);
            drop(gone);
        }
    }
}

// ------------------------------------------------------------------------------------------------ forks

/// The thread that forks holds this across the fork: the lock, and which process forks.
struct Fork {
    kept: MutexGuard<'static, Kept>,
    parent: Generation,
}

thread_local! {
    static FORK: Cell<Option<Fork>> = const { Cell::new(None) };
}

/// Has libc's `fork` counted from now on.
fn notice_forks() {
    static NOTICED: AtomicBool = AtomicBool::new(false);
    // Relaxed: if a thread forks before another one has registered the handlers, the child refuses to read.
    if !NOTICED.load(Ordering::Relaxed) && !NOTICED.swap(true, Ordering::Relaxed) {
        sys::at_fork(before, in_parent, in_child);
    }
}

extern "C" fn before() {
    let mut kept = kept();
    kept.forks += 1;
    let fork = Fork { kept, parent: Generation::current() };
    // A thread that is ending has no place for it. Then nothing is held, and the child refuses to read.
    let _ = FORK.try_with(|place| place.set(Some(fork)));
}

extern "C" fn in_parent() {
    drop(FORK.try_with(Cell::take));
}

extern "C" fn in_child() {
    // The lock is this thread's, in the child as it was in the parent.
    if let Ok(Some(mut fork)) = FORK.try_with(Cell::take) {
        fork.kept.ancestors.push(fork.parent);
    }
}

/// Whether blocks of that ancestor may be read here: it knows that it has forked.
pub(super) fn has_noticed(ancestor: Generation) -> bool {
    kept().ancestors.contains(&ancestor)
}
