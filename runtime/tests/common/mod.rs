//! Parts that several test files share: one runtime of each kind, destructors and wakers that can be
//! observed, and paths for temporary files.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in what it calls as well.

use brigade_runtime::Runtime;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

/// Creates one runtime of each kind: on the current thread, with one worker, and with two.
pub(crate) fn runtimes() -> [Runtime; 3] {
    [Runtime::current_thread().unwrap(), Runtime::multi_thread(1).unwrap(), Runtime::multi_thread(2).unwrap()]
}

/// Calls a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker that counts how often it is woken.
#[derive(Default)]
pub(crate) struct WakeCount(AtomicUsize);

impl WakeCount {
    /// Returns how often it was woken.
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A path for a temporary file or socket of this process, which is removed when this is dropped.
pub(crate) struct TempPath(pub(crate) PathBuf);

impl TempPath {
    /// Makes a path from `name`, which no other test of the process uses.
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("brigade-{name}-{}", std::process::id())))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
