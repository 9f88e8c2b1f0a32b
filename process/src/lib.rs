//! A pool of worker processes: typed calls into children that may crash without hurting anybody else.
//!
//! The workers are this same executable, forked and exec'd anew, so a call needs no registration: any function that
//! captures nothing can be named to a worker. `main` begins with [`init`], which is where a worker's life begins.
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
//! * [`ProcessPool`]: the front. **Supervisor**: the one thread that looks after the children. **Starter**: the one that starts them.
//! * **worker**: the child's side, a loop that answers calls.
//! * **ring**: memory shared with one worker, through which small calls and answers go without a system call. **Lane**: the
//!   pool's half of it.
//! * **frame**: what travels besides, on a socket of their own. A call that prints disturbs nothing.
//! * **batch**: neighbouring inputs of a `map`, in one message; each is still a call of its own.
//! * [`Block`]: a large value that is mapped and not copied.
//! * **entry**: one row of the executable's table of calls; how a function is named, and how a name is checked.
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

#[cfg_attr(not(loom), allow(unreachable_pub))]
mod attention;
#[cfg(not(loom))]
mod batch;
#[cfg(not(loom))]
mod block;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod call;
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod child;
#[cfg(not(loom))]
mod codec;
#[cfg(not(loom))]
// Unsafe: messages whose parts are pointers.
#[allow(unsafe_code)]
#[path = "descriptors/sys.rs"]
mod descriptors;
#[cfg(not(loom))]
// Unsafe: reads the executable's own constants by an address off the wire, after checking it, and makes values of types
// without a size.
#[allow(unsafe_code)]
mod entry;
#[cfg(not(loom))]
// Unsafe: fork, and the system calls between fork and exec.
#[allow(unsafe_code)]
mod exec;
#[cfg(not(loom))]
mod forked;
#[cfg(not(loom))]
mod frame;
/// For the fuzz target.
#[cfg(all(any(test, fuzzing), not(loom)))]
#[doc(hidden)]
pub mod hostile;
#[cfg(not(loom))]
mod image;
#[cfg(not(loom))]
mod imap;
#[cfg(not(loom))]
// Unsafe: removes a variable from the environment while the process has one thread.
#[allow(unsafe_code)]
mod init;
#[cfg(not(loom))]
// Unsafe: signal dispositions.
#[allow(unsafe_code)]
#[path = "interrupt/sys.rs"]
mod interrupt;
#[cfg(not(loom))]
mod lane;
#[cfg(not(loom))]
mod launcher;
#[cfg(not(loom))]
// Unsafe: has the kernel kill this process when a pipe ends.
#[allow(unsafe_code)]
#[path = "leash/sys.rs"]
mod leash;
#[cfg(not(loom))]
// Unsafe: as `call::pending`.
#[allow(unsafe_code)]
mod map;
#[cfg(not(loom))]
// Unsafe: maps memory that is shared with workers, and the futex.
#[allow(unsafe_code)]
#[path = "memory/sys.rs"]
mod memory;
#[cfg(not(loom))]
mod output;
#[cfg(not(loom))]
mod panics;
#[cfg(not(loom))]
mod pool;
#[cfg_attr(not(loom), allow(unreachable_pub))]
#[cfg_attr(loom, allow(dead_code))]
mod ring;
#[cfg(not(loom))]
mod ring_worker;
#[cfg(not(loom))]
mod setup;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod star;
#[cfg(not(loom))]
mod starter;
#[cfg(not(loom))]
mod statistics;
#[cfg(not(loom))]
mod supervisor;
mod sync;
#[cfg(not(loom))]
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
#[cfg(not(loom))]
mod terms;
#[cfg(not(loom))]
pub mod usage;
#[cfg(not(loom))]
mod worker;
#[cfg(not(loom))]
mod xxh64;
#[cfg(not(loom))]
mod zygote;

#[cfg(not(loom))]
pub use block::{Block, BlockMut, Plain};
#[cfg(not(loom))]
pub use brigade_handle::{JoinError, JoinHandle, Lost, RemotePanic, as_completed};
#[cfg(not(loom))]
pub use builder::{Builder, Start};
#[cfg(not(loom))]
pub use imap::{Imap, ImapUnordered};
#[cfg(not(loom))]
pub use init::init;
#[cfg(not(loom))]
pub use launcher::{Argv, Command, Ended, Launched, Launcher, Local};
#[cfg(not(loom))]
pub use output::{Line, Stream};
#[cfg(not(loom))]
pub use pool::ProcessPool;
#[cfg(not(loom))]
pub use star::Star;
#[cfg(not(loom))]
pub use statistics::{Statistics, WorkerStatistics};
#[cfg(not(loom))]
pub use terms::CallBuilder;
#[cfg(not(loom))]
pub use worker::worker_index;

/// What the loom models look at: nothing else is built for them.
#[cfg(loom)]
pub mod model {
    pub use crate::attention::Attention;
    pub use crate::ring::{Bell, Claim, Head, Place, Progress, Ring, WORDS};
}
