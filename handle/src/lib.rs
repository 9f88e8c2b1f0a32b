//! The ground floor: how the result of spawned work reaches the one who waits for it.
//!
//! Brigade has three executors, and none of them knows another. What they share is this crate: each hands out a
//! [`JoinHandle<T>`], which is both a `Future` (await it on any executor, ours or not) and blocking
//! ([`JoinHandle::join`]). So an async task awaits a pool job or a process call directly.
//!
//! # Nouns
//!
//! * [`Slot<T>`]: the result cell. One side completes it, one side takes what is in it.
//! * [`Signal`]: how far the two sides are. Read `signal.rs` first: its header is the protocol, and no wake-up can be lost by it.
//! * [`JoinHandle<T>`]: the waiting side. Dropping it *detaches*: the work goes on, its result is dropped.
//! * [`CancelHandle`]: ends the work early, and has nothing to do with its result.
//! * [`Rendezvous<T>`]: what an executor's allocation offers to be joined: its signal, where the result is, how to cancel, how to help.
//! * [`pair`] and [`Completer<T>`]: a slot in an allocation of its own, for executors that need no more.
//! * [`as_completed`] and [`wait_for`]: waiting for several handles.
//! * [`JoinError`]: why there is no result: [`Panicked`](JoinError::Panicked), [`Cancelled`](JoinError::Cancelled) or
//!   [`Lost`](JoinError::Lost).
//! * [`budget`]: how many operations a task may complete in one poll; awaiting a handle that is ready is one of them.
//! * [`wait`]: what blocking means on this thread: park, help, or refuse. The owner of a thread sets the policy.
//! * [`fork`]: whether this is still the process that made something.
//!
//! # One worked example
//!
//! ```
//! let (completer, handle) = brigade_handle::pair::<u32>();
//! std::thread::spawn(move || completer.complete(Ok(6 * 7)));
//! assert_eq!(handle.join().unwrap(), 42);
//! ```
//!
//! # Where the words come from
//!
//! *Cancel* asks the work to end early and is answered by [`JoinError::Cancelled`]; *detach* lets it run unobserved;
//! *shutdown* is an executor's word, not a handle's. The three are never synonyms.

pub mod budget;
// Unsafe: as `join_handle`.
#[allow(unsafe_code)]
mod cancel_handle;
mod error;
mod forget;
pub mod fork;
// Unsafe: owns a reference to an executor's allocation through a raw pointer and its release function.
#[allow(unsafe_code)]
mod join_handle;
// Unsafe: as `join_handle`.
#[allow(unsafe_code)]
mod pair;
mod parker;
// Unsafe: the waker is a cell guarded by the state byte.
#[allow(unsafe_code)]
mod signal;
// Unsafe: the value is a cell guarded by the signal.
#[allow(unsafe_code)]
mod slot;
// Only the tests of the documentation look at it.
#[cfg(doctest)]
mod soundness;
mod sync;
pub mod wait;
mod wait_for;

pub use cancel_handle::{CancelHandle, CancelVerbs};
pub use error::{JoinError, Lost, RemotePanic, panic_message};
pub use forget::{contain, forget_panic};
pub use join_handle::{Counted, JoinHandle, Release, Rendezvous};
pub use pair::{Completer, pair, pair_with};
pub use signal::{Heir, Signal};
pub use slot::{Place, Slot};
pub use wait_for::{AsCompleted, Until, Waited, as_completed, wait_for};
