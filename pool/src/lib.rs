//! A work-stealing thread pool: spawn jobs, join closures, open scopes, map over data.
//!
//! # Nouns
//!
//! * [`Pool`]: some threads and their queues. [`Pool::global`] is the one that the free functions use elsewhere than on a worker.
//! * **job**: a spawned closure, in a queue of crossbeam-deque; its result comes by a [`JoinHandle`]. Read `job.rs` first.
//! * **half**: the second closure of a [`join`], on the stack, in a deque of our own (`deque.rs`).
//! * **worker**: a thread with its seat. `worker.rs` is the loop; it fits a screen.
//! * **crew**: what the workers of a pool share. **bed**: where one sleeps (`sleep.rs` has the proof that it wakes).
//! * **spare**: a thread that stands in for a worker that is blocked inside its job (`spare.rs`).
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
//! # What a waiting worker does
//!
//! It never runs a stranger, which could need a lock that it holds. It runs what it waits for, or a part of that; if
//! there is nothing, it parks, and the pool may use a spare thread meanwhile. So nested parallelism under a mutex finishes,
//! two pools may install into each other, and a pool of one thread finishes everything, as long as no more than 256 of its workers
//! are blocked at a time: so many spare threads it has at most. What a pool cannot see is a job that blocks outside of it, in a channel or
//! a read: say [`blocking`] around that.
//!
//! A worker that joins the handle of a queued job runs it in place, on top of its own stack. So a chain of jobs each of which joins the
//! one before may be some ten thousand links long, and not longer: then let the one before spawn the next.

mod blocking;
mod builder;
// Unsafe: `simd` calls what is compiled for some processors only.
#[allow(unsafe_code)]
mod data;
// Unsafe: a job counts its own references and is called through a table.
#[allow(unsafe_code)]
mod job;
// Unsafe: decides who takes the closure and the result out of a half.
#[allow(unsafe_code)]
mod join;
mod pool;
mod registry;
// Unsafe: children point to a scope on the stack of a thread that waits for them.
#[allow(unsafe_code)]
mod scope;
// Only the tests of the documentation look at it.
#[cfg(doctest)]
mod soundness;
mod sync;
// Unsafe: membarrier is a system call.
#[cfg_attr(not(loom), allow(unreachable_pub))]
#[allow(unsafe_code)]
mod sys;
// Unsafe: says that it is the owner of its halves.
#[allow(unsafe_code)]
mod worker;

pub use blocking::{lock, queue};
pub use brigade_handle::{JoinError, JoinHandle, Until, as_completed, wait_for};
pub use builder::Builder;
pub use data::{for_each, for_each_in, map_reduce, map_reduce_in};
pub use job::spawn::{spawn, spawn_detached, spawn_fifo};
pub use join::{join, join3, join4};
pub use pool::Pool;
pub use registry::stats::Stats;
pub use scope::{Scope, scope};
pub use worker::wait::blocking;

/// What the loom models look at.
#[cfg(loom)]
pub mod model {
    pub use crate::{
        job::remote::RemoteChildren,
        join::{
            deque::{Deque, Owner, Position, SlowPush, Steal},
            stack_job::StackJobState,
        },
        registry::sleep::{Queues, Searching, Sleep},
        scope::count::{LocalCount, SharedCount},
        sys::{Full, Light},
    };
}
