//! The platform wall: a word that reads zero in a forked child.
//!
//! A port provides [`make`], and [`zero_in_child`] where that can fail. Where nothing can fork, a word
//! that is never zeroed is enough.

use std::{
    ptr,
    sync::atomic::{
        AtomicPtr, AtomicU64,
        Ordering::{Acquire, Release},
    },
};

/// Returns the word of this process: zero until it is written, and zero again in each forked child. It is
/// the same word at each call.
#[inline]
pub(super) fn word() -> &'static AtomicU64 {
    // Acquire pairs with the Release in `first`.
    let word = WORD.load(Acquire);
    // SAFETY: it is null, or was published by `first`, and its target is valid as long as the process
    // lives, and in its children.
    unsafe { word.as_ref() }.unwrap_or_else(first)
}

static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The word for systems whose kernel does not zero one.
static ORDINARY: AtomicU64 = AtomicU64::new(0);

/// Makes the word. Several threads may come here at once, and all leave with the same word. A fork finds
/// a published word or none, and no lock.
#[cold]
fn first() -> &'static AtomicU64 {
    let made = make().unwrap_or_else(|| {
        // Several threads may register it several times, which has the same effect as once.
        zero_in_child();
        &ORDINARY
    });
    // Release publishes the mapping; Acquire pairs with it. A page that comes second stays mapped: at
    // most one for each thread, once.
    match WORD.compare_exchange(ptr::null_mut(), ptr::from_ref(made).cast_mut(), Release, Acquire) {
        Ok(_) => made,
        // SAFETY: as in `word`.
        Err(first) => unsafe { first.as_ref() }.unwrap_or(made),
    }
}

/// Makes a word in a page that the kernel wipes in a child, if it does that.
#[cfg(target_os = "linux")]
fn make() -> Option<&'static AtomicU64> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
    let page = unsafe { libc::mmap(ptr::null_mut(), size_of::<AtomicU64>(), protection, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // An emulator may accept any advice and follow none (qemu did): then it accepts an advice that does
    // not exist.
    let wiped = advise(page, libc::MADV_WIPEONFORK) && !advise(page, NO_ADVICE);
    // SAFETY: the mapping is as large as a word, aligned to a page, all zeros, and never unmapped.
    wiped.then(|| unsafe { &*page.cast::<AtomicU64>() })
}

/// An advice that no kernel knows.
#[cfg(target_os = "linux")]
const NO_ADVICE: libc::c_int = -1;

#[cfg(target_os = "linux")]
fn advise(page: *mut libc::c_void, advice: libc::c_int) -> bool {
    // SAFETY: the page is our own mapping, and holds nothing yet.
    unsafe { libc::madvise(page, size_of::<AtomicU64>(), advice) == 0 }
}

/// The kernel wipes nothing here.
#[cfg(not(target_os = "linux"))]
fn make() -> Option<&'static AtomicU64> {
    None
}

/// Makes libc's `fork` zero the ordinary word in the child.
#[cfg(unix)]
fn zero_in_child() {
    use std::sync::atomic::Ordering::Relaxed;
    extern "C" fn in_child() {
        // Relaxed: the child has only this one thread.
        ORDINARY.store(0, Relaxed);
    }
    // SAFETY: the handler writes to one atomic, which is allowed in a forked child. If there is no memory
    // to register it, forks go unnoticed.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

/// Nothing forks here.
#[cfg(not(unix))]
fn zero_in_child() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_word() {
        assert!(ptr::eq(word(), word()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_kernel_wipes_pages() {
        assert!(make().is_some());
    }
}
