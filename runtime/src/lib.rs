//! An async runtime written to be read: two executors for one kind of task, a reactor, timers, and the tools
//! that async programs need.
//!
//! # Nouns
//!
//! * **task**: a spawned future, in one allocation. `task/mod.rs` is its protocol.
//! * **executor**: runs tasks. `executor/current_thread/core.rs` runs them on one thread,
//!   `executor/multi_thread/worker.rs` on several that steal from one another.
//! * **driver**: an executor sleeps in it. It holds the **reactor**, which asks the operating system which
//!   descriptors are ready, and the **timers**, a wheel for each worker.
//! * **source**: what the reactor knows of one descriptor. **Interest** is what was asked for, **readiness**
//!   is what was observed.
//! * [`Runtime`]: the owner of an executor. [`run`] makes one for one future. A [`Handle`] refers to one,
//!   from any thread.
//!
//! # Verbs
//!
//! [`spawn`] starts a task; [`task_group`] and [`JoinSet`] look after several. [`gather`], [`as_completed`],
//! [`race`] and [`select`] await several futures inside one task. [`sleep`], [`interval`], [`timeout`] and
//! [`retry`] use the timers. [`yield_now`] lets other tasks run, and [`unconstrained`] does not.
//! [`spawn_blocking`] takes blocking work to a thread pool. [`generator`] makes a stream from an async
//! function. [`sync`] has channels, locks and the like.
//!
//! [`net`] has sockets and name look-ups, [`io`] pipes, the standard streams and other descriptors, [`fs`]
//! files, [`command`] child processes, and [`signal`] signals. They use the I/O traits of `futures-io`; the
//! features `hyper` and `tokio-io` add those of hyper and tokio, and `hyper-client` what hyper-util's pooled
//! client asks for.
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
//! # From tokio
//!
//! | tokio | here |
//! |---|---|
//! | `#[tokio::main]` | [`run`]`(async { … })` in an ordinary `main`; in a `#[test]` likewise |
//! | `tokio::runtime::Runtime::block_on` | [`Runtime::block_on`] |
//! | `tokio::runtime::Builder::new_multi_thread` | [`Runtime::multi_thread`], [`Runtime::builder`] |
//! | `tokio::runtime::Builder::new_current_thread` | [`Runtime::current_thread`] |
//! | `tokio::runtime::Runtime::shutdown_background` | [`Runtime::shutdown_background`] |
//! | `tokio::runtime::Handle` | [`Handle`], from [`Runtime::handle`] or [`Handle::current`] |
//! | `tokio::runtime::Runtime::enter` | [`Runtime::enter`], [`Handle::enter`] |
//! | `tokio::spawn` | [`spawn`] |
//! | `tokio::task::spawn_local` | [`spawn_local`], which needs no `LocalSet` |
//! | `tokio::task::spawn_blocking` | [`spawn_blocking`]; [`brigade_pool::spawn`] for what computes |
//! | `tokio::task::JoinHandle::abort` | [`JoinHandle::cancel`] |
//! | `tokio::task::AbortHandle` | [`CancelHandle`] |
//! | `tokio::task::JoinSet` | [`JoinSet`]; [`task_group`] if no task is to outlive a block |
//! | `tokio::task::yield_now` | [`yield_now`] |
//! | `tokio::task::unconstrained` | [`unconstrained`] |
//! | `tokio::task_local!` | [`TaskLocal`], a `static` |
//! | `tokio::join!` | [`gather`] |
//! | `tokio::select!` | [`race`] or [`select`] |
//! | `tokio::time::sleep` | [`sleep`] |
//! | `tokio::time::interval` | [`interval`] |
//! | `tokio::time::timeout` | [`timeout`] |
//! | `tokio_retry::Retry` | [`retry`], [`retry_if`] with an [`ExponentialBackoff`] |
//! | `tokio::time::Instant::now` | [`now`], a `std::time::Instant` |
//! | `tokio::time::pause` | [`Builder::paused_clock`] |
//! | `tokio::sync::mpsc` | [`sync::mpsc`] |
//! | `tokio::sync::mpsc::unbounded_channel` | [`sync::mpsc::unbounded`] |
//! | `tokio::sync::oneshot` | [`sync::oneshot`] |
//! | `tokio::sync::broadcast` | [`sync::broadcast`] |
//! | `tokio::sync::watch` | [`sync::watch`] |
//! | `tokio::sync::Mutex` | [`sync::Mutex`] |
//! | `tokio::sync::RwLock` | [`sync::RwLock`] |
//! | `tokio::sync::Semaphore` | [`sync::Semaphore`] |
//! | `tokio::sync::Notify` | [`sync::Notify`] |
//! | `tokio::sync::Barrier` | [`sync::Barrier`], which can break as Python's does |
//! | `tokio::sync::OnceCell` | [`sync::OnceCell`] |
//! | `tokio::net::TcpStream` | [`net::TcpStream`] |
//! | `tokio::net::TcpListener` | [`net::TcpListener`] |
//! | `tokio::net::UdpSocket` | [`net::UdpSocket`] |
//! | `tokio::net::UnixStream` | [`net::unix::UnixStream`] |
//! | `tokio::net::lookup_host` | [`net::lookup_host`] |
//! | `tokio::net::ToSocketAddrs` | [`net::ToAddresses`] |
//! | `tokio::io::AsyncRead` | `futures_io::AsyncRead`; with the feature `tokio-io` tokio's trait, too |
//! | `tokio::io::copy_bidirectional` | [`io::copy_bidirectional`] |
//! | `tokio::io::unix::AsyncFd` | [`io::AsyncFd`] |
//! | `tokio::io::stdin` | [`io::stdin`] |
//! | `tokio::fs` | [`fs`] |
//! | `tokio::process::Command` | [`command::Command`] |
//! | `tokio::signal::ctrl_c` | [`signal::ctrl_c`] |
//!
//! To read the code, follow `docs/reading.md`: days 1 to 5 lead through this crate.

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

pub use brigade_handle::{CancelHandle, Id, JoinError, JoinHandle, Subject, Until, Waited};
pub use combine::{
    as_completed::{AsCompleted, as_completed, wait_for, wait_for_timeout},
    gather::gather,
    generator::{Generator, Yield, Yielder, generator},
    next::{Next, next},
    race::{Either, Race, Racers, race, select},
    shield::{Shield, shield},
    unconstrained::unconstrained,
    yield_now::{YieldNow, yield_now},
};
#[cfg(feature = "hyper")]
pub use compat::hyper;
#[cfg(feature = "tokio-io")]
pub use compat::tokio_io;
pub use executor::{
    blocking::spawn_blocking,
    builder::Builder,
    handle::{EnterGuard, Handle},
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
    Elapsed, ExponentialBackoff, Interval, MissedTicks, Sleep, Timeout, interval, interval_at, now, retry,
    retry_if, sleep, sleep_until, timeout, timeout_at,
};
