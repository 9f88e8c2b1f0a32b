//! Memory for tasks: a thread keeps the blocks of tasks that have ended, and their references to the
//! executor, for the tasks that it spawns next.
//!
//! A program spawns tasks of a few types over and over, and more of them live at a time than an allocator
//! keeps at hand for one thread. A third of the cost of `spawn_join_ct` was `malloc` and `free`, and a
//! tenth was the count of references to the executor.
//!
//! 1. A block is allocated with the layout of its size and freed with it, wherever that happens.
//! 2. Only its own thread uses a `TaskMemory`. A block on its lists belongs to nobody, and its first word
//!    is the address of the next one.
//! 3. A `TaskMemory` has `spare` references to its `executor`, and is bounded: [`MAX_KEPT_BYTES`] bytes of
//!    blocks in all, and twice [`REFERENCE_BATCH`] references. A thread that has never spawned keeps none.

use crate::{
    driver::Driver,
    executor::{
        reference::ExecutorBorrow,
        reference::{ExecutorPtr, ExecutorRef},
    },
};
use std::{
    alloc::{self, Layout},
    cell::Cell,
    ptr::NonNull,
};

/// The number of size classes that are kept, and their distance in bytes.
const SIZE_CLASSES: usize = 32;
const SIZE_CLASS_STEP: usize = 16;
/// The bytes that the common allocators add to a block. The size classes leave room for them.
const ALLOCATOR_OVERHEAD: usize = 8;
const ALIGN: usize = 8;
/// The most bytes of blocks that a thread keeps.
const MAX_KEPT_BYTES: usize = 1 << 20;
/// The number of references that a thread takes at once, and half of the most that it keeps.
const REFERENCE_BATCH: usize = 128;

struct Free {
    next: Option<NonNull<Free>>,
}

struct TaskMemory {
    blocks: [Cell<Option<NonNull<Free>>>; SIZE_CLASSES],
    /// The bytes of all kept blocks.
    bytes: Cell<usize>,
    /// True once the thread has spawned.
    spawns: Cell<bool>,
    executor: Cell<Option<ExecutorPtr>>,
    spare: Cell<usize>,
}

thread_local! {
    static MEMORY: TaskMemory = const { TaskMemory {
        blocks: [const { Cell::new(None) }; SIZE_CLASSES],
        bytes: Cell::new(0),
        spawns: Cell::new(false),
        executor: Cell::new(None),
        spare: Cell::new(0),
    } };
}

/// The size class of a type.
#[derive(Clone, Copy)]
pub(super) struct Size {
    layout: Layout,
    /// [`SIZE_CLASSES`] or more: not kept.
    number: usize,
}

impl Size {
    pub(super) const fn of<T>() -> Self {
        let number = (size_of::<T>() + ALLOCATOR_OVERHEAD).div_ceil(SIZE_CLASS_STEP);
        if align_of::<T>() > ALIGN || number >= SIZE_CLASSES {
            return Self { layout: Layout::new::<T>(), number: SIZE_CLASSES };
        }
        match Layout::from_size_align(number * SIZE_CLASS_STEP - ALLOCATOR_OVERHEAD, ALIGN) {
            Ok(layout) => Self { layout, number },
            Err(_) => panic!("a block has a layout"),
        }
    }

    #[cold]
    fn allocate(self) -> NonNull<u8> {
        // SAFETY: the layout is not empty: a task has a header.
        let block = unsafe { alloc::alloc(self.layout) };
        NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(self.layout))
    }
}

/// Takes memory for a task, and a reference to its executor.
#[inline]
pub(super) fn take(size: Size, at: ExecutorBorrow<'_>) -> (NonNull<u8>, ExecutorRef) {
    let address = at.pointer();
    let taken = MEMORY.try_with(|store| {
        store.take_reference(address);
        store.take_block(size)
    });
    let block = taken.unwrap_or_else(|_gone| {
        // SAFETY: the caller has the Arc, and it is this reference that is handed out.
        unsafe { address.acquire(1) };
        None
    });
    (block.unwrap_or_else(|| size.allocate()), ExecutorRef(address))
}

/// Takes both back.
///
/// # Safety
///
/// The block came from [`take`] with this size, and so did the reference; both are the caller's, who does
/// not use them again.
#[inline]
pub(super) unsafe fn give(block: NonNull<u8>, size: Size, ExecutorRef(address): ExecutorRef) {
    let given = MEMORY.try_with(|store| {
        // SAFETY: the block is the caller's, of this size.
        (store.give_reference(address), unsafe { store.give_block(block, size) })
    });
    let (reference_is_kept, block_is_kept) = given.unwrap_or((false, false));
    if !block_is_kept {
        // SAFETY: as the caller says (rule 1).
        unsafe { alloc::dealloc(block.as_ptr(), size.layout) };
    }
    // Last: it may be the end of the executor.
    if !reference_is_kept {
        // SAFETY: as the caller says.
        unsafe { address.release(1) };
    }
}

/// A reference to an executor that no task owns. It is taken from the memory of one thread, and given back
/// to that of the thread that drops it.
pub(crate) struct Lease(ExecutorRef);

impl Lease {
    #[inline]
    pub(crate) fn new(at: ExecutorBorrow<'_>) -> Self {
        let address = at.pointer();
        if MEMORY.try_with(|store| store.take_reference(address)).is_err() {
            // SAFETY: the caller has the Arc, and it is this reference that is handed out.
            unsafe { address.acquire(1) };
        }
        Self(ExecutorRef(address))
    }

    #[inline]
    pub(crate) fn driver(&self) -> &Driver {
        self.0.view().driver()
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        let ExecutorRef(address) = self.0;
        if !MEMORY.try_with(|store| store.give_reference(address)).unwrap_or(false) {
            // SAFETY: this lease has the reference, and does not use it again.
            unsafe { address.release(1) };
        }
    }
}

/// Gives back the references to executors that this thread keeps, because the thread leaves a runtime.
pub(crate) fn return_references() {
    let _gone = MEMORY.try_with(TaskMemory::return_all);
}

impl TaskMemory {
    #[inline]
    fn take_reference(&self, address: ExecutorPtr) {
        let spare = self.spare.get();
        if spare > 0 && self.executor.get() == Some(address) {
            self.spare.set(spare - 1);
        } else {
            self.fetch_references(address);
        }
    }

    /// Takes many references, one of them for the caller.
    #[cold]
    fn fetch_references(&self, address: ExecutorPtr) {
        self.return_all();
        self.spawns.set(true);
        // In a model each task takes its own: references that were kept would go from one execution to the
        // next.
        let count = if cfg!(loom) { 1 } else { REFERENCE_BATCH };
        // SAFETY: the caller of `take` has the Arc.
        unsafe { address.acquire(count) };
        self.executor.set(Some(address));
        self.spare.set(count - 1);
    }

    /// Keeps a reference. Returns false if it is not kept.
    #[inline]
    fn give_reference(&self, address: ExecutorPtr) -> bool {
        if cfg!(loom) || self.executor.get() != Some(address) {
            return false;
        }
        let spare = self.spare.get() + 1;
        self.spare.set(spare);
        if spare == 2 * REFERENCE_BATCH {
            self.return_references(address);
        }
        true
    }

    /// Gives half of the kept references back.
    #[cold]
    fn return_references(&self, address: ExecutorPtr) {
        self.spare.set(self.spare.get() - REFERENCE_BATCH);
        // SAFETY: the store has them, and more, so that this is not the end of the executor.
        unsafe { address.release(REFERENCE_BATCH) };
    }

    fn return_all(&self) {
        let spare = self.spare.take();
        if let Some(address) = self.executor.take().filter(|_| spare > 0) {
            // SAFETY: the store had them (rule 3), and has forgotten them.
            unsafe { address.release(spare) };
        }
    }

    #[inline]
    fn take_block(&self, size: Size) -> Option<NonNull<u8>> {
        let list = self.blocks.get(size.number)?;
        let first = list.get()?;
        // SAFETY: what is on the list is a block whose first word was written by `give_block` (rule 2).
        list.set(unsafe { first.as_ref() }.next);
        self.bytes.set(self.bytes.get() - size.layout.size());
        Some(first.cast())
    }

    /// False if it is not kept.
    ///
    /// # Safety
    ///
    /// The block is the caller's, and of this size.
    #[inline]
    unsafe fn give_block(&self, block: NonNull<u8>, size: Size) -> bool {
        let Some(list) = self.blocks.get(size.number) else { return false };
        let bytes = self.bytes.get() + size.layout.size();
        if !self.spawns.get() || bytes > MAX_KEPT_BYTES {
            return false;
        }
        let free = block.cast::<Free>();
        // SAFETY: the block is large enough, aligned, and the caller's.
        unsafe { free.write(Free { next: list.get() }) };
        list.set(Some(free));
        self.bytes.set(bytes);
        true
    }
}

impl Drop for TaskMemory {
    fn drop(&mut self) {
        self.return_all();
        for (number, list) in self.blocks.iter().enumerate() {
            let mut next = list.take();
            while let Some(block) = next {
                // SAFETY: it is on the list (rule 2).
                next = unsafe { block.as_ref() }.next;
                let layout = Layout::from_size_align(number * SIZE_CLASS_STEP - ALLOCATOR_OVERHEAD, ALIGN);
                let layout = layout.expect("a block has a layout");
                // SAFETY: it came from `allocate` with this size (rule 1), and nobody has it.
                unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{executor::current_thread, time::clock::Clock};
    use std::{
        sync::{Arc, Weak},
        thread,
    };

    const SIZE: Size = Size::of::<[u64; 11]>();

    /// The result of `take`, to be moved to another thread.
    struct Taken(NonNull<u8>, ExecutorRef);

    // SAFETY: memory that nobody uses, and a reference that is counted atomically.
    unsafe impl Send for Taken {}

    fn executor() -> (Arc<current_thread::CurrentThread>, Weak<current_thread::CurrentThread>) {
        let shared =
            current_thread::CurrentThread::new(Clock::os(), 1).expect("the system gives descriptors");
        let weak = Arc::downgrade(&shared);
        (shared, weak)
    }

    fn take_many(shared: &Arc<current_thread::CurrentThread>) -> Vec<Taken> {
        (0..20_000)
            .map(|_| take(SIZE, ExecutorBorrow::current_thread(shared)))
            .map(|(block, reference)| Taken(block, reference))
            .collect()
    }

    fn give_all(taken: Vec<Taken>) {
        for Taken(block, reference) in taken {
            // SAFETY: it was taken with this size, and is given back once.
            unsafe { give(block, SIZE, reference) };
        }
    }

    #[test]
    fn an_executor_lives_as_long_as_one_task_has_a_reference() {
        let (shared, weak) = executor();
        let mut taken = take_many(&shared);
        drop(shared);
        return_references();
        let last = taken.pop();
        give_all(taken);
        return_references();
        assert_eq!(weak.strong_count(), 1);
        give_all(last.into_iter().collect());
        return_references();
        assert_eq!(weak.strong_count(), 0);
    }

    #[test]
    fn memory_taken_by_one_thread_is_given_back_by_another() {
        let (shared, weak) = executor();
        for _ in 0..3 {
            let taken = take_many(&shared);
            thread::spawn(|| give_all(taken)).join().unwrap();
        }
        return_references();
        drop(shared);
        assert_eq!(weak.strong_count(), 0);
    }

    #[test]
    fn a_thread_keeps_references_to_the_executor_that_it_spawned_on_last() {
        let ((first, of_first), (second, of_second)) = (executor(), executor());
        let taken = (take_many(&first), take_many(&second));
        drop((first, second));
        give_all(taken.0);
        assert_eq!(of_first.strong_count(), 0);
        give_all(taken.1);
        assert_eq!(of_second.strong_count(), 1);
        return_references();
        assert_eq!(of_second.strong_count(), 0);
    }

    #[test]
    fn a_block_is_used_again_and_no_thread_keeps_more_than_it_may() {
        let (shared, _) = executor();
        let (first, reference) = take(SIZE, ExecutorBorrow::current_thread(&shared));
        // SAFETY: it was taken with this size, and is given back once.
        unsafe { give(first, SIZE, reference) };
        let (again, reference) = take(SIZE, ExecutorBorrow::current_thread(&shared));
        assert_eq!(first, again);
        // SAFETY: as above.
        unsafe { give(again, SIZE, reference) };
        give_all(take_many(&shared));
        assert!(MEMORY.with(|store| store.bytes.get()) <= MAX_KEPT_BYTES);
        return_references();
    }

    #[test]
    fn a_size_fits_its_type() {
        const LARGE: Size = Size::of::<[u64; 100]>();
        assert!(SIZE.number < SIZE_CLASSES && SIZE.layout.size() >= size_of::<[u64; 11]>());
        assert_eq!((LARGE.number, LARGE.layout), (SIZE_CLASSES, Layout::new::<[u64; 100]>()));
        const ALIGNED: Size = Size::of::<u128>();
        assert_eq!((ALIGNED.number, ALIGNED.layout), (SIZE_CLASSES, Layout::new::<u128>()));
    }
}
