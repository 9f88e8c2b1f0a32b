//! Memory for jobs: each worker keeps the blocks of jobs that have ended for those that it spawns next.
//!
//! Most jobs live for a moment and are alike in size, and a scope has more of them at a time than an allocator keeps at hand for a thread: in
//! `classic_skynet` a third of the time went to `malloc` and `free`. So a job that fits lies in a block of one of two sizes, which any thread
//! may allocate and free; a worker that frees one puts it on a list of its own, and takes from there first.
//!
//! 1. A block is allocated with the layout of its size and freed with it, wherever that happens.
//! 2. A worker's lists are used by its own thread only. What is on them belongs to nobody, and its first word is the next one's address.

use crate::current;
use std::{
    alloc::{self, Layout},
    cell::Cell,
    ptr::NonNull,
};

/// How large a block is.
#[derive(Clone, Copy)]
enum Size {
    /// One cache line, or two halves.
    Small,
    Large,
}

const ALIGN: usize = 16;
const SMALL: Layout = layout(64);
const LARGE: Layout = layout(128);

/// How many blocks of each size a worker keeps.
const KEPT: usize = 512;

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("a block has a layout"),
    }
}

impl Size {
    /// That of the block for values of this type, if they go into one.
    const fn of<T>() -> Option<Self> {
        if align_of::<T>() > ALIGN || size_of::<T>() > LARGE.size() {
            None
        } else if size_of::<T>() > SMALL.size() {
            Some(Self::Large)
        } else {
            Some(Self::Small)
        }
    }

    const fn layout(self) -> Layout {
        match self {
            Self::Small => SMALL,
            Self::Large => LARGE,
        }
    }
}

struct Free {
    next: Option<NonNull<Free>>,
}

/// The blocks that a worker keeps.
#[derive(Default)]
pub(crate) struct Blocks {
    small: List,
    large: List,
}

/// Blocks of one size.
#[derive(Default)]
struct List {
    first: Cell<Option<NonNull<Free>>>,
    count: Cell<usize>,
}

impl Blocks {
    #[inline]
    fn list(&self, size: Size) -> &List {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        }
    }
}

impl List {
    #[inline]
    fn take(&self) -> Option<NonNull<u8>> {
        let first = self.first.get()?;
        // SAFETY: what is on the list is a block whose first word was written by `keep` (rule 2).
        let next = unsafe { first.as_ref() }.next;
        self.first.set(next);
        self.count.set(self.count.get() - 1);
        Some(first.cast())
    }

    /// False if there are enough.
    ///
    /// # Safety
    ///
    /// The block came from [`allocate`] with this list's size, and is the caller's.
    #[inline]
    unsafe fn keep(&self, block: NonNull<u8>) -> bool {
        let keeps = self.count.get() < KEPT;
        if keeps {
            let free = block.cast::<Free>();
            // SAFETY: the block is large enough, aligned, and the caller's.
            unsafe { free.write(Free { next: self.first.get() }) };
            self.first.set(Some(free));
            self.count.set(self.count.get() + 1);
        }
        keeps
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for size in [Size::Small, Size::Large] {
            while let Some(block) = self.list(size).take() {
                // SAFETY: it came from `allocate` with this size (rule 1), and nobody has it.
                unsafe { alloc::dealloc(block.as_ptr(), size.layout()) };
            }
        }
    }
}

/// Moves the value to the heap.
#[inline]
pub(crate) fn put<T>(value: T) -> NonNull<T> {
    let Some(size) = Size::of::<T>() else {
        return NonNull::from(Box::leak(Box::new(value)));
    };
    let kept = current::with(|worker| worker.and_then(|worker| worker.blocks.list(size).take()));
    let block = kept.unwrap_or_else(|| allocate(size)).cast::<T>();
    // SAFETY: a block is large enough and aligned, as the type fits, and this one is ours.
    unsafe { block.write(value) };
    block
}

#[cold]
fn allocate(size: Size) -> NonNull<u8> {
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc::alloc(size.layout()) };
    NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(size.layout()))
}

/// Moves the value out of the heap again.
///
/// # Safety
///
/// It was [put](put) there, it is the caller's, and this is called once.
#[inline]
pub(crate) unsafe fn take<T>(place: NonNull<T>) -> T {
    let Some(size) = Size::of::<T>() else {
        // SAFETY: it was put there by a box, and is the caller's.
        return *unsafe { Box::from_raw(place.as_ptr()) };
    };
    // SAFETY: it is the caller's, who does not use it again.
    let value = unsafe { place.read() };
    // SAFETY: the value is gone, and the block came from `allocate`.
    unsafe { release(place.cast(), size) };
    value
}

/// Drops the value in place and gives its memory back.
///
/// # Safety
///
/// As for [`take`].
#[inline]
pub(crate) unsafe fn drop_in_place<T>(place: NonNull<T>) {
    let Some(size) = Size::of::<T>() else {
        // SAFETY: it was put there by a box, and is the caller's.
        return drop(unsafe { Box::from_raw(place.as_ptr()) });
    };
    /// Goes back even if the destructor panics, as a box does.
    struct Block(NonNull<u8>, Size);
    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: the value is gone, and the block came from `allocate`.
            unsafe { release(self.0, self.1) };
        }
    }
    let _block = Block(place.cast(), size);
    // SAFETY: it is the caller's, who does not use it again.
    unsafe { place.drop_in_place() };
}

/// # Safety
///
/// The block came from [`allocate`] with this size, and is the caller's.
#[inline]
unsafe fn release(block: NonNull<u8>, size: Size) {
    // SAFETY: as the caller says.
    let keep = |worker: &crate::worker::Worker| unsafe { worker.blocks.list(size).keep(block) };
    if !current::with(|worker| worker.is_some_and(keep)) {
        // SAFETY: as the caller says (rule 1).
        unsafe { alloc::dealloc(block.as_ptr(), size.layout()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_is_put_is_taken_whatever_its_size() {
        let small = put([7_u8; 3]);
        let large = put([7_u8; 128]);
        let none = put([7_u8; 129]);
        // SAFETY: each was put above, and is taken once.
        assert_eq!(unsafe { take(small) }, [7; 3]);
        // SAFETY: as above.
        assert_eq!(unsafe { take(large) }, [7; 128]);
        // SAFETY: as above.
        assert_eq!(unsafe { take(none) }, [7; 129]);
        #[repr(align(64))]
        struct Line(u8);
        let aligned = put(Line(7));
        assert!(aligned.addr().get().is_multiple_of(64));
        // SAFETY: as above.
        assert_eq!(unsafe { take(aligned) }.0, 7);
    }

    #[test]
    fn destructors_run_on_a_worker_and_elsewhere() {
        let counted = Arc::new(());
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        let put_and_drop = |value: Arc<()>| {
            for _ in 0..2 * KEPT {
                let place = put(value.clone());
                // SAFETY: it was put above, and is dropped once.
                unsafe { drop_in_place(place) };
            }
        };
        put_and_drop(counted.clone());
        pool.install(|| put_and_drop(counted.clone()));
        drop(pool);
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn blocks_wander_from_a_thread_that_puts_to_one_that_takes() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        struct Sent(NonNull<u64>);
        // SAFETY: a number may go anywhere, and is used by one thread at a time.
        unsafe impl Send for Sent {}
        let sent: Vec<_> = (0..2 * KEPT as u64).map(|n| Sent(put(n))).collect();
        // SAFETY: each was put above, and is taken once.
        let sum: u64 = pool.install(|| sent.into_iter().map(|Sent(place)| unsafe { take(place) }).sum());
        assert_eq!(sum, (0..2 * KEPT as u64).sum());
    }
}
