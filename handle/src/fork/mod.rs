//! Fork detection: whether this is still the process that made something.
//!
//! A forked child has a copy of its parent's memory, but not what the memory stands for: the threads stay in the parent, a descriptor
//! or a shared mapping is one for both, and a lock that another thread held is held for ever. So everything that a fork breaks keeps the
//! [`Generation`] in which it was made, and asks it before it does anything.
//!
//! The kernel answers, so it does not matter who forked, and how: libc's `fork`, a raw `clone`, a zygote. A page is mapped with
//! `MADV_WIPEONFORK` (Linux 4.14), which reads as zeros in every child. It holds the number of this process; the next number to give out
//! lies in an ordinary static, which a child inherits. So no number is given out twice along a line of ancestors:
//!
//! ```text
//!   process        its word   the next number
//!   parent         1          2
//!   child          0          2      the kernel wipes the page
//!   child          2          3      at its first call of `Generation::current`
//!   grandchild     0          3
//! ```
//!
//! Two children of one parent may have the same number. Neither has the other's memory, so nobody compares them.
//!
//! The algorithm is BoringSSL's (`crypto/fipsmodule/rand/fork_detect.cc.inc`), without its lock: a fork can find a lock held.
//!
//! | `sys` provides | where there is no `MADV_WIPEONFORK` |
//! |---|---|
//! | the word that reads zero in a child | an ordinary word, which libc's `fork` zeroes (`pthread_atfork`); a raw `clone` goes unnoticed |
//!
//! A child that shares its parent's memory (`vfork`, `CLONE_VM`) is no copy, and counts as the same process.

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
    // Not loom's: no model forks, and a static of theirs would have to be made at run time.
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A process, as told apart from those that it was forked from.
///
/// ```
/// let generation = brigade_handle::fork::Generation::current();
/// assert!(generation.is_current());
/// ```
#[derive(Clone, Copy)]
pub struct Generation {
    /// The word of this process: `number`, or another number in a child, or 0 in a child that has not asked yet.
    word: &'static AtomicU64,
    number: u64,
}

impl Generation {
    /// The generation of this process.
    #[inline]
    pub fn current() -> Self {
        let word = sys::word();
        // Relaxed: the number publishes nothing.
        match word.load(Relaxed) {
            0 => Self { word, number: begin(word) },
            number => Self { word, number },
        }
    }

    /// Whether this is the process that the generation was asked for in, and not one that was forked from it since.
    ///
    /// That is one load and one comparison, which a signal handler may do as well.
    #[inline]
    pub fn is_current(self) -> bool {
        self.word.load(Relaxed) == self.number
    }

    /// The low bits of the number, for where there is no room for more. Zero says nothing.
    #[inline]
    pub(crate) fn stamp(self) -> u16 {
        self.number as u16
    }
}

/// Gives this process its number. Several threads may do that at once: the first wins, and the numbers of the others are never used.
#[cold]
fn begin(word: &AtomicU64) -> u64 {
    /// Copied by a fork, so that a child goes on from its parent's.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed, both: only uniqueness matters.
    let number = NEXT.fetch_add(1, Relaxed);
    match word.compare_exchange(0, number, Relaxed, Relaxed) {
        Ok(_) => number,
        Err(first) => first,
    }
}

/// Ends the process, which is a forked child: this thread is the copy of an executor's, in the middle of a unit of work or at its end. It
/// cannot go on, since what it would run next the parent runs as well, and it must not unwind through frames that others know. `what`
/// says whose copy it is, and the panic hook prints it.
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
        // What a fork does to it.
        word.store(0, Relaxed);
        assert!(!parent.is_current());
        let child = Generation { word, number: begin(word) };
        assert!(child.is_current());
        assert!(!parent.is_current());
        assert_ne!(parent, child);
    }
}
