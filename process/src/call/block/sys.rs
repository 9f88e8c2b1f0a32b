//! Memfds as slices of plain numbers. A port must provide memory that a process can name to another,
//! sealed. Where there is none, blocks cannot be made, and those that arrive whole are in memory of this
//! process alone.

use super::inherited;
use crate::system::memory;
use brigade_handle::fork::Generation;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    ptr::{self, NonNull},
    slice,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A number type of which any bytes are a value: the element of a [`Block`](super::Block).
///
/// # Safety
///
/// Every sequence of bytes of the type's size is a value of it, it has no padding, and its alignment
/// divides a page.
pub unsafe trait Plain: Copy + Default + Send + Sync + 'static {}

macro_rules! plain {
    ($($number:ty)*) => {
        $(
            // SAFETY: a primitive number: all bytes are values, and there is no padding.
            unsafe impl Plain for $number {}
        )*
    };
}

plain!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);

/// The mapped memory of a block.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    capacity: usize,
    backing: Backing,
    /// The process that has mapped it.
    generation: Generation,
    /// This process has inherited it and found that nobody writes it.
    readable: AtomicBool,
}

/// The kind of memory that is mapped.
#[derive(Debug)]
enum Backing {
    /// A file that was made here, and can be written here; and its inode.
    Own(File, u64),
    /// Another process's file, to read.
    Received,
    /// Memory of this process alone.
    Anonymous,
}

// SAFETY: the mapping belongs to the process and not to a thread; references follow the rules of `elements`
// and `elements_mut`.
unsafe impl Send for Mapping {}
// SAFETY: as above; by a shared reference it is only read.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        forget(self.start);
        // SAFETY: this is the mapping that `map` made, and nobody can have a reference into it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.capacity) };
    }
}

impl Mapping {
    fn new(start: NonNull<u8>, capacity: usize, backing: Backing) -> Self {
        let generation = Generation::current();
        Self { start, capacity, backing, generation, readable: AtomicBool::new(false) }
    }

    /// Makes new memory of at least `bytes` bytes, all zeros.
    pub(super) fn create(bytes: usize) -> io::Result<Self> {
        let capacity = pages(bytes);
        let file = File::from(memory::memfd(c"brigade-block", capacity)?);
        let inode = file.metadata()?.ino();
        let start = map(Some(&file), capacity, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
        note(start, capacity, &file);
        // Made before the seals, so that it is unmapped if it cannot be sealed.
        let mapping = Self::new(start, capacity, Backing::Own(file, inode));
        mapping.file().map_or(Ok(()), seal)?;
        Ok(mapping)
    }

    /// Makes new memory, all zeros, that no other process can map.
    pub(super) fn anonymous(bytes: usize) -> io::Result<Self> {
        let capacity = pages(bytes);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = map(None, capacity, libc::PROT_READ | libc::PROT_WRITE, flags)?;
        Ok(Self::new(start, capacity, Backing::Anonymous))
    }

    /// Maps another process's memory, to read, if it is the file that was meant and cannot shrink.
    pub(super) fn open(pid: u32, fd: u32, inode: u64) -> io::Result<Self> {
        let path = format!("/proc/{pid}/fd/{fd}");
        // Non-blocking, so that the open does not wait if the file should be a pipe by now.
        Self::of(&OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?, inode)
    }

    /// Maps another process's file, to read, if it is the one that was meant and cannot shrink.
    pub(super) fn of(file: &File, inode: u64) -> io::Result<Self> {
        let about = file.metadata()?;
        if about.ino() != inode || !is_sealed(file) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is not there any more"));
        }
        let capacity = usize::try_from(about.len()).map_err(io::Error::other)?;
        let start = map(Some(file), capacity, libc::PROT_READ, libc::MAP_SHARED)?;
        Ok(Self::new(start, capacity, Backing::Received))
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether the memory was made here, so that another process can map it, and it can be written again
    /// here.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.backing, Backing::Own(..)) && self.generation.is_current()
    }

    /// The descriptor and the inode, by which another process finds the memory.
    pub(super) fn name(&self) -> (u32, u64) {
        let Backing::Own(file, inode) = &self.backing else { return (u32::MAX, 0) };
        (file.as_raw_fd().unsigned_abs(), *inode)
    }

    /// The descriptor, if the memory was made here.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        if let Backing::Own(file, _) = &self.backing { Some(file.as_fd()) } else { None }
    }

    /// The first `length` elements of a block that is not written any more.
    ///
    /// # Panics
    ///
    /// If this process has inherited the block, and it may be written elsewhere.
    #[inline]
    #[track_caller]
    pub(super) fn elements<T: Plain>(&self, length: usize) -> &[T] {
        assert!(length * size_of::<T>() <= self.capacity);
        if !self.generation.is_current() {
            self.check_inherited();
        }
        // SAFETY: the mapping is that long and aligned to a page, cannot shrink, and any bytes are a `T`.
        // Nobody writes it while this reference lives: in its maker's process by the borrow, elsewhere by
        // the seal (rule 1 of `call/block/mod.rs`); a receiver's is not recycled while it is mapped (rule
        // 3), and an inherited one was checked (rule 4).
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), length) }
    }

    /// The first `length` elements of a block that may still be written.
    ///
    /// # Panics
    ///
    /// If the block is another process's, which may write it.
    #[track_caller]
    pub(super) fn elements_in_the_making<T: Plain>(&self, length: usize) -> &[T] {
        assert!(length * size_of::<T>() <= self.capacity);
        self.check_writable();
        // SAFETY: as in `elements`; and it is this process's alone.
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), length) }
    }

    /// The first `length` elements, to write.
    ///
    /// # Panics
    ///
    /// As for [`elements_in_the_making`](Self::elements_in_the_making).
    #[track_caller]
    pub(super) fn elements_mut<T: Plain>(&mut self, length: usize) -> &mut [T] {
        assert!(!matches!(self.backing, Backing::Received) && length * size_of::<T>() <= self.capacity);
        self.check_writable();
        // SAFETY: as in `elements`; it was mapped to be written, and nobody else reads it (rules 2, 3 and
        // 4).
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().cast(), length) }
    }

    /// Checks that this process may read the block.
    ///
    /// # Panics
    ///
    /// If it may not, because other processes may have the block, too.
    #[inline]
    #[track_caller]
    pub(super) fn check_writable(&self) {
        if !self.generation.is_current() {
            inherited::check_writable(self.generation);
        }
    }

    #[cold]
    fn check_inherited(&self) {
        // Relaxed: if the flag is set, it holds for ever, in this process and in those that are forked from
        // it.
        if !self.readable.load(Ordering::Relaxed) {
            match self.backing {
                Backing::Own(..) => inherited::check_readable(self.generation),
                Backing::Received => inherited::check_received(self.generation),
                Backing::Anonymous => {}
            }
            self.readable.store(true, Ordering::Relaxed);
        }
    }
}

fn pages(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(4096)
}

fn map(
    file: Option<&File>,
    capacity: usize,
    protection: libc::c_int,
    flags: libc::c_int,
) -> io::Result<NonNull<u8>> {
    let fd = file.map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), capacity, protection, flags, fd, 0) };
    match NonNull::new(start.cast::<u8>()) {
        Some(place) if start != libc::MAP_FAILED => Ok(place),
        _ => Err(io::Error::last_os_error()),
    }
}

// ---------------------------------------------------------------------------------------------- zygotes

/// A mapping that is shared with other processes and can be written here: its length, and its file.
type SharedMapping = (usize, RawFd);

static REGISTERS: AtomicBool = AtomicBool::new(false);
/// The addresses of the mappings that this process has made. Only a zygote keeps it.
static MADE: Mutex<BTreeMap<usize, SharedMapping>> = Mutex::new(BTreeMap::new());

fn made() -> MutexGuard<'static, BTreeMap<usize, SharedMapping>> {
    // No code panics under the lock.
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has [`take_for_own`] know the mappings that this process makes from now on.
pub(super) fn register() {
    // Relaxed: the process has one thread.
    REGISTERS.store(true, Ordering::Relaxed);
}

fn note(start: NonNull<u8>, capacity: usize, file: &File) {
    // Relaxed: see `register`; every other thread was started after it.
    if REGISTERS.load(Ordering::Relaxed) {
        made().insert(start.addr().get(), (capacity, file.as_raw_fd()));
    }
}

fn forget(start: NonNull<u8>) {
    // Relaxed: as above.
    if REGISTERS.load(Ordering::Relaxed) {
        made().remove(&start.addr().get());
    }
}

/// In a process that has one thread and was forked from the one that had its mappings registered: replaces
/// the inherited mappings by private ones of the same files, which the kernel copies page by page where
/// they are written. References into them stay valid, and see the same values: the maker does not write
/// them any more.
pub(super) fn take_for_own() -> io::Result<()> {
    REGISTERS.store(false, Ordering::Relaxed);
    for (start, (capacity, fd)) in std::mem::take(&mut *made()) {
        let place = ptr::with_exposed_provenance_mut::<libc::c_void>(start);
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: the place holds a mapping of ours of that length and of the same file, whose pages hold
        // the same bytes.
        let new = unsafe { libc::mmap(place, capacity, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0) };
        if new == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has libc's `fork` call these: before it, and after it in the parent and in the child. Without memory for
/// that it does not.
pub(super) fn at_fork(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the handlers live as long as the program. Whether they may run is their callers' affair: see
    // `call/block/kept.rs`.
    let _ = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

// ------------------------------------------------------------------------------------------------ files

/// Whether the process with this id may open this one's descriptors through `/proc`, as far as users go:
/// this one is dumpable, and both are the same user and group by all their ids (`ptrace(2)`, "access mode
/// checking").
#[cfg(target_os = "linux")]
pub(crate) fn is_open_to(pid: u32) -> bool {
    // SAFETY: a plain system call.
    let is_dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) } == 1;
    // The folder belongs to the process's effective user, whether that is dumpable or not.
    let Ok(about) = std::fs::metadata(format!("/proc/{pid}")) else { return false };
    let (mut users, mut groups) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut users;
    // SAFETY: the places are ours to write.
    let told = unsafe { libc::getresuid(real, effective, saved) } == 0;
    let [real, effective, saved] = &mut groups;
    // SAFETY: as above.
    let told = told && unsafe { libc::getresgid(real, effective, saved) } == 0;
    is_dumpable && told && users == [about.uid(); 3] && groups == [about.gid(); 3]
}

/// There is no `/proc`, and no shared memory either.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_open_to(_pid: u32) -> bool {
    false
}

#[cfg(target_os = "linux")]
const SEALS: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

#[cfg(target_os = "linux")]
fn seal(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a plain system call on our descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn is_sealed(file: &File) -> bool {
    // SAFETY: as above; a file that is not a memfd gives an error.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    seals != -1 && seals & SEALS == SEALS
}

#[cfg(not(target_os = "linux"))]
fn seal(_file: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn is_sealed(_file: &File) -> bool {
    false
}
