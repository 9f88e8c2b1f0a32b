//! Shared memory and the futex: how two processes see the same words, and sleep until one changes.
//!
//! The memory is a memfd: it has no name, nothing of it is on disk or in `/dev/shm`, and it ends with its
//! last descriptor and mapping. Its size is sealed, so that neither side can make the other fault by
//! truncating it. A system without memfd and futex has no rings, and neither has a process that may have no
//! file of that size; calls then go over the socket alone.

use std::{
    ffi::CStr,
    io,
    ops::Deref,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::AtomicU64,
};

/// Words that are shared with another process, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to the process and not to a thread, and its words are atomics.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Deref for Memory {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is that long, aligned to a page, readable and writable until `drop`, and it
        // cannot shrink. Other processes write it only as memory, which is what atomics allow for.
        unsafe { slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `map` made, and nobody can have a reference to it any more.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.count * 8) };
    }
}

impl Memory {
    /// Maps the first `count` words of a memfd.
    pub(crate) fn map(fd: &OwnedFd, count: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), count * 8, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0)
        };
        match NonNull::new(start.cast()) {
            Some(words) if start != libc::MAP_FAILED => Ok(Self { words, count }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use super::*;

    /// Why this system call has just failed.
    fn failed(call: &str) -> io::Error {
        let error = io::Error::last_os_error();
        io::Error::new(error.kind(), format!("{call}: {error}"))
    }

    /// A new memfd of `count` zero words, closed on exec.
    pub(crate) fn create(count: usize) -> io::Result<OwnedFd> {
        let fd = memfd(c"brigade", count * 8)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: a plain system call on our descriptor.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(fd)
    }

    /// Makes a new memfd of `bytes` zero bytes, closed on exec. It can be sealed.
    pub(crate) fn memfd(name: &CStr, bytes: usize) -> io::Result<OwnedFd> {
        check_file_size(bytes)?;
        // SAFETY: a C string that lives across the call.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        if fd == -1 {
            return Err(failed("memfd_create"));
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let length = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
        // SAFETY: as above.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), length) } == -1 {
            return Err(failed("ftruncate"));
        }
        Ok(fd)
    }

    /// Shared memory is a file, and a file that is to grow beyond the process's limit does not only fail: the
    /// kernel sends SIGXFSZ, which ends the program.
    fn check_file_size(bytes: usize) -> io::Result<()> {
        let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: the place is ours to write.
        if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == -1 {
            return Err(failed("getrlimit"));
        }
        if limit.rlim_cur == libc::RLIM_INFINITY || bytes as u64 <= limit.rlim_cur {
            return Ok(());
        }
        let why = format!(
            "{bytes} bytes of shared memory are a file, and over the file size limit of this process (RLIMIT_FSIZE, \
             `ulimit -f`), which is {} bytes",
            limit.rlim_cur
        );
        Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
    }

    /// The half of the word that the kernel looks at.
    fn half(word: &AtomicU64) -> *const u32 {
        let start = ptr::from_ref(word).cast::<u32>();
        // The values are small, so they are in the low half.
        if cfg!(target_endian = "big") { start.wrapping_add(1) } else { start }
    }

    /// Sleeps while the word is `value`, until woken; may also return for no reason.
    pub(crate) fn futex_wait(word: &AtomicU64, value: u32) {
        let forever = ptr::null::<libc::timespec>();
        // SAFETY: the word is valid for the call, which only reads it.
        unsafe { libc::syscall(libc::SYS_futex, half(word), libc::FUTEX_WAIT, value, forever) };
    }

    /// Wakes one thread that sleeps on the word.
    pub(crate) fn futex_wake(word: &AtomicU64) {
        // SAFETY: the kernel uses the address only to find sleepers.
        unsafe { libc::syscall(libc::SYS_futex, half(word), libc::FUTEX_WAKE, 1) };
    }

    #[cfg(test)]
    #[test]
    fn both_mappings_see_the_same_words() {
        use std::sync::atomic::Ordering;
        let fd = create(1024).unwrap();
        let (one, other) = (Memory::map(&fd, 1024).unwrap(), Memory::map(&fd, 1024).unwrap());
        one[1023].store(7, Ordering::Relaxed);
        assert_eq!(other[1023].load(Ordering::Relaxed), 7);
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;

    pub(crate) fn create(_count: usize) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn memfd(_name: &CStr, _bytes: usize) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn futex_wait(_word: &AtomicU64, _value: u32) {
        std::thread::yield_now();
    }

    pub(crate) fn futex_wake(_word: &AtomicU64) {}
}

pub(crate) use imp::{create, futex_wait, futex_wake, memfd};
