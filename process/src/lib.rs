//! A pool of worker processes: typed calls into children that may crash without hurting anybody else.
//!
//! The workers are this same executable, forked and exec'd anew, so a call needs no registration: any
//! function that captures nothing can be named to a worker. `main` begins with [`init`], which is where a
//! worker's life begins.
//!
//! ```no_run
//! // The first line of `main`:
//! brigade_process::init();
//! let procs = brigade_process::ProcessPool::new(2).unwrap();
//! let handle = procs.spawn(|n: u64| (1..=n).product::<u64>(), 20);
//! assert_eq!(handle.join().unwrap(), 2_432_902_008_176_640_000);
//! procs.shutdown();
//! ```
//!
//! # Nouns
//!
//! * **call**: a function sent to a child, with its argument. Completes exactly once.
//! * [`ProcessPool`]: the front. **Supervisor**: the one thread that looks after the children. **Starter**:
//!   the one that starts them.
//! * **worker**: the child's side, a loop that answers calls.
//! * **ring**: memory shared with one worker, through which small calls and answers go without a system
//!   call. **Lane**: the pool's half of it.
//! * **frame**: what travels besides, on a socket of their own. A call that prints disturbs nothing.
//! * **batch**: neighbouring inputs of a `map`, in one message; each is still a call of its own.
//! * [`Block`]: a large value that is mapped and not copied.
//! * **entry**: one row of the executable's table of calls; how a function is named, and how a name is
//!   checked.
//! * [`Launcher`]: how a worker is started. [`Local`] forks and execs, or has a **zygote** fork; [`Argv`]
//!   runs any command that ends in this program as a worker.
//! * **leash**: a pipe by whose end the kernel kills a worker.
//!
//! # Reading order
//!
//! `frame` → `entry` → `init` → `worker` → `ring` → `lane` → `shared` → `child` → `supervisor`, with its
//! `starts` and `ends` → `starter` → `exec`; then `batch`, `block`, `leash` and `zygote`, each on its own.
//!
//! # The end of the pool's process
//!
//! No worker outlives the process that has made the pool, whether that ends well, is killed or execs
//! something else; it does not matter whether the worker computes, is stopped, or has changed its user, and
//! neither if the pool's process has. Processes that a call has started are on their own. A worker that
//! [`Argv`] has started elsewhere ends when its channel does.

#[cfg(not(loom))]
mod call;
#[cfg(not(loom))]
mod front;
/// For the fuzz target.
#[cfg(all(any(test, fuzzing), not(loom)))]
#[doc(hidden)]
pub mod hostile;
#[cfg(not(loom))]
mod image;
mod parent;
mod sync;
#[cfg(not(loom))]
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
#[cfg(not(loom))]
mod system;
#[cfg(not(loom))]
pub mod usage;
mod wire;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub use brigade_handle::{JoinError, JoinHandle, Lost, RemotePanic, as_completed};
#[cfg(not(loom))]
pub use call::block::{Block, BlockMut, Plain};
#[cfg(not(loom))]
pub use front::{Builder, CallBuilder, Imap, ImapUnordered, ProcessPool, Star, Start};
#[cfg(not(loom))]
pub use parent::{
    launcher::{Argv, Command, Ended, Launched, Launcher, Local},
    output::{Line, Stream},
    shared::statistics::{Statistics, WorkerStatistics},
};
#[cfg(not(loom))]
pub use worker::{init, worker_index};

/// What the loom models look at: nothing else is built for them.
#[cfg(loom)]
pub mod model {
    pub use crate::parent::attention::Attention;
    pub use crate::wire::ring::{BellMode, Claim, Head, Place, Progress, Ring, WORDS};
}
