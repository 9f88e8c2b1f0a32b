//! Every interleaving on demand: runs the production executors of Brigade under an oracle that makes every
//! choice, in virtual time, and shrinks a failure to the shortest schedule.
//!
//! A test that fails once in ten thousand runs depends on which thread goes on when. This crate runs the
//! checked code many times, each time under another *schedule*. The worker, steal, park, wake and timer code
//! is that of [`runtime`] and [`pool`], with one seam: its threads pass a baton at choice points, and an
//! oracle decides which one gets it.
//!
//! ```
//! use brigade_explore::{Explore, Verdict, runtime::{self, sync::Mutex}};
//! use std::sync::Arc;
//!
//! // Two tasks take two locks, in two orders.
//! let verdict = Explore::new().workers(2).explore(|| async {
//!     let locks = Arc::new((Mutex::new(()), Mutex::new(())));
//!     let theirs = locks.clone();
//!     let one = runtime::spawn(async move {
//!         let _first = theirs.0.lock().await;
//!         let _second = theirs.1.lock().await;
//!     });
//!     let two = runtime::spawn(async move {
//!         let _second = locks.1.lock().await;
//!         let _first = locks.0.lock().await;
//!     });
//!     one.await.unwrap();
//!     two.await.unwrap();
//! });
//! let Verdict::Failed(failed) = verdict else { panic!("it gets stuck under some schedules") };
//! // One preemption is enough: between the locks of the first task.
//! assert_eq!(failed.schedule.deviations().len(), 1);
//! println!("{failed}");
//! ```
//!
//! In a test, [`Explore::check`] panics with a report: what failed, the shortest schedule, the threads of
//! its run as lanes side by side, and a command that replays it. If the variable `BRIGADE_TRACE` names a
//! file, such as `soup.html`, the run is written there as a timeline.
//!
//! # Nouns
//!
//! * A **choice point** is a place at which a run can go on in several ways: another thread goes on, another
//!   victim is looked at first, a park ends for no reason (`handle/src/explore/choice.rs` lists them).
//! * A **deviation** is a choice that differs from what would happen anyway. A [`Schedule`] is a list of
//!   them, such as `w1.steal.3=2 root.preempt.1=1`. The empty list is the usual schedule.
//! * A **child** is a process that makes the runs, one after the other. A run that fails leaves threads
//!   parked for ever, so its child ends with it.
//! * A **story** is what the threads of one run did, in order.
//!
//! # How it searches and shrinks
//!
//! First the usual schedule runs twice, and both runs must be the same. Then all schedules with one
//! deviation run, then all with two, as far as the budget goes. The rest of the budget goes to schedules by
//! chance. A verdict says what was covered ([`Coverage`]). A failure is shrunk: deviations are left out as
//! long as the run fails in the same way (`search.rs`, `shrink.rs`).
//!
//! A panic of a thread, a task or a job fails the run unless its handle is joined or awaited: a handle that
//! is dropped tells nobody. If a pool has a panic handler, the panic of a job without a handle goes there,
//! and does not fail the run.
//!
//! Failures are the same if they have one class and one set of places. A run that gets stuck is made once
//! more with all waits watched, and classified by its wait-for graph: a deadlock, a futurelock, a join on
//! itself, a lost wake-up (`stuck.rs`).
//!
//! # Code that can be checked
//!
//! Write the code against [`runtime`] and [`pool`]: they are the sources of `brigade-runtime` and
//! `brigade-pool`, built with the seam. A crate that names the originals can be checked without a change if
//! its tests name these instead:
//!
//! ```text
//! #[cfg(test)]
//! extern crate brigade_runtime_explored as brigade_runtime;
//! ```
//!
//! Threads, locks and atomics of its own come from [`thread`] and [`sync`]. A lock of std is fine as long as
//! no choice point lies under it; otherwise the check says which thread waits outside of the run. A child is
//! forked from the test's process, so the code must not need threads that were started before the check.
//!
//! # Sockets, files, children
//!
//! The sockets and pipes of [`runtime::net`] and [`runtime::io`] can be used as they are. Within a run they
//! lie in memory; the reactor above them is the production code. The oracle chooses when bytes, connections
//! and datagrams arrive, how much a read or a write takes, which datagram comes first, and which socket is
//! reported as ready first. A program that bears a bad network asks for it: [`net::Faults`] adds resets,
//! losses, duplicates and stalls.
//!
//! ```
//! use brigade_explore::{Explore, Verdict, runtime::net::UdpSocket};
//!
//! // Two datagrams, and the belief that they keep their order.
//! let verdict = Explore::new().coarse().explore(|| async {
//!     let cook = UdpSocket::bind("127.0.0.1:0").await.unwrap();
//!     let waiter = UdpSocket::bind("127.0.0.1:7").await.unwrap();
//!     cook.send_to(b"1", "127.0.0.1:7").await.unwrap();
//!     cook.send_to(b"2", "127.0.0.1:7").await.unwrap();
//!     let mut first = [0];
//!     waiter.recv(&mut first).await.unwrap();
//!     assert_eq!(&first, b"1");
//! });
//! let Verdict::Failed(failed) = verdict else { panic!("under some schedules the second comes first") };
//! assert_eq!(failed.schedule.deviations().len(), 1);
//! ```
//!
//! | simulated | differences from Linux |
//! |---|---|
//! | `TcpListener`, `TcpStream` | every address is local; 64 KiB are under way at most; options do nothing |
//! | `UdpSocket` | no broadcast, no multicast; `ttl` and `broadcast` are refused |
//! | `UnixListener`, `UnixStream`, `UnixDatagram` | a path is a name only: no file is made |
//! | `io::pipe` | – |
//! | `AsyncFd` | of simulated sockets, such as those of [`mio`] |
//! | `fs` | one tree for each run, empty but for `/tmp`; no links, no listings; metadata has real times |
//!
//! Errors and panics that name the call refuse the rest: sockets and descriptors of the operating system
//! (`from_std`, `AsyncFd`), `into_std` and `as_fd` of simulated sockets, child processes, signals, links and
//! listings of folders, host names other than `localhost`. A call of std, such as `std::fs::read`, reaches
//! the operating system: what it changes is there in the next run.
//!
//! A reactor of your own can be checked too: [`mio`] has the interface of the crate of that name.
//!
//! Calls into child processes are replied to by a script, or as the oracle chooses: [`children`] has a pool
//! with the methods of the process pool, whose children answer, answer late, or die.
//!
//! # Limits
//!
//! Runs are sequentially consistent, and switch threads at choice points only. Orders that a weak memory
//! allows are for loom, which models the lock-free parts of each crate. Data races are for the sanitizers.

pub mod bugs;
mod child;
pub mod children;
mod explore;
mod harness;
mod lanes;
mod oracle;
mod outcome;
mod report;
mod schedule;
mod search;
mod server;
mod shrink;
mod step;
mod story;
mod stuck;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
mod view;

pub use brigade_handle as handle;
pub use brigade_handle::explore::{sync, thread};
pub use brigade_pool as pool;
pub use brigade_runtime as runtime;
pub use explore::{Explore, Verdict};
pub use harness::{fail, remark};
pub use mio::{self, simulated as net};
pub use outcome::{Class, Failure};
pub use report::Failed;
pub use schedule::{Deviation, Key, NoSchedule, Schedule};
pub use search::Coverage;
pub use shrink::Shortness;
pub use step::{Ahead, Course, Moment, Stepper, ThreadMoment, Way};
