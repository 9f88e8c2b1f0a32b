//! Blocks: large values in memory that another process maps instead of copying.
//!
//! A [`Block`] is a slice of plain numbers in a memfd. Sent to a worker, or back, it is named and not copied: the receiver opens
//! the file through `/proc` and maps it, to read only. What is copied is what the sender writes into it, once.
//!
//! # Why nobody writes what somebody reads
//!
//! 1. A [`BlockMut`] is its maker's alone, and it is written only there: its file is sealed against every other writable mapping
//!    and against `write`, by `F_SEAL_FUTURE_WRITE`, and against truncation.
//! 2. A [`Block`] is not written any more. Its memory is written again only when it is *recycled* for another `BlockMut`, which
//!    happens when the last reference in its maker's process is gone, and:
//! 3. Each receiver has a *lease*, a word in the ring that both processes share. The maker's side holds a reference to the block
//!    while the word is set; the receiver clears it (Release) after it has unmapped the memory, and the maker looks at it (Acquire).
//!    A receiver that has ended has no mapping. One for which no lease was free makes the block one that is never recycled.
//!
//! Recycling is what makes blocks fast: new memory costs a page fault and a cleared page for every 4 KiB.
//!
//! A block is its maker's: one that a worker answered with is gone if the worker ends before the answer is decoded. The call is lost then
//! ([`Lost::Codec`](crate::Lost::Codec) says why), and is not tried again.

// Unsafe: maps files, and sees their bytes as plain numbers.
#[allow(unsafe_code)]
mod sys;

pub(crate) mod luggage;

use self::sys::Mapping;
pub use self::sys::Plain;
use crate::memory::Memory;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt, io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Shorter ones travel with the message: a mapping costs more than a copy.
const SHORT: usize = 64 << 10;
/// How much memory is kept to be recycled, in bytes.
const KEPT: usize = 512 << 20;

/// The memory of a block, and what becomes of it in the end.
#[derive(Debug)]
pub(crate) struct Inner {
    mapping: Option<Mapping>,
    /// Somebody may read it who has no lease.
    spoilt: AtomicBool,
    /// The word to clear when it is unmapped, for a receiver.
    lease: Option<(Arc<Memory>, usize)>,
}

impl Inner {
    fn new(mapping: Mapping) -> Self {
        Self { mapping: Some(mapping), spoilt: AtomicBool::new(false), lease: None }
    }

    fn mapping(&self) -> &Mapping {
        self.mapping.as_ref().expect("it is taken in drop alone")
    }

    /// Keeps it from being recycled.
    pub(crate) fn spoil(&self) {
        // Relaxed: the drop of the last reference comes after.
        self.spoilt.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mapping = self.mapping.take();
        if let Some((memory, word)) = &self.lease {
            drop(mapping);
            // Release pairs with the maker's Acquire (rule 3).
            memory[*word].store(0, Ordering::Release);
        } else if let Some(mapping) = mapping.filter(|mapping| mapping.is_ours())
            && !*self.spoilt.get_mut()
        {
            recycle(mapping);
        }
    }
}

static KEPT_BACK: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());
/// How many pools there are in this process: without one nothing is kept.
static POOLS: AtomicUsize = AtomicUsize::new(0);

fn kept_back() -> MutexGuard<'static, Vec<Mapping>> {
    // Nothing panics under the lock.
    KEPT_BACK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recycle(mapping: Mapping) {
    let mut kept = kept_back();
    // Relaxed: it is changed under the same lock.
    let room = kept.iter().map(Mapping::capacity).sum::<usize>() + mapping.capacity() <= KEPT;
    if room && POOLS.load(Ordering::Relaxed) > 0 {
        kept.push(mapping);
    }
}

/// Lets memory be recycled while there is a pool, or in a worker.
#[derive(Debug)]
pub(crate) struct Keeper(());

impl Keeper {
    pub(crate) fn new() -> Self {
        let _kept = kept_back();
        // Relaxed: see `recycle`.
        POOLS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let mut kept = kept_back();
        // Relaxed: see `recycle`.
        if POOLS.fetch_sub(1, Ordering::Relaxed) == 1 {
            let gone = std::mem::take(&mut *kept);
            drop(kept);
            drop(gone);
        }
    }
}

/// A large slice of plain numbers that is being written. [`freeze`](Self::freeze) makes it a [`Block`], which can be sent.
pub struct BlockMut<T: Plain> {
    mapping: Mapping,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> BlockMut<T> {
    /// So many zeros.
    ///
    /// # Errors
    ///
    /// If the system has no such memory to give.
    pub fn zeroed(length: usize) -> io::Result<Self> {
        let (mut block, state) = Self::take(length)?;
        if state == State::Used {
            block.fill(T::default());
        }
        Ok(block)
    }

    /// So many elements that hold zeros or what an earlier block held: for when all of them will be written.
    ///
    /// # Errors
    ///
    /// As for [`zeroed`](Self::zeroed).
    pub fn recycled(length: usize) -> io::Result<Self> {
        Ok(Self::take(length)?.0)
    }

    fn take(length: usize) -> io::Result<(Self, State)> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a block is longer than the memory");
        let bytes = length.checked_mul(size_of::<T>()).ok_or_else(too_long)?;
        let fits = |mapping: &Mapping| (bytes..=bytes.saturating_mul(2)).contains(&mapping.capacity());
        let mut kept = kept_back();
        let found = kept.iter().rposition(fits).map(|at| kept.swap_remove(at));
        drop(kept);
        let (mapping, state) = match found {
            Some(mapping) => (mapping, State::Used),
            None => (Mapping::create(bytes)?, State::Fresh),
        };
        Ok((Self { mapping, length, elements: PhantomData }, state))
    }

    /// Ends the writing.
    pub fn freeze(self) -> Block<T> {
        Block { length: self.length, inner: Arc::new(Inner::new(self.mapping)), elements: PhantomData }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Used,
}

impl<T: Plain> Deref for BlockMut<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.mapping.elements(self.length)
    }
}

impl<T: Plain> DerefMut for BlockMut<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.mapping.elements_mut(self.length)
    }
}

/// A large slice of plain numbers that workers read in place: as an argument or a result, or within one.
///
/// A call that is sent to a worker on this machine maps the block, whatever its size, in some microseconds; cloning it copies
/// nothing either. In a `map`, and to workers elsewhere, its elements travel with the message.
///
/// ```no_run
/// use brigade_process::{Block, ProcessPool};
///
/// brigade_process::init();
/// let procs = ProcessPool::new(2).unwrap();
/// let measured = Block::copy_of(&vec![0.5_f64; 1 << 20]).unwrap();
/// let sum = procs.spawn(|measured: Block<f64>| measured.iter().sum::<f64>(), measured.clone());
/// assert_eq!(sum.join().unwrap(), measured.iter().sum());
/// ```
pub struct Block<T: Plain> {
    inner: Arc<Inner>,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> Block<T> {
    /// A copy of these.
    ///
    /// # Errors
    ///
    /// If the system has no such memory to give.
    pub fn copy_of(elements: &[T]) -> io::Result<Self> {
        let mut block = BlockMut::recycled(elements.len())?;
        block.copy_from_slice(elements);
        Ok(block.freeze())
    }
}

impl<T: Plain> Clone for Block<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), length: self.length, elements: PhantomData }
    }
}

impl<T: Plain> Deref for Block<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.inner.mapping().elements(self.length)
    }
}

/// A block on the wire: named, or with all its bytes.
#[derive(Serialize, Deserialize)]
enum Wire<B> {
    Named { number: u32, length: u64 },
    Whole(B),
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Bytes that were copied into a block of their own.
struct Copied(Mapping, usize);

impl<'de> Deserialize<'de> for Copied {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copy;
        impl de::Visitor<'_> for Copy {
            type Value = Copied;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a block")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Copied, E> {
                let mut mapping = Mapping::create(bytes.len()).map_err(E::custom)?;
                mapping.elements_mut::<u8>(bytes.len()).copy_from_slice(bytes);
                Ok(Copied(mapping, bytes.len()))
            }
        }
        deserializer.deserialize_bytes(Copy)
    }
}

impl<T: Plain> Serialize for Block<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.inner.mapping().elements::<u8>(self.length * size_of::<T>());
        let number =
            (bytes.len() >= SHORT && self.inner.mapping().is_ours()).then(|| luggage::pack(&self.inner));
        match number.flatten() {
            Some(number) => {
                Wire::<Raw<'_>>::Named { number, length: self.length as u64 }.serialize(serializer)
            }
            None => Wire::Whole(Raw(bytes)).serialize(serializer),
        }
    }
}

impl<'de, T: Plain> Deserialize<'de> for Block<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (inner, length) = match Wire::<Copied>::deserialize(deserializer)? {
            Wire::Whole(Copied(mapping, bytes)) => (Arc::new(Inner::new(mapping)), bytes / size_of::<T>()),
            Wire::Named { number, length } => {
                let inner = luggage::unpack(number).map_err(de::Error::custom)?;
                let length = usize::try_from(length).map_err(de::Error::custom)?;
                let needed = length.checked_mul(size_of::<T>());
                if needed.is_none_or(|needed| needed > inner.mapping().capacity()) {
                    return Err(de::Error::custom("a block is shorter than it was said to be"));
                }
                (inner, length)
            }
        };
        Ok(Self { inner, length, elements: PhantomData })
    }
}

impl<T: Plain> fmt::Debug for Block<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<T: Plain> fmt::Debug for BlockMut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockMut").field("length", &self.length).finish_non_exhaustive()
    }
}
