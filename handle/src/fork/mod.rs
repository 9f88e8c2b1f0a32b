//! Fork detection: whether this is still the process that made something.
//!
//! A forked child has a copy of its parent's memory, but not the things that the memory stands for. The
//! threads stay in the parent, both processes share a descriptor or a shared mapping, and a lock that
//! another thread held is held for ever. So everything that a fork breaks keeps the [`Generation`] in
//! which it was made, and asks it before it does anything.
//!
//! The kernel answers, so it does not matter which code forked, and how: libc's `fork`, a raw `clone`, a
//! zygote. A page is mapped with `MADV_WIPEONFORK` (Linux 4.14), which reads as zeros in every child. It
//! holds the number of this process. The next number to give out lies in an ordinary static, which a
//! child inherits. So no number is given out twice along a line of ancestors:
//!
//! ```text
//!   process        its word   the next number
//!   parent         1          2
//!   child          0          2      the kernel wipes the page
//!   child          2          3      at its first call of `Generation::current`
//!   grandchild     0          3
//! ```
//!
//! Two children of one parent may have the same number. Neither has the other's memory, so their numbers
//! are never compared.
//!
//! The algorithm is BoringSSL's (`crypto/fipsmodule/rand/fork_detect.cc.inc`), without its lock, because
//! a fork may find a lock held.
//!
//! | `sys` provides | where there is no `MADV_WIPEONFORK` |
//! |---|---|
//! | the word that reads zero in a child | an ordinary word that libc's `fork` zeroes (not a raw `clone`) |
//!
//! The ordinary word is zeroed by a handler of `pthread_atfork`, so a raw `clone` goes unnoticed there.
//!
//! A child that shares its parent's memory (`vfork`, `CLONE_VM`) is no copy, and counts as the same
//! process.

// Unsafe: the value is read through a pointer that is published once and never freed.
#[allow(unsafe_code)]
mod per_process;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;

pub use per_process::PerProcess;

use crate::contain;
use std::{
    fmt,
    process,
    // Not loom's: no model forks, and a loom static would have to be made at run time.
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A process, as distinguished from its ancestors that it was forked from.
///
/// ```
/// let generation = brigade_handle::fork::Generation::current();
/// assert!(generation.is_current());
/// ```
#[derive(Clone, Copy)]
pub struct Generation {
    /// The word of this process: `number`, or another number in a child, or 0 in a child that has not
    /// asked yet.
    word: &'static AtomicU64,
    number: u64,
}

impl Generation {
    /// Returns the generation of this process.
    ///
    /// ```
    /// use brigade_handle::fork::Generation;
    ///
    /// assert!(Generation::current().is_current());
    /// ```
    #[inline]
    pub fn current() -> Self {
        let word = sys::word();
        // Relaxed: the number publishes nothing.
        match word.load(Relaxed) {
            0 => Self { word, number: begin(word) },
            number => Self { word, number },
        }
    }

    /// Returns whether this is the process in which the generation was requested, and not one that was
    /// forked from it since.
    ///
    /// This is one load and one comparison, which a signal handler may do as well.
    ///
    /// ```
    /// use brigade_handle::fork::Generation;
    ///
    /// // No fork lies between.
    /// let made_in = Generation::current();
    /// assert!(made_in.is_current());
    /// ```
    #[inline]
    pub fn is_current(self) -> bool {
        self.word.load(Relaxed) == self.number
    }

    /// Returns the low bits of the number, for where there is no room for more. Zero says nothing.
    #[inline]
    pub(crate) fn stamp(self) -> u16 {
        self.number as u16
    }
}

/// Gives this process its number. Several threads may do that at once: the first one wins, and the
/// numbers of the others are never used.
#[cold]
fn begin(word: &AtomicU64) -> u64 {
    /// A fork copies this, so a child goes on from its parent's number.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed, both: only uniqueness matters.
    let number = NEXT.fetch_add(1, Relaxed);
    match word.compare_exchange(0, number, Relaxed, Relaxed) {
        Ok(_) => number,
        Err(first) => first,
    }
}

/// Ends the process, which is a forked child: this thread is the copy of an executor's thread, in the
/// middle of a unit of work or at its end. It cannot go on, because the parent runs the next unit as
/// well. It must not unwind through frames that other threads know. `what` says which executor's copy it
/// is, and the panic hook prints it.
#[cold]
#[inline(never)]
pub fn abort_copy(what: &str) -> ! {
    contain(|| {
        panic!(
            "{what} has forked, and its copy in the child can neither wait for the parent's threads nor go on \
             afterwards: there, leave by exec or _exit"
        )
    });
    process::abort()
}

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Generation {}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Generation").field(&self.number).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn all_threads_agree() {
        let here = Generation::current();
        let threads = (0..4).map(|_| thread::spawn(Generation::current));
        assert!(threads.map(|thread| thread.join().expect("it does not panic")).all(|there| there == here));
    }

    #[test]
    fn a_word_that_was_wiped_gets_a_number_that_none_had_before() {
        let word: &'static AtomicU64 = Box::leak(Box::default());
        let parent = Generation { word, number: begin(word) };
        assert!(parent.is_current());
        // A fork does this to the word.
        word.store(0, Relaxed);
        assert!(!parent.is_current());
        let child = Generation { word, number: begin(word) };
        assert!(child.is_current());
        assert!(!parent.is_current());
        assert_ne!(parent, child);
    }
}
