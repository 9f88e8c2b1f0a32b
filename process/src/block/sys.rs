//! Memfds as slices of plain numbers. A port must provide memory that a process can name to another, sealed; where there is none
//! blocks are heap memory in effect, and travel whole.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    ptr::{self, NonNull},
    slice,
};

/// Numbers of which any bytes are a value: what a [`Block`](super::Block) may hold.
///
/// # Safety
///
/// Every sequence of bytes of the type's size is a value of it, it has no padding, and its alignment divides a page.
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

/// A mapped file.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    capacity: usize,
    /// Of one that was made here, and can be written here.
    file: Option<File>,
}

// SAFETY: the mapping belongs to the process and not to a thread; references follow the rules of `elements` and `elements_mut`.
unsafe impl Send for Mapping {}
// SAFETY: as above; by a shared reference it is only read.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, and nobody can have a reference into it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.capacity) };
    }
}

impl Mapping {
    /// New memory, all zeros, at least so many bytes.
    pub(super) fn create(bytes: usize) -> io::Result<Self> {
        let capacity = bytes.max(1).next_multiple_of(4096);
        let file = create(capacity)?;
        let start = map(&file, capacity, libc::PROT_READ | libc::PROT_WRITE)?;
        seal(&file)?;
        Ok(Self { start, capacity, file: Some(file) })
    }

    /// Another process's memory, to read, if it is the file that was meant and cannot shrink.
    pub(super) fn open(pid: u32, fd: u32, inode: u64) -> io::Result<Self> {
        let path = format!("/proc/{pid}/fd/{fd}");
        // Not to be waited for, if it should be a pipe by now.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let about = file.metadata()?;
        if about.ino() != inode || !is_sealed(&file) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is not there any more"));
        }
        let capacity = usize::try_from(about.len()).map_err(io::Error::other)?;
        Ok(Self { start: map(&file, capacity, libc::PROT_READ)?, capacity, file: None })
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether it was made here.
    pub(super) fn is_ours(&self) -> bool {
        self.file.is_some()
    }

    /// Its descriptor and its inode, by which another process finds it.
    pub(super) fn name(&self) -> (u32, u64) {
        let Some(file) = &self.file else { return (u32::MAX, 0) };
        let inode = file.metadata().map_or(0, |about| about.ino());
        (file.as_raw_fd().unsigned_abs(), inode)
    }

    /// The first `length` elements.
    pub(super) fn elements<T: Plain>(&self, length: usize) -> &[T] {
        assert!(length * size_of::<T>() <= self.capacity);
        // SAFETY: the mapping is that long and aligned to a page, cannot shrink, and any bytes are a `T`. Nobody writes it while
        // this reference lives: in its maker's process by the borrow, elsewhere by the seal (rule 1 of `block.rs`), and a
        // receiver's is not recycled while it is mapped (rule 3).
        unsafe { slice::from_raw_parts(self.start.as_ptr().cast(), length) }
    }

    /// The first `length` elements, to write.
    pub(super) fn elements_mut<T: Plain>(&mut self, length: usize) -> &mut [T] {
        assert!(self.is_ours() && length * size_of::<T>() <= self.capacity);
        // SAFETY: as in `elements`; it was mapped to be written, and nobody else reads it (rules 2 and 3).
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().cast(), length) }
    }
}

fn map(file: &File, capacity: usize, protection: libc::c_int) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), capacity, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    match NonNull::new(start.cast::<u8>()) {
        Some(place) if start != libc::MAP_FAILED => Ok(place),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_os = "linux")]
fn create(capacity: usize) -> io::Result<File> {
    // SAFETY: a C string literal.
    let fd =
        unsafe { libc::memfd_create(c"brigade-block".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(capacity as u64)?;
    Ok(file)
}

#[cfg(target_os = "linux")]
const SEALS: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

#[cfg(target_os = "linux")]
fn seal(file: &File) -> io::Result<()> {
    // SAFETY: a plain system call on our descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn is_sealed(file: &File) -> bool {
    // SAFETY: as above; an error for what is no memfd.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    seals != -1 && seals & SEALS == SEALS
}

#[cfg(not(target_os = "linux"))]
fn create(_capacity: usize) -> io::Result<File> {
    let _ = |fd: OwnedFd| fd;
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn seal(_file: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn is_sealed(_file: &File) -> bool {
    false
}
