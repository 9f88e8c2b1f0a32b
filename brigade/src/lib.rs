//! Three executors behind one crate: async tasks, jobs on all cores, and calls into child processes. All
//! three give you a [`JoinHandle`], which you can await in a task and join on a thread.
//!
//! # Which of the three
//!
//! | your program | take | because |
//! |---|---|---|
//! | waits: for sockets, timers, files, programs | [`runtime`] | a task that waits takes no thread |
//! | computes on data in memory | [`pool`] | one thread a core; jobs borrow your data, and copy nothing |
//! | runs code that may crash, leak or hang | [`process`] | a child can be killed, limited and replaced |
//!
//! A program may use all of them. `brigade decide -- COMMAND` of the demos measures which way fits a command
//! of yours.
//!
//! # Waiting: `runtime`
//!
//! ```
//! use brigade::runtime::{gather, run, sleep};
//! use std::time::Duration;
//!
//! async fn order(dish: &str, ms: u64) -> String {
//!     sleep(Duration::from_millis(ms)).await;
//!     format!("{dish} is ready")
//! }
//!
//! // Both wait at the same time, on this one thread.
//! let dishes = run(gather([order("soup", 2), order("salad", 1)]));
//! assert_eq!(dishes, ["soup is ready", "salad is ready"]);
//! ```
//!
//! [`run`](runtime::run) makes a runtime for one future; [`Runtime`](runtime::Runtime) is one to keep, on
//! this thread or on several. Beginners need [`spawn`](runtime::spawn), [`gather`](runtime::gather),
//! [`timeout`](runtime::timeout), [`net`](runtime::net) and [`sync`](runtime::sync).
//!
//! # Computing: `pool`
//!
//! ```
//! use brigade::pool;
//!
//! fn fib(n: u64) -> u64 {
//!     if n < 2 {
//!         return n;
//!     }
//!     let (a, b) = pool::join(|| fib(n - 1), || fib(n - 2));
//!     a + b
//! }
//! assert_eq!(fib(20), 6765);
//!
//! let mut numbers = [1, 2, 3, 4];
//! pool::for_each(&mut numbers, |n| *n *= *n);
//! assert_eq!(numbers, [1, 4, 9, 16]);
//! ```
//!
//! The functions use a pool with a thread a core, made when it is first needed. A [`Pool`](pool::Pool) is
//! one of your own. Beginners need [`join`](fn@pool::join), [`scope`](fn@pool::scope),
//! [`spawn`](pool::spawn), [`for_each`](pool::for_each) and [`map_reduce`](pool::map_reduce).
//!
//! # Code that may crash: `process`
//!
//! ```
//! use brigade::process::{self, ProcessPool};
//!
//! // The first line of `main`: a worker is this program, started again.
//! process::init();
//! let procs = ProcessPool::new(2)?;
//! let product = procs.spawn(|n: u64| (1..=n).product::<u64>(), 20);
//! // The worker ends in the middle of this call. It is replaced, and no other call notices.
//! let crash = procs.spawn(|_: ()| -> u8 { std::process::exit(1) }, ());
//! assert_eq!(product.join().unwrap(), 2_432_902_008_176_640_000);
//! assert!(crash.join().is_err());
//! # std::io::Result::Ok(())
//! ```
//!
//! A call is a function that captures nothing, with an argument and a result that serde can encode.
//! [`ProcessPool::builder`](process::ProcessPool::builder) sets limits;
//! [`ProcessPool::call`](process::ProcessPool::call) gives one call a timeout and retries.
//!
//! # All three
//!
//! A task can await a job and a call, because a handle does not say who works for it:
//!
//! ```
//! use brigade::prelude::*;
//!
//! process::init();
//! let procs = ProcessPool::new(1)?;
//! let total = run(async {
//!     let job = pool::spawn(|| (1..=10).sum::<u64>());
//!     let call = procs.spawn(|n: u64| n * n, 5);
//!     job.await.unwrap() + call.await.unwrap()
//! });
//! assert_eq!(total, 80);
//! # std::io::Result::Ok(())
//! ```
//!
//! # Watching it run
//!
//! Every program that uses Brigade can be recorded, without a line of code:
//!
//! ```text
//! BRIGADE_TRACE=soup.html ./program
//! ```
//!
//! The page shows all tasks, jobs and calls, what each waited for, and who held it. [`trace::record_to`]
//! records from a line of the program on.
//!
//! # From Python
//!
//! | Python | here |
//! |---|---|
//! | `asyncio.run(main())` | [`runtime::run`]`(main())` |
//! | `asyncio.create_task(f())` | [`runtime::spawn`]`(f())` |
//! | `await task` | `handle.await`, a `Result` that says why there is no value |
//! | `asyncio.gather(*futures)` | [`runtime::gather`]`(futures)` |
//! | `async with asyncio.TaskGroup() as group:` | [`runtime::task_group`]`(async \|group\| …)` |
//! | `asyncio.wait_for(f, 3)` | [`runtime::timeout`]`(Duration::from_secs(3), f)` |
//! | `asyncio.Queue(n)` | [`runtime::sync::Queue::bounded`]`(n)` |
//! | `asyncio.to_thread(f)` | [`runtime::spawn_blocking`]`(f)` |
//! | `threading.Thread(target=f).start()` | [`pool::spawn`]`(f)`: a job on a thread of the pool |
//! | `threading.Lock()` | [`pool::lock::Lock::new`]: it tells you of a deadlock |
//! | `queue.Queue(n)` | [`pool::queue::Queue::bounded`]`(n)` |
//! | `ThreadPoolExecutor(max_workers=2)` | [`pool::Pool::builder`]`().threads(2).build()` |
//! | `executor.map(f, inputs)` | [`pool.map(f, inputs)`](pool::Pool::map) |
//! | `future.result()` | [`handle.join()`](JoinHandle::join) |
//! | `multiprocessing.Pool(5)` | [`process::ProcessPool::new`]`(5)` |
//! | `if __name__ == "__main__":` | [`process::init`]`()` as the first line of `main` |
//! | `pool.imap_unordered(f, inputs)` | [`process::ProcessPool::imap_unordered`] |
//!
//! `docs/from-python.md` of the repository has all names. The pages of [`runtime`], [`pool`] and [`process`]
//! have tables for those who come from tokio, rayon and multiprocessing.
//!
//! # Features
//!
//! | feature | adds | on by default |
//! |---|---|---|
//! | `runtime` | [`runtime`] | yes |
//! | `pool` | [`pool`] | yes |
//! | `process` | [`process`] | yes |
//! | `trace` | [`trace`]: what the executors did, when and why | yes |
//! | `timeline` | [`timeline`]: recordings as pages and text, also for `BRIGADE_TRACE` | yes |
//! | `hyper` | hyper's traits, so that its clients and servers run here | |
//! | `hyper-client` | a connector for hyper-util's pooled client | |
//! | `tokio-io` | tokio's I/O traits, so that crates made for them run here | |
//!
//! With one executor alone: `brigade = { …, default-features = false, features = ["pool"] }`.

#[doc(inline)]
pub use brigade_handle as handle;
pub use brigade_handle::{CancelHandle, Id, JoinError, JoinHandle, Lost, RemotePanic, Subject};
#[cfg(feature = "pool")]
#[doc(inline)]
pub use brigade_pool as pool;
#[cfg(feature = "process")]
#[doc(inline)]
pub use brigade_process as process;
#[cfg(feature = "runtime")]
#[doc(inline)]
pub use brigade_runtime as runtime;
#[cfg(feature = "timeline")]
#[doc(inline)]
pub use brigade_timeline as timeline;
#[cfg(feature = "trace")]
#[doc(inline)]
pub use brigade_trace as trace;

/// The names that most programs need. The modules come along, because `runtime::spawn` and `pool::spawn`
/// are different things: write those with their module.
///
/// ```
/// use brigade::prelude::*;
///
/// let pool = Pool::builder().threads(2).build()?;
/// let squares = run(async {
///     let jobs = [1, 2, 3].map(|n| pool.spawn(move || n * n));
///     runtime::gather(jobs).await
/// });
/// let squares: Result<Vec<i32>, JoinError> = squares.into_iter().collect();
/// assert_eq!(squares.unwrap(), [1, 4, 9]);
/// # std::io::Result::Ok(())
/// ```
pub mod prelude {
    #[cfg(feature = "pool")]
    pub use crate::pool::{self, Pool};
    #[cfg(feature = "process")]
    pub use crate::process::{self, ProcessPool};
    #[cfg(feature = "runtime")]
    pub use crate::runtime::{self, Runtime, run};
    #[cfg(feature = "trace")]
    pub use crate::trace;
    pub use crate::{JoinError, JoinHandle};
}
