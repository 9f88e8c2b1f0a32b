//! What travels beside a message: blocks are packed while a value is encoded, and unpacked while it is decoded.
//!
//! ```text
//!   | count u8 | fd u32 | lease u8 | inode u64 | … the next … | the value, which names them by number …
//! ```
//!
//! The receiver opens `/proc/PID/fd/FD` of the sender, and takes it only if it is the sealed file that the sender meant: the
//! sender holds the descriptor while the lease is out, but a process may end, and its number may be another's by then.

use super::{Inner, sys::Mapping};
use crate::{memory::Memory, ring};
use brigade_handle::fork::Generation;
use std::{
    cell::{Cell, RefCell},
    mem::ManuallyDrop,
    sync::{Arc, atomic::Ordering},
};

/// What stands for no lease.
const NO_LEASE: u8 = u8::MAX;
const ENTRY: usize = 13;

// Nothing is left in them after use, so they need no destructor; without one they are there as long as the thread is, also for
// the destructors of the user's thread-locals.
thread_local! {
    /// Blocks that were named by the value that is being encoded; none while values have to travel whole.
    static PACKED: RefCell<ManuallyDrop<Option<Packing>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static ARRIVED: RefCell<ManuallyDrop<Vec<Option<Arrival>>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    /// A block could not be opened. Serde's errors keep no text.
    static GONE: Cell<bool> = const { Cell::new(false) };
}

struct Packing {
    blocks: Vec<Arc<Inner>>,
    most: usize,
}

/// A block that can be opened.
struct Arrival {
    pid: u32,
    fd: u32,
    inode: u64,
    lease: Option<Lease>,
}

/// The receiver's side of a lease, which ends when it is dropped. A process that was forked since it came has
/// the same memory mapped, and does not end it: its parent may be reading.
#[derive(Debug)]
pub(super) struct Lease {
    memory: Arc<Memory>,
    word: usize,
    generation: Generation,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.generation.is_current() {
            // Release pairs with the maker's Acquire (rule 3 of `block.rs`).
            self.memory[self.word].store(0, Ordering::Release);
        }
    }
}

/// Encodes with `f`; up to `most` blocks in there are named, and come out.
pub(crate) fn packing<R>(most: usize, f: impl FnOnce() -> R) -> (R, Vec<Arc<Inner>>) {
    let packing = Packing { blocks: Vec::new(), most };
    let before = PACKED.replace(ManuallyDrop::new(Some(packing)));
    let result = f();
    let packed = ManuallyDrop::into_inner(PACKED.replace(before));
    (result, packed.map_or_else(Vec::new, |packing| packing.blocks))
}

/// The number of a block that is named in the value. None if it has to travel whole.
pub(super) fn pack(block: &Arc<Inner>) -> Option<u32> {
    PACKED.with(|packed| {
        let mut packed = packed.borrow_mut();
        let packing = packed.as_mut().filter(|packing| packing.blocks.len() < packing.most)?;
        packing.blocks.push(block.clone());
        u32::try_from(packing.blocks.len() - 1).ok()
    })
}

/// The block of this number, opened. Once for each.
pub(super) fn unpack(number: u32) -> Result<Arc<Inner>, String> {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let arrival = ARRIVED.with(|arrived| arrived.borrow_mut().get_mut(place).and_then(Option::take));
    let arrival = arrival.ok_or("a block is named that did not come along")?;
    let mapping = Mapping::open(arrival.pid, arrival.fd, arrival.inode).map_err(|error| {
        GONE.set(true);
        format!("a block cannot be opened, since its sender has ended, perhaps: {error}")
    })?;
    Ok(Arc::new(Inner::received(mapping, arrival.lease)))
}

/// Whether a block could not be opened by the last [`unpacking`](Origin::unpacking) on this thread.
pub(crate) fn is_one_gone() -> bool {
    GONE.get()
}

/// The sender's side of the leases of one ring.
#[derive(Debug)]
pub(crate) struct Leases {
    memory: Arc<Memory>,
    first: usize,
    out: Vec<Option<Arc<Inner>>>,
    /// How many are out.
    count: usize,
}

impl Leases {
    /// The leases in this direction.
    pub(crate) fn new(memory: Arc<Memory>, first: usize) -> Self {
        Self { memory, first, out: vec![None; ring::LEASES], count: 0 }
    }

    /// How many blocks can be lent now.
    pub(crate) fn free(&mut self) -> usize {
        if self.count > 0 {
            self.sweep();
        }
        self.out.len() - self.count
    }

    /// Takes back those that have ended.
    pub(crate) fn sweep(&mut self) {
        let words = &self.memory[self.first..];
        for (place, word) in self.out.iter_mut().zip(words) {
            // Acquire pairs with the receiver's Release (rule 3 of `block.rs`).
            if place.is_some() && word.load(Ordering::Acquire) == 0 {
                *place = None;
                self.count -= 1;
            }
        }
    }

    /// Writes what goes in front of the value. Blocks for which there is no lease are held by the caller.
    pub(crate) fn declare(&mut self, blocks: &[Arc<Inner>], out: &mut Vec<u8>) {
        self.sweep();
        out.push(u8::try_from(blocks.len()).unwrap_or(u8::MAX));
        for block in blocks {
            let lease = self.out.iter().position(Option::is_none);
            match lease {
                Some(lease) => {
                    // Relaxed: published with the message.
                    self.memory[self.first + lease].store(1, Ordering::Relaxed);
                    self.out[lease] = Some(block.clone());
                    self.count += 1;
                }
                None => block.spoil(),
            }
            let (fd, inode) = block.mapping().name();
            out.extend_from_slice(&fd.to_le_bytes());
            out.push(lease.and_then(|lease| u8::try_from(lease).ok()).unwrap_or(NO_LEASE));
            out.extend_from_slice(&inode.to_le_bytes());
        }
    }
}

/// From whom messages come, and which leases the blocks in them have.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) pid: u32,
    pub(crate) memory: Arc<Memory>,
    pub(crate) first: usize,
}

impl Origin {
    /// Decodes with `f` the value behind what `declare` wrote; blocks in there are opened. None if the message is damaged.
    pub(crate) fn unpacking<R>(&self, message: &[u8], f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let (&count, rest) = message.split_first()?;
        let (entries, value) = rest.split_at_checked(usize::from(count) * ENTRY)?;
        let arrivals = entries.as_chunks::<ENTRY>().0.iter().map(|entry| Some(self.arrival(entry))).collect();
        let before = ARRIVED.replace(ManuallyDrop::new(arrivals));
        GONE.set(false);
        let result = f(value);
        drop(ManuallyDrop::into_inner(ARRIVED.replace(before)));
        Some(result)
    }

    fn arrival(&self, entry: &[u8; ENTRY]) -> Arrival {
        let [a, b, c, d, lease, inode @ ..] = *entry;
        let word = usize::from(lease);
        let lease = (word < ring::LEASES).then(|| Lease {
            memory: self.memory.clone(),
            word: self.first + word,
            generation: Generation::current(),
        });
        Arrival {
            pid: self.pid,
            fd: u32::from_le_bytes([a, b, c, d]),
            inode: u64::from_le_bytes(inode),
            lease,
        }
    }
}
