//! The ground floor: how the result of spawned work reaches the code that waits for it.
//!
//! Brigade has three executors, and none of them knows another. They share this crate: each executor
//! returns a [`JoinHandle<T>`], which is both a `Future` (await it on any executor, ours or not) and
//! blocking ([`JoinHandle::join`]). So an async task awaits a pool job or a process call directly.
//!
//! # Nouns
//!
//! * [`Slot<T>`]: the result cell. One side completes it, and one side takes the result.
//! * [`Signal`]: the state of the two sides. Read `signal.rs` first: its header states the protocol, and
//!   why it loses no wake-up.
//! * [`JoinHandle<T>`]: the waiting side. Dropping it *detaches*: the work goes on, and its result is
//!   dropped.
//! * [`CancelHandle`]: ends the work early, and has nothing to do with its result.
//! * [`Rendezvous<T>`]: what an executor's allocation offers a joiner: its signal, the place of the
//!   result, how to cancel, how to help.
//! * [`pair`] and [`Completer<T>`]: a slot in an allocation of its own, for executors that need no more.
//! * [`as_completed`] and [`wait_for`]: waiting for several handles.
//! * [`clock`]: the one module that reads the time of the operating system.
//! * [`JoinError`]: why there is no result: [`Panicked`](JoinError::Panicked),
//!   [`Cancelled`](JoinError::Cancelled) or [`Lost`](JoinError::Lost).
//! * [`Id`] and [`Subject`]: which work an error is about, by the number that a trace shows.
//! * [`budget`]: how many operations a task may complete in one poll; awaiting a finished handle is one
//!   of them.
//! * [`wait`]: what blocking means on this thread: park, help, or refuse. The owner of a thread sets the
//!   policy.
//! * [`linger`]: whether a thread that waits should stay awake, because its wake-up comes soon.
//! * [`observe`]: the switch of the trace, which lies above this crate.
//! * [`fork`]: whether this is still the process that made something.
//!
//! `docs/reading.md` names the files to read, in order: day 1 leads through this crate.
//!
//! # One worked example
//!
//! ```
//! let (completer, handle) = brigade_handle::pair::<u32>();
//! std::thread::spawn(move || completer.complete(Ok(6 * 7)));
//! assert_eq!(handle.join().unwrap(), 42);
//! ```
//!
//! # From elsewhere
//!
//! | elsewhere | here |
//! |---|---|
//! | `std::thread::JoinHandle::join` | [`JoinHandle::join`]; an error also says "cancelled" and "lost" |
//! | `tokio::task::JoinHandle::abort` | [`JoinHandle::cancel`] |
//! | `tokio::task::JoinHandle::id` | [`JoinHandle::id`], while a trace records |
//! | `tokio::task::JoinError::id` | [`JoinError::id`], [`JoinError::subject`] |
//! | `tokio::task::AbortHandle` | [`CancelHandle`] |
//! | `tokio::sync::oneshot::channel` | [`pair`], if the receiver is to be a handle |
//! | `concurrent.futures.Future.result()` | [`JoinHandle::join`] |
//! | `concurrent.futures.Future.done()` | [`JoinHandle::is_finished`] |
//! | `concurrent.futures.as_completed(futures)` | [`as_completed`] |
//! | `concurrent.futures.wait(futures)` | [`wait_for`] |
//!
//! # Three words
//!
//! *Cancel* asks the work to end early, and [`JoinError::Cancelled`] answers it. *Detach* lets the work
//! run unobserved. *Shut down* is a word for executors, not for handles. The three are never synonyms.

mod as_completed;
pub mod budget;
// Unsafe: as `join_handle`.
#[allow(unsafe_code)]
mod cancel_handle;
pub mod clock;
mod error;
#[cfg(feature = "explore")]
pub mod explore;
mod forget;
pub mod fork;
mod identity;
mod join_by;
// Unsafe: owns a reference to an executor's allocation through a raw pointer and its release function.
#[allow(unsafe_code)]
mod join_handle;
pub mod linger;
mod lost;
pub mod observe;
// Unsafe: the state byte guards the waker's cell.
#[allow(unsafe_code)]
mod pair;
mod parker;
// Unsafe: as `join_handle`.
#[allow(unsafe_code)]
mod rendezvous;
// Unsafe: the signal guards the value's cell.
#[allow(unsafe_code)]
mod signal;
// Only documentation tests compile this module.
#[allow(unsafe_code)]
mod slot;
// Only the tests of the documentation look at it.
#[cfg(doctest)]
mod soundness;
mod sync;
// Unsafe: system calls.
#[allow(unsafe_code)]
mod sys;
pub mod wait;
mod wait_for;

pub use as_completed::{AsCompleted, as_completed};
pub use cancel_handle::{CancelHandle, CancelVerbs, Look};
pub use error::{JoinError, RemotePanic, panic_message, refused_thread};
pub use forget::{contain, forget_panic, note_unseen};
pub use identity::{Domain, Id, Subject};
pub use join_handle::JoinHandle;
pub use lost::{CommandEnd, Lost};
pub use pair::{Completer, pair, pair_of, pair_with};
pub use rendezvous::{Counted, Release, Rendezvous};
pub use signal::{Heir, Signal};
pub use slot::{Place, Slot, drop_unseen};
pub use wait_for::{Until, Waited, wait_for, wait_for_timeout};
