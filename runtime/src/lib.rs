//! An async runtime: two executors on one task type, a reactor, timers, and what programs need to use them.
//!
//! # Nouns
//!
//! * **task**: a spawned future, in one allocation. `task/mod.rs` is its protocol.
//! * **executor**: runs tasks. `executor/current_thread/core.rs` is the one without threads of its own, `executor/multi_thread/worker.rs` the work-stealing one.
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
//! Reading order: `executor/block_on` (how a future becomes a value), `task/mod` and `task/state`,
//! `executor/current_thread`, `driver/reactor` and `driver/source`, `time/wheel`, then `worker`, `run_queue` and `idle` in
//! `executor/multi_thread`.

mod combine;
pub mod command;
mod compat;
mod driver;
mod executor;
pub mod fs;
mod group;
pub mod io;
#[cfg(loom)]
mod model;
pub mod net;
mod run;
mod shim;
pub mod signal;
pub mod sync;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
mod task;
mod time;

pub use brigade_handle::{CancelHandle, JoinError, JoinHandle, Until, Waited};
pub use combine::{
    as_completed::{AsCompleted, as_completed, wait_for},
    gather::gather,
    generator::{Generator, Yield, Yielder, generator},
    next::{Next, next},
    race::{Either, Racers, race, select},
    shield::{Shield, shield},
    yield_now::{YieldNow, yield_now},
};
#[cfg(feature = "hyper")]
pub use compat::hyper;
#[cfg(feature = "tokio-io")]
pub use compat::tokio_io;
pub use executor::{
    blocking::spawn_blocking,
    builder::Builder,
    runtime::Runtime,
    spawn::{Named, named, spawn, spawn_local, spawn_named, task_name},
};
pub use group::{
    join_set::{JoinNext, JoinSet},
    scope::Scope,
    task_group::{TaskGroup, task_group, try_task_group},
};
pub use run::run;
pub use task::task_local::{Scoped, TaskLocal};
pub use time::{
    Elapsed, Interval, MissedTicks, Sleep, Timeout, interval, interval_at, now, sleep, sleep_until, timeout,
    timeout_at,
};
