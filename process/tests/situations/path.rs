//! The two paths that a call can take: through the ring, or over the socket alone. Each situation is met on both.

use brigade_process::{Local, ProcessPool};
use std::sync::atomic::{AtomicBool, Ordering};

static SOCKET_ONLY: AtomicBool = AtomicBool::new(false);

/// How calls travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Ring,
    Socket,
}

impl Path {
    /// The path on which the test that runs is to be met.
    pub(crate) fn now() -> Self {
        // Relaxed: one test runs at a time, on the thread that chose the path.
        if SOCKET_ONLY.load(Ordering::Relaxed) { Self::Socket } else { Self::Ring }
    }

    pub(crate) fn choose(self) {
        // Relaxed: as above.
        SOCKET_ONLY.store(self == Self::Socket, Ordering::Relaxed);
    }
}

/// What starts workers on the chosen path.
pub(crate) fn launcher() -> Local {
    match Path::now() {
        Path::Ring => Local::default(),
        Path::Socket => Local::default().without_shared_memory(),
    }
}

/// A pool on the chosen path.
pub(crate) fn pool(workers: usize) -> ProcessPool {
    ProcessPool::builder().workers(workers).launcher(launcher()).build().unwrap()
}
