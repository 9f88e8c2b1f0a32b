//! A work-stealing thread pool: spawn jobs, join closures, open scopes, map over data.
//!
//! # Nouns
//!
//! * [`Pool`]: threads and their queues. The free functions use [`Pool::global`] when the calling thread
//!   is not a worker.
//! * **job**: a closure in a queue. The result of a spawned job comes through a [`JoinHandle`]
//!   (`job/mod.rs`).
//! * **stack job**: the second closure of a [`join`](fn@join). It lies on the stack of its owner
//!   (`join/stack_job.rs`) and in a deque of our own (`join/deque.rs`). A [`join_lazy`] makes one only
//!   while other workers may need it (`join/lazy.rs`).
//! * **scope**: a frame that ends after the jobs that were spawned into it (`scope/mod.rs`).
//! * **worker**: a thread that runs jobs. Its loop fits a screen (`worker/mod.rs`).
//! * **registry**: the state that the workers of one pool share (`registry/mod.rs`). It has a **parking
//!   slot** for each worker. `registry/sleep.rs` proves that no wake-up is lost.
//! * **spare thread**: a thread that replaces a worker which is blocked inside its job
//!   (`registry/spare.rs`).
//!
//! `docs/reading.md` names the files to read, in order: day 6 leads through this crate.
//!
//! # One worked example
//!
//! ```
//! fn fib(n: u64) -> u64 {
//!     if n < 2 {
//!         return n;
//!     }
//!     let (a, b) = brigade_pool::join(|| fib(n - 1), || fib(n - 2));
//!     a + b
//! }
//! let pool = brigade_pool::Pool::builder().threads(2).build()?;
//! assert_eq!(pool.install(|| fib(20)), 6765);
//! assert_eq!(pool.spawn(|| fib(10)).join().unwrap(), 55);
//! # std::io::Result::Ok(())
//! ```
//!
//! # From rayon
//!
//! | rayon | here |
//! |---|---|
//! | `rayon::join` | [`join`](fn@join); [`join3`] and [`join4`] for more |
//! | `rayon::scope` | [`scope`](fn@scope) |
//! | `rayon::Scope::spawn` | [`Scope::spawn`] |
//! | `rayon::Scope::spawn_fifo` | [`Scope::spawn_fifo`] |
//! | `rayon::spawn` | [`spawn_detached`]; [`spawn`] gives a handle |
//! | `rayon::spawn_fifo` | [`spawn_fifo`] |
//! | `rayon::ThreadPool` | [`Pool`] |
//! | `rayon::ThreadPool::install` | [`Pool::install`] |
//! | `rayon::ThreadPool::broadcast` | [`Pool::broadcast`] |
//! | `rayon::ThreadPool::current_thread_index` | [`Pool::current_thread_index`] |
//! | `rayon::current_num_threads` | [`Pool::threads`] |
//! | `rayon::ThreadPoolBuilder::num_threads` | [`Builder::threads`] |
//! | `rayon::ThreadPoolBuilder::start_handler` | [`Builder::on_start`] |
//! | `rayon::ThreadPoolBuilder::exit_handler` | [`Builder::on_exit`] |
//! | `rayon::ThreadPoolBuilder::panic_handler` | [`Builder::on_panic`] |
//! | `rayon::ThreadPoolBuilder::stack_size` | [`Builder::stack_size`] |
//! | `items.par_iter_mut().for_each(f)` | [`for_each`]`(items, f)` |
//! | `items.par_chunks_mut(n).enumerate().for_each(f)` | [`for_each_chunk`]`(items, n, f)` |
//! | `items.par_chunks_mut(n).zip(inputs.par_chunks(n))` | [`for_each_chunk_zip`] |
//! | `(0..n).into_par_iter().for_each(f)` | [`for_each_in`]`(0..n, f)` |
//! | `items.par_iter().map(f).reduce(\|\| 0, g)` | [`map_reduce`]`(items, 0, f, g)` |
//! | `(0..n).into_par_iter().map(f).reduce(\|\| 0, g)` | [`map_reduce_in`]`(0..n, 0, f, g)` |
//! | `items.par_iter().map(f).collect()` | [`map_collect`]`(items, f)` |
//! | `(0..n).into_par_iter().map(f).collect()` | [`map_collect_in`]`(0..n, f)` |
//! | `items.into_par_iter().map(f).collect()` | [`Pool::map`], where each result may be a panic |
//!
//! For trees of tiny nodes, such as chili is made for, there is [`join_lazy`].
//!
//! There are no parallel iterators: a loop is one of the functions above, and the rest is [`join`](fn@join).
//!
//! # Waiting inside a job
//!
//! A waiting worker never runs unrelated jobs, because such a job could need a lock that the worker
//! holds. It runs the work it waits for, or a part of that work. If there is none, it parks, and the pool
//! may use a spare thread meanwhile. Therefore nested parallelism under a mutex finishes, two pools may
//! install into each other, and a pool of one thread finishes everything, as long as at most 256 of its
//! workers are blocked at a time. A pool starts at most that many spare threads, unless
//! [`Builder::spares`] says otherwise. The pool does not see a job that blocks in a channel or a read:
//! wrap such a call in [`blocking`](fn@blocking).
//!
//! A worker that joins the handle of a queued job runs that job in place, on top of its own stack. A
//! chain of jobs in which each joins the job before it can therefore have some ten thousand links, and
//! not more. For longer chains, let each job spawn the next one.

mod blocking;
mod builder;
// Unsafe: `simd` calls code that is compiled for some processors only; `map` and `collect` fill buffers
// from all threads.
#[allow(unsafe_code)]
mod data;
// Unsafe: a job counts its own references and is called through a vtable.
#[allow(unsafe_code)]
mod job;
// Unsafe: decides which thread takes the closure and the result out of a stack job.
#[allow(unsafe_code)]
mod join;
mod pool;
mod registry;
// Unsafe: children point to a scope on the stack of a thread that waits for them.
#[allow(unsafe_code)]
mod scope;
// Only documentation tests compile this module.
#[cfg(doctest)]
mod soundness;
mod sync;
// Unsafe: membarrier is a system call.
#[cfg_attr(not(loom), allow(unreachable_pub))]
#[allow(unsafe_code)]
mod sys;
// Unsafe: a worker states that it owns its deque of stack jobs.
#[allow(unsafe_code)]
mod worker;

pub use blocking::{lock, queue};
pub use brigade_handle::{
    AsCompleted, Id, JoinError, JoinHandle, Subject, Until, Waited, as_completed, wait_for, wait_for_timeout,
};
pub use builder::Builder;
pub use data::{
    for_each, for_each_chunk, for_each_chunk_zip, for_each_in, map_collect, map_collect_in, map_reduce,
    map_reduce_in,
};
pub use job::spawn::{spawn, spawn_detached, spawn_fifo};
pub use join::{join, join_lazy, join3, join4};
pub use pool::Pool;
pub use registry::stats::Stats;
pub use scope::{Scope, scope};
pub use sys::prepare;
pub use worker::wait::blocking;

/// Internals for the loom models.
#[cfg(loom)]
pub mod model {
    pub use crate::{
        job::remote::RemoteChildren,
        join::{
            deque::{Deque, Owner, Position, SlowPush, Steal},
            stack_job::StackJobState,
        },
        registry::sleep::{Queues, Searching, Sleep},
        scope::count::{CountWatch, LocalCount, SharedCount},
        sys::{Full, Light, heavy},
    };
}
