//! Memory for jobs: each thread keeps the blocks of jobs that have ended for the jobs that it spawns
//! next.
//!
//! Most jobs live for a moment and have similar sizes, and a scope has more of them at a time than an
//! allocator caches for a thread. In `classic_skynet` a third of the time went to `malloc` and `free`. So
//! a job that fits lies in a block of one of two sizes, which any thread may allocate and free. A thread
//! that frees a block keeps it in a magazine of its own, and takes blocks from there first.
//!
//! Jobs that are spawned outside the pool end on other threads than they began, and allocators handle
//! that worst. So a thread that has two full magazines leaves one in the depot, and a thread without
//! blocks takes a magazine from there. This follows Bonwick and Adams, "Magazines and Vmem" (2001). A
//! magazine is an array and not a list through the blocks, so a thread that takes a block need not wait
//! until the block's memory arrives from another processor.
//!
//! 1. A block is allocated with the layout of its size and freed with it, on whatever thread.
//! 2. A block in a magazine belongs to no other thread.

use brigade_handle::fork::PerProcess;
use std::{
    alloc::{self, Layout},
    cell::{RefCell, RefMut},
    mem,
    ptr::NonNull,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The size of a block.
#[derive(Clone, Copy)]
enum SizeClass {
    /// One cache line, or two halves of a line.
    Small,
    Large,
}

const BLOCK_ALIGN_BYTES: usize = 16;
const SMALL_BLOCK: Layout = layout(64);
const LARGE_BLOCK: Layout = layout(128);

/// Blocks in a full magazine.
const BLOCKS_PER_MAGAZINE: usize = 256;

/// Full magazines of each size that the depot keeps: some megabytes.
const MAGAZINES_PER_DEPOT: usize = 256;

const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, BLOCK_ALIGN_BYTES) {
        Ok(layout) => layout,
        Err(_) => panic!("a block has a layout"),
    }
}

impl SizeClass {
    /// Returns the size of the block for values of this type, if they fit into one.
    const fn of<T>() -> Option<Self> {
        if align_of::<T>() > BLOCK_ALIGN_BYTES || size_of::<T>() > LARGE_BLOCK.size() {
            None
        } else if size_of::<T>() > SMALL_BLOCK.size() {
            Some(Self::Large)
        } else {
            Some(Self::Small)
        }
    }

    const fn layout(self) -> Layout {
        match self {
            Self::Small => SMALL_BLOCK,
            Self::Large => LARGE_BLOCK,
        }
    }
}

/// A block that is not in use.
struct FreeBlock(NonNull<u8>);

// SAFETY: the thread that has the block has all of it (rule 2).
unsafe impl Send for FreeBlock {}

type Magazine = Vec<FreeBlock>;

/// The blocks that a thread keeps.
struct ThreadMemory {
    small: RefCell<Magazines>,
    large: RefCell<Magazines>,
}

/// Blocks of one size: the magazine in use, and a full or an empty one.
#[derive(Default)]
struct Magazines {
    loaded: Magazine,
    previous: Magazine,
}

/// The full magazines that no thread has. A forked child begins with none, because their locks may be
/// held there for ever.
static SMALL_DEPOT: PerProcess<Mutex<Vec<Magazine>>> = PerProcess::new();
static LARGE_DEPOT: PerProcess<Mutex<Vec<Magazine>>> = PerProcess::new();

thread_local! {
    static MEMORY: ThreadMemory = const { ThreadMemory::new() };
}

impl SizeClass {
    fn depot(self) -> MutexGuard<'static, Vec<Magazine>> {
        let depot = match self {
            Self::Small => &SMALL_DEPOT,
            Self::Large => &LARGE_DEPOT,
        };
        depot.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Magazines {
    const fn new() -> Self {
        Self { loaded: Magazine::new(), previous: Magazine::new() }
    }

    #[inline]
    fn take(&mut self, size: SizeClass) -> Option<FreeBlock> {
        self.loaded.pop().or_else(|| self.reload(size))
    }

    /// Takes up a full magazine if there is one, because the magazine in use is empty.
    #[cold]
    fn reload(&mut self, size: SizeClass) -> Option<FreeBlock> {
        mem::swap(&mut self.loaded, &mut self.previous);
        if self.loaded.is_empty() {
            self.loaded = size.depot().pop()?;
        }
        self.loaded.pop()
    }

    /// Keeps the block, or returns it if there are enough.
    #[inline]
    fn keep(&mut self, block: FreeBlock, size: SizeClass) -> Option<FreeBlock> {
        if self.loaded.len() >= BLOCKS_PER_MAGAZINE && !self.unload(size) {
            return Some(block);
        }
        self.loaded.push(block);
        None
    }

    /// Takes up an empty magazine if there is room for the full one, because the magazine in use is full.
    #[cold]
    fn unload(&mut self, size: SizeClass) -> bool {
        if !self.previous.is_empty() {
            let mut depot = size.depot();
            if depot.len() >= MAGAZINES_PER_DEPOT {
                return false;
            }
            depot.push(mem::replace(&mut self.previous, Magazine::with_capacity(BLOCKS_PER_MAGAZINE)));
        }
        mem::swap(&mut self.loaded, &mut self.previous);
        true
    }
}

impl ThreadMemory {
    const fn new() -> Self {
        Self { small: RefCell::new(Magazines::new()), large: RefCell::new(Magazines::new()) }
    }

    #[inline]
    fn of(&self, size: SizeClass) -> RefMut<'_, Magazines> {
        let magazines = match size {
            SizeClass::Small => &self.small,
            SizeClass::Large => &self.large,
        };
        magazines.borrow_mut()
    }
}

impl Drop for ThreadMemory {
    fn drop(&mut self) {
        for size in [SizeClass::Small, SizeClass::Large] {
            let magazines = mem::take(&mut *self.of(size));
            magazines.loaded.into_iter().chain(magazines.previous).for_each(|block| free(block, size));
        }
    }
}

/// Calls `f` with the blocks of this thread, unless the thread is about to end.
#[inline]
fn with_memory<R>(f: impl FnOnce(&ThreadMemory) -> R) -> Option<R> {
    MEMORY.try_with(f).ok()
}

/// Moves the value to the heap.
#[inline]
pub(crate) fn put<T>(value: T) -> NonNull<T> {
    let Some(size) = SizeClass::of::<T>() else {
        return NonNull::from(Box::leak(Box::new(value)));
    };
    let magazines = with_memory(|memory| memory.of(size).take(size)).flatten();
    let FreeBlock(block) = magazines.unwrap_or_else(|| allocate(size));
    let block = block.cast::<T>();
    // SAFETY: a block is large enough and aligned, because the type fits, and this block is ours.
    unsafe { block.write(value) };
    block
}

#[cold]
fn allocate(size: SizeClass) -> FreeBlock {
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc::alloc(size.layout()) };
    FreeBlock(NonNull::new(block).unwrap_or_else(|| alloc::handle_alloc_error(size.layout())))
}

fn free(FreeBlock(block): FreeBlock, size: SizeClass) {
    // SAFETY: it came from `allocate` with this size (rule 1), and belongs to no other thread (rule 2).
    unsafe { alloc::dealloc(block.as_ptr(), size.layout()) };
}

/// Moves the value out of the heap again.
///
/// # Safety
///
/// [`put`] stored it there, it is the caller's, and this is called once.
#[inline]
pub(crate) unsafe fn take<T>(place: NonNull<T>) -> T {
    let Some(size) = SizeClass::of::<T>() else {
        // SAFETY: a box put it there, and it is the caller's.
        return *unsafe { Box::from_raw(place.as_ptr()) };
    };
    // SAFETY: it is the caller's, which does not use it again.
    let value = unsafe { place.read() };
    // SAFETY: the value is gone, and the block came from `allocate`.
    unsafe { release(place, size) };
    value
}

/// Drops the value in place and gives its memory back.
///
/// # Safety
///
/// As for [`take`].
#[inline]
pub(crate) unsafe fn drop_in_place<T>(place: NonNull<T>) {
    let Some(size) = SizeClass::of::<T>() else {
        // SAFETY: a box put it there, and it is the caller's.
        return drop(unsafe { Box::from_raw(place.as_ptr()) });
    };
    /// Gives the memory back even if the destructor panics, as a box does.
    struct Block<T>(NonNull<T>, SizeClass);
    impl<T> Drop for Block<T> {
        fn drop(&mut self) {
            // SAFETY: the value is gone, and the block came from `allocate`.
            unsafe { release(self.0, self.1) };
        }
    }
    let _block = Block(place, size);
    // SAFETY: it is the caller's, which does not use it again.
    unsafe { place.drop_in_place() };
}

/// Gives a block back.
///
/// # Safety
///
/// The block came from [`allocate`] with this size, and is the caller's.
#[inline]
unsafe fn release<T>(block: NonNull<T>, size: SizeClass) {
    let mut left = Some(FreeBlock(block.cast()));
    with_memory(|memory| left = left.take().and_then(|block| memory.of(size).keep(block, size)));
    if let Some(block) = left {
        free(block, size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{iter, sync::Arc};

    #[test]
    fn values_of_any_size_are_put_and_taken() {
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
            for _ in 0..4 * BLOCKS_PER_MAGAZINE {
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
    fn blocks_travel_from_a_thread_that_puts_to_one_that_takes() {
        let pool = crate::Pool::builder().threads(1).build().unwrap();
        struct Sent(NonNull<u64>);
        // SAFETY: a number may be sent to another thread, and one thread at a time uses it.
        unsafe impl Send for Sent {}
        let sent: Vec<_> = (0..4 * BLOCKS_PER_MAGAZINE as u64).map(|n| Sent(put(n))).collect();
        // SAFETY: each was put above, and is taken once.
        let sum: u64 = pool.install(|| sent.into_iter().map(|Sent(place)| unsafe { take(place) }).sum());
        assert_eq!(sum, (0..4 * BLOCKS_PER_MAGAZINE as u64).sum());
    }

    #[test]
    fn blocks_that_one_thread_frees_reach_another_through_the_depot() {
        // All threads share the depot, but other tests use few large blocks.
        let many = || (0..4 * BLOCKS_PER_MAGAZINE).map(|_| allocate(SizeClass::Large)).collect::<Vec<_>>();
        let ours = many();
        let addresses: Vec<_> = ours.iter().map(|block| block.0.addr()).collect();
        let mut magazines = Magazines::default();
        let left: Vec<_> =
            ours.into_iter().filter_map(|block| magazines.keep(block, SizeClass::Large)).collect();
        assert!(left.is_empty(), "the depot has room");
        // A thread without blocks gets the blocks that we left in the depot, or blocks that others left
        // there meanwhile.
        let mut previous = Magazines::default();
        let got: Vec<_> = iter::from_fn(|| previous.take(SizeClass::Large)).collect();
        assert!(got.iter().any(|block| addresses.contains(&block.0.addr())));
        let rest = magazines.loaded.into_iter().chain(magazines.previous);
        got.into_iter().chain(rest).for_each(|block| free(block, SizeClass::Large));
    }
}
