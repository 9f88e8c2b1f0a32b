//! Blocks: large values in memory that another process maps instead of copying.
//!
//! A [`Block`] is a slice of plain numbers in a memfd. A message to a worker, or back, names the block and
//! does not copy it. The receiver opens the file through `/proc`, or gets its descriptor over the worker's
//! socket where `/proc` is closed to it (`call/block/attachments.rs`), and maps it read-only. The only copy
//! is the sender's, who writes the numbers into the block once.
//!
//! # Why nobody writes what somebody reads
//!
//! 1. A [`BlockMut`] is its maker's alone, and only its maker writes it: its file is sealed against every
//!    other writable mapping and against `write`, by `F_SEAL_FUTURE_WRITE`, and against truncation.
//! 2. A [`Block`] is not written any more. Its memory is written again only when it is *recycled* for
//!    another `BlockMut`, which happens when the last reference in its maker's process is gone, and rule 3
//!    allows it:
//! 3. Each receiver has a *lease*, a word in the ring that both processes share. The maker's side holds a
//!    reference to the block while the word is set; the receiver clears it (Release) after it has unmapped
//!    the memory, and the maker looks at it (Acquire). A receiver that has ended has no mapping. If no
//!    lease was free for a receiver, the block is never recycled.
//! 4. A forked process uses an inherited block only as far as its maker, and the process that has sent it,
//!    surely leave it alone (`call/block/inherited.rs`).
//!
//! A worker sends the descriptors of an answer's blocks along with the answer, so that the answer stands
//! even if the worker ends before the pool has looked at it. Where that is impossible (too many descriptors
//! are on their way), the pool opens the blocks by their names while the worker lives. If the worker has
//! ended, the call is lost ([`Lost::Codec`](crate::Lost::Codec) says why), and is not tried again.

pub(crate) mod attachments;
mod carrier;
pub(crate) mod inherited;
mod kept;
// Unsafe: maps files, and sees their bytes as plain numbers.
#[allow(unsafe_code)]
mod sys;

pub use self::sys::Plain;
use self::{attachments::Lease, sys::Mapping};
pub(crate) use self::{
    carrier::{Carried, carry},
    kept::Keeper,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt, io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Shorter blocks travel with the message: a mapping costs more than a copy.
const MIN_NAMED_BYTES: usize = 64 << 10;

/// The memory of a block, and what the last drop does with it.
#[derive(Debug)]
pub(crate) struct Inner {
    mapping: Option<Mapping>,
    /// A process without a lease may read it.
    spoilt: AtomicBool,
    /// How often this process had forked when the memory was taken.
    forks: u64,
    /// For a receiver: the lease, which ends when the memory is unmapped.
    lease: Option<Lease>,
    /// Nobody has asked for a block: it carries a part of a plain value.
    is_carrier: bool,
}

impl Inner {
    fn new(mapping: Mapping, forks: u64) -> Self {
        Self { mapping: Some(mapping), spoilt: AtomicBool::new(false), forks, lease: None, is_carrier: false }
    }

    fn received(mapping: Mapping, lease: Option<Lease>) -> Self {
        let spoilt = AtomicBool::new(true);
        Self { mapping: Some(mapping), spoilt, forks: 0, lease, is_carrier: false }
    }

    fn mapping(&self) -> &Mapping {
        self.mapping.as_ref().expect("it is taken in drop alone")
    }

    /// Keeps the memory from being recycled.
    pub(crate) fn spoil(&self) {
        // Relaxed: the drop of the last reference comes after.
        self.spoilt.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mapping = self.mapping.take();
        if self.is_carrier {
            carrier::forget();
        }
        if let Some(mapping) = mapping.filter(|mapping| mapping.is_ours())
            && !*self.spoilt.get_mut()
        {
            kept::recycle(
                mapping,
                self.forks,
                if self.is_carrier { &kept::MAX_KEPT_CARRIERS } else { &kept::MAX_KEPT_BLOCKS },
            );
        }
        // A received block is unmapped by now, and its lease may end (rule 3).
        drop(self.lease.take());
    }
}

/// A large slice of plain numbers that is being written. [`freeze`](Self::freeze) makes it a [`Block`],
/// which can be sent.
///
/// ```
/// use brigade_process::BlockMut;
///
/// let mut squares = BlockMut::<u64>::zeroed(1_000).unwrap();
/// for (n, square) in (0..).zip(squares.iter_mut()) {
///     *square = n * n;
/// }
/// let squares = squares.freeze();
/// assert_eq!(squares[30], 900);
/// ```
///
/// # Panics
///
/// In a process that was forked since the block was made, reading, writing or freezing it panics on the
/// thread that does so: its memory is the parent's. Workers that are forked from a
/// [zygote](crate::Start::Zygote) are the exception: each has its own copy of the blocks that the
/// initializer has made.
pub struct BlockMut<T: Plain> {
    mapping: Mapping,
    /// How often this process had forked when the memory was taken.
    forks: u64,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> BlockMut<T> {
    /// Makes a block of `length` zeros.
    ///
    /// # Errors
    ///
    /// Returns an error if the system does not give the memory: if there is too little of it, if the
    /// process has too many descriptors, if the block is longer than the file size limit (`ulimit -f`)
    /// allows, since a block is a file in memory, or if memfds are forbidden. Returns `InvalidInput` if the
    /// length in bytes does not fit in a `usize`.
    pub fn zeroed(length: usize) -> io::Result<Self> {
        let (mut block, state) = Self::take(length)?;
        if state == Contents::Used {
            block.fill(T::default());
        }
        Ok(block)
    }

    /// Makes a block of `length` elements that hold zeros or the contents of an earlier block. Use it when
    /// all of them will be written.
    ///
    /// ```
    /// use brigade_process::BlockMut;
    ///
    /// let mut block = BlockMut::<f64>::recycled(4).unwrap();
    /// block.copy_from_slice(&[0.5, 1.0, 1.5, 2.0]);
    /// assert_eq!(block.freeze().iter().sum::<f64>(), 5.0);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`zeroed`](Self::zeroed).
    pub fn recycled(length: usize) -> io::Result<Self> {
        Ok(Self::take(length)?.0)
    }

    fn take(length: usize) -> io::Result<(Self, Contents)> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a block is longer than the memory");
        let bytes = length.checked_mul(size_of::<T>()).ok_or_else(too_long)?;
        let (kept, forks) = kept::take(bytes);
        let (mapping, state) = match kept {
            Some(mapping) => (mapping, Contents::Used),
            None => (Mapping::create(bytes).map_err(|error| told(error, bytes))?, Contents::Fresh),
        };
        Ok((Self { mapping, forks, length, elements: PhantomData }, state))
    }

    /// Makes zeros that no other process can map.
    fn anonymous(length: usize) -> io::Result<Self> {
        let mapping = Mapping::anonymous(length * size_of::<T>())?;
        Ok(Self { mapping, forks: 0, length, elements: PhantomData })
    }

    /// Ends the writing. The block can be read and sent from now on.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked process: see [`BlockMut`].
    #[track_caller]
    pub fn freeze(self) -> Block<T> {
        self.mapping.check_writable();
        let inner = Inner::new(self.mapping, self.forks);
        Block { length: self.length, inner: Arc::new(inner), elements: PhantomData }
    }
}

fn told(error: io::Error, bytes: usize) -> io::Error {
    io::Error::new(error.kind(), format!("memory for a block of {bytes} bytes: {error}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Fresh,
    Used,
}

impl<T: Plain> Deref for BlockMut<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.mapping.elements_in_the_making(self.length)
    }
}

impl<T: Plain> DerefMut for BlockMut<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.mapping.elements_mut(self.length)
    }
}

/// A large slice of plain numbers that workers read in place: as an argument or a result, or within one.
///
/// A call that is sent to a worker on this machine maps the block, whatever its size, in some microseconds.
/// Cloning it copies nothing either. In a `map`, and to workers elsewhere, its elements travel with the
/// message.
///
/// ```
/// use brigade_process::{Block, ProcessPool};
///
/// brigade_process::init();
/// let procs = ProcessPool::new(2).unwrap();
/// let measured = Block::copy_of(&vec![0.5_f64; 1 << 20]).unwrap();
/// let sum = procs.spawn(|measured: Block<f64>| measured.iter().sum::<f64>(), measured.clone());
/// assert_eq!(sum.join().unwrap(), measured.iter().sum());
/// ```
#[doc(alias("SharedMemory", "RawArray"))]
pub struct Block<T: Plain> {
    inner: Arc<Inner>,
    length: usize,
    elements: PhantomData<T>,
}

impl<T: Plain> Block<T> {
    /// Makes a block that holds a copy of `elements`.
    ///
    /// ```
    /// let block = brigade_process::Block::copy_of(&[3_u32, 1, 2]).unwrap();
    /// assert_eq!(block.iter().max(), Some(&3));
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`BlockMut::zeroed`].
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
struct Copied(Block<u8>);

impl<'de> Deserialize<'de> for Copied {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Copy;
        impl de::Visitor<'_> for Copy {
            type Value = Copied;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a block")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Copied, E> {
                // Where no file can be made, the block cannot be passed on by name.
                let block = BlockMut::recycled(bytes.len()).or_else(|_| BlockMut::anonymous(bytes.len()));
                let told = |error| E::custom(attachments::Failure::of(&error));
                let mut block = block.map_err(told)?;
                block.copy_from_slice(bytes);
                Ok(Copied(block.freeze()))
            }
        }
        deserializer.deserialize_bytes(Copy)
    }
}

impl<T: Plain> Serialize for Block<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.inner.mapping().elements::<u8>(self.length * size_of::<T>());
        let number = (bytes.len() >= MIN_NAMED_BYTES && self.inner.mapping().is_ours())
            .then(|| attachments::pack(&self.inner));
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
            Wire::Whole(Copied(bytes)) => (bytes.inner, bytes.length / size_of::<T>()),
            Wire::Named { number, length } => {
                let inner = attachments::unpack(number).map_err(de::Error::custom)?;
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
