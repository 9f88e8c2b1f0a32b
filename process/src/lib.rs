//! A pool of worker processes: typed calls into children that may crash without hurting anybody else.
//!
//! The workers are this same executable, forked and exec'd anew. So a call needs no registration: the pool
//! can name any function that captures nothing to a worker. `main` begins with [`init`], and there a
//! worker's life begins, too.
//!
//! ```
//! // The first line of `main`:
//! brigade_process::init();
//! let procs = brigade_process::ProcessPool::new(2).unwrap();
//! let handle = procs.spawn(|n: u64| (1..=n).product::<u64>(), 20);
//! assert_eq!(handle.join().unwrap(), 2_432_902_008_176_640_000);
//! procs.shutdown();
//! ```
//!
//! # From multiprocessing
//!
//! | Python | here |
//! |---|---|
//! | `if __name__ == "__main__":` | [`init`]`()` as the first line of `main` |
//! | `multiprocessing.Pool(5)` | [`ProcessPool::new`]`(5)` |
//! | `concurrent.futures.ProcessPoolExecutor(5)` | the same |
//! | `multiprocessing.Pool(5, initializer=load)` | [`Builder::initializer`] |
//! | `multiprocessing.Pool(5, maxtasksperchild=100)` | [`Builder::max_calls_per_worker`] |
//! | `multiprocessing.set_start_method("forkserver")` | [`Builder::start_method`] with [`Start::Zygote`] |
//! | `pool.apply_async(f, (x,))` | [`ProcessPool::spawn`]`(f, x)` |
//! | `pool.apply_async(f, (x,)).get(timeout=3)` | [`ProcessPool::call`], [`CallBuilder::timeout`] |
//! | `pool.map(f, inputs)` | [`ProcessPool::map`] |
//! | `pool.map(f, inputs, chunksize=100)` | [`ProcessPool::map_chunked`] |
//! | `pool.map_async(f, inputs)` | [`ProcessPool::spawn_map`] |
//! | `pool.starmap(f, pairs)` | [`ProcessPool::starmap`] |
//! | `pool.imap(f, inputs)` | [`ProcessPool::imap`] |
//! | `pool.imap_unordered(f, inputs)` | [`ProcessPool::imap_unordered`] |
//! | `pool.close()` | [`ProcessPool::close`] |
//! | `pool.join()` | [`ProcessPool::join`] |
//! | `pool.terminate()` | [`ProcessPool::terminate`] |
//! | `multiprocessing.shared_memory` | [`Block`], [`BlockMut`] |
//! | `multiprocessing.current_process()` | [`worker_index`] |
//! | `multiprocessing.active_children()` | [`ProcessPool::worker_ids`] |
//! | `concurrent.futures.process.BrokenProcessPool` | [`JoinError::Lost`], for that one call only |
//! | pickle | serde |
//!
//! # Nouns
//!
//! * **call**: a function sent to a child, with its argument. It completes exactly once.
//! * [`ProcessPool`]: the front. **Supervisor**: the one thread that looks after the children. **Starter**:
//!   the thread that starts them.
//! * **worker**: the child's side, a loop that answers calls.
//! * **ring**: memory shared with one worker. Small calls and answers go through it without a system call.
//!   **Lane**: the pool's half of a ring.
//! * **frame**: a message on the worker's socket, for everything that does not go through the ring. The
//!   socket is the pool's own, so a call may print what it likes.
//! * **batch**: neighbouring inputs of a `map` in one message. Each is still a call of its own.
//! * [`Block`]: a large value that the receiver maps instead of copying.
//! * **entry**: one row of the executable's table of calls. A function is named by its entry, and the name
//!   is checked against the table.
//! * [`Launcher`]: starts workers. [`Local`] forks and execs, or has a **zygote** fork. [`Argv`] runs any
//!   command that ends in this program as a worker; [`Slurm`] and [`Ssh`] do so on other machines.
//! * **leash**: a pipe. When its end is closed, the kernel kills the worker.
//!
//! # Folders
//!
//! * `front/`: the public side: the pool, its builder, maps, handles.
//! * `parent/`: the side of the pool's process: the queue, the lanes, the children, and the threads that
//!   start and supervise them.
//! * `worker/`: the child's side.
//! * `call/`: the parts of a call: its name, its bytes, its blocks, its answer.
//! * `wire/`: how calls travel: frames, the ring, the setup, the numbers of descriptors.
//! * `system/`, `image/`, `usage/`: the operating system, the executable, and what processes consume.
//!
//! `docs/reading.md` names the files to read, in order.
//!
//! # The end of the pool's process
//!
//! No worker outlives the process that made the pool, whether that process ends well, is killed or execs
//! something else. This holds for a worker that computes, is stopped or has changed its user, and also if
//! the pool's process has changed its user. Processes that a call has started are on their own. A worker
//! that [`Argv`] has started elsewhere ends when its channel does.

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
pub use brigade_handle::{
    AsCompleted, CommandEnd, Id, JoinError, JoinHandle, Lost, RemotePanic, Subject, Until, Waited,
    as_completed, wait_for, wait_for_timeout,
};
#[cfg(not(loom))]
pub use call::block::{Block, BlockMut, Plain};
#[cfg(not(loom))]
pub use front::{Builder, CallBuilder, Imap, ImapUnordered, ProcessPool, Star, Start};
#[cfg(not(loom))]
pub use parent::{
    launcher::{Argv, Command, Ended, Launched, Launcher, Local, Slurm, Ssh},
    output::{Line, Stream},
    shared::statistics::{Statistics, WorkerStatistics},
};
#[cfg(not(loom))]
pub use worker::{init, worker_index};

/// The parts that the loom models test. Nothing else is built for them.
#[cfg(loom)]
pub mod model {
    pub use crate::parent::attention::Attention;
    pub use crate::wire::ring::{BellMode, Claim, Head, Place, Progress, Ring, WORDS};
}
