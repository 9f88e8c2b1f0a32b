//! Things that a pool could leave behind.

use crate::sys;
use std::fs;

/// Descriptors, threads and shared memory of this process, and the names in `/dev/shm`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leftovers {
    descriptors: usize,
    threads: usize,
    mappings: usize,
    shm: usize,
}

impl Leftovers {
    pub(crate) fn now() -> Self {
        let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        Self {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            mappings: maps.lines().filter(|line| line.contains("memfd:brigade")).count(),
            shm: count("/dev/shm"),
        }
    }

    /// Waits until everything is as it was. A thread that was joined may need a moment more to be gone.
    pub(crate) fn wait_for(&self) {
        assert!(sys::has_no_child(), "a child is left, alive or not");
        while Self::now() != *self {
            std::thread::yield_now();
        }
    }
}
