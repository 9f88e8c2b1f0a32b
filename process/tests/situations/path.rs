//! The two paths that a call can take: through the ring, or over the socket alone. Each situation is tested
//! on both.

use brigade_process::{Local, ProcessPool};
use libtest_mimic::{Failed, Trial};
use std::sync::atomic::{AtomicBool, Ordering};

static SOCKET_ONLY: AtomicBool = AtomicBool::new(false);

/// How calls travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Ring,
    Socket,
}

impl Path {
    /// The path of the test that runs.
    pub(crate) fn now() -> Self {
        // Relaxed: one test runs at a time, on the thread that chose the path.
        if SOCKET_ONLY.load(Ordering::Relaxed) { Self::Socket } else { Self::Ring }
    }

    pub(crate) fn choose(self) {
        // Relaxed: as above.
        SOCKET_ONLY.store(self == Self::Socket, Ordering::Relaxed);
    }

    /// A test of this name on this path.
    pub(crate) fn trial(self, name: &str, test: fn()) -> Trial {
        let path_name = match self {
            Self::Ring => "ring",
            Self::Socket => "socket",
        };
        Trial::test(format!("{path_name}::{name}"), move || {
            self.choose();
            test();
            Ok::<(), Failed>(())
        })
    }
}

/// A launcher of workers for the chosen path.
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

/// A pool on the chosen path whose workers say nothing on the terminal, also when they end in mid-call.
#[allow(dead_code)] // The chaos suite has no use for it.
pub(crate) fn quiet_pool(workers: usize) -> ProcessPool {
    ProcessPool::builder().workers(workers).launcher(launcher()).captured(|_| ()).build().unwrap()
}
