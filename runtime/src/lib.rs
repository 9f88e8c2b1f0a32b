//! An async runtime: two executors on one task type, a reactor, timers, and what programs need to use them.
//!
//! # Nouns
//!
//! * **task**: a spawned future, in one allocation. `task/mod.rs` is its protocol.
//! * **executor**: runs tasks. `local/core.rs` is the one without threads of its own, `worker.rs` the work-stealing one.
//! * **driver**: what an executor sleeps in: the **reactor** (which descriptors are ready) and the **timers** (a wheel for
//!   each worker).
//! * **source**: what the reactor knows of a descriptor. **Interest** is what was asked, **readiness** what was observed.
//! * [`Runtime`]: the owner of an executor. [`run`] makes one for one future.
//!
//! # Verbs
//!
//! [`spawn`] starts a task; [`task_group`] and [`JoinSet`] look after several. [`gather`], [`as_completed`], [`race`] and [`select`] await
//! several futures inside one task. [`sleep`], [`interval`] and [`timeout`] deal in time,
//! [`yield_now`] lets others run, [`spawn_blocking`] takes work that blocks to a thread pool, [`generator`] makes a stream
//! of what an async function yields. [`sync`] has what tasks wait for together.
//!
//! [`net`] has sockets and names, [`io`] pipes, the standard streams and any other descriptor, [`fs`] files, [`command`]
//! child processes, [`signal`] signals. Bytes go by the traits of `futures-io`; the features `hyper` and `tokio-io` add
//! those of hyper and tokio.
//!
//! # One worked example
//!
//! ```
//! use brigade_runtime::{gather, run, sleep};
//! use std::time::Duration;
//!
//! async fn say_hello(name: &str, after: u64) -> String {
//!     sleep(Duration::from_millis(after)).await;
//!     format!("hello {name}")
//! }
//!
//! // Both wait at the same time, on one thread.
//! let greetings = run(async { gather([say_hello("Ada", 2), say_hello("Alan", 1)]).await });
//! assert_eq!(greetings, ["hello Ada", "hello Alan"]);
//! ```
//!
//! Reading order: `block_on` (how a future becomes a value), `task/mod` and `task/state`, `local`, `reactor` and `source`,
//! `time/wheel`, then `worker`, `queue` and `idle`.

mod as_completed;
mod block_on;
mod blocking;
mod builder;
mod choose;
mod clock;
pub mod command;
// Unsafe: where a thread stands is a pointer, which a guard keeps alive.
#[allow(unsafe_code)]
mod context;
mod crowd;
mod driver;
mod ending;
pub mod fs;
mod gather;
mod generator;
mod group;
#[cfg(feature = "hyper")]
pub mod hyper;
mod idle;
mod injector;
pub mod io;
mod join_set;
mod local;
#[cfg(loom)]
mod model;
mod multi;
pub mod net;
mod owned;
mod parker;
// Unsafe: slots hold tasks as pointers, which whoever moves the head has taken.
#[allow(unsafe_code)]
mod queue;
mod race;
mod reactor;
mod registered;
mod roll;
mod runtime;
mod scheduler;
// Unsafe: gives borrowing futures a lifetime that they do not have, and sees to it that they end in time.
#[allow(unsafe_code)]
mod scope;
mod shield;
mod shim;
pub mod signal;
mod slab;
mod source;
mod spawn;
pub mod sync;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
mod task;
mod task_local;
mod time;
#[cfg(feature = "tokio-io")]
pub mod tokio_io;
mod worker;
mod yield_now;

pub use as_completed::{AsCompleted, as_completed, wait_for};
pub use block_on::run;
pub use blocking::spawn_blocking;
pub use brigade_handle::{CancelHandle, JoinError, JoinHandle, Until, Waited};
pub use builder::Builder;
pub use gather::gather;
pub use generator::{Generator, Next, Yield, Yielder, generator, next};
pub use group::{TaskGroup, task_group, try_task_group};
pub use join_set::{JoinNext, JoinSet};
pub use race::{Either, Racers, race, select};
pub use runtime::Runtime;
pub use scope::Scope;
pub use shield::{Shield, shield};
pub use spawn::{Named, named, spawn, spawn_local, spawn_named, task_name};
pub use task_local::{Scoped, TaskLocal};
pub use time::{
    Elapsed, Interval, MissedTicks, Sleep, Timeout, interval, interval_at, now, sleep, sleep_until, timeout,
    timeout_at,
};
pub use yield_now::{YieldNow, yield_now};

use brigade_handle::{contain, wait::Policy};
use brigade_trace::{Cause, because};
use std::task::Waker;

/// What blocking means on a thread that polls tasks.
const FORBID: Policy = Policy::Forbid(
    "it runs async tasks, which would all wait with it; use `.await`, or take the blocking call to `spawn_blocking`",
);

/// Wakes all, because of `cause`. A waker of another executor may panic, which is none of ours.
fn wake_all(cause: Cause, wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        contain(|| because(cause, || waker.wake()));
    }
}
