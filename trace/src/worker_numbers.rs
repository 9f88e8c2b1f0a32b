//! The numbers of workers, which tell apart those of all executors of a process.

use std::sync::atomic::{AtomicU64, Ordering};

/// Draws numbers for the workers of an executor, which differ from those of all other executors of this
/// process. Returns the first; the others follow it.
///
/// ```
/// use brigade_trace::worker_numbers;
///
/// let first = worker_numbers(2);
/// assert!(worker_numbers(1) >= first + 2);
/// ```
pub fn worker_numbers(count: usize) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only uniqueness matters.
    NEXT.fetch_add(count as u64, Ordering::Relaxed)
}
