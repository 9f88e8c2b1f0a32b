//! The blocks that travel beside a message: packed while a value is encoded, and unpacked while it is
//! decoded.
//!
//! ```text
//!   | count u8 | fd u32 | lease u8 | inode u64 | … the next … | the value, which names them by number …
//! ```
//!
//! The receiver opens `/proc/PID/fd/FD` of the sender, and takes it only if it is the sealed file that the
//! sender meant. The sender holds the descriptor while the lease is out, but a process may end, and its
//! number may be another's by then.
//!
//! # Where the sender's descriptors are closed to the receiver
//!
//! The kernel shows a process's descriptors only to processes that may debug it. A process that changes its
//! user, or that is not *dumpable*, closes them to its own children, and to its parent. Then the
//! descriptors themselves travel, over the worker's socket:
//!
//! * A worker that cannot open the blocks of an argument asks for them (`Fetch`), and the supervisor sends
//!   them (`Attachments`).
//! * A worker sends them along with its answer in any case, so that the answer stands without the worker.
//!   Where it cannot send them, a pool that may open them ([`is_open_to`]) does.

pub(crate) use super::sys::is_open_to;
use super::{Inner, sys::Mapping};
use crate::{
    system::{
        descriptors::{self, PassedDescriptors},
        memory::Memory,
    },
    wire::ring,
};
use brigade_handle::fork::Generation;
use std::{
    cell::RefCell,
    fmt,
    fs::File,
    io,
    mem::ManuallyDrop,
    os::fd::BorrowedFd,
    sync::{Arc, atomic::Ordering},
};

/// The value of the lease byte for a block without a lease.
const NO_LEASE: u8 = u8::MAX;
const ENTRY: usize = 13;

// These have no destructors, so that the destructors of other thread-locals can encode and decode values,
// too.
thread_local! {
    /// The blocks that the value under way has named so far; none while values have to travel whole.
    static PACKED: RefCell<ManuallyDrop<Option<Packing>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static ARRIVED: RefCell<ManuallyDrop<Vec<Option<Arrival>>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

struct Packing {
    blocks: Vec<Arc<Inner>>,
    most: usize,
}

/// A block that a message names.
struct Arrival {
    inode: u64,
    lease: Option<Lease>,
    state: Whereabouts,
}

/// Where the memory of a block is.
enum Whereabouts {
    /// In the sender's process, under this number.
    Named {
        pid: u32,
        fd: u32,
    },
    Mapped(Mapping),
    Refused(Failure),
}

impl Arrival {
    /// Opens the block by its name, unless that was done.
    fn open(&mut self) {
        if let Whereabouts::Named { pid, fd } = self.state {
            let opened = Mapping::open(pid, fd, self.inode);
            self.state =
                opened.map_or_else(|error| Whereabouts::Refused(Failure::of(&error)), Whereabouts::Mapped);
        }
    }
}

/// Why a block could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The sender, or its descriptor, is not there any more.
    Gone,
    /// This process, or the system, can have no more descriptors or memory; and the error's number.
    AtLimit(i32),
    /// The sender's descriptors are closed to this process; and the error's number.
    Closed(i32),
    /// Descriptors were to come along, and did not.
    NotAlong,
}

impl Failure {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) if descriptors::is_at_limit(error) => Self::AtLimit(number),
            Some(number) if error.kind() != io::ErrorKind::NotFound => Self::Closed(number),
            _ => Self::Gone,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gone => f.write_str("a block is gone: its worker ended before the block was opened"),
            Self::AtLimit(number) => {
                write!(f, "a block cannot be opened: {}", io::Error::from_raw_os_error(number))
            }
            Self::Closed(number) => write!(
                f,
                "a block cannot be opened, since its sender's descriptors are closed to this process, which has other \
                 rights (credentials(7)): {}",
                io::Error::from_raw_os_error(number)
            ),
            Self::NotAlong => f.write_str(
                "a block's descriptor did not arrive: perhaps its sender may send no more of them, or this process is at \
                 its limit (`ulimit -n`)",
            ),
        }
    }
}

/// The receiver's side of a lease, which ends when it is dropped. A process that was forked after it came
/// has the same memory mapped, and does not end it: its parent may be reading.
#[derive(Debug)]
pub(super) struct Lease {
    memory: Arc<Memory>,
    word: usize,
    generation: Generation,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.generation.is_current() {
            // Release pairs with the maker's Acquire (rule 3 of `call/block/mod.rs`).
            self.memory[self.word].store(0, Ordering::Release);
        }
    }
}

/// Encodes with `f`. Names up to `most` blocks of the value, and returns them.
pub(crate) fn packing<R>(most: usize, f: impl FnOnce() -> R) -> (R, Vec<Arc<Inner>>) {
    let packing = Packing { blocks: Vec::new(), most };
    let before = PACKED.replace(ManuallyDrop::new(Some(packing)));
    let result = f();
    let packed = ManuallyDrop::into_inner(PACKED.replace(before));
    (result, packed.map_or_else(Vec::new, |packing| packing.blocks))
}

/// Runs foreign code that may encode values of its own, while a value is encoded or about to be: its blocks
/// are none of that value's.
pub(crate) fn not_packing<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Option<ManuallyDrop<Option<Packing>>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(before) = self.0.take() {
                PACKED.set(before);
            }
        }
    }
    if PACKED.with(|packed| packed.borrow().is_none()) {
        return f();
    }
    let _restore = Restore(Some(PACKED.replace(ManuallyDrop::new(None))));
    f()
}

/// Whether a value is encoded on this thread that may name one more block.
pub(super) fn has_room() -> bool {
    PACKED.with(|packed| packed.borrow().as_ref().is_some_and(|packing| packing.blocks.len() < packing.most))
}

/// The number that names the block in the value. None if it has to travel whole.
pub(super) fn pack(block: &Arc<Inner>) -> Option<u32> {
    PACKED.with(|packed| {
        let mut packed = packed.borrow_mut();
        let packing = packed.as_mut().filter(|packing| packing.blocks.len() < packing.most)?;
        packing.blocks.push(block.clone());
        u32::try_from(packing.blocks.len() - 1).ok()
    })
}

/// Takes the block of this number, opened. Each can be taken once.
pub(super) fn unpack(number: u32) -> Result<Arc<Inner>, String> {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    let arrival = ARRIVED.with(|arrived| arrived.borrow_mut().get_mut(place).and_then(Option::take));
    let mut arrival = arrival.ok_or("a block is named that did not come along")?;
    arrival.open();
    match arrival.state {
        Whereabouts::Mapped(mapping) => Ok(Arc::new(Inner::received(mapping, arrival.lease))),
        Whereabouts::Refused(failure) => Err(failure.to_string()),
        Whereabouts::Named { .. } => Err(Failure::Gone.to_string()),
    }
}

/// The descriptors of blocks, to be sent along.
pub(crate) fn descriptors(blocks: &[Arc<Inner>]) -> Vec<BorrowedFd<'_>> {
    blocks.iter().filter_map(|block| block.mapping().file()).collect()
}

/// The sender's side of the leases of one ring.
#[derive(Debug)]
pub(crate) struct Leases {
    memory: Arc<Memory>,
    first: usize,
    out: Vec<Option<Lent>>,
    /// How many leases are out.
    count: usize,
}

/// A block that was lent for a call.
#[derive(Clone, Debug)]
struct Lent {
    _block: Arc<Inner>,
    call: u64,
}

impl Leases {
    /// The leases of one direction, whose words begin at `first`.
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

    /// Takes back the blocks whose leases have ended.
    pub(crate) fn sweep(&mut self) {
        let words = &self.memory[self.first..];
        for (place, word) in self.out.iter_mut().zip(words) {
            // Acquire pairs with the receiver's Release (rule 3 of `call/block/mod.rs`).
            if place.is_some() && word.load(Ordering::Acquire) == 0 {
                *place = None;
                self.count -= 1;
            }
        }
    }

    /// Writes the entries that stand before the value, for call number `call`. The caller holds the blocks
    /// for which there is no lease.
    pub(crate) fn declare(&mut self, call: u64, blocks: &[Arc<Inner>], out: &mut Vec<u8>) {
        self.sweep();
        out.push(u8::try_from(blocks.len()).unwrap_or(u8::MAX));
        for block in blocks {
            let lease = self.out.iter().position(Option::is_none);
            match lease {
                Some(lease) => {
                    // Relaxed: published with the message.
                    self.memory[self.first + lease].store(1, Ordering::Relaxed);
                    self.out[lease] = Some(Lent { _block: block.clone(), call });
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

    /// Takes back the blocks that were lent for a call that the receiver has not begun, and will not see.
    pub(crate) fn recall(&mut self, call: u64) {
        let words = &self.memory[self.first..];
        for (place, word) in self.out.iter_mut().zip(words) {
            if place.as_ref().is_some_and(|lent| lent.call == call) {
                // Relaxed: nobody else looks at it, since the message was taken back.
                word.store(0, Ordering::Relaxed);
                *place = None;
                self.count -= 1;
            }
        }
    }
}

/// The sender of messages, and the leases of the blocks in them.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) pid: u32,
    pub(crate) memory: Arc<Memory>,
    pub(crate) first: usize,
}

/// The blocks that a message names. Their leases end when it is dropped.
pub(crate) struct Arrivals(Vec<Option<Arrival>>);

impl Origin {
    /// Takes off the entries that `declare` wrote before a value. None if the message is damaged.
    pub(crate) fn arrivals<'m>(&self, message: &'m [u8]) -> Option<(Arrivals, &'m [u8])> {
        let (&count, rest) = message.split_first()?;
        let (entries, value) = rest.split_at_checked(usize::from(count) * ENTRY)?;
        let arrivals = entries.as_chunks::<ENTRY>().0.iter().map(|entry| Some(self.arrival(entry)));
        Some((Arrivals(arrivals.collect()), value))
    }

    fn arrival(&self, entry: &[u8; ENTRY]) -> Arrival {
        let [a, b, c, d, lease, inode @ ..] = *entry;
        let word = usize::from(lease);
        let lease = (word < ring::LEASES).then(|| Lease {
            memory: self.memory.clone(),
            word: self.first + word,
            generation: Generation::current(),
        });
        let state = Whereabouts::Named { pid: self.pid, fd: u32::from_le_bytes([a, b, c, d]) };
        Arrival { inode: u64::from_le_bytes(inode), lease, state }
    }
}

impl Arrivals {
    /// Opens all of them by their names. False if only their sender can help.
    pub(crate) fn open(&mut self) -> bool {
        let mut is_helped = true;
        for arrival in self.0.iter_mut().flatten() {
            arrival.open();
            is_helped &= !matches!(arrival.state, Whereabouts::Refused(Failure::Gone | Failure::Closed(_)));
        }
        is_helped
    }

    /// Takes the descriptors that came along, for all of them in order. A block whose descriptor did not
    /// come is opened by its name, if this process may do that.
    pub(crate) fn take_over(&mut self, along: Option<PassedDescriptors>) {
        let files = along.and_then(|along| along.all(self.0.len()).ok());
        let mut files = files.into_iter().flatten();
        for arrival in self.0.iter_mut().flatten() {
            let mapped = files.next().map(|fd| Mapping::of(&File::from(fd), arrival.inode));
            arrival.state = match mapped {
                Some(Ok(mapping)) => Whereabouts::Mapped(mapping),
                Some(Err(error)) => Whereabouts::Refused(Failure::of(&error)),
                None => {
                    arrival.open();
                    if let Whereabouts::Refused(Failure::Closed(_) | Failure::Gone) = arrival.state {
                        arrival.state = Whereabouts::Refused(Failure::NotAlong);
                    }
                    continue;
                }
            };
        }
    }

    /// Decodes with `f`, which takes the blocks.
    pub(crate) fn unpacking<R>(self, f: impl FnOnce() -> R) -> R {
        let before = ARRIVED.replace(ManuallyDrop::new(self.0));
        let result = f();
        drop(ManuallyDrop::into_inner(ARRIVED.replace(before)));
        result
    }
}
